"""The gateway over real TLS sockets: coming, registering, tokens, limits, and other listeners (voice-sdk-protocol)."""

import asyncio
import contextlib
import json
import time

import pytest
import requests
from presence_world import SDP, SECONDS, Tenant, World, sid
from websockets.asyncio.client import connect as async_connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from presence.signalling.gateway import _edge


def test_connected_names_identity_life_and_telemetry_host(tenant: Tenant) -> None:
    connected = tenant.world.app("/tenant1/signal").listen(tenant.token("alice"))
    assert connected["token"]["identity"] == "alice"
    assert 3590 <= connected["token"]["ttl"] <= 3600
    assert connected["home"] == f"{tenant.world.settings.signal_name()}/ea"


def test_clients_come_by_tls(tenant: Tenant) -> None:
    """With the development CA trusted, by any of its names."""
    port = tenant.world.settings.signal_bind.rpartition(":")[2]

    async def connected(host: str) -> str:
        url = f"wss://{host}:{port}/signal"
        async with async_connect(url, ssl=tenant.world.trusting(), open_timeout=SECONDS) as socket:
            await socket.send(json.dumps({"type": "listen", "payload": {"token": tenant.token("alice")}}))
            return json.loads(await asyncio.wait_for(socket.recv(), SECONDS))["type"]

    for host in ("localhost", "127.0.0.1"):
        assert asyncio.run(connected(host)) == "connected"


def test_the_edge_option_gets_its_own_value_back() -> None:
    """`edge: "example.org/x"` makes the SDK open wss://voice-js.example.org/x.twilio.com/signal."""
    scope = {"path": "/x.twilio.com/signal", "headers": [(b"host", b"voice-js.example.org")]}
    assert _edge(scope) == "example.org/x"
    assert _edge({"path": "/signal", "headers": []}) == "callrouter"


def test_registered_means_stored_and_visible_at_once(tenant: Tenant) -> None:
    tenant.app("alice")
    found = tenant.world.client.presence(tenant.account, "alice")
    assert (found.status, found.available, found.capabilities) == ("available", True, ("voice",))
    assert len(found.endpoints) == 1


def test_pr15_unregister_is_immediate_and_idempotent(tenant: Tenant) -> None:
    app = tenant.app("alice")
    app.unregister()
    assert tenant.endpoints("alice") == []
    app.unregister()
    app.register()
    assert len(tenant.endpoints("alice")) == 1


def test_frames_sent_before_connected_are_done_in_order(tenant: Tenant) -> None:
    """SDKs before 2.18.5 even send `register` before `listen` after a drop."""
    app = tenant.world.app()
    app.send("register", media={"audio": True})
    app.send("invite", callsid="TJS1", sdp=SDP.format("abcd"), twilio={})
    app.send("listen", token=tenant.token("alice"))
    assert [app.frame()["type"] for _ in range(2)] == ["connected", "ready"]
    assert tenant.world.router.wait(tenant.account, "call")["temporary_sid"] == "TJS1"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda t: "", 31102),
        (lambda t: "abc", 31204),
        (lambda t: t.token("alice", ttl=-10), 31205),
        (lambda t: t.token("alice", ttl=90_000), 31207),
        (lambda t: t.token("alice")[:-3] + "AAA", 31202),
        (lambda t: t.token("al ice"), 31105),
    ],
)
def test_pr4_a_refused_listen_says_why_and_ends(tenant: Tenant, change: object, code: int) -> None:
    app = tenant.world.app()
    token = change(tenant)  # type: ignore[operator]
    app.send("listen", token=token)
    assert app.expect("error")["error"]["code"] == code
    if token:
        app.expect("close")
        assert app.closed() == 1000


def test_register_needs_the_incoming_permission(tenant: Tenant) -> None:
    """PR-3, PR-4: refused, and nobody is there."""
    app = tenant.app("alice", register=False, token=tenant.token("alice", incoming=False))
    app.send("register", media={"audio": True})
    assert app.expect("error")["error"]["code"] == 31201
    app.expect("offline")
    assert tenant.world.client.presence(tenant.account, "alice").version == 0


def test_a_clean_goodbye_ends_the_endpoint_at_once(tenant: Tenant) -> None:
    app = tenant.app("alice")
    app.socket.close(1001)
    deadline = time.monotonic() + SECONDS
    while tenant.endpoints("alice") and time.monotonic() < deadline:
        requests.get(f"{tenant.world.settings.presence_base()}/livez", timeout=SECONDS)
    assert tenant.endpoints("alice") == []
    assert time.monotonic() < deadline - SECONDS + 0.9, "sooner than the grace"


def test_pr12_the_eleventh_device_evicts_the_oldest(tenant: Tenant) -> None:
    apps = [tenant.app("alice") for _ in range(11)]
    assert apps[0].expect("offline") == {}
    assert len(tenant.endpoints("alice")) == 10


def test_a_token_that_runs_out_leaves_socket_and_calls(tenant: Tenant) -> None:
    """Section 5: 31205, then offline; the call goes on, a new token brings everything back."""
    call_sid = sid("CA")
    app = tenant.app("alice", token=tenant.token("alice", ttl=2))
    tenant.ring("alice", call_sid=call_sid)
    app.expect("invite")
    app.send("answer", callsid=call_sid, sdp=SDP.format("phone1"))
    assert app.expect("error")["error"]["code"] == 31205
    app.expect("offline")
    assert tenant.endpoints("alice") == []
    app.send("register", media={"audio": True})
    assert app.expect("error")["error"]["code"] == 31205
    app.expect("offline")
    app.send("invite", callsid="TJS1", sdp=SDP.format("abcd"), twilio={})
    assert app.expect("hangup")["error"]["code"] == 31205
    assert tenant.frame(call_sid, "error", code=31005, message="still here")
    app.expect("error")
    app.listen(tenant.token("alice"))
    app.register()
    assert len(tenant.endpoints("alice")) == 1


def test_pr8_a_new_token_on_a_live_socket_leaves_no_gap(tenant: Tenant) -> None:
    app = tenant.app("alice", token=tenant.token("alice", ttl=60))
    before = tenant.world.client.presence(tenant.account, "alice")
    app.listen(tenant.token("alice", ttl=3600))
    app.expect("ready")
    after = tenant.world.client.presence(tenant.account, "alice")
    assert [one.endpoint_id for one in after.endpoints] == [one.endpoint_id for one in before.endpoints]
    assert after.expires_at > before.expires_at
    assert after.version == before.version


def test_a_bad_refresh_leaves_the_old_token_in_force(tenant: Tenant) -> None:
    app = tenant.app("alice")
    app.send("listen", token=tenant.token("bob"))
    assert app.expect("error")["error"]["code"] == 31201
    app.send("listen", token="rubbish")
    assert app.expect("error")["error"]["code"] == 31204
    app.register()


def test_pr7_revoking_the_key_ends_its_registrations(tenant: Tenant) -> None:
    app = tenant.app("alice")
    tenant.world.client.delete_key(tenant.key)
    assert app.expect("error")["error"]["code"] == 31202
    app.expect("offline")
    assert tenant.endpoints("alice") == []
    fresh = tenant.world.app()
    fresh.send("listen", token=tenant.token("alice"))
    assert fresh.expect("error")["error"]["code"] == 31202


def test_suspending_the_account_ends_its_registrations(tenant: Tenant) -> None:
    app = tenant.app("alice")
    tenant.world.client.put_account(tenant.account, "suspended", [tenant.auth_token], 2)
    assert app.expect("error")["error"]["code"] == 31203
    app.expect("offline")
    tenant.world.client.put_account(tenant.account, "active", [tenant.auth_token], 1)  # older: nothing
    fresh = tenant.world.app()
    fresh.send("listen", token=tenant.token("alice"))
    assert fresh.expect("error")["error"]["code"] == 31203


def test_frames_too_fast_are_refused_then_cut(tenant: Tenant) -> None:
    app = tenant.app("alice", register=False)
    with contextlib.suppress(ConnectionClosed):
        for _ in range(800):
            app.send("hangup", callsid="TJSnever")
    assert app.expect("error")["error"]["code"] == 31206
    assert app.closed() == 1008


def test_oversized_and_binary_frames_close(tenant: Tenant) -> None:
    app = tenant.app("alice", register=False)
    with contextlib.suppress(ConnectionClosed):  # cut while it still sends
        app.socket.send("x" * 70_000)
    assert app.closed() == 1009
    app = tenant.app("alice", register=False)
    app.socket.send(b"\x00")
    assert app.closed() == 1003


def test_a_connection_that_never_listens_is_closed_after_five_seconds(world: World) -> None:
    app = world.app()
    began = time.monotonic()
    assert app.closed() == 1008
    assert 4 < time.monotonic() - began < 7


def test_the_public_listener_serves_clients_only(world: World) -> None:
    base, ca = f"https://{world.settings.signal_name()}", str(world.settings.data_dir / "tls" / "ca.pem")
    for path in ("/metrics", "/readyz", "/v1/Accounts/AC1/Presence/alice", "/v1/Keys/SK1"):
        assert requests.get(base + path, verify=ca, timeout=SECONDS).status_code == 404
    assert requests.get(f"{base}/livez", verify=ca, timeout=SECONDS).status_code == 200
    registrations = f"{base}/v1/Accounts/AC{'0' * 32}/Clients/alice/Registrations"
    assert requests.post(registrations, verify=ca, timeout=SECONDS).status_code == 401


def test_other_paths_are_no_sockets(world: World) -> None:
    with pytest.raises(InvalidStatus):
        world.app("/elsewhere")


def test_telemetry_is_taken_with_cors_and_counted(world: World) -> None:
    base = f"https://{world.settings.signal_name()}/ea.twilio.com/v4"
    ca = str(world.settings.data_dir / "tls" / "ca.pem")
    preflight = requests.options(f"{base}/EndpointEvents", verify=ca, timeout=SECONDS)
    assert preflight.status_code == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == "*"
    assert "x-twilio-token" in preflight.headers["Access-Control-Allow-Headers"]
    before = posts(world)
    for kind in ("EndpointEvents", "EndpointMetrics"):
        answer = requests.post(f"{base}/{kind}", json={}, verify=ca, timeout=SECONDS)
        assert answer.status_code == 200
    assert posts(world) == before + 2


def posts(world: World) -> float:
    text = requests.get(f"{world.settings.presence_base()}/metrics", timeout=SECONDS).text
    lines = [line for line in text.splitlines() if line.startswith("presence_telemetry_posts_total{")]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)
