"""The Python client against a server that plays a script: pages, faults, streams that break."""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from presence_world import SECONDS, Tenant
from twilio.jwt.access_token import AccessToken, AccessTokenGrant

from presence.client import AccountPresence, CursorTooOld, PresenceRefused, PresenceUnavailable, Watch
from presence.client import watching as watching_module
from presence.client.server_events import events

ACCOUNT = "AC" + "1" * 32


@dataclass
class Asked:
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: Any


Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Script:
    """Answers requests in order; the last answer again and again."""

    answers: list[Answer] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    url: str = ""
    ended: threading.Event = field(default_factory=threading.Event)

    def client(self, auth: Any = ("AC1", "secret")) -> AccountPresence:
        return AccountPresence(self.url, ACCOUNT, auth)


def answer(status: int, body: Any = None, **headers: str) -> Answer:
    def give(handler: BaseHTTPRequestHandler) -> None:
        payload = b"" if body is None else json.dumps(body).encode()
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(payload)))
        handler.end_headers()
        handler.wfile.write(payload)

    return give


def stream(script: Script, *pieces: str, stay: bool = False, chunked: bool = True) -> Answer:
    """Server-sent events, each piece as it is; then the connection ends, or stays open until the test's end."""

    def give(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header(*(("Transfer-Encoding", "chunked") if chunked else ("Connection", "close")))
        handler.end_headers()
        for piece in pieces:
            data = piece.encode()
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(data), data) if chunked else data)
            handler.wfile.flush()
        if stay:
            script.ended.wait(SECONDS)
        handler.close_connection = True

    return give


@pytest.fixture
def script() -> Iterator[Script]:
    made = Script()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            url = urlsplit(self.path)
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = json.loads(text) if text else None
            made.asked.append(
                Asked(self.command, url.path, parse_qs(url.query), dict(self.headers.items()), body)
            )
            (made.answers.pop(0) if len(made.answers) > 1 else made.answers[0])(self)

        do_GET = do_POST = do_PUT = do_DELETE = _any  # noqa: N815 - the names that the base class looks for

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        made.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield made
        made.ended.set()
        server.shutdown()


def presence(name: str, status: str = "available", **more: Any) -> dict[str, Any]:
    return {
        "account_sid": ACCOUNT, "client": name, "status": status, "available": status == "available", "note": "",
        "capabilities": ["voice"], "version": 1, "updated_at": None, "expires_at": None, "uri": "/", **more,
    }  # fmt: skip


def event(name: str, status: str = "available", sequence: int = 1, version: int = 1) -> dict[str, Any]:
    return {
        "client": name, "status": status, "available": status == "available", "note": "", "capabilities": [],
        "version": version, "sequence": sequence, "at": "2026-01-01T00:00:00Z", "something": "newer",
    }  # fmt: skip


def message(
    as_of: int, *clients: dict[str, Any], snapshot: bool = False, removed: tuple[str, ...] = ()
) -> str:
    said = {"as_of": as_of, "snapshot": snapshot, "clients": clients, "removed": removed}
    return f"event: presence\nid: {as_of}\ndata: {json.dumps(said)}\n\n"


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        (("AC1", "secret"), "Basic " + base64.b64encode(b"AC1:secret").decode()),
        ("a.client.token", "Bearer a.client.token"),
        (lambda: "fresh", "Bearer fresh"),
    ],
)
def test_pr9_credentials_of_every_kind(script: Script, auth: Any, header: str) -> None:
    script.answers = [answer(200, presence("alice"))]
    with script.client(auth) as client:
        assert client.presence("alice").endpoints == (), "who may not see devices is told of none"
    assert script.asked[0].headers["Authorization"] == header
    assert script.asked[0].path == f"/v1/Accounts/{ACCOUNT}/Presence/alice"


def test_pr37_all_pages_of_a_roster_are_one_answer(script: Script) -> None:
    script.answers = [
        answer(
            200,
            {"as_of": 7, "clients": [presence("a/b")], "removed": ["gone"], "next_page_token": "signed"},
        ),
        answer(200, {"as_of": 7, "clients": [presence("c", "away")], "removed": []}),
    ]
    found = script.client().query(contact_list="sales", connectable=True, since=3)
    assert (found.as_of, [one.client for one in found.clients], found.removed) == (7, ["a/b", "c"], ("gone",))
    first, second = (one.body for one in script.asked)
    assert first == {"list": "sales", "view": "connectable", "since": 3, "page_size": 1000}
    assert second == {**first, "page_token": "signed"}


def test_pr38_a_cursor_that_is_too_old_has_an_exception_of_its_own(script: Script) -> None:
    script.answers = [answer(410, {"code": 20410, "message": "too old"})]
    with pytest.raises(CursorTooOld, match="too old"):
        script.client().query(["alice"], since=1)


def test_refusals_say_code_and_how_long_to_wait(script: Script) -> None:
    script.answers = [answer(429, {"code": 20429, "message": "slow down"}, Retry_After="3")]
    with pytest.raises(PresenceRefused) as refused:
        script.client().set_status("alice", "away")
    assert (refused.value.status, refused.value.code, refused.value.retry_after) == (429, 20429, 3.0)


def test_one_way_to_name_clients_at_a_time(script: Script) -> None:
    with pytest.raises(ValueError, match="clients, prefix"):
        script.client().query(["alice"], prefix="a")


CALLS: list[tuple[Callable[[AccountPresence], Any], str, str, Any]] = [
    (lambda p: p.status("alice"), "GET", "/Clients/alice/Status", None),
    (lambda p: p.set_status("a b", None), "PUT", "/Clients/a%20b/Status", {"status": None, "note": ""}),
    (
        lambda p: p.create_status("lunch", available=False, rank=150, voice=True),
        "POST", "/Statuses", {"name": "lunch", "available": False, "rank": 150, "voice": True},
    ),
    (lambda p: p.change_status("lunch", rank=1), "POST", "/Statuses/lunch", {"rank": 1}),
    (lambda p: p.delete_status("lunch"), "DELETE", "/Statuses/lunch", None),
    (lambda p: p.create_contact_list("x", ["a"]), "POST", "/ContactLists", {"name": "x", "clients": ["a"]}),
    (lambda p: p.rename_contact_list("x", "y"), "POST", "/ContactLists/x", {"name": "y"}),
    (lambda p: p.add_contact("x", "a/b"), "PUT", "/ContactLists/x/Clients/a%2Fb", None),
    (lambda p: p.remove_contact("x", "a"), "DELETE", "/ContactLists/x/Clients/a", None),
    (lambda p: p.delete_contact_list("x"), "DELETE", "/ContactLists/x", None),
    (
        lambda p: p.put_destination("desk", ["a", {"client": "b", "account_sid": "AC2"}]),
        "PUT", "/Destinations/desk", {"targets": [{"client": "a"}, {"client": "b", "account_sid": "AC2"}]},
    ),
    (lambda p: p.destination("desk"), "GET", "/Destinations/desk", None),
    (lambda p: p.delete_destination("desk"), "DELETE", "/Destinations/desk", None),
    (
        lambda p: p.subscribe("http://a.example", prefix="s"),
        "POST", "/Subscriptions", {"url": "http://a.example", "detail": False, "prefix": "s"},
    ),
    (lambda p: p.change_subscription("PS1", active=False), "POST", "/Subscriptions/PS1", {"active": False}),
    (lambda p: p.unsubscribe("PS1"), "DELETE", "/Subscriptions/PS1", None),
    (lambda p: p.revoke(identity="alice"), "POST", "/Revocations", {"identity": "alice"}),
    (lambda p: p.revoke(account=True), "POST", "/Revocations", {"account": True}),
    (lambda p: p.unregister("a", "RG1"), "DELETE", "/Clients/a/Registrations/RG1", None),
    (
        lambda p: p.change_registration("a", "RG1", status="away", version=3),
        "POST", "/Clients/a/Registrations/RG1", {"status": "away", "version": 3},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("call", "method", "path", "body"), CALLS)
def test_every_resource_is_asked_as_documented(
    script: Script, call: Callable[[AccountPresence], Any], method: str, path: str, body: Any
) -> None:
    script.answers = [answer(200, {})]
    call(script.client())
    (asked,) = script.asked
    assert (asked.method, asked.path, asked.body) == (method, f"/v1/Accounts/{ACCOUNT}{path}", body)


def test_pr13_a_heartbeat_refreshes_survives_an_outage_and_unregisters(script: Script) -> None:
    sid, beats = "RG" + "1" * 32, threading.Semaphore(0)

    def registered(handler: BaseHTTPRequestHandler) -> None:
        answer(200, {"sid": sid})(handler)
        beats.release()

    script.answers = [registered, answer(503, {}), registered]
    with script.client().keep_registered("alice", "desk", ttl=1, status="away") as heartbeat:
        for _ in range(3):
            assert beats.acquire(timeout=SECONDS)
        assert heartbeat.alive
    assert not heartbeat.alive
    first, *later, last = script.asked
    assert first.body == {"endpoint_id": "desk", "capabilities": ["voice"], "ttl": 1, "status": "away"}
    assert all("status" not in one.body for one in later), "what was set elsewhere meanwhile stays"
    assert (last.method, last.path.rpartition("/")[2]) == ("DELETE", sid)


def test_pr7_a_heartbeat_ends_when_its_token_is_refused(script: Script) -> None:
    script.answers = [answer(201, {"sid": "RG1"}), answer(401, {"code": 20104, "message": "revoked"})]
    heartbeat = script.client().keep_registered("alice", "desk", ttl=1)
    heartbeat._thread.join(SECONDS)
    assert heartbeat.refused is not None
    assert heartbeat.refused.code == 20104
    heartbeat.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching_module, "FIRST_DELAY", 0.01)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("chunked", [True, False])
def test_pr43_a_watch_resumes_where_the_stream_broke(script: Script, chunked: bool) -> None:
    half = message(6, event("bob", sequence=6))
    script.answers = [
        stream(
            script, ": hello\n\n", message(5, event("alice"), event("bob"), snapshot=True), half[:40],
            chunked=chunked,
        ),
        answer(503, {}),
        stream(script, message(6, event("bob", "away", 6, 2)), "event: ended\ndata: {}\n\n", chunked=chunked),
        stream(script, message(9, removed=("alice",)), stay=True, chunked=chunked),
    ]  # fmt: skip
    views = []
    with script.client().watch(["alice", "bob"], detail=True) as watch:
        for said in watch:
            views.append({name: one.status for name, one in watch.view.items()})
            if said.as_of == 9:
                break
    assert views == [
        {"alice": "available", "bob": "available"},
        {"alice": "available", "bob": "away"},
        {"bob": "away"},
    ]
    assert [one.headers.get("Last-Event-ID") for one in script.asked] == [None, "5", "5", "6"]
    assert script.asked[0].query == {"clients": ["alice,bob"], "detail": ["true"]}


@pytest.mark.usefixtures("quick")
def test_pr41_a_snapshot_in_parts_counts_when_it_is_whole(script: Script) -> None:
    part = json.dumps({"as_of": 0, "snapshot": True, "more": True, "clients": [event("old")], "removed": []})
    script.answers = [
        stream(script, f"event: presence\ndata: {part}\n\n"),
        stream(
            script,
            f"event: presence\ndata: {part.replace('old', 'alice')}\n\n",
            message(5, event("bob")),
            stay=True,
        ),
    ]
    with script.client().watch() as watch:
        for said in watch:
            if not said.more:
                break
        assert (sorted(watch.view), watch.cursor) == (["alice", "bob"], 5)
    assert "Last-Event-ID" not in script.asked[1].headers


def test_a_watch_that_is_closed_by_another_thread_ends_at_once(script: Script) -> None:
    script.answers = [stream(script, message(1, event("alice"), snapshot=True), stay=True)]
    watch, said = script.client().watch(), threading.Event()

    def read() -> None:
        for _ in watch:
            said.set()

    reader = threading.Thread(target=read)
    reader.start()
    assert said.wait(SECONDS)
    started = time.monotonic()
    watch.close()
    reader.join(SECONDS)
    assert not reader.is_alive()
    assert time.monotonic() - started < SECONDS / 2


def test_pr47_a_watch_whose_token_has_ended_says_so(script: Script) -> None:
    script.answers = [
        stream(script, message(1, snapshot=True), 'event: ended\ndata: {"code": 20104}\n\n'),
        answer(401, {"code": 20104, "message": "the token has expired"}),
    ]
    with pytest.raises(PresenceRefused, match="expired"):
        list(script.client().watch())


@pytest.mark.usefixtures("quick")
def test_a_watch_loses_patience(script: Script) -> None:
    script.answers = [answer(503, {})]
    with pytest.raises(PresenceUnavailable, match="503"):
        list(script.client().watch(patience=0.1))
    assert len(script.asked) > 1


def test_a_watch_closed_before_it_starts_asks_nothing(script: Script) -> None:
    watch: Watch = script.client().watch()
    watch.close()
    assert list(watch) == []
    assert script.asked == []


# Against a real server


@pytest.fixture
def real(tenant: Tenant) -> Iterator[AccountPresence]:
    """The account's own server, over TLS as from elsewhere."""
    settings = tenant.world.settings
    url = f"https://localhost:{settings.signal_bind.rpartition(':')[2]}"
    authority = str(settings.data_dir / "tls" / "ca.pem")
    with AccountPresence(
        url, tenant.account, (tenant.account, tenant.auth_token), verify=authority
    ) as presence:
        yield presence


def test_pr40_pr43_a_real_server_is_watched_and_resumed(tenant: Tenant, real: AccountPresence) -> None:
    real.create_contact_list("sales", ["ann", "bob"])
    seen: list[dict[str, str]] = []
    with real.watch(contact_list="sales", patience=SECONDS) as watch:
        for number, _ in enumerate(watch):
            seen.append({name: one.status for name, one in watch.view.items()})
            if number == 0:
                tenant.register("ann")
            elif number == 1:
                real.set_status("ann", "away", "lunch")
            else:
                break
        cursor = watch.cursor
    assert seen == [
        {"ann": "offline", "bob": "offline"},
        {"ann": "available", "bob": "offline"},
        {"ann": "away", "bob": "offline"},
    ]
    real.remove_contact("sales", "bob")
    real.add_contact("sales", "zoe")
    with real.watch(contact_list="sales", cursor=cursor, patience=SECONDS) as again:
        missed = next(message for message in again if message.clients or message.removed)
    assert ([one.client for one in missed.clients], missed.removed) == (["zoe"], ("bob",))
    asked = real.query(contact_list="sales", since=cursor)
    assert ([one.client for one in asked.clients], asked.removed) == (["zoe"], ("bob",))


def test_pr7_pr47_a_watch_ends_when_its_token_is_revoked(tenant: Tenant, real: AccountPresence) -> None:
    token = AccessToken(tenant.account, tenant.key, tenant.secret, identity="bob")
    token.add_grant(PresenceGrant())
    with AccountPresence(tenant.world.settings.presence_base(), tenant.account, str(token.to_jwt())) as his:
        watch = iter(his.watch(["bob", "ann"], patience=SECONDS))
        assert [one.client for one in next(watch).clients] == ["bob"], "ann is not for him to see"
        real.revoke(token=str(token.to_jwt()))
        with pytest.raises(PresenceRefused) as refused:
            next(watch)
        assert (refused.value.status, refused.value.code) == (401, 20104)


class PresenceGrant(AccessTokenGrant):
    key = "callrouter"

    def to_payload(self) -> dict[str, list[str]]:
        return {"permissions": ["presence:read:self", "events:subscribe"]}


def test_a_real_stream_is_closed_from_another_thread(real: AccountPresence) -> None:
    watch, opened = real.watch(), threading.Event()

    def read() -> None:
        for _ in watch:
            opened.set()

    reader = threading.Thread(target=read)
    reader.start()
    assert opened.wait(SECONDS)
    watch.close()
    reader.join(SECONDS)
    assert not reader.is_alive()


def test_pr12_pr13_a_device_is_kept_registered(tenant: Tenant) -> None:
    url = tenant.world.settings.presence_base()
    with AccountPresence(url, tenant.account, tenant.token("ann")) as mine:
        with mine.keep_registered("ann", "desk", capabilities=["sms"], note="here"):
            (device,) = tenant.world.client.presence(tenant.account, "ann").endpoints
            assert (device.endpoint_id, device.capabilities, device.note) == ("desk", ("sms",), "here")
            (own,) = mine.registrations("ann")
            changed = mine.change_registration("ann", own["sid"], priority=4, version=own["version"])
            assert changed["priority"] == 4
            with pytest.raises(PresenceRefused) as stale:
                mine.change_registration("ann", own["sid"], note="late", version=own["version"])
            assert stale.value.status == 409
        assert tenant.world.client.presence(tenant.account, "ann").status == "offline"
        with pytest.raises(PresenceRefused) as foreign:
            mine.set_status("bob", "away")
        assert foreign.value.status == 403


def test_pr21_pr33_pr61_pr7_what_an_account_sets(tenant: Tenant, real: AccountPresence) -> None:
    real.create_status("lunch", available=False, rank=150, messages=True)
    assert real.change_status("lunch", rank=160)["rank"] == 160
    assert "lunch" in [one["name"] for one in real.statuses()]
    real.delete_status("lunch")
    real.create_contact_list("a", [f"client-{n:04}" for n in range(1000)])
    assert len(real.contacts("a")) == 1000
    assert len(real.query(contact_list="a").clients) == 1000
    assert real.rename_contact_list("a", "b")["name"] == "b"
    assert [one["name"] for one in real.contact_lists()] == ["b"]
    real.delete_contact_list("b")
    real.put_destination("front", ["ann", "bob"])
    assert [one["client"] for one in real.destination("front")["targets"]] == ["ann", "bob"]
    assert [one["name"] for one in real.destinations()] == ["front"]
    real.delete_destination("front")
    tenant.register("ann")
    assert real.status("ann")["status"] is None
    assert real.revoke(identity="ann")["ended"] == 1
    assert len(real.revocations()) == 1
    assert real.presence("ann").status == "offline"
    assert real.subscriptions() == []
    with pytest.raises(PresenceRefused, match="url"):  # an address of our own network
        real.subscribe("http://127.0.0.1:9/presence", prefix="a", detail=True)


TEXT = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]))


@given(st.lists(st.tuples(st.sampled_from(["presence", "ended"]), st.lists(TEXT, min_size=1, max_size=3))))
def test_server_events_are_read_back(said: list[tuple[str, list[str]]]) -> None:
    lines = []
    for name, data in said:
        lines += [": keep-alive", "", f"event: {name}", *(f"data: {line}" for line in data), "id: 1", ""]
    read = [(one.name, one.data.split("\n")) for one in events(line.encode() for line in lines)]
    assert read == said
