"""Calls over the gateway's real TLS sockets: placed, rung, answered, and taken up again after a socket was lost."""

import threading

import pytest
from presence_world import APPLICATION, SDP, SECONDS, Tenant, sid

from presence.client import CallUnknown

EVENT = "KX" + "0" * 32


def in_call(tenant: Tenant, identity: str = "alice") -> tuple:
    """An app in an incoming call that it has accepted."""
    app = tenant.app(identity)
    call_sid = tenant.ring(identity).call_sid
    token = app.expect("invite")["reconnect"]
    app.send("answer", callsid=call_sid, sdp=SDP.format("phone1"))
    tenant.world.router.wait(tenant.account, "accepted")
    assert tenant.frame(call_sid, "message", content=1, contenttype="x", messagetype="y", voiceeventsid=EVENT)
    app.expect("message")
    return app, call_sid, token


def test_pr67_no_outgoing_no_request_to_the_router(tenant: Tenant) -> None:
    app = tenant.app("alice", token=tenant.token("alice", outgoing=False))
    app.send("invite", callsid="TJSx", sdp=SDP.format("abcd"), twilio={"params": "To=1"})
    payload = app.expect("hangup")
    assert (payload["callsid"], payload["error"]["code"]) == ("TJSx", 31002)
    assert tenant.world.router.of(tenant.account) == []


def test_outgoing_call_from_invite_to_hangup(tenant: Tenant) -> None:
    """PR-65: application and fixed parameters come from the token, the app's parameters beside them."""
    app = tenant.app("alice", register=False, token=tenant.token("alice", team="blue"))
    app.send("invite", callsid="TJS7", sdp=SDP.format("abcd"), twilio={"params": "To=%2B1555&k=v+w"})
    event = tenant.world.router.wait(tenant.account, "call")
    assert event["params"] == {"To": "+1555", "k": "v w"}
    assert (event["application_sid"], event["token_params"]) == (APPLICATION, {"team": "blue"})
    assert (event["identity"], event["sdp"]) == ("alice", SDP.format("abcd"))


def dialled(tenant: Tenant) -> tuple:
    call_sid = sid("CA")
    tenant.world.router.answers["call"] = lambda event: (201, {"call_sid": call_sid})
    try:
        app = tenant.app("bob")
        app.send("invite", callsid="TJS8", sdp=SDP.format("abcd"), twilio={})
        tenant.world.router.wait(tenant.account, "call")
        assert tenant.frame(call_sid, "ringing")
    finally:
        del tenant.world.router.answers["call"]
    assert app.expect("ringing") == {"callsid": call_sid}
    return app, call_sid


def test_the_router_may_answer_before_it_has_answered_the_invite(tenant: Tenant) -> None:
    """The frame waits for the call's SID to be known here; it is not lost."""
    call_sid, go = sid("CA"), threading.Event()

    def slow(event: dict) -> tuple:
        go.wait(SECONDS)
        return 201, {"call_sid": call_sid}

    tenant.world.router.answers["call"] = slow
    app = tenant.app("bob")
    app.send("invite", callsid="TJS8", sdp=SDP.format("abcd"), twilio={})
    tenant.world.router.wait(tenant.account, "call")
    threading.Timer(0.2, go.set).start()
    assert tenant.frame(call_sid, "answer", sdp="v=0 answer")
    payload = app.expect("answer")
    assert (payload["callsid"], payload["sdp"]) == (call_sid, "v=0 answer")
    assert payload["reconnect"]
    del tenant.world.router.answers["call"]


@pytest.mark.parametrize("by", ["TJS8", "real"])
def test_hangup_by_either_sid(tenant: Tenant, by: str) -> None:
    app, call_sid = dialled(tenant)
    app.send("hangup", callsid=call_sid if by == "real" else by, message="bye")
    event = tenant.world.router.wait(tenant.account, "hangup")
    assert (event["call_sid"], event["message"]) == (call_sid, "bye")
    with pytest.raises(CallUnknown):
        tenant.frame(call_sid, "answer")


def test_a_hangup_of_a_call_never_invited_is_ignored(tenant: Tenant) -> None:
    app = tenant.app("alice")
    app.send("hangup", callsid="TJSnever")
    app.silent()


def test_the_routers_refusal_reaches_the_client_with_its_code(tenant: Tenant) -> None:
    tenant.world.router.answers["call"] = lambda event: (404, {"code": 31001, "message": "no application"})
    app = tenant.app("alice")
    app.send("invite", callsid="TJS9", sdp=SDP.format("abcd"), twilio={})
    payload = app.expect("hangup")
    del tenant.world.router.answers["call"]
    assert payload == {"callsid": "TJS9", "error": {"code": 31001, "message": "no application"}}


def test_long_params_are_refused_with_31103(tenant: Tenant) -> None:
    app = tenant.app("alice")
    app.send("invite", callsid="TJS9", sdp=SDP.format("abcd"), twilio={"params": "a=" + "x" * 4000})
    assert app.expect("hangup")["error"]["code"] == 31103
    assert tenant.world.router.of(tenant.account) == []


def test_ringing_shows_offer_parameters_and_reconnect_token(tenant: Tenant) -> None:
    app = tenant.app("alice")
    rung = tenant.ring("alice", [*tenant.endpoints("alice"), "elsewhere"])
    assert (len(rung.rung), dict(rung.skipped)) == (1, {"elsewhere": "gone"})
    invite = app.expect("invite")
    assert invite["callsid"] == rung.call_sid
    assert invite["parameters"] == {"From": "+15550100", "To": "client:alice"}
    assert invite["sdp"] == SDP.format("offer")
    assert invite["reconnect"]


def test_repeating_an_invite_changes_nothing(tenant: Tenant) -> None:
    app = tenant.app("alice")
    first = tenant.ring("alice")
    app.expect("invite")
    assert tenant.ring("alice", ["other"], call_sid=first.call_sid) == first
    app.silent()


def test_pr57_cancel_reaches_every_ringing_endpoint_and_is_idempotent(tenant: Tenant) -> None:
    apps = [tenant.app("alice"), tenant.app("alice")]
    call_sid = tenant.ring("alice").call_sid
    for app in apps:
        app.expect("invite")
    tenant.world.client.cancel_invite(tenant.account, call_sid)
    for app in apps:
        assert app.expect("cancel") == {"callsid": call_sid}
    tenant.world.client.cancel_invite(tenant.account, call_sid)
    apps[0].send("answer", callsid=call_sid, sdp=SDP.format("late"))
    assert apps[0].expect("hangup")["error"]["code"] == 31008


def test_a_cancel_that_overtakes_its_invite_wins(tenant: Tenant) -> None:
    app = tenant.app("alice")
    call_sid = sid("CA")
    tenant.world.client.cancel_invite(tenant.account, call_sid)
    assert tenant.ring("alice", call_sid=call_sid).rung == ()
    app.silent()


@pytest.mark.real_time
def test_an_invite_expires_by_itself(tenant: Tenant) -> None:
    app = tenant.app("alice")
    call_sid = tenant.ring("alice", life=1.0).call_sid
    app.expect("invite")
    assert app.expect("cancel") == {"callsid": call_sid}


def test_pr51_first_accept_wins_and_the_others_are_told(tenant: Tenant) -> None:
    first, second = tenant.app("alice"), tenant.app("alice")
    call_sid = tenant.ring("alice").call_sid
    first.expect("invite")
    second.expect("invite")
    second.send("answer", callsid=call_sid, sdp=SDP.format("mine"))
    assert first.expect("cancel") == {"callsid": call_sid}
    event = tenant.world.router.wait(tenant.account, "accepted")
    assert (event["ring_token"], event["sdp"]) == ("ring-token", SDP.format("mine"))


def test_pr52_two_accepts_in_one_instant_one_winner(tenant: Tenant) -> None:
    apps = [tenant.app("alice") for _ in range(4)]
    call_sid = tenant.ring("alice").call_sid
    for app in apps:
        app.expect("invite")
    for app in apps:
        app.send("answer", callsid=call_sid, sdp=SDP.format("mine"))
    tenant.world.router.wait(tenant.account, "accepted")
    assert tenant.frame(call_sid, "hangup", code=31486, message="enough")
    told = sorted(app.frame()["type"] for app in apps)
    assert told == ["cancel", "cancel", "cancel", "hangup"]


def test_the_router_says_who_lost(tenant: Tenant) -> None:
    tenant.world.router.answers["accepted"] = lambda event: (200, {"result": "lost"})
    app = tenant.app("alice")
    call_sid = tenant.ring("alice").call_sid
    app.expect("invite")
    app.send("answer", callsid=call_sid, sdp=SDP.format("mine"))
    assert app.expect("cancel") == {"callsid": call_sid}
    del tenant.world.router.answers["accepted"]
    with pytest.raises(CallUnknown):
        tenant.frame(call_sid, "hangup")


@pytest.mark.parametrize("by", ["reject", "hangup"])
def test_a_declined_call_is_told_once_and_not_shown_again(tenant: Tenant, by: str) -> None:
    """A client without a microphone hangs up on a ringing call; that declines it too."""
    app = tenant.app("alice")
    call_sid = tenant.ring("alice").call_sid
    app.expect("invite")
    app.send(by, callsid=call_sid)
    app.send(by, callsid=call_sid)
    assert tenant.world.router.wait(tenant.account, "rejected")["ring_token"] == "ring-token"
    app.register()
    app.silent()
    assert len(tenant.world.router.of(tenant.account, "rejected")) == 1


def test_digits_messages_and_ice_restart_reach_the_router_in_order(tenant: Tenant) -> None:
    app, call_sid, _ = in_call(tenant)
    for digits in ("1", "2w#", "3*"):
        app.send("dtmf", callsid=call_sid, dtmf=digits)
    event_sid = "KX" + "1" * 32
    app.send(
        "message",
        callsid=call_sid,
        content={"a": [1]},
        contenttype="application/json",
        messagetype="user-defined-message",
        voiceeventsid=event_sid,
    )
    assert app.expect("ack") == {"acktype": "message", "callsid": call_sid, "voiceeventsid": event_sid}
    app.send("reinvite", callsid=call_sid, sdp=SDP.format("fresh"))
    answer = app.expect("answer")
    assert (answer["callsid"], answer["sdp"]) == (call_sid, SDP.format("serverside"))
    told = [(e["type"], e.get("digits")) for e in tenant.world.router.of(tenant.account)][1:]
    assert told == [("dtmf", "1"), ("dtmf", "2w#"), ("dtmf", "3*"), ("message", None), ("restart", None)]


def test_messages_of_the_wrong_type_or_size_fail_alone(tenant: Tenant) -> None:
    app, call_sid, _ = in_call(tenant)
    base = {"callsid": call_sid, "contenttype": "application/json", "voiceeventsid": EVENT}
    app.send("message", **base, content=1, messagetype="other")
    assert app.expect("error") == {
        "error": {"code": 31210, "message": "messagetype must be user-defined-message"},
        "callsid": call_sid,
        "voiceeventsid": EVENT,
    }
    app.send("message", **base, content="x" * 10_001, messagetype="user-defined-message")
    assert app.expect("error")["error"]["code"] == 31212


def test_a_frame_is_sent_once_however_often_the_router_repeats_it(tenant: Tenant) -> None:
    app, call_sid, _ = in_call(tenant)
    frame = {"id": "f1", "type": "error", "code": 31005, "message": "once"}
    assert tenant.world.client.frame(tenant.account, call_sid, frame)
    assert tenant.world.client.frame(tenant.account, call_sid, frame)
    app.expect("error")
    app.silent()


def test_pr9_calls_of_others_are_out_of_reach(tenant: Tenant) -> None:
    """Another identity of the account, and the same identity of another account, can do nothing to the call."""
    app, call_sid, token = in_call(tenant)
    stranger = tenant.app("mallory", register=False)
    twin = tenant.world.tenant().app("alice", register=False)
    for intruder in (stranger, twin):
        intruder.send("hangup", callsid=call_sid)
        intruder.send("answer", callsid=call_sid, sdp=SDP.format("evil"))
        assert intruder.expect("hangup")["error"]["code"] == 31008
        intruder.send("dtmf", callsid=call_sid, dtmf="1")
        assert intruder.expect("error")["error"]["code"] == 31404
        intruder.send("reinvite", callsid=call_sid, sdp=SDP.format("evil"))
        assert intruder.expect("hangup")["error"]["code"] == 31209
        intruder.send("invite", callsid=call_sid, sdp=SDP.format("evil"), reconnect=token, twilio={})
        assert intruder.expect("hangup")["error"]["code"] == 31209
    assert [e["type"] for e in tenant.world.router.of(tenant.account)] == ["accepted"]
    assert tenant.frame(call_sid, "hangup")
    app.expect("hangup")


def test_reattach_with_the_same_media_moves_the_signalling_only(tenant: Tenant) -> None:
    app, call_sid, token = in_call(tenant)
    app.vanish()
    back = tenant.app("alice", register=False)
    back.send("invite", callsid=call_sid, sdp=SDP.format("phone1"), reconnect=token, twilio={})
    answer = back.expect("answer")
    assert answer["callsid"] == call_sid
    assert "sdp" not in answer
    assert answer["reconnect"]
    assert tenant.world.router.wait(tenant.account, "attached")["moved"] is False
    assert tenant.frame(call_sid, "hangup")
    back.expect("hangup")


def test_reattach_with_new_media_takes_the_call_over(tenant: Tenant) -> None:
    app, call_sid, token = in_call(tenant)
    other = tenant.app("alice", register=False)
    other.send("invite", callsid=call_sid, sdp=SDP.format("tablet"), reconnect=token, twilio={})
    assert other.expect("answer")["sdp"] == SDP.format("serverside")
    assert app.expect("cancel") == {"callsid": call_sid}
    event = tenant.world.router.wait(tenant.account, "attached")
    assert (event["moved"], event["sdp"]) == (True, SDP.format("tablet"))


def test_a_ringing_call_can_be_taken_by_another_device(tenant: Tenant) -> None:
    """The SDK's connect token, handed to a device that was not rung."""
    app = tenant.app("alice")
    call_sid = tenant.ring("alice").call_sid
    token = app.expect("invite")["reconnect"]
    other = tenant.app("alice", register=False)
    other.send("invite", callsid=call_sid, sdp=SDP.format("tablet"), reconnect=token, twilio={})
    assert other.expect("answer")["sdp"] == SDP.format("serverside")
    assert app.expect("cancel") == {"callsid": call_sid}


def test_reattach_to_a_call_that_is_over_is_told_31209(tenant: Tenant) -> None:
    app, call_sid, token = in_call(tenant)
    tenant.world.router.answers["attached"] = lambda event: (404, {"code": 31209, "message": "over"})
    app.send("invite", callsid=call_sid, sdp=SDP.format("phone1"), reconnect=token, twilio={})
    assert app.expect("hangup") == {"callsid": call_sid, "error": {"code": 31209, "message": "over"}}
    del tenant.world.router.answers["attached"]


def test_a_forged_reconnect_token_is_refused(tenant: Tenant) -> None:
    app, call_sid, token = in_call(tenant)
    app.send("invite", callsid=call_sid, sdp=SDP.format("phone1"), reconnect=token + "x", twilio={})
    assert app.expect("hangup")["error"]["code"] == 31209
    assert tenant.world.router.of(tenant.account, "attached") == []


def test_after_the_grace_the_router_learns_that_the_client_is_gone(tenant: Tenant) -> None:
    app, call_sid, _ = in_call(tenant)
    app.vanish()
    while tenant.frame(call_sid, "error", code=31005, message="are you there"):
        pass  # until the server has noticed; then 409: it may come back
    assert tenant.world.router.wait(tenant.account, "detached")["call_sid"] == call_sid
    with pytest.raises(CallUnknown):
        tenant.frame(call_sid, "hangup")


def test_a_dropped_device_keeps_its_endpoint_and_is_rung_again(tenant: Tenant) -> None:
    token = tenant.token("alice")
    app = tenant.app("alice", token=token)
    before = tenant.endpoints("alice")
    call_sid = tenant.ring("alice").call_sid
    app.expect("invite")
    app.vanish()
    back = tenant.app("alice", token=token)
    assert back.expect("invite")["callsid"] == call_sid
    assert tenant.endpoints("alice") == before
    back.send("answer", callsid=call_sid, sdp=SDP.format("mine"))
    tenant.world.router.wait(tenant.account, "accepted")


def test_an_endpoint_in_a_call_is_skipped_as_busy(tenant: Tenant) -> None:
    app, _, _ = in_call(tenant)
    rung = tenant.ring("alice")
    assert (rung.rung, list(rung.skipped.values())) == ((), ["busy"])
    app.silent()


def test_an_endpoint_that_lost_its_socket_in_a_call_is_busy_too(tenant: Tenant) -> None:
    app, _, _ = in_call(tenant)
    endpoints = tenant.endpoints("alice")
    app.vanish()
    back = tenant.app("bob")  # by now the server has seen the loss or is about to; either way alice is busy
    assert set(tenant.ring("alice", endpoints).skipped.values()) == {"busy"}
    back.silent()
