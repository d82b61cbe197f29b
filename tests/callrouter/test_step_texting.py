"""Text messages that a call's document sends, step by step (callrouter.calls.steps.texting; twilio-surface 2.5)."""

import pytest
from step_history import History

from callrouter.calls import happenings as h
from callrouter.calls.session import OWN
from foundation.sids import MESSAGE, is_sid

CALLER, NUMBER = "+14155550100", "+14155550101"


def texts(history: History) -> list[dict[str, object]]:
    return [entry.payload for entry in history.outbox if entry.kind == "text"]


def test_a_text_goes_to_the_caller_from_the_number_that_was_called() -> None:
    history = History().begin("<Response><Sms>Hello</Sms><Pause length='9'/></Response>")
    (text,) = texts(history)
    assert (text["to"], text["from"], text["body"]) == (CALLER, NUMBER, "Hello")
    assert is_sid(str(text["sid"]), MESSAGE)
    assert not history.session.finished


def test_attributes_say_who_gets_it_and_from_whom() -> None:
    history = History().begin("<Response><Sms to='+14155550177' from='+14155550178'>Hello</Sms></Response>")
    (text,) = texts(history)
    assert (text["to"], text["from"]) == ("+14155550177", "+14155550178")


@pytest.mark.parametrize("sid", ["SM1", ""])
def test_the_action_is_asked_once_the_text_is_queued_or_refused(sid: str) -> None:
    history = History().begin("<Response><Sms action='/sent'>Hello</Sms></Response>")
    (text,) = texts(history)
    told = {"leg": OWN, "program": OWN, "message": text["message"], "sid": sid}
    if sid:
        taken = history.tell(h.Texted, **told, status="queued")
    else:
        taken = history.tell(h.Texted, **told, status="failed", code=21606, reason="not yours")
    assert [(note.code, note.level) for note in taken.notes] == ([] if sid else [(21606, "1")])
    asked = [entry.payload for entry in history.outbox if entry.kind == "fetch"][-1]
    assert asked["url"] == "https://app.test/sent"
    assert asked["parameters"]["SmsSid"] == sid
    assert asked["parameters"]["SmsStatus"] == ("queued" if sid else "failed")


def test_the_same_history_gives_the_text_the_same_sid() -> None:
    """I7: the entry may be carried out again."""
    document = "<Response><Sms>Hello</Sms></Response>"
    assert texts(History().begin(document)) == texts(History().begin(document))
