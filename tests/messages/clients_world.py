"""An account with a number, a presence server that says what the test wants, and a real database between them."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import Connection, insert, select

from callrouter import models
from callrouter.calls.store import OutboxRow
from callrouter.directory import accounts, carriers, credentials, numbers
from callrouter.messages import outgoing
from callrouter.messages.from_clients import FromClients
from callrouter.messages.outgoing import Submission
from callrouter.messages.to_clients import ToClients
from callrouter.messages.transport import PRESENCE, Outgoing
from foundation.db import Database
from foundation.keys import Keys
from foundation.sids import ACCOUNT, CARRIER, MESSAGE, PHONE_NUMBER, new_sid
from presence.client import ClientMessage, Endpoint, Presence, Reach
from presence.client.transport import PresenceRefused, PresenceUnavailable
from tests.support import tables

T = TypeVar("T")
PHONE, OTHER_PHONE, NUMBER = "+14155550100", "+14155550101", "+14152009999"
OWNER = "here"


class FakePresence:
    """Answers `reach` from `targets`, and `put_message` with `status`; `fault` is raised instead, `lost` afterwards."""

    def __init__(self) -> None:
        self.targets: dict[str, tuple[Presence, ...]] = {}
        self.status = "held"
        self.fault: PresenceUnavailable | PresenceRefused | None = None
        self.lost: PresenceUnavailable | None = None
        self.put: list[dict[str, Any]] = []
        self.removed: list[tuple[str, str]] = []

    def reach(self, account_sid: str, name: str) -> Reach:
        if isinstance(self.fault, PresenceUnavailable):
            raise self.fault
        targets = self.targets.get(name) or (client(account_sid, name),)
        return Reach(name=name, shared=name in self.targets, as_of=7, targets=targets)

    def put_message(self, account_sid: str, message_sid: str, name: str, **more: Any) -> ClientMessage:
        if self.fault is not None:
            raise self.fault
        self.put.append({"account_sid": account_sid, "sid": message_sid, "client": name, **more})
        if self.lost is not None:
            raise self.lost
        return ClientMessage(
            sid=message_sid,
            client=name,
            status=self.status,
            version=3,
            endpoints=("desk",) if self.status == "held" else (),
            skipped={"mobile": "expired"},
        )

    def remove_message(self, account_sid: str, message_sid: str) -> None:
        if self.fault is not None:
            raise self.fault
        self.removed.append((account_sid, message_sid))


def client(account_sid: str, name: str, *takes: str) -> Presence:
    device = Endpoint(
        endpoint_id="desk",
        status="available",
        available=True,
        capabilities=takes,
        takes=takes,
        priority=0,
        note="",
        hidden=False,
        incoming=True,
        last_seen="2026-01-01T00:00:00Z",
        expires_at="2026-01-01T00:01:00Z",
        node="",
    )
    return Presence(
        account_sid=account_sid,
        client=name,
        status="available" if takes else "offline",
        available=bool(takes),
        capabilities=takes,
        note="",
        version=2,
        updated_at=None,
        expires_at=None,
        uri="",
        endpoints=(device,) if takes else (),
    )


class ClientsWorld:
    """Also the engine and the front, as far as messages of clients need them."""

    def __init__(self, database: Database) -> None:
        self.database, self.time, self.pokes = database, 1_000.0, 0
        self.rows: list[OutboxRow] = []
        self.presence = FakePresence()
        self.account = new_sid(ACCOUNT)
        self.transport = ToClients(
            self,
            self.presence,  # type: ignore[arg-type]
            poke=self._poke,
            random=lambda: 0.5,
        )
        self.clients = FromClients(self, database, owner=OWNER, now=self.now, random=lambda: 0.5)
        self.write(self._directory)

    # -- the engine and the front

    owner = OWNER

    def now(self) -> float:
        return self.time

    async def persist(self, unit: Callable[[Connection], Any], key: str) -> Any:
        assert key == self.account
        return await self.database.commit(unit, key)

    def carry_out(self, rows: Sequence[OutboxRow]) -> None:
        self.rows += rows

    def settle(self, account_sid: str, work: Callable[[Connection], tuple[T, list[OutboxRow]]]) -> T:
        result, rows = self.database.write(work, account_sid).result(10)
        self.carry_out(rows)
        return result

    def _poke(self) -> None:
        self.pokes += 1

    # -- what there is

    def _directory(self, connection: Connection) -> None:
        keys = Keys(["a key that only this test knows, 32 characters"])
        token = credentials.seal(keys, "a token")
        accounts.create(connection, sid=self.account, friendly_name="A", credential=token, now=1.0)
        secret = keys.seal("secret")
        carriers.create(
            connection,
            name="acme",
            sid=new_sid(CARRIER),
            control_url="https://gateway.test",
            secret_sealed=secret,
            now=1.0,
        )
        numbers.create(
            connection,
            account_sid=self.account,
            sid=new_sid(PHONE_NUMBER),
            phone_number=NUMBER,
            settings={},
            now=1.0,
        )

    def write(self, unit: Callable[[Connection], T]) -> T:
        return self.database.write(unit, self.account).result(10)

    def read(self, model: Any, **values: Any) -> list[Any]:
        wanted = [getattr(model, name) == value for name, value in values.items()]
        with self.database.read() as connection:
            return list(connection.execute(select(model.__table__).where(*wanted)).all())

    def message(self, sid: str) -> Any:
        (row,) = self.read(models.Message, sid=sid)
        return row

    def stored(self, to: str = "client:alice", **more: Any) -> str:
        """A message that waits for the presence server; its SID."""
        submission = Submission(
            **{
                "account_sid": self.account,
                "sid": new_sid(MESSAGE),
                "direction": "outbound-api",
                "from_": NUMBER,
                "to": to,
                "body": "hi",
                **more,
            }
        )
        self.write(lambda c: outgoing.submit(c, submission, self.time, owner=OWNER, random=lambda: 0.5).sid)
        return submission.sid

    # -- doing

    def send(self, sid: str, **more: Any) -> Any:
        """As the queue of messages to clients does it."""
        return asyncio.run(self.transport.send(PRESENCE, self.outgoing(sid, **more)))

    def outgoing(self, sid: str, **more: Any) -> Outgoing:
        row = self.message(sid)
        return Outgoing(
            **{
                "account_sid": row.account_sid,
                "sid": sid,
                "from_": row._mapping["from"],
                "to": row.to,
                "body": row.body,
                "encoding": row.encoding,
                "segments": row.num_segments,
                "media": (),
                "valid_until": row.valid_until,
                "again": False,
                "otherwise": row.otherwise,
                "session_sid": row.session_sid,
                "media_required": row.media_required,
                **more,
            }
        )

    def says(self, client: str = "alice", id: str = "1", **more: Any) -> dict[str, Any]:
        """A client sends a message."""
        event = {"account_sid": self.account, "identity": client, "endpoint_id": "desk", "id": id}
        said = {"to": "", "from": "", "body": "hello", "media": [], "session": 0}
        return self.clients.text({**event, **said, **more})[0]

    def event(self, sid: str, account_sid: str = "") -> dict[str, Any]:
        return {
            "account_sid": account_sid or self.account,
            "identity": "alice",
            "endpoint_id": "desk",
            "at": self.time,
            "message_sid": sid,
        }

    def suspend(self) -> None:
        self.write(lambda c: c.execute(models.Account.__table__.update().values(status="suspended")))  # type: ignore[attr-defined]

    def insert(self, model: Any, **row: Any) -> None:
        self.write(lambda c: c.execute(insert(model).values(**row)))


@pytest.fixture
def clients_world(tmp_path: Path) -> Iterator[ClientsWorld]:
    url = f"sqlite:///{tmp_path}/router.sqlite3"
    tables.make(url, "callrouter")
    database = Database(url)
    yield ClientsWorld(database)
    database.close()
