"""Messages that the router hands over: each id once, every part answered by the SMSC before the router is."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from smpp34 import SubmitSm
from sqlalchemy import Connection, delete, insert, select, update

from callrouter.carriers.smpp import answers, reports
from callrouter.carriers.smpp.addresses import address
from callrouter.carriers.smpp.answers import FULL, LINK_DOWN, NO_MEDIA, OK, SILENT, TAKEN, TOO_LATE, Answer
from callrouter.carriers.smpp.link import Link
from callrouter.carriers.smpp.pdu import message_id
from callrouter.carriers.smpp.receipts import Ids
from callrouter.carriers.smpp.segments import Segment, cut
from callrouter.carriers.smpp.session import Encodes, LinkDown, LinkLost
from callrouter.carriers.smpp.store import MESSAGES, PARTS
from foundation.db import Database

log = structlog.get_logger(__name__)

ANSWER_SECONDS = 8.0
"""The router waits ten. A message whose parts take longer goes on, and the router's repeat joins it."""
SLOWED_SECONDS = 60.0
"""How long the rest of a message waits for an SMSC that has taken its beginning, and then wants no more."""
REPORT_ALWAYS = 1
"""registered_delivery: tell of success and of failure."""


@dataclass(frozen=True, kw_only=True)
class Handed:
    """A message as docs/protocols/carrier.md has it."""

    sid: str
    from_: str
    to: str
    segments: int
    body: str
    encoding: str
    media: bool
    valid_until: float

    @classmethod
    def read(cls, body: bytes) -> Handed:
        """ValueError when it is none."""
        fields = json.loads(body)
        if not isinstance(fields, dict):
            raise ValueError("a message is a JSON object")
        for name in ("id", "from", "to", "body", "encoding"):
            if not isinstance(fields.get(name), str):
                raise ValueError(f"a message needs the text `{name}`")
        until = fields.get("valid_until")
        if isinstance(until, bool) or not isinstance(until, int | float):
            raise ValueError("a message needs the number `valid_until`")
        if not 1 <= len(fields["id"]) <= 64 or max(len(fields["from"]), len(fields["to"])) > 21:
            raise ValueError("an id has 1 to 64 characters, an address at most 21")
        return cls(
            sid=fields["id"],
            from_=fields["from"],
            to=fields["to"],
            body=fields["body"],
            encoding=fields["encoding"],
            segments=len(cut(fields["body"], fields["encoding"], 0)),
            media=bool(fields.get("media")),
            valid_until=until,
        )


@dataclass(frozen=True, kw_only=True)
class Known:
    """What the store has of a message. `begun`: it was tried before, and the SMSC may have of it."""

    reference: int
    begun: bool
    parts: frozenset[int]
    answer: Answer | None


class MessageDesk:
    """Takes `POST {control_url}/messages`."""

    path = re.compile(r"(?:/[^/]*)*?/messages")

    def __init__(
        self,
        carrier: str,
        database: Database,
        link: Link,
        ids: Ids,
        news: Callable[[], None],
        at_once: int,
    ) -> None:
        """At most `at_once` messages wait for the link; `news` is called when there may be some for the router."""
        self._carrier, self._database, self._link, self._ids = carrier, database, link, ids
        self._news, self._at_once = news, at_once
        self._sending: dict[str, asyncio.Task[Answer]] = {}

    async def take(self, _place: re.Match[str], body: bytes) -> tuple[int, Mapping[str, Any]]:
        message = Handed.read(body)
        task = self._sending.get(message.sid)
        if task is None:
            if len(self._sending) >= self._at_once:
                return FULL.status, FULL.fields
            task = self._sending[message.sid] = asyncio.create_task(self._send(message))
            task.add_done_callback(lambda _: self._sending.pop(message.sid, None))
        await asyncio.wait([task], timeout=ANSWER_SECONDS)
        answer = task.result() if task.done() and not task.cancelled() else SILENT
        return answer.status, answer.fields

    async def close(self) -> None:
        tasks = list(self._sending.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self, message: Handed) -> Answer:
        if message.media:
            return Answer(status=400, message="SMPP carries no media", code=NO_MEDIA)
        known = await self._database.commit(lambda connection: _begin(connection, message, time.time()))
        if known.answer:
            return known.answer
        answer = await self._submit(message, known)
        if answer.kept:
            await self._database.commit(lambda connection: _answered(connection, message.sid, answer))
        elif not known.begun and answer is not SILENT:
            await self._database.commit(lambda connection: _forget(connection, message.sid))
        return answer

    async def _submit(self, message: Handed, known: Known) -> Answer:
        begun = known.begun
        segments = cut(message.body, message.encoding, known.reference)
        for number, segment in enumerate(segments, 1):
            if number in known.parts:
                continue
            answer = await self._submit_part(message, number, segment, begun)
            if answer is not TAKEN:
                return answer
            begun = True
        return TAKEN

    async def _submit_part(self, message: Handed, number: int, segment: Segment, begun: bool) -> Answer:
        slowed_until = time.time() + SLOWED_SECONDS
        while True:
            now = time.time()
            if now >= message.valid_until:
                return Answer(status=400, message="too late", code=TOO_LATE, final=True, kept=True)
            try:
                said = await self._link.submit(_submit_sm(message, segment, now))
            except LinkDown:
                return SILENT if begun else LINK_DOWN
            except LinkLost as lost:
                log.warning("nobody knows whether the SMSC has a part", message=message.sid, why=str(lost))
                return SILENT
            if said.status == OK:
                await self._taken(message.sid, number, message_id(said))
                return TAKEN
            answer = answers.not_taken(said.status, begun=begun)
            if not begun or answer.kept:
                return answer
            if time.time() > slowed_until:
                return SILENT
            await asyncio.sleep(answers.RETRY_AFTER)

    async def _taken(self, sid: str, number: int, given: str) -> None:
        smsc_id, now = self._ids.of_answer(given), time.time()
        await self._database.commit(
            lambda connection: reports.taken(connection, self._carrier, sid, number, smsc_id, now)
        )
        self._news()


def _begin(connection: Connection, message: Handed, now: float) -> Known:
    """A message that is written down here, and without an answer, may be with the SMSC."""
    row = connection.execute(select(MESSAGES).where(MESSAGES.c.sid == message.sid)).first()
    if row is None:
        values = {"sid": message.sid, "parts": message.segments, "status": 0, "at": now}
        number = connection.execute(insert(MESSAGES).values(values)).inserted_primary_key
        assert number is not None
        return Known(reference=number[0] % 256, begun=False, parts=frozenset(), answer=None)
    answer = None
    if row.status:
        answer = Answer(
            status=row.status, message=row.message, code=row.code, final=bool(row.final), kept=True
        )
    parts = connection.execute(select(PARTS.c.part).where(PARTS.c.sid == message.sid)).scalars()
    return Known(reference=row.number % 256, begun=True, parts=frozenset(parts), answer=answer)


def _answered(connection: Connection, sid: str, answer: Answer) -> None:
    values = {"status": answer.status, "message": answer.message, "code": answer.code, "final": answer.final}
    connection.execute(update(MESSAGES).where(MESSAGES.c.sid == sid).values(values))


def _forget(connection: Connection, sid: str) -> None:
    """Nothing of it was taken."""
    connection.execute(delete(MESSAGES).where(MESSAGES.c.sid == sid))


def _submit_sm(message: Handed, segment: Segment, now: float) -> Encodes:
    source, destination = address(message.from_), address(message.to)

    def encode(sequence: int) -> bytes:
        return SubmitSm(
            source.digits,
            destination.digits,
            segment.octets,
            source_addr_ton=source.type,
            source_addr_npi=source.plan,
            dest_addr_ton=destination.type,
            dest_addr_npi=destination.plan,
            esm_class=segment.esm_class,
            data_coding=segment.data_coding,
            registered_delivery=REPORT_ALWAYS,
            validity_period=validity(message.valid_until - now),
            sequence_number=sequence,
        ).encode()

    return encode


def validity(seconds: float) -> str:
    """A relative time: years, months, days, hours, minutes and seconds (SMPP 3.4 section 7.1.1)."""
    left = min(int(seconds), 30 * 86_400)
    days, left = divmod(left, 86_400)
    hours, left = divmod(left, 3_600)
    return f"0000{days:02}{hours:02}{left // 60:02}{left % 60:02}000R"
