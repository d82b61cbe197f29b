"""The executor of `message.media`: what a message carries is fetched, checked and stored before the message goes on."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, delete, select, update

from callrouter.calls.dispatch import Done, Later
from callrouter.calls.engine import Engine
from callrouter.calls.store import INSERT_NOTE, OutboxRow
from callrouter.media.kinds import MOST_BYTES
from callrouter.messages import outgoing, program, states, targets
from callrouter.messages.media_source import Had, MediaSource, Missed, host
from callrouter.messages.status import Status
from callrouter.models import Carrier, MessageMedia, Outbox
from foundation.db import Database, later
from foundation.failpoints import failpoint
from foundation.sids import MEDIA, NOTIFICATION, new_sid

PAUSES = (2.0, 10.0, 30.0)
"""Seconds before another try, when the fault may pass."""
PIECES = MessageMedia.__table__.c


def rows(account_sid: str, message_sid: str, urls: Sequence[str], now: float) -> list[dict[str, Any]]:
    """The media of a new message, before anything is known about them."""
    return [
        {
            "account_sid": account_sid,
            "sid": new_sid(MEDIA),
            "message_sid": message_sid,
            "position": position,
            "url": url,
            "content_type": "",
            "size": None,
            "error_code": None,
            "date_created": now,
            "date_updated": now,
        }
        for position, url in enumerate(urls)
    ]


def entry(account_sid: str, message_sid: str, now: float, owner: str) -> OutboxRow:
    """The outbox entry that has them fetched."""
    return {
        "id": f"{message_sid}.media",
        "account_sid": account_sid,
        "call_sid": message_sid,
        "lane": f"message:{message_sid}",
        "position": 0,
        "kind": "message.media",
        "payload": {},
        "attempts": 0,
        "due_at": now,
        "owner": owner,
        "created_at": now,
    }


class MediaFetching:
    """In both directions."""

    def __init__(
        self,
        engine: Engine,
        database: Database,
        source: MediaSource,
        poke: Callable[[], None],
        *,
        random: Callable[[], float] = random.random,
    ) -> None:
        self._engine, self._database, self._source = engine, database, source
        self._poke, self._random = poke, random

    async def fetch(self, row: OutboxRow) -> Done:
        account_sid, sid = row["account_sid"], row["call_sid"]
        message, pieces, home = await asyncio.to_thread(self._read, account_sid, sid)
        results: dict[str, Had | Missed] = {}
        left = MOST_BYTES - sum(piece.size or 0 for piece in pieces)
        for piece in pieces:
            if piece.size is None and message is not None:
                result = await self._source.get(message, piece, home, left)
                left -= result.size if isinstance(result, Had) else 0
                results[piece.sid] = result
        missed = [result for result in results.values() if isinstance(result, Missed)]
        if any(one.passing for one in missed) and row["attempts"] < len(PAUSES):
            had = {sid: result for sid, result in results.items() if isinstance(result, Had)}
            keep = partial(_store, account_sid=account_sid, results=had, now=self._engine.now())
            raise Later(PAUSES[row["attempts"]], aside=True, also=keep)
        return Done(then=await self._settle(row, results))

    async def _settle(self, row: OutboxRow, results: dict[str, Had | Missed]) -> list[OutboxRow]:
        """One transaction: what became of the media, and where the message goes from here."""
        account_sid, sid, now = row["account_sid"], row["call_sid"], self._engine.now()
        made: list[OutboxRow] = []

        def unit(connection: Connection) -> None:
            if not connection.execute(delete(Outbox).where(Outbox.id == row["id"])).rowcount:
                return  # this was committed, and the answer to the commit got lost
            _store(connection, account_sid, results, now)
            made[:] = self._go_on(connection, account_sid, sid, results, now)

        failpoint("IM11")
        await self._engine.persist(unit, account_sid)
        failpoint("IM12")
        self._poke()
        return made

    def _go_on(
        self,
        connection: Connection,
        account_sid: str,
        sid: str,
        results: dict[str, Had | Missed],
        now: float,
    ) -> list[OutboxRow]:
        owner = self._engine.owner
        missed = [result for result in results.values() if isinstance(result, Missed)]
        later(connection, INSERT_NOTE, [_note(account_sid, sid, one, now) for one in missed])
        message = states.found(connection, account_sid, sid)
        if message is None:
            return []
        if message.direction != "inbound" and missed:
            code = missed[0].code
            moved = states.move(
                connection, account_sid, sid, Status.FAILED, now, owner=owner, error_code=code, due_at=None
            )
            return moved or []
        if message.direction != "inbound":
            return outgoing.enqueue(connection, account_sid, sid, now, owner=owner, random=self._random).rows
        number = len(_pieces(connection, account_sid, sid)) - len(missed)
        states.move(connection, account_sid, sid, Status.RECEIVED, now, owner=owner, num_media=number)
        whole = states.found(connection, account_sid, sid)
        target = targets.find(connection, message.to)
        if whole is None or target is None or target.account_sid != account_sid:
            return []  # the number was given away meanwhile
        return program.begin(connection, whole, target, now, owner, random=self._random)

    def _read(self, account_sid: str, sid: str) -> tuple[Any, Sequence[Any], str]:
        """The message, its media, and the host of the carrier that brought it."""
        with self._database.read() as connection:
            message = states.found(connection, account_sid, sid)
            if message is None:
                return None, (), ""
            url = None
            if message.direction == "inbound":
                carrier = select(Carrier.control_url).where(Carrier.name == message.carrier)
                url = connection.execute(carrier).scalar()
            return message, _pieces(connection, account_sid, sid), host(url or "")


def _pieces(connection: Connection, account_sid: str, sid: str) -> Sequence[Any]:
    query = select(MessageMedia.__table__).where(PIECES.account_sid == account_sid, PIECES.message_sid == sid)
    return connection.execute(query.order_by(PIECES.position)).all()


def _store(connection: Connection, account_sid: str, results: Mapping[str, Had | Missed], now: float) -> None:
    for sid, result in results.items():
        if isinstance(result, Had):
            values: dict[str, Any] = {"content_type": result.content_type, "size": result.size}
        else:
            values = {"error_code": result.code}
        mine = (PIECES.account_sid == account_sid, PIECES.sid == sid)
        connection.execute(update(MessageMedia).where(*mine).values({**values, "date_updated": now}))


def _note(account_sid: str, sid: str, missed: Missed, now: float) -> dict[str, Any]:
    return {
        "account_sid": account_sid,
        "sid": new_sid(NOTIFICATION),
        "call_sid": sid,
        "log": "0",
        "error_code": str(missed.code),
        "message_text": f"Media of the message could not be had: {missed.reason}.",
        "message_date": now,
        "request_url": None,
    }
