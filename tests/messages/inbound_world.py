"""A number of ours, an app and a store of media that say what the test wants, and a real database between them."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from sqlalchemy import delete, select

from callrouter import models
from callrouter.calls.dispatch import Done, Later
from callrouter.calls.engine import Engine
from callrouter.calls.executors.webhooks import Webhooks
from callrouter.calls.store import OutboxRow
from callrouter.directory import accounts, carriers, credentials, numbers
from callrouter.media.client import MediaAnswer, MediaRefused, MediaUnavailable
from callrouter.media.kinds import content_type
from callrouter.messages import inbound, targets
from callrouter.messages.asking import Asking
from callrouter.messages.inbound import Arrival, Received
from callrouter.messages.media import MediaFetching
from callrouter.messages.media_source import MediaSource
from foundation.clock import from_timestamp
from foundation.db import Database
from foundation.keys import Keys
from foundation.outbound.errors import OutboundError
from foundation.outbound.message import OutboundRequest, OutboundResponse
from foundation.sids import ACCOUNT, CARRIER, MESSAGE, MESSAGE_WITH_MEDIA, PHONE_NUMBER, new_sid
from foundation.webserver.errors import ApiError
from tests.support import tables

T = TypeVar("T")
PHONE, NUMBER, OWNER = "+14155550100", "+14152009999", "here"
APP, FALLBACK, BASE = "https://app.test/sms", "https://app.test/fallback", "https://router.test"
HOME = "http://gateway.internal:8080"
"""Where the carrier is controlled."""


def answer(
    body: str | bytes = "<Response/>", status: int = 200, type: str = "text/xml", **more: Any
) -> OutboundResponse:
    content = body.encode() if isinstance(body, str) else body
    return OutboundResponse(
        status=status, headers=(("Content-Type", type),), body=content, url=more.pop("url", APP), **more
    )


class FakePool:
    """Answers requests by their URL, from lists, the last of each again and again."""

    def __init__(self) -> None:
        self.answers: dict[str, list[OutboundResponse | OutboundError]] = {}
        self.asked: list[OutboundRequest] = []

    async def fetch(self, account_sid: str, request: OutboundRequest) -> OutboundResponse:
        self.asked.append(request)
        left = self.answers[request.url.partition("?")[0]]
        found = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(found, OutboundError):
            raise found
        return found


class FakeMedia:
    """Keeps media in memory, by the rules of the media service."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], tuple[bytes, str]] = {}
        self.down = False

    def keep_attachment(self, account_sid: str, sid: str, body: bytes, declared: str) -> str:
        if self.down:
            raise MediaUnavailable("the media service did not answer")
        try:
            kind = content_type(body, declared)
        except ApiError as refusal:
            raise MediaRefused(refusal.code, refusal.message) from refusal
        self.kept[account_sid, sid] = body, kind
        return kind

    def attachment(self, method: str, account_sid: str, sid: str) -> MediaAnswer:
        body, kind = self.kept.get((account_sid, sid), (b"", ""))
        return MediaAnswer(status=200 if kind else 404, headers={"Content-Type": kind}, body=body)


class World:
    def __init__(self, database: Database) -> None:
        self.database, self.now = database, 1_000.0
        self.keys = Keys(["a key that only this test knows, 32 characters"])
        self.engine = Engine(database, lambda: from_timestamp(self.now), OWNER)
        self.apps, self.gateways, self.media = FakePool(), FakePool(), FakeMedia()
        self.account, self.pokes = new_sid(ACCOUNT), 0
        self.waiting: list[OutboxRow] = []
        """entries that were handed over to be carried out"""
        webhooks = Webhooks(database, self.keys, self.apps, self.engine.now, BASE)  # type: ignore[arg-type]
        self.asking = Asking(self.engine, webhooks, BASE, self._poke, random=lambda: 0.5)
        source = MediaSource(
            self.media,  # type: ignore[arg-type]
            apps=self.apps,  # type: ignore[arg-type]
            gateways=self.gateways,  # type: ignore[arg-type]
            base_url=BASE,
        )
        self.fetching = MediaFetching(self.engine, database, source, self._poke, random=lambda: 0.5)
        self.write(self._directory)

    def _poke(self) -> None:
        self.pokes += 1

    def _directory(self, connection: Any) -> None:
        token = credentials.seal(self.keys, "a token")
        accounts.create(connection, sid=self.account, friendly_name="A", credential=token, now=1.0)
        carriers.create(
            connection,
            name="acme",
            sid=new_sid(CARRIER),
            control_url=HOME,
            secret_sealed=self.keys.seal("secret"),
            now=1.0,
        )
        settings = {"sms_url": APP, "sms_fallback_url": FALLBACK}
        numbers.create(
            connection,
            account_sid=self.account,
            sid=new_sid(PHONE_NUMBER),
            phone_number=NUMBER,
            settings=settings,
            now=1.0,
        )
        connection.execute(delete(models.Outbox))  # the presence server's news of the account

    # -- doing

    def write(self, unit: Callable[[Any], T]) -> T:
        return self.database.write(unit, self.account).result(10)

    def arrive(
        self, body: str = "hi", *, id: str = "c1", media: tuple[str, ...] = (), from_: str = PHONE
    ) -> Received:
        with self.database.read() as connection:
            target = targets.find(connection, NUMBER)
        assert target is not None
        arrival = Arrival(
            target=target,
            sid=new_sid(MESSAGE_WITH_MEDIA if media else MESSAGE),
            carrier="acme",
            carrier_message_id=id,
            from_=from_,
            to=NUMBER,
            body=body,
            media=media,
        )
        received = self.write(lambda c: inbound.receive(c, arrival, self.now, OWNER))
        self.waiting += received.rows
        return received

    def carry_out(self, *kinds: str) -> Done | Later:
        """The oldest entry of these kinds, as the dispatcher would."""
        row = next(row for row in self.waiting if row["kind"] in (kinds or KINDS))
        executor = {"message.fetch": self.asking.fetch, "message.media": self.fetching.fetch}[row["kind"]]
        try:
            done = asyncio.run(executor(row))
        except Later as later:
            row["attempts"] += 1
            if later.also:
                self.write(later.also)
            return later
        self.waiting.remove(row)
        self.waiting += done.then
        return done

    def run(self) -> None:
        """Everything that is to be asked and fetched."""
        while any(row["kind"] in KINDS for row in self.waiting):
            self.carry_out()

    # -- looking

    def rows(self, model: Any, *where: Any) -> list[Any]:
        with self.database.read() as connection:
            return list(connection.execute(select(model.__table__).where(*where)))

    def replies(self) -> list[Any]:
        return self.rows(models.Message, models.Message.direction == "outbound-reply")

    def codes(self) -> list[str]:
        return [row.error_code for row in self.rows(models.Notification)]

    def asked(self) -> list[tuple[str, dict[str, str]]]:
        return [(request.url, dict(request.params)) for request in self.apps.asked]


KINDS = ("message.fetch", "message.media")


@contextmanager
def world(folder: Path) -> Iterator[World]:
    path = folder / "router.sqlite3"
    path.write_bytes(_empty())
    database = Database(f"sqlite:///{path}")
    try:
        yield World(database)
    finally:
        database.close()


@cache
def _empty() -> bytes:
    """A database as the migrations make it."""
    with TemporaryDirectory() as folder:
        tables.make(f"sqlite:///{folder}/router.sqlite3", "callrouter")
        return (Path(folder) / "router.sqlite3").read_bytes()
