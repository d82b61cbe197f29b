"""The HTTP API and its client, against a real server."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
import requests
from presence_asking import dump
from presence_world import MASTER, SDP, SECONDS, Tenant, World, sid

from foundation.keys import Keys
from foundation.webserver.service import service_token
from presence.client import Breaker, CallUnknown, PresenceClient, PresenceRefused, PresenceUnavailable


def service(tenant: Tenant, method: str, path: str, **options: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {service_token(Keys([MASTER]), 'presence', 'test')}"}
    base = tenant.world.settings.presence_base()
    return requests.request(
        method, base + path.format(A=tenant.account), headers=headers, timeout=SECONDS, **options
    )


def test_pr10_created_then_updated_with_the_same_sid(tenant: Tenant) -> None:
    first = tenant.register("alice", capabilities=["sms", "voice"], note="<b>hi</b>", priority=3)
    again = tenant.register("alice", capabilities=["sms", "voice"], note="<b>hi</b>", priority=3)
    assert (first.status_code, again.status_code) == (201, 200)
    body = first.json()
    assert body["sid"] == again.json()["sid"]
    assert body["note"] == "<b>hi</b>"
    assert body["capabilities"] == ["voice", "sms"]
    assert (body["version"], again.json()["version"]) == (1, 1)
    assert body["updates_uri"].endswith("/Clients/alice/Registrations")  # PR-17
    assert body["cursor"] == 1
    found = tenant.world.client.presence(tenant.account, "alice")
    assert (found.available, found.capabilities, found.endpoints[0].priority) == (True, ("voice", "sms"), 3)


def test_pr26_the_presence_resource_has_one_shape(tenant: Tenant) -> None:
    tenant.register("alice", status="away")
    there = service(tenant, "GET", "/v1/Accounts/{A}/Presence/alice").json()
    nobody = service(tenant, "GET", "/v1/Accounts/{A}/Presence/nobody").json()
    assert list(there) == list(nobody)
    assert (there["status"], there["available"]) == ("away", False)
    assert nobody == {
        "account_sid": tenant.account,
        "client": "nobody",
        "status": "offline",
        "available": False,
        "capabilities": [],
        "note": "",
        "version": 0,
        "updated_at": None,
        "expires_at": None,
        "uri": f"/v1/Accounts/{tenant.account}/Presence/nobody",
        "endpoints": [],
    }
    (one,) = there["endpoints"]
    assert set(one) == {
        "endpoint_id", "status", "available", "capabilities", "takes", "priority", "note", "hidden", "incoming",
        "last_seen", "expires_at", "node",
    }  # fmt: skip


def test_pr34_many_in_one_message_each_once_in_the_order_asked(tenant: Tenant) -> None:
    tenant.register("b")
    tenant.register("a")
    found = tenant.world.client.query(tenant.account, ["a", "nobody", "b", "a"])
    assert [(one.client, one.available) for one in found.clients] == [
        ("a", True),
        ("nobody", False),
        ("b", True),
    ]
    assert found.as_of == 2


def test_pr37_too_many_names_is_a_400_that_names_the_limit(tenant: Tenant) -> None:
    answer = service(tenant, "POST", "/v1/Accounts/{A}/Presence/query", json={"clients": ["a"] * 1001})
    assert answer.status_code == 400
    assert "1000" in answer.json()["message"]


@pytest.mark.parametrize(
    ("token", "status", "code"),
    [
        (lambda t, _: "x", 401, 20101),
        (lambda t, _: t.token("alice", ttl=-1), 401, 20104),
        (lambda t, _: t.token("alice", ttl=100_000), 401, 20157),
        (lambda t, _: t.token("alice", incoming=False), 403, 20403),
        (lambda t, _: t.token("bob"), 403, 20403),
        (lambda _, other: other.token("alice"), 403, 20403),
        (lambda t, _: t.token("alice")[:-4] + "AAAA", 401, 20107),
        (lambda t, _: service_token(Keys([MASTER]), "presence", "test"), 403, 20403),
        (
            lambda t, _: jwt.encode({"iss": t.account, "exp": int(time.time()) + 9, "scope": "x"}, "w" * 32),
            401,
            20107,
        ),
    ],
)
def test_pr3_pr4_pr9_a_refused_registration_leaves_no_trace(
    tenant: Tenant, token: Any, status: int, code: int
) -> None:
    other = tenant.world.tenant()
    made = token(tenant, other)
    before = dump(tenant), dump(other)
    answer = tenant.register("alice", token=made)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert set(answer.json()) == {"code", "message", "more_info", "status"}
    assert (dump(tenant), dump(other)) == before


def test_pr9_a_client_token_is_no_service_token(tenant: Tenant) -> None:
    for token in (tenant.token("alice"), "", service_token(Keys([MASTER]), "router", "x")):
        answer = requests.post(
            f"{tenant.world.settings.presence_base()}/v1/Accounts/{tenant.account}/Invites",
            headers={"Authorization": f"Bearer {token}"},
            timeout=SECONDS,
        )
        assert (answer.status_code, answer.json()["code"]) == (401, 20003)


@pytest.mark.parametrize(
    "body",
    [
        {"endpoint_id": ""},
        {"endpoint_id": "a b"},
        {"endpoint_id": "x" * 65},
        {"endpoint_id": None},
        {"capabilities": ["fax"]},
        {"capabilities": "voice"},
        {"status": "offline"},
        {"status": "asleep"},
        {"note": "x" * 257},
        {"note": "a\0b"},
        {"note": "\ud800"},
        {"priority": True},
        {"priority": 1.5},
        {"priority": 10**9},
        {"ttl": 9},
        {"ttl": 3601},
        {"ttl": "60"},
        {"delivery": []},
        {"delivery": {"x": "y" * 2048}},
        {"version": -1},
    ],
)
def test_bad_fields_are_400_and_leave_no_trace(tenant: Tenant, body: dict[str, Any]) -> None:
    before = dump(tenant)
    answer = tenant.register("alice", **body)
    assert (answer.status_code, answer.json()["code"]) == (400, 20001)
    assert dump(tenant) == before


def test_bodies_that_are_no_objects(tenant: Tenant) -> None:
    for data in (b"", b"[]", b"nonsense", b"\xff\xfe", b"[" * 100_000):
        answer = service(tenant, "POST", "/v1/Accounts/{A}/Presence/query", data=data)
        assert answer.status_code == 400, data[:10]


def test_pr15_delete_and_empty_capabilities_unregister_idempotently(tenant: Tenant) -> None:
    sid_ = tenant.register("alice").json()["sid"]
    tenant.register("alice", endpoint_id="second")
    base = f"{tenant.world.settings.presence_base()}/v1/Accounts/{tenant.account}/Clients/alice/Registrations"
    headers = {"Authorization": f"Bearer {tenant.token('alice')}"}
    for _ in range(2):
        assert requests.delete(f"{base}/{sid_}", headers=headers, timeout=SECONDS).status_code == 204
    assert tenant.endpoints("alice") == ["second"]
    assert tenant.register("alice", endpoint_id="second", capabilities=[]).status_code == 200
    assert tenant.endpoints("alice") == []


def test_pr16_a_stale_version_is_409(tenant: Tenant) -> None:
    version = tenant.register("alice").json()["version"]
    assert tenant.register("alice", status="busy", version=version).status_code == 200
    answer = tenant.register("alice", status="away", version=version)
    assert (answer.status_code, answer.json()["code"]) == (409, 20409)
    assert tenant.world.client.presence(tenant.account, "alice").status == "busy"


def test_pr8_ttl_is_cut_at_the_tokens_end(tenant: Tenant) -> None:
    tenant.register("alice", token=tenant.token("alice", ttl=20), ttl=3600)
    (one,) = tenant.world.client.presence(tenant.account, "alice").endpoints
    left = time.mktime(time.strptime(one.expires_at, "%Y-%m-%dT%H:%M:%SZ")) - time.timezone - time.time()
    assert 15 < left <= 20


def test_an_http_registration_evicts_a_socket_and_tells_it(tenant: Tenant) -> None:
    app = tenant.app("alice")
    for n in range(10):
        tenant.register("alice", endpoint_id=f"e{n}")
    app.expect("offline")
    assert len(tenant.endpoints("alice")) == 10


def test_an_endpoint_without_a_socket_here_is_skipped_as_gone(tenant: Tenant) -> None:
    tenant.register("alice")
    assert dict(tenant.ring("alice").skipped) == {"desk": "gone"}


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/v1/Accounts/AC1/Presence/alice", None, 404),
        ("GET", "/v1/Accounts/{A}/Presence/a%20b", None, 400),
        ("GET", "/v1/Accounts/{A}/Presence/%ff", None, 400),
        ("PUT", "/v1/Accounts/{A}", {"status": "odd", "auth_tokens": [], "version": 1}, 400),
        ("PUT", "/v1/Accounts/{A}", {"status": "active", "auth_tokens": [1], "version": 1}, 400),
        ("PUT", "/v1/Accounts/{A}", {"status": "active", "auth_tokens": [], "version": "1"}, 400),
        ("PUT", "/v1/Keys/SKx", {}, 404),
        ("PUT", "/v1/Keys/SK" + "a" * 32, {"account_sid": "AC1", "secret": "s", "version": 1}, 404),
        ("POST", "/v1/Accounts/{A}/Invites", {"call_sid": "CA1"}, 404),
        ("POST", "/v1/Accounts/{A}/Invites", {"call_sid": "CA" + "a" * 32, "client": "alice"}, 400),
        ("POST", "/v1/Accounts/{A}/Calls/CA" + "a" * 32 + "/frames", {"type": "boo"}, 400),
        ("POST", "/v1/Accounts/{A}/Calls/CA" + "a" * 32 + "/frames", {"type": "error", "message": "x"}, 400),
        ("POST", "/v1/Accounts/{A}/Calls/CA" + "a" * 32 + "/frames", {"type": "message"}, 400),
        ("POST", "/v1/Accounts/{A}/Calls/CA" + "a" * 32 + "/frames", {"type": "hangup"}, 404),
        ("GET", "/v1/nothing", None, 404),
        ("PATCH", "/v1/Accounts/{A}", {}, 405),
    ],
)
def test_wrong_requests_have_definite_answers(
    tenant: Tenant, method: str, path: str, body: Any, status: int
) -> None:
    answer = service(tenant, method, path, json=body)
    assert answer.status_code == status
    assert set(answer.json()) == {"code", "message", "more_info", "status"}


def test_health(world: World) -> None:
    base = world.settings.presence_base()
    assert requests.get(f"{base}/livez", timeout=SECONDS).json() == {"status": "ok"}
    assert requests.get(f"{base}/readyz", timeout=SECONDS).json() == {"status": "ok", "faults": {}}
    assert "presence_sockets" in requests.get(f"{base}/metrics", timeout=SECONDS).text


def test_the_client_says_whose_fault_it_is(tenant: Tenant) -> None:
    with pytest.raises(PresenceRefused) as refused:
        tenant.world.client.presence(tenant.account, "a b")
    assert (refused.value.status, refused.value.code) == (400, 31105)
    with pytest.raises(CallUnknown):
        tenant.world.client.frame(tenant.account, sid("CA"), {"type": "answer", "sdp": SDP})


class Sick:
    """A server that can be told how to misbehave."""

    def __init__(self) -> None:
        self.status, self.asked, sick = 500, 0, self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_DELETE(self) -> None:
                sick.asked += 1
                self.send_response(sick.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()


@pytest.fixture
def sick() -> Iterator[Sick]:
    server = Sick()
    yield server
    server.server.shutdown()
    server.server.server_close()


def test_pr59_the_breaker_stops_asking_and_one_probe_finds_the_server_back(sick: Sick) -> None:
    now = [0.0]
    client = PresenceClient(
        f"http://127.0.0.1:{sick.server.server_port}",
        Keys([MASTER]),
        breaker=Breaker(failures=3, rest=1.0, clock=lambda: now[0]),
    )

    def ask() -> bool:
        try:
            client.delete_key("SK" + "a" * 32)
        except PresenceUnavailable:
            return False
        return True

    assert [ask() for _ in range(10)] == [False] * 10
    assert sick.asked == 3
    now[0] = 1.0
    assert not ask()
    assert sick.asked == 4
    sick.status = 204
    assert not ask()
    now[0] = 2.0
    assert ask()
    assert ask()
    assert sick.asked == 6
    client.close()


def test_pr59_nobody_listening_is_unavailable_at_once() -> None:
    client = PresenceClient("http://127.0.0.1:9", Keys([MASTER]))
    began = time.monotonic()
    with pytest.raises(PresenceUnavailable):
        client.presence("AC" + "a" * 32, "alice")
    assert time.monotonic() - began < 2
    client.close()
