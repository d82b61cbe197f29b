"""The presence API without a server: Flask's test client over a store of its own, at a time that tests set."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from unittest.mock import Mock

import jwt
import pytest
from presence_asking import KEY, NOW, A, Stores
from sqlalchemy import event
from werkzeug.test import TestResponse

from foundation.keys import Keys
from foundation.settings import Settings
from foundation.webserver.service import service_token
from presence.app import create_app
from presence.definitions.lists import ContactLists
from presence.models import accounts, metadata

MASTER = "k" * 40


class Sight(Stores):
    """Asks as one of our servers unless `as_` says whom: "account", or the permissions of a client's token."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.keys = Keys([MASTER])
        self.lists = ContactLists(self.store)
        self.app = create_app(
            Settings(secret_keys=(MASTER,), refusals_per_second=0),
            self.keys,
            self.store,
            self.directory,
            Mock(),
            clock=lambda: datetime.fromtimestamp(self.now, UTC),
        )
        self.http = self.app.test_client()
        self.now = NOW

    def begin(self) -> "Sight":
        """As if it was made anew; making one takes as long as many tests."""
        self.now = NOW
        with self.database.writer_engine.begin() as connection:
            for table in metadata.sorted_tables:
                if table.name not in ("accounts", "keys"):
                    connection.execute(table.delete())
            connection.execute(accounts.update().values(sequence=0))
        return self

    def bearer(self, *permissions: str, identity: str = "viewer", calls_out: bool = True) -> dict[str, str]:
        outgoing = {"application_sid": "AP" + "1" * 32} if calls_out else {}
        grants = {"voice": {"outgoing": outgoing}, "callrouter": {"permissions": list(permissions)}}
        claims = {
            "jti": "1",
            "iss": KEY,
            "sub": A,
            "iat": int(NOW),
            "exp": int(NOW) + 3600,
            "grants": {"identity": identity, **grants},
        }
        token = jwt.encode(claims, "s" * 32, headers={"cty": "twilio-fpa;v=1"})
        return {"Authorization": f"Bearer {token}"}

    def ask(
        self, path: str, as_: Any = "service", body: Any = None, account: str = A, **more: Any
    ) -> TestResponse:
        match as_:
            case "service":
                sent = {"headers": {"Authorization": f"Bearer {service_token(self.keys, 'presence', 't')}"}}
            case "account":
                sent = {"auth": (account, "t" * 32)}
            case dict():
                sent = {"headers": as_}
            case _:
                sent = {"headers": self.bearer(*as_)}
        sent["headers"] = {**sent.get("headers", {}), **more.pop("headers", {})}
        method = "GET" if body is None else "POST"
        query = {"query_string": more} if more else {}
        return self.http.open(f"/v1/Accounts/{account}{path}", method=method, json=body, **query, **sent)

    def get(self, path: str, as_: Any = "service", body: Any = None, **more: Any) -> Any:
        """The JSON of an answer that must be 200."""
        answer = self.ask(path, as_, body, **more)
        assert answer.status_code == 200, answer.text
        return answer.json

    def fault(self, path: str, as_: Any = "service", body: Any = None, **more: Any) -> tuple[int, int, str]:
        answer = self.ask(path, as_, body, **more)
        assert set(answer.json) == {"code", "message", "more_info", "status"}
        return answer.status_code, answer.json["code"], answer.json["message"]

    def gone(self, client: str = "alice", endpoint_id: str = "e") -> None:
        self.store.unregister(A, client, self.now, endpoint_id=endpoint_id).result(10)

    @contextmanager
    def statements(self) -> Iterator[list[str]]:
        """The SQL that readers run meanwhile, without what begins and ends transactions."""
        ran: list[str] = []

        def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if statement.lstrip().upper().startswith(("SELECT", "WITH")):
                ran.append(statement)

        engine = self.database.reader_engine
        event.listen(engine, "before_cursor_execute", note)
        try:
            yield ran
        finally:
            event.remove(engine, "before_cursor_execute", note)


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def any_sight(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sight]:
    """One of each kind of database for all tests of a module."""
    url = f"sqlite:///{tmp_path_factory.mktemp('sight')}/presence.sqlite3"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql").database()
    made = Sight(url)
    yield made
    made.database.close()


@pytest.fixture
def sight(any_sight: Sight) -> Sight:
    return any_sight.begin()


def names(message: Any) -> list[str]:
    return [one["client"] for one in message["clients"]]
