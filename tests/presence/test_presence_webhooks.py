"""App servers that are told by webhook: signed, in order, at least once, by whichever process lives (PR-40, PR-43)."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from presence_world import MASTER, SECONDS, sid
from streams_world import TOKEN, Account, Node, Presence
from twilio.request_validator import RequestValidator

from foundation.settings import Settings
from presence.app import create_app
from presence.subscriptions import delivery, webhooks
from presence.subscriptions.webhooks import LONGEST, PATIENCE, Webhook, pause
from tests.support import tables


class AppServer:
    """Records what it is told; `answer` is a status for each request."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.urls: list[str] = []
        self.raw: list[bytes] = []
        self.answer: Callable[[int], int] = lambda _n: 204
        self._arrived = threading.Condition()
        app = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with app._arrived:
                    status = app.answer(len(app.got))
                    app.got.append(json.loads(body))
                    app.raw.append(body)
                    app.headers.append(dict(self.headers))
                    app.urls.append(f"{app.origin}{self.path}")
                    app._arrived.notify_all()
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        self.url = f"{self.origin}/presence?x=1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def wait(self, done: Callable[["AppServer"], bool]) -> None:
        with self._arrived:
            assert self._arrived.wait_for(lambda: done(self), SECONDS), self.got

    def statuses(self) -> dict[str, str]:
        """What the messages add up to."""
        view: dict[str, str] = {}
        for message in list(self.got):
            if message["snapshot"]:
                view.clear()
            for name in message["removed"]:
                view.pop(name, None)
            view |= {one["client"]: one["status"] for one in message["clients"]}
        return view

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(SECONDS)


@pytest.fixture
def app() -> Iterator[AppServer]:
    running = AppServer()
    yield running
    running.close()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow one another quickly."""
    monkeypatch.setattr(delivery, "LOOK", 0.05)
    monkeypatch.setattr(webhooks, "FIRST", 0.02)


@pytest.fixture
def node(database_url: str) -> Iterator[Node]:
    tables.make(database_url, "presence")
    running = Node(database_url, webhooks="node-1")
    yield running
    running.close()


@pytest.fixture
def account(node: Node) -> Account:
    return node.presence.account()


def subscribe(account: Account, url: str, **view: Any) -> Webhook:
    made = account.presence.webhooks.create(
        account.sid, url, view or {"everyone": True}, detail=False, now=time.time()
    )
    return made.result(SECONDS)


def stored(account: Account, webhook: Webhook, done: Callable[[Webhook], bool]) -> Webhook:
    """The webhook once it is so."""
    deadline = time.monotonic() + SECONDS
    while True:
        found = account.presence.webhooks.find(account.sid, webhook.sid)
        if done(found):
            return found
        assert time.monotonic() < deadline, found
        threading.Event().wait(0.01)


def test_pr40_a_snapshot_then_changes_signed_as_twilio_signs(
    node: Node, account: Account, app: AppServer
) -> None:
    account.put("alice")
    webhook = subscribe(account, app.url)
    app.wait(lambda one: len(one.got) == 1)
    first = app.got[0]
    assert (first["snapshot"], first["subscription_sid"], first["account_sid"]) == (
        True,
        webhook.sid,
        account.sid,
    )
    account.put("bob")
    app.wait(lambda one: len(one.got) == 2)
    assert not app.got[1]["snapshot"]
    assert app.statuses() == {"alice": "available", "bob": "available"}
    for url, body, headers in zip(app.urls, app.raw, app.headers, strict=True):
        validator = RequestValidator(TOKEN)
        assert validator.validate(url, body.decode(), headers["X-Twilio-Signature"])
        assert not validator.validate(url, body.decode() + " ", headers["X-Twilio-Signature"])
    done = stored(account, webhook, lambda one: one.cursor == app.got[1]["as_of"])
    assert (done.snapshot, done.attempts, done.last_error) == (False, 0, "")


def test_pr43_what_fails_is_tried_again_and_nothing_is_lost(
    node: Node, account: Account, app: AppServer
) -> None:
    app.answer = lambda n: 500 if n < 3 else 204
    webhook = subscribe(account, app.url)
    app.wait(lambda one: len(one.got) >= 2)
    account.put("alice")
    account.put("bob")
    app.wait(lambda one: one.statuses() == {"alice": "available", "bob": "available"})
    assert [one["as_of"] for one in app.got[:4]] == [0, 0, 0, 0]
    assert len({one["I-Twilio-Idempotency-Token"] for one in app.headers[:4]}) == 1
    numbers = [one["as_of"] for one in app.got]
    assert numbers == sorted(numbers)
    stored(account, webhook, lambda one: one.attempts == 0 and one.cursor == 2)


def test_failures_are_told_and_in_the_end_switch_it_off(
    node: Node, account: Account, app: AppServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "PATIENCE", 0.05)
    app.answer = lambda _n: 302  # a redirect would lose the body
    webhook = subscribe(account, app.url)
    off = stored(account, webhook, lambda one: not one.active)
    assert (off.last_error, off.attempts) == ("11200 the app server answered 302", 3)
    app.answer = lambda _n: 204
    account.put("alice")
    account.presence.webhooks.change(account.sid, webhook.sid, time.time(), active=True).result(SECONDS)
    app.wait(lambda one: one.statuses() == {"alice": "available"})
    assert stored(account, webhook, lambda one: not one.snapshot).last_error == ""


def test_a_cursor_that_is_older_than_the_log_gets_a_snapshot(
    node: Node, account: Account, app: AppServer
) -> None:
    webhook = subscribe(account, app.url)
    account.put("alice")
    account.put("bob")
    stored(account, webhook, lambda one: one.cursor == 2)
    change = account.presence.webhooks.change
    change(account.sid, webhook.sid, time.time(), active=False).result(SECONDS)
    _looked(node, app, "switched-off")
    account.gone("bob")
    account.put("carol")
    forget = f"DELETE FROM changes WHERE account_sid = '{account.sid}' AND sequence < 4"
    account.presence.database.write(lambda connection: connection.exec_driver_sql(forget)).result(SECONDS)
    heard = len(app.got)
    change(account.sid, webhook.sid, time.time(), active=True).result(SECONDS)
    app.wait(lambda one: len(one.got) > heard)
    assert app.got[heard]["snapshot"]
    assert app.statuses() == {"alice": "available", "carol": "available"}


def test_another_address_and_an_end_are_heeded(node: Node, account: Account, app: AppServer) -> None:
    """From the next look on, which a later subscription's first message proves to be over."""
    webhook = subscribe(account, f"{app.origin}/one")
    stored(account, webhook, lambda one: not one.snapshot)
    change = account.presence.webhooks.change
    change(account.sid, webhook.sid, time.time(), url=f"{app.origin}/two").result(SECONDS)
    _looked(node, app, "first")
    account.put("alice")
    app.wait(lambda one: _heard(one, webhook) == [("/one", 0), ("/two", 1)])
    account.presence.webhooks.delete(account.sid, webhook.sid).result(SECONDS)
    other, witness = _looked(node, app, "second")
    account.put("bob")
    other.put("carol")
    stored(other, witness, lambda one: one.cursor == 1)
    assert _heard(app, webhook)[2:] == []


def _looked(node: Node, app: AppServer, name: str) -> tuple[Account, Webhook]:
    other = node.presence.account()
    witness = subscribe(other, f"{app.origin}/{name}")
    app.wait(lambda one: any(f"/{name}" in url for url in one.urls))
    return other, witness


def _heard(app: AppServer, webhook: Webhook) -> list[tuple[str, int]]:
    """Where the webhook's messages came in, and their numbers."""
    return [
        (url.removeprefix(app.origin).partition("?")[0], message["as_of"])
        for url, message in zip(app.urls, app.got, strict=False)
        if message["subscription_sid"] == webhook.sid
    ]


def test_an_account_that_is_suspended_is_told_nothing_until_it_is_back(
    node: Node, account: Account, app: AppServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "SUSPENDED_PAUSE", 0.05)
    put = node.presence.directory.put_account
    put(account.sid, "suspended", [TOKEN], 2, time.time()).result(SECONDS)
    webhook = subscribe(account, app.url)
    stored(account, webhook, lambda one: one.due_at > one.created_at)
    assert app.got == []
    put(account.sid, "active", ["new" * 11, TOKEN], 3, time.time()).result(SECONDS)
    app.wait(lambda one: len(one.got) == 1)
    assert RequestValidator("new" * 11).validate(
        app.urls[0], app.raw[0].decode(), app.headers[0]["X-Twilio-Signature"]
    )


def test_pr43_two_processes_share_and_the_death_of_one_loses_nothing(
    database_url: str, app: AppServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first process dies when the app server has the message, but before that is stored."""
    monkeypatch.setattr(webhooks, "LEASE", 1.0)
    monkeypatch.setattr(delivery, "LEASE", 1.0)
    tables.make(database_url, "presence")
    first = Node(database_url, webhooks="first")
    account = first.presence.account()
    webhook = subscribe(account, app.url)
    stored(account, webhook, lambda one: not one.snapshot)

    def dies(_n: int) -> int:
        first.killed = True
        first.presence.webhooks._set = lambda *_: pytest.fail("it is dead")  # type: ignore[method-assign]
        return 204

    app.answer = dies
    account.put("alice")
    app.wait(lambda one: len(one.got) == 2)
    first.stop()
    app.answer = lambda _n: 204
    second = Node(database_url, webhooks="second")
    try:
        app.wait(lambda one: len(one.got) == 3)
        again, once = app.got[2], app.got[1]
        assert (again["as_of"], again["clients"]) == (once["as_of"], once["clients"])
        Account.put(account, "bob")
        app.wait(lambda one: one.statuses() == {"alice": "available", "bob": "available"})
        stored(account, webhook, lambda one: one.cursor == 2)
        assert len(app.got) == 4, "both carried it"
    finally:
        second.close()
        first.close()


@given(st.integers(1, 200), st.floats(0, 1))
def test_pauses_double_up_to_a_quarter_of_an_hour_and_end_after_a_day(failures: int, jitter: float) -> None:
    """The real constants, whatever other tests set."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(webhooks, "FIRST", 1.0)
        waited = sum(min(LONGEST, 2.0**n) for n in range(failures - 1))
        delay = pause(failures, jitter)
        assert (delay is None) == (waited >= PATIENCE)
        if delay is not None:
            assert 0.79 < delay / min(LONGEST, 2.0 ** (failures - 1)) < 1.21


# The resource


@pytest.fixture(scope="module")
def presence(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Presence]:
    url = f"sqlite:///{tmp_path_factory.mktemp('webhooks')}/presence.sqlite3"
    tables.make(url, "presence")
    made = Presence(url)
    yield made
    made.close()


@pytest.fixture(scope="module")
def http(presence: Presence) -> FlaskClient:
    settings = Settings(data_dir=Path("/nowhere"), secret_keys=(MASTER,), refusals_per_second=0.0)
    door: Any = None
    flask = create_app(settings, presence.keys, presence.store, presence.directory, door)
    return flask.test_client()


def ask(
    http: FlaskClient, account: Account, method: str, path: str = "", body: Any = None, **options: Any
) -> tuple[int, Any]:
    given = {"auth": (account.sid, TOKEN), **options}
    answer = http.open(f"/v1/Accounts/{account.sid}/Subscriptions{path}", method=method, json=body, **given)
    return answer.status_code, answer.get_json(silent=True)


URL = "https://app.example/presence"


def test_pr40_a_subscription_is_a_resource(http: FlaskClient, presence: Presence) -> None:
    account = presence.account()
    status, made = ask(http, account, "POST", body={"url": URL, "list": "sales", "detail": True})
    assert (status, made["list"], made["detail"], made["active"]) == (201, "sales", True, True)
    assert ask(http, account, "GET")[1] == {"subscriptions": [made]}
    path = f"/{made['sid']}"
    assert ask(http, account, "GET", path) == (200, made)
    status, changed = ask(http, account, "POST", path, {"url": f"{URL}#rc=2", "active": False})
    assert (status, changed["url"], changed["active"]) == (200, f"{URL}#rc=2", False)
    assert ask(http, account, "DELETE", path) == (204, None)
    for method in ("GET", "POST", "DELETE"):
        assert ask(http, account, method, path, {})[0] == 404


@pytest.mark.parametrize(
    "body",
    [
        {"everyone": True},
        {"url": URL},
        {"url": URL, "everyone": True, "list": "sales"},
        {"url": URL, "everyone": True, "detail": 1},
        {"url": "ftp://app.example", "everyone": True},
        {"url": "http://127.0.0.1/", "everyone": True},
        {"url": "http://[::1]/", "everyone": True},
        {"url": "https://app.example/" + "x" * 2000, "everyone": True},
        {"url": URL, "clients": ["no name"]},
        {"url": URL, "clients": [str(n) for n in range(1001)]},
        [],
    ],
)
def test_a_bad_subscription_is_refused(http: FlaskClient, presence: Presence, body: Any) -> None:
    account = presence.account()
    status, answer = ask(http, account, "POST", body=body)
    assert (status, sorted(answer)) == (400, ["code", "message", "more_info", "status"])
    assert ask(http, account, "GET")[1] == {"subscriptions": []}


def test_pr9_subscriptions_are_for_their_account_only(http: FlaskClient, presence: Presence) -> None:
    account, other = presence.account(), presence.account()
    made = ask(http, account, "POST", body={"url": URL, "everyone": True})[1]
    assert ask(http, other, "GET", f"/{made['sid']}")[0] == 404
    assert ask(http, account, "GET", f"/{sid('RG')}")[0] == 404
    assert ask(http, account, "GET", auth=(other.sid, TOKEN))[0] == 401
    bearer = {"Authorization": f"Bearer {account.token('zoe', 'presence:read:account', 'events:subscribe')}"}
    assert ask(http, account, "GET", auth=None, headers=bearer)[0] == 403


def test_an_account_has_so_many_subscriptions(
    http: FlaskClient, presence: Presence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "MOST", 1)
    account = presence.account()
    assert ask(http, account, "POST", body={"url": URL, "everyone": True})[0] == 201
    status, answer = ask(http, account, "POST", body={"url": URL, "everyone": True})
    assert (status, "at most 1" in answer["message"]) == (400, True)
