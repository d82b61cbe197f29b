"""/v1/Accounts/{AC}/MessageSessions, through the whole API (PR-71)."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clients_world import NUMBER, OTHER_PHONE, PHONE, ClientsWorld
from werkzeug.test import TestResponse

from callrouter.api.blueprint import create_api
from callrouter.directory import accounts, credentials
from callrouter.media.client import MediaClient
from callrouter.messages import sessions
from foundation.clock import from_timestamp
from foundation.db import Database
from foundation.keys import Keys
from foundation.sids import ACCOUNT, new_sid
from foundation.webserver.application import Application
from foundation.webserver.errors import handle_errors
from tests.support import tables

NEW = {"Phone": PHONE, "Number": NUMBER, "Client": "alice", "Timeout": "60"}


class Rest:
    """The account's own server."""

    def __init__(self, world: ClientsWorld) -> None:
        self.world = world
        keys = Keys(["k" * 32])
        app = Application("api")
        handle_errors(app)
        media = MediaClient("http://127.0.0.1:9", keys)
        clock = lambda: from_timestamp(world.time)  # noqa: E731
        app.register_blueprint(create_api(world.database, keys, None, media, messages=None, clock=clock))  # type: ignore[arg-type]
        self._app = app.test_client()
        self.base = f"/v1/Accounts/{world.account}/MessageSessions"

    def ask(self, method: str, path: str = "", *, account: str = "", **form: str) -> TestResponse:
        given = base64.b64encode(f"{account or self.world.account}:a token".encode()).decode()
        named: dict[str, Any] = {"data": form}
        if method == "GET":
            named = {"query_string": form} if form else {}
        return self._app.open(
            path if path.startswith("/v1") else self.base + path,
            method=method,
            headers={"Authorization": f"Basic {given}"},
            **named,
        )

    def open(self, **more: str) -> dict[str, Any]:
        answer = self.ask("POST", **{**NEW, **more})
        assert answer.status_code in (200, 201), answer.text
        return dict(answer.get_json())


@pytest.fixture
def rest(tmp_path: Path) -> Iterator[Rest]:
    url = f"sqlite:///{tmp_path}/router.sqlite3"
    tables.make(url, "callrouter")
    database = Database(url)
    yield Rest(ClientsWorld(database))
    database.close()


def test_pr71_a_session_is_opened_read_and_closed(rest: Rest) -> None:
    opened = rest.open()
    assert (opened["phone"], opened["number"], opened["client"]) == (PHONE, NUMBER, "alice")
    assert (opened["status"], opened["timeout"]) == ("open", 60)
    sid = opened["sid"]
    assert rest.open()["sid"] == sid
    assert rest.ask("GET", f"/{sid}").get_json() == opened
    closed = rest.ask("POST", f"/{sid}", Status="closed").get_json()
    assert closed["status"] == "closed"
    assert rest.open()["sid"] != sid


def test_pr71_its_messages_of_both_sides_are_listed(rest: Rest) -> None:
    sid = rest.open()["sid"]
    rest.world.says(body="from the client")
    rest.world.time += 1
    rest.world.stored(from_=PHONE, session_sid=sid, body="from the phone")
    found = rest.ask("GET", f"/{sid}/Messages").get_json()
    assert [one["body"] for one in found["messages"]] == ["from the phone", "from the client"]
    assert found["meta"]["key"] == "messages"


def test_pr71_a_lapsed_session_reads_timed_out_before_anybody_swept(rest: Rest) -> None:
    sid = rest.open()["sid"]
    rest.world.time += 60
    assert rest.ask("GET", f"/{sid}").get_json()["status"] == "timed-out"
    for status, count in (("open", 0), ("timed-out", 1), ("closed", 0)):
        assert len(rest.ask("GET", Status=status).get_json()["message_sessions"]) == count
    assert rest.ask("POST", f"/{sid}", Timeout="600").get_json()["status"] == "timed-out"


def test_lists_are_filtered_and_paged(rest: Rest) -> None:
    for n in range(3):
        rest.world.time += 1
        rest.open(Phone=f"+1415555010{n}", Client="alice" if n else "bob")
    assert len(rest.ask("GET", Client="alice").get_json()["message_sessions"]) == 2
    assert len(rest.ask("GET", Phone=OTHER_PHONE).get_json()["message_sessions"]) == 1
    page = rest.ask("GET", PageSize="2").get_json()
    assert [one["phone"] for one in page["message_sessions"]] == ["+14155550102", "+14155550101"]
    rest_of_it = rest.ask("GET", page["meta"]["next_page_url"].partition("localhost")[2]).get_json()
    assert [one["phone"] for one in rest_of_it["message_sessions"]] == ["+14155550100"]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"Phone": ""}, 20001),
        ({"Phone": "555"}, 21211),
        ({"Phone": "＋14155550100"}, 21211),
        ({"Number": ""}, 20001),
        ({"Number": OTHER_PHONE}, 21606),
        ({"Client": ""}, 20001),
        ({"Client": "a b"}, 31105),
        ({"Client": "x" * 257}, 20001),
        ({"Timeout": "0"}, 20001),
        ({"Timeout": str(sessions.LONGEST + 1)}, 20001),
    ],
)
def test_a_wrong_session_is_refused_with_its_code(rest: Rest, wrong: dict[str, str], code: int) -> None:
    answer = rest.ask("POST", **{**NEW, **wrong})
    assert (answer.status_code, answer.get_json()["code"]) == (400, code)
    assert rest.ask("GET").get_json()["message_sessions"] == []


def test_i14_another_account_sees_and_changes_nothing(rest: Rest) -> None:
    sid, other = rest.open()["sid"], new_sid(ACCOUNT)
    keys = Keys(["k" * 32])
    sealed = credentials.seal(keys, "a token")
    rest.world.write(
        lambda c: accounts.create(c, sid=other, friendly_name="B", credential=sealed, now=1.0) and None
    )
    for method, path in (("GET", f"/{sid}"), ("POST", f"/{sid}"), ("GET", f"/{sid}/Messages")):
        for base in (rest.base, f"/v1/Accounts/{other}/MessageSessions"):
            assert rest.ask(method, base + path, account=other).status_code == 404
    assert rest.ask("GET", f"/{sid}").get_json()["status"] == "open"
