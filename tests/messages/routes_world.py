"""Messages that went through the real queue into carriers' hands, so that things can be reported about them."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest
from sqlalchemy import Connection, delete, func, insert, select

from callrouter import models
from callrouter.directory import carriers
from callrouter.messages import states
from callrouter.messages.queue import claims, entering
from callrouter.messages.queue.settling import HandOff, Settling
from callrouter.messages.routing import reports
from callrouter.messages.routing.choose import Decision, choose
from callrouter.messages.routing.fate import Feedback
from callrouter.messages.status import Status
from foundation.db import Database
from foundation.sids import ACCOUNT, CARRIER, MESSAGE, new_sid
from tests.support import tables

T = TypeVar("T")
SECONDS = 10
NUMBER, PHONE = "+14152009999", "+447700900123"


class World:
    """One account more or less; a second passes with each `wait`."""

    def __init__(self, database: Database) -> None:
        self.database, self.now = database, 1_000_000.0
        self.account = self.new_account()

    def write(self, unit: Callable[[Connection], T], key: str = "") -> T:
        return self.database.write(unit, key).result(SECONDS)

    def new_account(self, owner: str = "") -> str:
        sid = new_sid(ACCOUNT)
        row = {
            "account_sid": sid,
            "owner_account_sid": owner or sid,
            "friendly_name": "x",
            "auth_token_sealed": "",
            "auth_token_hash": "",
            "date_created": self.now,
            "date_updated": self.now,
        }
        self.write(lambda c: c.execute(insert(models.Account).values(row)))
        return sid

    def carrier(self, name: str, **settings: Any) -> None:
        self.write(
            lambda c: carriers.create(
                c,
                name=name,
                sid=new_sid(CARRIER),
                control_url="http://localhost/c",
                secret_sealed="",
                now=self.now,
                **settings,
            )
        )

    def choose(self, to: str = PHONE, *, at: float = 0.999, account: str = "", **details: Any) -> Decision:
        """`at`: where in the shares the die falls."""
        kind = details.pop("kind", "sms")
        with self.database.read() as connection:
            return choose(connection, account or self.account, to, kind, self.now, lambda: at, **details)

    def queued(self, carrier: str, *, to: str = PHONE, account: str = "", **columns: Any) -> str:
        """A message that waits in the carrier's queue."""
        account, sid = account or self.account, new_sid(MESSAGE)
        row = {
            "account_sid": account,
            "sid": sid,
            "direction": "outbound-api",
            "from": NUMBER,
            "to": to,
            "body": "x",
            "encoding": "gsm-7",
            "num_segments": 1,
            "num_media": 0,
            "status": Status.QUEUED,
            "valid_until": self.now + 36_000,
            "date_created": self.now,
            "date_updated": self.now,
            **columns,
        }

        def unit(connection: Connection) -> None:
            connection.execute(insert(models.Message).values(row))
            everyone = set(connection.execute(select(models.Carrier.name)).scalars())
            decision = choose(
                connection, account, to, "sms", self.now, lambda: 0.0, avoid=everyone - {carrier}
            )
            assert decision.carrier == carrier
            message = states.found(connection, account, sid)
            entering.enter(connection, message._mapping, decision, self.now)

        self.write(unit, account)
        return sid

    def claim(self, carrier: str) -> dict[str, claims.Claimed]:
        """A process begins to give what waits to the carrier."""
        claim = self.write(
            lambda c: claims.claim(c, carrier, lease="me", now=self.now, media_base="http://localhost")
        )
        return {one.sid: one for one in claim.messages}

    def claimed(self, sid: str) -> claims.Claimed:
        """A process begins to give the message to its carrier."""
        return self.claim(self.write(lambda c: c.execute(_queue_of(sid)).scalar_one()))[sid]

    def taken(self, claimed: claims.Claimed, status: Status = Status.SENT) -> None:
        """The carrier has it, and that is stored."""
        settling = Settling(lease="me", owner="here", random=lambda: 0.0)
        self.write(
            lambda c: settling.taken(c, [HandOff(claimed=claimed, status=status, at=self.now)]),
            claimed.account_sid,
        )

    def sent(self, carrier: str, **details: Any) -> str:
        """A message that the carrier has."""
        sid = self.queued(carrier, **details)
        self.taken(self.claimed(sid))
        return sid

    def report(self, carrier: str, sid: str, status: str, code: int | None = None) -> Status:
        return self.write(lambda c: reports.apply(c, carrier, sid, status, code, self.now, "here"))[0]

    def feedback(self, sid: str, outcome: str = Feedback.CONFIRMED, account: str = "") -> Any:
        return self.write(lambda c: reports.feedback(c, account or self.account, sid, outcome, self.now))

    def message(self, sid: str) -> Any:
        return self.all(select(models.Message.__table__).where(models.Message.sid == sid))[0]

    def all(self, query: Any) -> list[Any]:
        with self.database.read() as connection:
            return list(connection.execute(query))

    def counts(self, carrier: str) -> tuple[int, ...]:
        """Sent, delivered, undelivered, unreported; none may be negative in any period."""
        counts = models.RouteCount.__table__.c
        names = ("sent", "delivered", "undelivered", "unreported")
        mine = counts.carrier == carrier
        for row in self.all(select(*(counts[name] for name in names)).where(mine)):
            assert min(row) >= 0
        sums = self.all(select(*(func.coalesce(func.sum(counts[name]), 0) for name in names)).where(mine))
        return tuple(int(one) for one in sums[0])


def _queue_of(sid: str) -> Any:
    return select(models.QueuedMessage.carrier).where(models.QueuedMessage.message_sid == sid)


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def routes_database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """One for the whole file; `world` empties it."""
    sqlite = f"sqlite:///{tmp_path_factory.mktemp('routes') / 'router.sqlite3'}"
    url = sqlite if request.param == "sqlite" else request.getfixturevalue("postgresql").database()
    tables.make(url, "callrouter")
    database = Database(url, writers=3)
    yield database
    database.close()


@pytest.fixture
def world(routes_database: Database) -> World:
    def empty(connection: Connection) -> None:
        for table in reversed(models.Base.metadata.sorted_tables):
            connection.execute(delete(table))

    routes_database.write(empty).result(SECONDS)
    return World(routes_database)
