"""Legs to SIP addresses and to applications, step by step (callrouter.calls.steps.dialling)."""

import pytest
from step_history import History

from callrouter.calls import happenings as h
from callrouter.calls.session import OWN
from callrouter.calls.status import Cause
from callrouter.calls.steps.draft import Entry

AP = "AP" + "a" * 32
APPLICATION = (
    f"<Response><Dial action='/done'><Application><ApplicationSid>{AP}</ApplicationSid>"
    "<Parameter name='topic' value='bills'/><Parameter name='CallSid' value='mine'/></Application></Dial></Response>"
)


def last(history: History, kind: str) -> Entry:
    return [entry for entry in history.outbox if entry.kind == kind][-1]


def child(history: History) -> str:
    return next(name for name in history.session.legs if name != OWN)


def entered() -> tuple[History, str]:
    """A caller who hears an application's document, that has just been asked for."""
    history = History().begin(APPLICATION)
    name = child(history)
    history.tell(h.Took, leg=name, sdp="")
    history.tell(
        h.Entered,
        leg=name,
        url="https://other.test/voice",
        method="GET",
        fallback_url=None,
        fallback_method="POST",
    )
    return history, name


def test_sip_address_goes_with_its_headers_and_login() -> None:
    history = History().begin(
        "<Response><Dial ringTone='de'><Sip username='u' password='p'>sip:bob@pbx.test?X-Colour=green</Sip></Dial>"
        "</Response>"
    )
    assert history.session.legs[child(history)].to == "sip:bob@pbx.test"
    wanted = last(history, "start.sip").payload
    assert (wanted["headers"], wanted["username"], wanted["password"]) == ({"X-Colour": "green"}, "u", "p")
    assert last(history, "ringback").payload["country"] == "de"


def test_application_is_there_at_once_and_its_document_runs_when_it_is_heard() -> None:
    history, name = entered()
    leg = history.session.legs[name]
    assert (leg.to, leg.answered, leg.bridged) == (f"app:{AP}", True, True)
    order = [entry.kind for entry in history.outbox if entry.payload.get("leg") == name]
    assert order[:3] == ["start.application", "bridge", "enter"]
    asked = last(history, "fetch").payload
    assert (asked["program"], asked["url"], asked["method"]) == (name, "https://other.test/voice", "GET")
    parameters = asked["parameters"]
    assert (parameters["topic"], parameters["CallSid"]) == ("bills", leg.call_sid)
    assert parameters["ParentCallSid"] == "CA0"
    history.document("<Response><Redirect>/more</Redirect></Response>", program=name)
    assert "topic" not in last(history, "fetch").payload["parameters"]


def test_end_of_the_applications_document_is_the_end_of_the_dial() -> None:
    history, name = entered()
    history.document("<Response><Say>Bye</Say></Response>", program=name)
    assert last(history, "play").payload["leg"] == name
    history.tell(h.Sounded, leg=name, sound_id=last(history, "play").payload["sound_id"])
    assert history.statuses()[name] == "completed"
    asked = last(history, "fetch").payload
    assert asked["url"] == "https://app.test/done"
    assert asked["parameters"]["DialCallStatus"] == "completed"


def test_application_ends_with_its_caller() -> None:
    history, name = entered()
    history.document("<Response><Pause length='60'/></Response>", program=name)
    history.tell(h.Gone, leg=OWN, cause=Cause.NORMAL)
    assert history.statuses() == {OWN: "completed", name: "completed"}
    assert "carrier" not in history.kinds(name)


def test_keys_of_the_caller_reach_the_application() -> None:
    """The voice node brings them to the application's leg."""
    history, name = entered()
    history.document("<Response><Gather numDigits='1' action='/chosen'/></Response>", program=name)
    history.tell(h.Pressed, leg=name, digits="4")
    asked = last(history, "fetch").payload
    assert (asked["program"], asked["parameters"]["Digits"]) == (name, "4")


@pytest.mark.parametrize("code", [13224])
def test_application_that_is_not_there_is_noted_and_the_dial_goes_on(code: int) -> None:
    history = History().begin(APPLICATION)
    taken = history.tell(h.Gone, leg=child(history), cause=Cause.FAILED, code=code, detail="no application")
    assert [note.code for note in taken.notes] == [code]
    assert last(history, "fetch").payload["parameters"]["DialCallStatus"] == "failed"


def test_whisper_runs_before_the_applications_document() -> None:
    history = History().begin(APPLICATION.replace("<Application>", "<Application url='/whisper'>"))
    name = child(history)
    history.tell(h.Took, leg=name, sdp="")
    assert history.kinds()["enter"] == 0
    history.document("<Response/>", program=name)
    assert history.kinds()["enter"] == 1
