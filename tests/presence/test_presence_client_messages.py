"""Messages to clients through a real presence server: who gets them, when they count, what the router hears."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from presence_world import SECONDS, App, PresenceGrant, Tenant, World, sid
from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import VoiceGrant

from presence.client import AccountPresence, ClientMessage, PresenceRefused

SENDER = "+14155550100"


def put(tenant: Tenant, client: str, body: str = "hello", **more: Any) -> ClientMessage:
    return tenant.world.client.put_message(
        tenant.account,
        more.pop("message_sid", sid("SM")),
        client,
        **{
            "sender": SENDER,
            "recipient": f"client:{client}",
            "body": body,
            "valid_until": time.time() + 60,
            **more,
        },
    )


def app(tenant: Tenant, identity: str, *capabilities: str, token: str = "") -> App:
    """A registered device that takes these."""
    made = tenant.app(identity, token=token)
    made.send("capabilities", capabilities=capabilities or ["voice", "sms"])
    made.expect("capabilities")
    return made


def acknowledged(tenant: Tenant, device: App, shown: dict[str, Any]) -> None:
    device.send("text-ack", sid=shown["sid"])
    event = tenant.world.router.wait(tenant.account, "text-delivered")
    assert event["message_sid"] == shown["sid"]


def sender(tenant: Tenant, identity: str, *permissions: str) -> str:
    token = AccessToken(tenant.account, tenant.key, tenant.secret, identity=identity, ttl=600)
    token.add_grant(VoiceGrant(incoming_allow=True))
    token.add_grant(PresenceGrant(*permissions))
    return str(token.to_jwt())


def ask(tenant: Tenant, method: str, path: str, token: str, body: Any = None) -> requests.Response:
    base = f"{tenant.world.settings.presence_base()}/v1/Accounts/{tenant.account}/Clients"
    headers = {"Authorization": f"Bearer {token}"}
    return requests.request(method, base + path, json=body, headers=headers, timeout=SECONDS)


def test_pr70_message_reaches_the_device_and_its_acknowledgement_the_router(tenant: Tenant) -> None:
    alice = app(tenant, "alice")
    placed = put(tenant, "alice", "Grüße 👋", session_sid=sid("MS"))
    shown = alice.expect("text")
    assert (shown["sid"], shown["body"], shown["media"]) == (placed.sid, "Grüße 👋", [])
    assert (shown["from"], shown["to"]) == (SENDER, "client:alice")
    assert placed.status == "held"
    assert placed.endpoints == (alice_endpoint(tenant),)
    alice.send("text-ack", sid=placed.sid)
    event = tenant.world.router.wait(tenant.account, "text-delivered")
    assert (event["message_sid"], event["identity"]) == (placed.sid, "alice")
    assert event["endpoint_id"] == alice_endpoint(tenant)


def alice_endpoint(tenant: Tenant) -> str:
    (endpoint,) = tenant.endpoints("alice")
    return endpoint


def test_pr72_every_capable_device_gets_it_and_the_first_acknowledgement_counts(tenant: Tenant) -> None:
    first, second, mute = app(tenant, "alice"), app(tenant, "alice"), tenant.app("alice")
    placed = put(tenant, "alice")
    assert len(placed.endpoints) == 2
    assert list(placed.skipped.values()) == ["no-messages"]
    assert first.expect("text") == second.expect("text")
    acknowledged(tenant, first, {"sid": placed.sid})
    second.send("text-ack", sid=placed.sid)
    second.silent()
    mute.silent()
    assert len(tenant.world.router.of(tenant.account, "text-delivered")) == 1


def test_pr72_a_device_that_acknowledged_is_not_given_it_again(tenant: Tenant) -> None:
    token = tenant.token("alice")
    alice = app(tenant, "alice", token=token)
    one, two = put(tenant, "alice", "one"), put(tenant, "alice", "two")
    acknowledged(tenant, alice, alice.expect("text"))
    assert alice.expect("text")["sid"] == two.sid
    alice.vanish()
    again = app(tenant, "alice", token=token)
    last = put(tenant, "alice", "last")
    assert [again.expect("text")["sid"] for _ in range(2)] == [two.sid, last.sid], one.sid


def test_pr72_a_repeat_from_the_router_is_the_same_message(tenant: Tenant) -> None:
    alice = app(tenant, "alice")
    message_sid = sid("SM")
    assert put(tenant, "alice", message_sid=message_sid) == put(
        tenant, "alice", "other", message_sid=message_sid
    )
    assert alice.expect("text")["body"] == "hello"
    put(tenant, "alice", "last")
    assert alice.expect("text")["body"] == "last"


def test_pr73_held_messages_come_in_order_at_the_next_registration(tenant: Tenant) -> None:
    sids = [put(tenant, "alice", str(n)).sid for n in range(40)]
    alice = app(tenant, "alice")
    got = []
    for _ in sids:
        shown = alice.expect("text")
        got.append(shown["sid"])
        alice.send("text-ack", sid=shown["sid"])
    assert got == sids
    tenant.world.router.wait(tenant.account, "text-delivered", count=40)


def test_pr73_without_hold_nothing_is_kept_when_nobody_is_there(tenant: Tenant) -> None:
    tenant.app("alice")
    placed = put(tenant, "alice", hold=False)
    assert placed.status == "nobody"
    assert list(placed.skipped.values()) == ["no-messages"]
    alice = app(tenant, "alice")
    put(tenant, "alice", "later")
    assert alice.expect("text")["body"] == "later"


def test_pr73_what_nobody_took_in_time_expires_and_the_router_hears_of_it(tenant: Tenant) -> None:
    placed = put(tenant, "alice", valid_until=time.time() + 0.3)
    event = tenant.world.router.wait(tenant.account, "text-expired")
    assert event["message_sid"] == placed.sid
    alice = app(tenant, "alice")
    put(tenant, "alice", "later")
    assert alice.expect("text")["body"] == "later"


def test_an_ending_is_told_again_until_the_router_has_heard_it(tenant: Tenant) -> None:
    """The router answers 503 for longer than one delivery may take."""
    tries: list[float] = []

    def busy(_event: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        tries.append(time.time())
        return (503, {}) if len(tries) < 3 else (200, {})

    tenant.world.router.answers["text-delivered"] = busy
    alice = app(tenant, "alice")
    placed = put(tenant, "alice")
    alice.expect("text")
    alice.send("text-ack", sid=placed.sid)
    tenant.world.router.wait(tenant.account, "text-delivered", count=3)
    assert {e["event_id"] for e in tenant.world.router.of(tenant.account)} == {f"{placed.sid}.delivered"}


PICTURE = {"url": "https://example.com/cat.png", "content_type": "image/png"}


def test_pr74_a_device_without_mms_gets_the_text_and_a_link(tenant: Tenant) -> None:
    rich, plain = app(tenant, "alice", "sms", "mms"), app(tenant, "alice", "sms")
    put(tenant, "alice", "look", media=[PICTURE])
    shown = rich.expect("text")
    assert (shown["body"], shown["media"]) == ("look", [PICTURE])
    shown = plain.expect("text")
    assert (shown["body"], shown["media"]) == ("look\nhttps://example.com/cat.png", [])


def test_pr74_refused_only_if_the_app_said_that_media_must_arrive(tenant: Tenant) -> None:
    plain = app(tenant, "alice", "sms")
    placed = put(tenant, "alice", media=[PICTURE], media_required=True)
    assert placed.status == "no-media"
    assert list(placed.skipped.values()) == ["no-media"]
    rich = app(tenant, "alice", "sms", "mms")
    assert put(tenant, "alice", media=[PICTURE], media_required=True).status == "held"
    assert rich.expect("text")["media"] == [PICTURE]
    plain.silent()


def test_pr24_a_message_waits_while_the_status_lets_none_through(tenant: Tenant) -> None:
    """`dnd` takes no messages; `available` again, what waited comes without a new registration."""
    alice = app(tenant, "alice")
    alice.send("status", status="dnd")
    alice.expect("status")
    placed = put(tenant, "alice")
    assert placed.endpoints == ()
    assert list(placed.skipped.values()) == ["unavailable"]
    alice.silent()
    alice.send("status", status=None)
    assert sorted(alice.frame()["type"] for _ in range(2)) == ["status", "text"]


def test_pr75_a_client_sends_and_gets_the_message_s_sid(tenant: Tenant) -> None:
    message_sid = sid("SM")
    tenant.world.router.answers["text"] = lambda _e: (201, {"message_sid": message_sid, "status": "queued"})
    alice = tenant.app("alice", token=sender(tenant, "alice", "messages:send"))
    alice.send("text", id="1", to=SENDER, body="hi", **{"from": "+15550001111"})
    assert alice.expect("text-sent") == {"id": "1", "sid": message_sid, "status": "queued"}
    (event,) = tenant.world.router.of(tenant.account, "text")
    assert (event["id"], event["to"], event["from"], event["body"]) == ("1", SENDER, "+15550001111", "hi")
    assert (event["identity"], event["media"], event["session"]) == ("alice", [], 0)


def test_pr75_without_the_permission_the_router_is_not_asked(tenant: Tenant) -> None:
    alice = tenant.app("alice")
    alice.send("text", id="1", to=SENDER, body="hi")
    refused = alice.expect("error")
    assert (refused["id"], refused["error"]["code"]) == ("1", 31201)
    answer = ask(
        tenant, "POST", "/alice/Messages", tenant.token("alice"), {"id": "1", "to": SENDER, "body": "x"}
    )
    assert (answer.status_code, answer.json()["code"]) == (403, 20403)
    assert tenant.world.router.of(tenant.account, "text") == []


def test_pr75_the_router_s_refusal_reaches_the_client_with_its_code(tenant: Tenant) -> None:
    tenant.world.router.answers["text"] = lambda _e: (400, {"code": 21606, "message": "not yours"})
    token = sender(tenant, "alice", "messages:send")
    alice = tenant.app("alice", token=token)
    alice.send("text", id="7", to=SENDER, body="hi")
    refused = alice.expect("error")
    assert (refused["id"], refused["error"]) == ("7", {"code": 21606, "message": "not yours"})
    answer = ask(tenant, "POST", "/alice/Messages", token, {"id": "8", "to": SENDER, "body": "x"})
    assert (answer.status_code, answer.json()["code"]) == (400, 21606)


def test_pr72_over_http_a_device_fetches_and_acknowledges(tenant: Tenant) -> None:
    token = tenant.token("alice")
    assert tenant.register("alice", token, capabilities=["sms"]).status_code == 201
    placed = put(tenant, "alice")
    path = "/alice/Messages?endpoint_id=desk"
    for _ in range(2):  # until it is acknowledged
        answer = ask(tenant, "GET", path, token).json()
        assert [one["sid"] for one in answer["messages"]] == [placed.sid]
        assert not answer["more"]
    ack = f"/alice/Messages/{placed.sid}/Acknowledgements"
    assert ask(tenant, "POST", ack, token, {"endpoint_id": "desk"}).status_code == 204
    assert ask(tenant, "POST", ack, token, {"endpoint_id": "desk"}).status_code == 204
    assert ask(tenant, "GET", path, token).json()["messages"] == []
    assert tenant.world.router.wait(tenant.account, "text-delivered")["endpoint_id"] == "desk"


@pytest.mark.parametrize("whose", ["alice", "bob"])
def test_pr9_another_client_neither_reads_nor_acknowledges(tenant: Tenant, whose: str) -> None:
    app(tenant, "alice")
    placed = put(tenant, "alice")
    token = tenant.token("bob")
    ack = f"/{whose}/Messages/{placed.sid}/Acknowledgements"
    assert ask(tenant, "POST", ack, token, {"endpoint_id": "desk"}).status_code == (
        403 if whose == "alice" else 404
    )
    answer = ask(tenant, "GET", f"/{whose}/Messages?endpoint_id=desk", token)
    assert answer.status_code == 403 or answer.json()["messages"] == []
    bob = app(tenant, "bob")
    bob.send("text-ack", sid=placed.sid)
    assert bob.expect("error")["error"]["code"] == 31404
    assert tenant.world.router.of(tenant.account, "text-delivered") == []


def test_a_client_has_a_thousand_messages_waiting_at_most(tenant: Tenant, monkeypatch: Any) -> None:
    monkeypatch.setattr("presence.client_messages.store.HELD", 2)
    for _ in range(2):
        put(tenant, "alice")
    with pytest.raises(PresenceRefused) as refused:
        put(tenant, "alice")
    assert refused.value.status == 429
    put(tenant, "bob")


BAD_FRAMES: list[tuple[str, dict[str, Any]]] = [
    ("capabilities", {}),
    ("capabilities", {"capabilities": []}),
    ("capabilities", {"capabilities": ["fax"]}),
    ("capabilities", {"capabilities": "sms"}),
    ("text", {"id": "1", "to": SENDER}),
    ("text", {"to": SENDER, "body": "no id"}),
    ("text", {"id": "1", "to": SENDER, "body": "x" * 1601}),
    ("text", {"id": "1", "to": SENDER, "body": "\udc80"}),
    ("text", {"id": "1", "to": SENDER, "body": "a\0b"}),
    ("text", {"id": "1", "to": 5, "body": "x"}),
    ("text", {"id": "1", "to": SENDER, "media": ["x"] * 11}),
    ("text", {"id": "1", "to": SENDER, "body": "x", "session": -1}),
    ("text-ack", {"sid": "SM1"}),
    ("text-ack", {"sid": None}),
]


@pytest.mark.parametrize(("type", "payload"), BAD_FRAMES)
def test_a_wrong_frame_is_an_error_and_nothing_else(
    tenant: Tenant, type: str, payload: dict[str, Any]
) -> None:
    alice = tenant.app("alice", token=sender(tenant, "alice", "messages:send"))
    alice.send(type, **payload)
    refused = alice.expect("error")
    assert refused["error"]["code"] == 31100
    assert refused.get("id") in (None, "1")
    alice.silent()


def test_a_device_says_what_it_takes_after_it_registered(tenant: Tenant) -> None:
    alice = tenant.app("alice", register=False)
    alice.send("capabilities", capabilities=["sms"])
    assert alice.expect("error")["error"]["code"] == 31100
    alice.register()
    alice.send("capabilities", capabilities=["sms"])
    assert alice.expect("capabilities") == {"capabilities": ["sms"]}
    assert tenant.world.client.presence(tenant.account, "alice").capabilities == ("sms",)


def test_pr72_a_stream_gives_each_message_once_and_delivers_it(tenant: Tenant) -> None:
    """Over HTTP alone: a registered device, its inbox, what waits and what comes (PR-73, PR-75)."""
    token = sender(tenant, "alice", "presence:publish", "messages:send")
    message_sid = sid("SM")
    tenant.world.router.answers["text"] = lambda _e: (201, {"message_sid": message_sid, "status": "queued"})
    first = put(tenant, "alice", "waited")
    with AccountPresence(tenant.world.settings.presence_base(), tenant.account, token) as presence:
        assert presence.waiting("alice", "desk") == []
        presence.register("alice", "desk", capabilities=["sms"])
        assert [one["sid"] for one in presence.waiting("alice", "desk")] == [first.sid]
        with presence.inbox("alice", "desk", patience=SECONDS) as inbox:
            messages = iter(inbox)
            assert next(messages)["body"] == "waited"
            second = put(tenant, "alice", "came")
            message = next(messages)
            assert message["sid"] == second.sid
            for _ in range(2):
                inbox.acknowledge(message)
        event = tenant.world.router.wait(tenant.account, "text-delivered")
        assert (event["message_sid"], event["endpoint_id"]) == (second.sid, "desk")
        assert [one["sid"] for one in presence.waiting("alice", "desk")] == [first.sid]
        assert presence.send("alice", "hello", id="1", to=SENDER)["sid"] == message_sid


def test_pr7_pr9_a_stream_is_the_client_s_own_and_ends_with_its_token(tenant: Tenant) -> None:
    base, token = tenant.world.settings.presence_base(), tenant.token("alice")
    with AccountPresence(base, tenant.account, token) as presence:
        with pytest.raises(PresenceRefused) as refused:
            next(iter(presence.inbox("bob", "desk")))
        assert refused.value.status == 403
        presence.register("alice", "desk", capabilities=["sms"])
        messages = iter(presence.inbox("alice", "desk", patience=SECONDS))
        put(tenant, "alice")
        assert next(messages)["body"] == "hello"
        owner = AccountPresence(base, tenant.account, (tenant.account, tenant.auth_token))
        owner.revoke(token=token)
        with pytest.raises(PresenceRefused) as refused:
            next(messages)
        assert refused.value.status == 401
        owner.close()


@pytest.mark.parametrize("query", ["", "?endpoint_id=", "?endpoint_id=a%20b", "?endpoint_id=" + "x" * 65])
@pytest.mark.parametrize("path", ["Messages", "MessageStream"])
def test_a_device_must_be_named(tenant: Tenant, path: str, query: str) -> None:
    answer = ask(tenant, "GET", f"/alice/{path}{query}", tenant.token("alice"))
    assert (answer.status_code, answer.json()["code"]) == (400, 20001)


def test_many_slow_sends_leave_room_for_other_accounts(world: World, tenant: Tenant) -> None:
    """While the router is slow, one account's senders hold four threads at most; a fifth is told to wait."""
    token = sender(tenant, "alice", "messages:send")
    other = world.tenant()
    theirs = sender(other, "bob", "messages:send")
    go = threading.Event()

    def slow(event: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if event["account_sid"] == tenant.account:
            go.wait(SECONDS)
        return 201, {"message_sid": sid("SM"), "status": "queued"}

    tenant.world.router.answers["text"] = slow

    def send(n: int) -> int:
        body = {"id": str(n), "to": SENDER, "body": "x"}
        return ask(tenant, "POST", "/alice/Messages", token, body).status_code

    with ThreadPoolExecutor(4) as pool:
        sends = [pool.submit(send, n) for n in range(4)]
        world.router.wait(tenant.account, "text", count=4)
        assert send(4) == 503
        answer = ask(other, "POST", "/bob/Messages", theirs, {"id": "1", "to": SENDER, "body": "x"})
        assert answer.status_code == 201
        go.set()
        assert [one.result(SECONDS) for one in sends] == [201] * 4
    assert send(5) == 201
