"""Queues of messages in a database: accounts, carriers, and a process whose clock the test moves."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import Connection, select, update

from callrouter import models
from callrouter.directory import accounts, credentials, numbers
from callrouter.messages import outgoing
from callrouter.messages.outgoing import Submission, Submitted
from callrouter.messages.queue.claims import Claim, claim
from callrouter.messages.queue.sender import Desk
from callrouter.messages.queue.settling import HandOff, Settling
from callrouter.messages.status import Status
from callrouter.messages.transport import Outgoing, Taken
from foundation.db import Database
from foundation.keys import Keys
from foundation.sids import ACCOUNT, CARRIER, MESSAGE, MESSAGE_WITH_MEDIA, PHONE_NUMBER, new_sid
from tests.support import tables

T = TypeVar("T")
SECONDS = 10
OWNER = "here"
KEYS = Keys(["k" * 32])
BASE = "https://router.test"
ENGINES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]


def databases(request: pytest.FixtureRequest, folder: Path) -> Iterator[Database]:
    """One of the engine that the fixture's parameter names, for all tests of a file."""
    sqlite = f"sqlite:///{folder / 'router.sqlite3'}"
    url = sqlite if request.param == "sqlite" else request.getfixturevalue("postgresql").database()
    tables.make(url, "callrouter")
    database = Database(url, writers=3)
    yield database
    database.close()


class QueueWorld:
    """`at` is the time; `told` are the outbox entries that were to be carried out. It is also the `Host` of senders."""

    owner = OWNER

    def __init__(self, database: Database) -> None:
        self.database = database
        self.at = 1_000.0
        self.told: list[dict[str, Any]] = []
        self.carry_out: Callable[[Sequence[dict[str, Any]]], None] = self.told.extend
        self.random: Callable[[], float] = lambda: 0.5
        self.settling = Settling(lease="here one", owner=OWNER, random=self.random)
        self.desk = Desk(
            host=self, database=database, settling=self.settling, media_base=BASE, taken=Counter()
        )
        self._numbers = iter(range(14155550000, 14155560000))
        self.write(_emptied)

    # -- the host of senders

    def now(self) -> float:
        return self.at

    async def persist(self, unit: Callable[[Connection], Any], key: str) -> Any:
        return await self.database.commit(unit, key)

    # -- what there is

    def account(self) -> str:
        sid, credential = new_sid(ACCOUNT), credentials.seal(KEYS, "token")
        self.write(lambda c: accounts.create(c, sid=sid, friendly_name="A", credential=credential, now=1.0))
        return sid

    def number(self, account_sid: str, phone_number: str = "", carrier: str = "") -> str:
        phone_number = phone_number or f"+{next(self._numbers)}"
        self.write(
            lambda c: numbers.create(
                c,
                account_sid=account_sid,
                sid=new_sid(PHONE_NUMBER),
                phone_number=phone_number,
                settings={"carrier": carrier} if carrier else {},
                now=1.0,
            )
        )
        return phone_number

    def carrier(
        self, name: str, *, rate: float = 0.0, window: int = 10, url: str = "http://127.0.0.1:9"
    ) -> str:
        row = models.Carrier(
            name=name,
            sid=new_sid(CARRIER),
            control_url=url,
            secrets_sealed=[KEYS.seal("secret")],
            status="active",
            sip=False,
            messages=True,
            message_rate=rate,
            message_window=window,
            date_created=1.0,
            date_updated=1.0,
        )
        values = {column.key: getattr(row, column.key) for column in models.Carrier.__table__.c}
        self.write(lambda c: c.execute(models.Carrier.__table__.insert().values(values)))
        return name

    def change_carrier(self, name: str, **values: Any) -> None:
        self.write(lambda c: c.execute(update(models.Carrier).filter_by(name=name).values(**values)))

    # -- what happens

    def write(self, unit: Callable[[Connection], T], key: str = "") -> T:
        return self.database.write(unit, key).result(SECONDS)

    def submission(self, account_sid: str, from_: str, to: str = "+447700900001", **more: Any) -> Submission:
        given = {
            "account_sid": account_sid,
            "sid": new_sid(MESSAGE_WITH_MEDIA if more.get("media_urls") else MESSAGE),
            "direction": "outbound-api",
            "from_": from_,
            "to": to,
            "body": "hello",
            **more,
        }
        return Submission(**given)

    def submit(self, submission: Submission) -> Submitted:
        return self.write(
            lambda c: outgoing.submit(c, submission, self.at, owner=OWNER, random=self.random),
            submission.account_sid,
        )

    def send(self, account_sid: str, from_: str, to: str = "+447700900001", **more: Any) -> str:
        """Submits a message: its SID."""
        return self.submit(self.submission(account_sid, from_, to, **more)).sid

    def enqueue(self, account_sid: str, sid: str) -> Submitted:
        return self.write(
            lambda c: outgoing.enqueue(c, account_sid, sid, self.at, owner=OWNER, random=self.random),
            account_sid,
        )

    def claim(self, carrier: str, lease: str = "here one") -> Claim:
        return self.write(lambda c: claim(c, carrier, lease=lease, now=self.at, media_base=BASE), " carrier")

    def claimed(self, carrier: str) -> list[str]:
        return [each.sid for each in self.claim(carrier).messages]

    def settle(self, way: str, claimed: Any, *arguments: Any, **more: Any) -> Any:
        """One of `Settling`'s, by its name."""
        if way == "taken":
            hand_off = HandOff(claimed=claimed, status=arguments[0], at=self.at)
            return self.write(lambda c: self.settling.taken(c, [hand_off])[0], claimed.account_sid)
        work = getattr(self.settling, way)
        return self.write(lambda c: work(c, claimed, *arguments, self.at, **more), claimed.account_sid)

    def taken(self, carrier: str) -> list[str]:
        """A carrier takes all that may leave now: their SIDs, in the order in which they left."""
        messages = self.claim(carrier).messages
        for each in messages:
            self.settle("taken", each, Status.SENT)
        return [each.sid for each in messages]

    # -- what is stored

    def all(self, model: Any, **wanted: Any) -> list[Any]:
        with self.database.read() as connection:
            return list(connection.execute(select(model.__table__).filter_by(**wanted)))

    def message(self, sid: str) -> Any:
        (row,) = self.all(models.Message, sid=sid)
        return row

    def status(self, sid: str) -> str:
        return str(self.message(sid).status)

    def queued(self, sid: str) -> Any:
        """The message's queue row, or None."""
        return next(iter(self.all(models.QueuedMessage, message_sid=sid)), None)

    def health(self, carrier: str) -> Any:
        (row,) = self.all(models.CarrierHealth, carrier=carrier)
        return row


def _emptied(connection: Connection) -> None:
    """Every test begins with nothing."""
    for table in models.Base.metadata.sorted_tables:
        connection.execute(table.delete())


class ScriptedTransport:
    """Does with each message what the test says; `handed` are all hand-offs, `accepted` counts by SID."""

    def __init__(self, answer: Callable[[Outgoing], Awaitable[Taken]] | None = None) -> None:
        self.answer = answer
        self.handed: list[Outgoing] = []
        self.accepted: Counter[str] = Counter()
        self.under_way = self.most_under_way = 0

    async def send(self, carrier: str, message: Outgoing) -> Taken:
        self.handed.append(message)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            taken = await self.answer(message) if self.answer else Taken()
        finally:
            self.under_way -= 1
        self.accepted[message.sid] += 1
        return taken


async def until(condition: Callable[[], bool], seconds: float = SECONDS) -> None:
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(condition):
            await asyncio.sleep(0.01)
