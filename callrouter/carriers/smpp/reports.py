"""From receipts about parts to reports about messages, in the store. A message is delivered when all its parts are."""

from __future__ import annotations

import json

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as insert_once

from callrouter.carriers.smpp.receipts import Receipt
from callrouter.carriers.smpp.store import EARLY, MESSAGES, NEWS, PARTS


def add(connection: Connection, carrier: str, receipt: Receipt, now: float) -> bool:
    """False when no part has this id: the receipt is kept, the answer to the part may still be on its way."""
    part = connection.execute(
        select(PARTS).where(PARTS.c.smsc_id == receipt.message_id).order_by(PARTS.c.at.desc())
    ).first()
    if part is None:
        row = {"smsc_id": receipt.message_id, "status": receipt.status, "error_code": receipt.error_code}
        connection.execute(insert_once(EARLY).on_conflict_do_nothing(), [{**row, "at": now}])
        return False
    if receipt.status == "delivered":
        mine = (PARTS.c.sid == part.sid, PARTS.c.part == part.part)
        connection.execute(update(PARTS).where(*mine).values(delivered=1))
    _report(connection, carrier, part.sid, receipt, now)
    return True


def taken(connection: Connection, carrier: str, sid: str, part: int, smsc_id: str, now: float) -> None:
    """The SMSC has this part, under its id; receipts that came before count now."""
    row = {"sid": sid, "part": part, "smsc_id": smsc_id, "at": now}
    connection.execute(insert_once(PARTS).on_conflict_do_nothing(), [row])
    if not smsc_id:
        return
    early = connection.execute(select(EARLY).where(EARLY.c.smsc_id == smsc_id).order_by(EARLY.c.at)).all()
    connection.execute(delete(EARLY).where(EARLY.c.smsc_id == smsc_id))
    for each in early:
        add(
            connection,
            carrier,
            Receipt(message_id=smsc_id, status=each.status, error_code=each.error_code),
            now,
        )


def _report(connection: Connection, carrier: str, sid: str, receipt: Receipt, now: float) -> None:
    """The report, unless parts are missing or the router was told the same before. It judges contradictions."""
    message = connection.execute(select(MESSAGES).where(MESSAGES.c.sid == sid)).one()
    if receipt.status == "delivered":
        delivered = select(func.count()).where(PARTS.c.sid == sid, PARTS.c.delivered == 1)
        if (connection.execute(delivered).scalar() or 0) < message.parts:
            return
    if message.reported == receipt.status:
        return
    connection.execute(update(MESSAGES).where(MESSAGES.c.sid == sid).values(reported=receipt.status))
    fields = {"event_id": f"{sid}-{receipt.status}", "status": receipt.status}
    if receipt.error_code is not None:
        fields["error_code"] = receipt.error_code  # type: ignore[assignment]
    tell(connection, sid, f"/carriers/{carrier}/messages/{sid}/events", fields, now)


def tell(connection: Connection, lane: str, path: str, fields: object, now: float) -> None:
    """Queues news for the router."""
    connection.execute(insert(NEWS), [{"lane": lane, "path": path, "fields": json.dumps(fields), "at": now}])
