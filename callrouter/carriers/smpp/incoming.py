"""What the SMSC delivers: receipts, and messages of phones. It is told OK when it is stored."""

from __future__ import annotations

import hashlib
import time
import uuid

import structlog
from smpp34 import DeliverSm
from sqlalchemy import ColumnElement, Connection, delete, func, insert, select
from sqlalchemy.exc import SQLAlchemyError

from callrouter.carriers.smpp import receipts, reports
from callrouter.carriers.smpp.addresses import number
from callrouter.carriers.smpp.answers import OK, TEMPORARY
from callrouter.carriers.smpp.courier import Courier
from callrouter.carriers.smpp.receipts import Ids, Receipt
from callrouter.carriers.smpp.segments import Piece, piece
from callrouter.carriers.smpp.store import ARRIVED, NEWS, PIECES
from callrouter.messages.text import MAX
from foundation.db import Database, DatabaseOverloaded

log = structlog.get_logger(__name__)

REPEAT_SECONDS = 120.0
"""SMPP gives phones' messages no id. The same one, from the next session, is taken for a repeat for so long."""
MOST_NEWS = 100_000
"""For the router; the SMSC keeps what comes beyond."""
MISSING = 30009
"""Twilio's code of a message that came without some of its parts."""


class Incoming:
    def __init__(
        self, carrier: str, database: Database, courier: Courier, ids: Ids, piece_seconds: float
    ) -> None:
        """`piece_seconds`: how long the other parts of a long message are awaited."""
        self._carrier, self._database, self._courier = carrier, database, courier
        self._ids, self._piece_seconds = ids, piece_seconds

    async def deliver(self, pdu: DeliverSm, session: str) -> int:
        """The command_status for the SMSC: OK once it is stored, or a reason to come again."""
        try:
            if receipts.is_receipt(pdu):
                await self._receipt(receipts.read(pdu))
            else:
                await self._message(pdu, session)
        except (DatabaseOverloaded, SQLAlchemyError) as error:
            log.error("a deliver_sm could not be stored; the SMSC will repeat it", error=str(error))
            return TEMPORARY
        self._courier.poke()
        return OK

    async def give_up(self) -> None:
        """Messages whose parts did not all come in time go to the router as they are."""
        latest = time.time() - self._piece_seconds

        def unit(connection: Connection) -> int:
            late = select(*_GROUP).group_by(*_GROUP).having(func.min(PIECES.c.at) <= latest)
            groups = connection.execute(late).all()
            for group in groups:
                self._join(connection, *group)
            return len(groups)

        if await self._database.commit(unit):
            self._courier.poke()

    async def _receipt(self, said: Receipt) -> None:
        if not said.message_id:
            log.warning("a receipt names no message")
        elif said.status:
            receipt = Receipt(
                message_id=self._ids.of_receipt(said.message_id),
                status=said.status,
                error_code=said.error_code,
            )
            if not await self._database.commit(
                lambda connection: reports.add(connection, self._carrier, receipt, time.time())
            ):
                log.info("a receipt is for no message that is known yet", smsc_id=said.message_id)

    async def _message(self, pdu: DeliverSm, session: str) -> None:
        sender = number(pdu.source_addr, pdu.source_addr_ton)
        recipient = number(pdu.destination_addr, pdu.dest_addr_ton)
        came, now, fresh = piece(pdu), time.time(), uuid.uuid4().hex
        content = repr((sender, recipient, pdu.esm_class, pdu.data_coding, pdu.short_message, came))
        digest = hashlib.sha256(content.encode("utf-8", "backslashreplace")).hexdigest()
        arrival = {"digest": digest, "session": f"{session}{pdu.sequence_number:08x}", "at": now}

        def unit(connection: Connection) -> None:
            self._bound(connection)
            if _repeated(connection, arrival, session, now):
                return
            connection.execute(insert(ARRIVED), [arrival])
            if came.total == 1:
                self._tell(connection, fresh, sender, recipient, came.text, now)
            else:
                self._add(connection, sender, recipient, came, now)

        await self._database.commit(unit)

    def _add(self, connection: Connection, sender: str, recipient: str, came: Piece, now: float) -> None:
        group = (sender, recipient, came.reference, came.total)
        there = list(connection.execute(select(PIECES.c.number).where(*_of(*group))).scalars())
        if came.number in there:  # the sender uses this reference for another message
            self._join(connection, *group)
            there = []
        names = ("sender", "recipient", "reference", "total")
        row = dict(zip(names, group, strict=True)) | {"number": came.number, "text": came.text, "at": now}
        connection.execute(insert(PIECES), [row])
        if len(there) + 1 == came.total:
            self._join(connection, *group)

    def _join(self, connection: Connection, sender: str, recipient: str, reference: int, total: int) -> None:
        group = _of(sender, recipient, reference, total)
        rows = connection.execute(select(PIECES).where(*group).order_by(PIECES.c.number)).all()
        connection.execute(delete(PIECES).where(*group))
        code = None if len(rows) == total else MISSING
        if code:
            log.warning("parts of a phone's message are missing", code=code, came=len(rows), total=total)
        first = min(row.at for row in rows)
        fresh = hashlib.sha256(repr((sender, recipient, reference, total, first)).encode()).hexdigest()
        text = "".join(row.text for row in rows)
        self._tell(connection, fresh, sender, recipient, text, time.time(), code)

    def _tell(
        self,
        connection: Connection,
        id: str,
        sender: str,
        recipient: str,
        text: str,
        now: float,
        code: int | None = None,
    ) -> None:
        """In as many messages as the router's longest asks for."""
        for at in range(0, max(len(text), 1), MAX):
            fields: dict[str, object] = {"id": f"{id}-{at}" if at else id, "from": sender, "to": recipient}
            fields["body"] = text[at : at + MAX]
            if code:
                fields["error_code"] = code
            path = f"/carriers/{self._carrier}/messages"
            reports.tell(connection, f"{sender} {recipient}", path, fields, now)

    @staticmethod
    def _bound(connection: Connection) -> None:
        first, last = connection.execute(select(func.min(NEWS.c.number), func.max(NEWS.c.number))).one()
        if first is not None and last - first >= MOST_NEWS:
            raise DatabaseOverloaded(f"more than {MOST_NEWS} messages and reports wait for the router")


_GROUP = (PIECES.c.sender, PIECES.c.recipient, PIECES.c.reference, PIECES.c.total)


def _of(*group: object) -> list[ColumnElement[bool]]:
    return [column == value for column, value in zip(_GROUP, group, strict=True)]


def _repeated(connection: Connection, arrival: dict[str, object], session: str, now: float) -> bool:
    """The same content from another session, or the same request of this one."""
    same = select(ARRIVED.c.session).where(
        ARRIVED.c.digest == arrival["digest"], ARRIVED.c.at > now - REPEAT_SECONDS
    )
    return any(
        not each.startswith(session) or each == arrival["session"]
        for each in connection.execute(same).scalars()
    )
