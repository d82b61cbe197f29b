"""Following others over the signalling socket, and saying how one is oneself (PR-8, PR-20, PR-40 to PR-47)."""

import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from presence_world import APPLICATION, SECONDS, App, Tenant, sid
from prometheus_client import REGISTRY
from twilio.jwt.client import ClientCapabilityToken

from presence.access.tokens import Grant
from presence.signalling import frames
from presence.signalling.protocol import Connection, Send, Unwatch

READ = ("presence:read:account", "events:subscribe")


def token(tenant: Tenant, identity: str, *words: str, ttl: float = 3600, incoming: bool = True) -> str:
    now = int(time.time())
    claims = {
        "iss": tenant.key,
        "sub": tenant.account,
        "jti": sid("JT"),
        "iat": now,
        "exp": now + int(ttl),
        "grants": {
            "identity": identity,
            "voice": {
                "incoming": {"allow": incoming},
                "outgoing": {"application_sid": APPLICATION},
            },
            "callrouter": {"permissions": list(words)},
        },
    }
    return jwt.encode(claims, tenant.secret, headers={"cty": "twilio-fpa;v=1"})


def watcher(tenant: Tenant, *words: str, ttl: float = 3600) -> App:
    return tenant.app("zoe", register=False, token=token(tenant, "zoe", *words, ttl=ttl))


def until(app: App, done: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    while True:
        payload = app.expect("presence")
        if done(payload):
            return payload


def refusal(app: App) -> tuple[int, str]:
    payload = app.expect("error")
    return payload["error"]["code"], payload.get("id", "")


def test_pr40_pr41_a_snapshot_then_changes_until_unsubscribed(tenant: Tenant) -> None:
    tenant.register("alice")
    app = watcher(tenant, *READ)
    app.send("subscribe", id="team", everyone=True)
    first = app.expect("presence")
    assert (first["id"], first["snapshot"]) == ("team", True)
    assert [one["client"] for one in first["clients"]] == ["alice"]
    assert "endpoints" not in first["clients"][0]
    tenant.register("bob", status="away", note='"hi"')
    second = app.expect("presence")
    assert (second["snapshot"], second["clients"][0]["status"]) == (False, "away")
    assert second["clients"][0]["note"] == '"hi"'
    app.send("unsubscribe", id="team")
    app.silent()
    tenant.register("carol")
    app.silent()


def test_pr43_a_socket_resumes_where_it_was(tenant: Tenant) -> None:
    app = watcher(tenant, *READ)
    app.send("subscribe", id="a", prefix="c")
    cursor = app.expect("presence")["as_of"]
    app.vanish()
    tenant.register("carol")
    tenant.register("alice")
    back = watcher(tenant, *READ)
    back.send("subscribe", id="a", prefix="c", cursor=cursor)
    missed = back.expect("presence")
    assert (missed["snapshot"], [one["client"] for one in missed["clients"]]) == (False, ["carol"])


def test_frames_that_come_before_the_token_is_verified_wait_for_it(tenant: Tenant) -> None:
    app = tenant.world.app()
    app.send("listen", token=token(tenant, "zoe", *READ))
    app.send("subscribe", id="a", clients=["alice", "bob"])
    app.expect("connected")
    assert [one["client"] for one in app.expect("presence")["clients"]] == ["alice", "bob"]


def test_pr42_legacy_clients_hear_from_and_available(tenant: Tenant) -> None:
    """twilio-surface 6.4: each available client when it is ready, then each change."""
    capability = ClientCapabilityToken(tenant.account, tenant.auth_token)
    capability.allow_client_incoming("tom")
    given = capability.to_jwt()
    tenant.register("alice")
    tenant.register("bob", status="dnd")
    app = tenant.app("tom", register=False, token=given if isinstance(given, str) else given.decode())
    app.send("subscribe", id="old", everyone=True, legacy=True)
    assert app.expect("presence") == {"from": "alice", "available": True}
    tenant.register("bob", status="available")
    assert app.expect("presence") == {"from": "bob", "available": True}
    tenant.register("bob", note="nothing that these clients know of")
    tenant.register("alice", status="away")
    assert app.expect("presence") == {"from": "alice", "available": False}


def test_pr2_what_the_token_does_not_permit_is_refused(tenant: Tenant) -> None:
    blind = tenant.app("zoe", register=False)
    blind.send("subscribe", id="a", everyone=True)
    assert refusal(blind) == (31201, "a")
    deaf = watcher(tenant, "presence:read:account")
    deaf.send("subscribe", id="b", everyone=True)
    assert refusal(deaf) == (31201, "b")
    mute = tenant.app("zoe", register=False, token=token(tenant, "zoe", incoming=False))
    mute.send("status", status="away")
    assert refusal(mute) == (31201, "")


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"id": ""},
        {"id": "x" * 65, "everyone": True},
        {"id": 7, "everyone": True},
        {"id": "\ud800", "everyone": True},
        {"id": "a"},
        {"id": "a", "everyone": True, "list": "b"},
        {"id": "a", "clients": "alice"},
        {"id": "a", "clients": ["no name"]},
        {"id": "a", "everyone": True, "view": "all"},
        {"id": "a", "everyone": True, "detail": 1},
        {"id": "a", "everyone": True, "cursor": -1},
        {"id": "a", "everyone": True, "cursor": 1.5},
    ],
)
def test_malformed_subscriptions_are_refused(tenant: Tenant, payload: dict[str, Any]) -> None:
    app = watcher(tenant, *READ)
    app.send("subscribe", **payload)
    assert refusal(app)[0] == 31100
    app.send("subscribe", id="good", everyone=True)
    assert app.expect("presence")["id"] == "good"


def test_a_socket_has_ten_subscriptions_of_different_ids(tenant: Tenant) -> None:
    app = watcher(tenant, *READ)
    for n in range(10):
        app.send("subscribe", id=f"s{n}", clients=["alice"])
        app.expect("presence")
    app.send("subscribe", id="s0", clients=["alice"])
    assert refusal(app) == (31100, "s0")
    app.send("subscribe", id="more", clients=["alice"])
    assert refusal(app) == (31206, "more")
    app.send("unsubscribe", id="s3")
    app.send("subscribe", id="more", clients=["alice"])
    assert app.expect("presence")["id"] == "more"


def test_pr47_a_narrower_token_removes_once_and_none_ends_it(tenant: Tenant) -> None:
    for name in ("ann", "bob"):
        tenant.register(name)
    app = watcher(tenant, *READ)
    app.send("subscribe", id="a", everyone=True)
    app.expect("presence")
    app.listen(token(tenant, "zoe", "presence:read:prefix:a", "events:subscribe"))
    gone, there = app.expect("presence"), app.expect("presence")
    assert (gone["removed"], there["snapshot"]) == (["bob"], True)
    assert [one["client"] for one in there["clients"]] == ["ann"]
    tenant.register("bob", status="away")
    tenant.register("ann", status="away")
    assert [one["client"] for one in app.expect("presence")["clients"]] == ["ann"]
    app.listen(token(tenant, "zoe"))
    assert app.expect("presence")["removed"] == ["ann"]
    assert app.expect("ended") == {
        "id": "a",
        "code": 20403,
        "message": "the token does not allow to see who is there (31201)",
        "retry": False,
    }


def test_pr47_the_same_rights_in_a_new_token_interrupt_nothing(tenant: Tenant) -> None:
    app = watcher(tenant, *READ)
    app.send("subscribe", id="a", everyone=True)
    app.expect("presence")
    app.listen(token(tenant, "zoe", *READ))
    tenant.register("alice")
    assert not app.expect("presence")["snapshot"]


def test_pr47_a_token_that_ends_or_is_revoked_ends_subscriptions(tenant: Tenant) -> None:
    short, revoked = watcher(tenant, *READ, ttl=2), watcher(tenant, *READ)
    for app in (short, revoked):
        app.send("subscribe", id="a", everyone=True)
        app.expect("presence")
    assert short.expect("error")["error"]["code"] == 31205
    short.expect("offline")
    assert short.expect("ended")["code"] == 20104
    short.send("subscribe", id="b", everyone=True)
    assert refusal(short) == (31205, "b")
    tenant.world.client.delete_key(tenant.key)
    assert revoked.expect("error")["error"]["code"] in (31202, 31205)
    revoked.expect("offline")
    assert revoked.expect("ended")["id"] == "a"


def test_pr20_pr23_the_own_status_is_for_all_devices(tenant: Tenant) -> None:
    app = tenant.app("alice", token=token(tenant, "alice", *READ))
    app.send("subscribe", id="a", clients=["alice"])
    assert app.expect("presence")["clients"][0]["status"] == "available"
    app.send("status", status="dnd", note="in a meeting")
    seen = {app.frame()["type"]: None for _ in range(2)}
    assert set(seen) == {"status", "presence"}
    there = tenant.world.client.presence(tenant.account, "alice")
    assert (there.status, there.available) == ("dnd", False)
    app.send("unsubscribe", id="a")
    app.send("status", status=None)
    assert app.expect("status") | {"version": 0} == {"status": None, "note": "", "version": 0}
    assert tenant.world.client.presence(tenant.account, "alice").available
    for bad in ("nonsense", "offline"):
        app.send("status", status=bad)
        assert refusal(app) == (31100, "")
    app.send("status", status=["x"])
    assert refusal(app) == (31100, "")
    app.send("status", status="away", note="x" * 257)
    assert refusal(app) == (31100, "")


def test_a_lost_socket_leaves_no_subscriber_behind(tenant: Tenant) -> None:
    def followers() -> float:
        return REGISTRY.get_sample_value("presence_subscribers") or 0.0

    before = followers()
    app = watcher(tenant, *READ)
    app.send("subscribe", id="a", everyone=True)
    app.expect("presence")
    assert followers() == before + 1
    app.close()
    deadline = time.monotonic() + SECONDS
    while followers() > before and time.monotonic() < deadline:
        tenant.register("alice")
    assert followers() == before


def test_pr8_the_end_of_a_token_is_announced_half_a_minute_before() -> None:
    connection = Connection(0.0)
    connection.receive(json.dumps({"type": "listen", "payload": {"token": "t"}}), 0.0)
    grant = Grant(account_sid="AC", identity="zoe", key_sid="SK", token_digest="", expires_at=0)
    connection.verified(grant, "", ends=40.0)
    connection.receive(frames.HEARTBEAT, 10.0)
    assert connection.due() <= 10.0
    told = [
        json.loads(one.text) for one in connection.tick(10.0) if isinstance(one, Send) and one.text.strip()
    ]
    assert [(one["type"], one["payload"]) for one in told] == [("expiring", {"seconds": 30})]
    assert all(not isinstance(one, Send) or not one.text.strip() for one in connection.tick(11.0))
    connection.receive(frames.HEARTBEAT, 30.0)
    assert any(isinstance(one, Unwatch) for one in connection.tick(40.0))


def test_a_storm_does_not_fill_a_sockets_queue(tenant: Tenant) -> None:
    """More clients than frames that may wait, told one frame each."""
    names = [f"c{n:03}" for n in range(150)]
    for name in names:
        tenant.register(name)
    app = watcher(tenant, *READ)
    app.send("subscribe", id="old", everyone=True, legacy=True)
    assert [app.expect("presence")["from"] for _ in names] == names
