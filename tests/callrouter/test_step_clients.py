"""Legs to clients, step by step: how they ring, whom a destination stands for, what the app is told of their end."""

import json

import pytest
from step_history import A, History

from callrouter.calls import happenings as h
from callrouter.calls.session import dumps, loads
from callrouter.calls.status import Cause, Status

EVENTS = "statusCallbackEvent='initiated ringing answered completed'"


def dial(attributes: str = "") -> History:
    client = f"<Client statusCallback='https://app.test/a' {EVENTS} {attributes}>support</Client>"
    return History().begin(f"<Response><Dial action='/done'>{client}</Dial></Response>")


@pytest.mark.parametrize(
    ("attributes", "mode", "every"),
    [
        ("", "all", 15),
        ("ringMode='priority'", "priority", 15),
        ("ringMode='recent' ringEvery='5'", "recent", 5),
        ("ringMode='loud' ringEvery='4'", "all", 15),
    ],
)
def test_pr51_ring_mode_goes_with_the_command(attributes: str, mode: str, every: int) -> None:
    history = dial(attributes)
    (start,) = [entry.payload for entry in history.outbox if entry.kind == "start.client"]
    assert (start["mode"], start["every"]) == (mode, every)


def test_pr61_leg_is_the_chosen_clients_until_its_end() -> None:
    """`To` stays what was dialled; what must be said to the client's account says so."""
    history = dial()
    history.tell(h.Chosen, leg=A, identity="bob", account="AC2")
    history.tell(h.Rang, leg=A, endpoints=("desk",))
    leg = history.session.legs[A]
    assert (leg.identity, leg.client_account, leg.to) == ("bob", "AC2", "client:support")
    history.tell(h.Took, leg=A, sdp="v=0", endpoint="desk")
    history.tell(h.Chosen, leg=A, identity="carol", account="")
    assert history.session.legs[A].identity == "bob"  # too late
    history.tell(h.Gone, leg="", cause=Cause.NORMAL)
    (hangup,) = [entry.payload for entry in history.outbox if entry.kind == "client.hangup"]
    assert hangup["client_account"] == "AC2"


def test_pr61_own_clients_need_no_account() -> None:
    history = dial()
    history.tell(h.Rang, leg=A, endpoints=("desk",))
    history.tell(h.Gone, leg="", cause=Cause.NORMAL)
    (cancel,) = [entry.payload for entry in history.outbox if entry.kind == "client.cancel"]
    assert "client_account" not in cancel


@pytest.mark.parametrize(
    ("cause", "status", "code"),
    [
        (Cause.NOT_REGISTERED, "no-answer", "480"),
        (Cause.NOT_AVAILABLE, "no-answer", "603"),
        (Cause.BUSY, "busy", "486"),
        (Cause.PRESENCE_UNAVAILABLE, "failed", None),
    ],
)
def test_pr55_pr56_the_app_can_tell_why(cause: Cause, status: str, code: str | None) -> None:
    """In the leg's status callback, and in what <Dial> says to its action."""
    history = dial()
    history.tell(h.Gone, leg=A, cause=cause)
    told = [entry.payload["parameters"] for entry in history.outbox if entry.kind == "callback"]
    last = next(one for one in reversed(told) if one["To"] == "client:support")
    assert (last["CallStatus"], last.get("SipResponseCode")) == (status, code)
    action = [entry.payload["parameters"] for entry in history.outbox if entry.kind == "fetch"][-1]
    assert (action["DialCallStatus"], action.get("DialSipResponseCode")) == (status, code)


def test_answered_leg_has_no_sip_code() -> None:
    history = dial()
    history.tell(h.Took, leg=A, sdp="v=0", endpoint="desk")
    history.tell(h.Gone, leg=A, cause=Cause.NORMAL)
    assert history.session.legs[A].status is Status.COMPLETED
    told = [entry.payload["parameters"] for entry in history.outbox if entry.kind == "callback"]
    assert all("SipResponseCode" not in one for one in told)


def test_sessions_of_an_earlier_release_are_read() -> None:
    """They know of no other accounts' clients."""
    session = dial().session
    data = json.loads(dumps(session))
    for leg in data["legs"]:
        del leg["client_account"]
    assert loads(json.dumps(data)) == session
