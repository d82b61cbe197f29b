"""The small verbs: Hangup, Reject, Pause, Redirect, Sms, and those that do not act."""

from __future__ import annotations

from typing import Any

import pytest
from session_world import APP, END, ERROR, FALLBACK, GONE, New, finish

from instructions.commands import CancelTimer, Fetch, Reject, SendMessage, SetTimer
from instructions.events import HungUp, MessageSent, TimerFired


def test_hangup_answers_first(conversation: New) -> None:
    talk = conversation()
    assert talk.run("<Hangup/><Redirect/>") == (finish("hangup"),)


@pytest.mark.parametrize("reason", ["rejected", "busy"])
def test_reject(conversation: New, reason: Any) -> None:
    talk = conversation()
    assert talk.run(f'<Reject reason="{reason}"/>') == (Reject(reason=reason), finish("rejected"))


def test_reject_after_the_answer_hangs_up(conversation: New) -> None:
    assert conversation(answered=True).run("<Reject/>") == (finish("hangup"),)


def test_pause_before_reject_keeps_it_ringing(conversation: New) -> None:
    talk = conversation()
    assert talk.run('<Pause length="10"/><Reject/>') == (SetTimer(timer="pause-1-0", seconds=10),)
    assert talk.tell(TimerFired, timer="pause-1-9") == ()
    assert talk.tell(TimerFired, timer="pause-1-0") == (Reject(reason="rejected"), finish("rejected"))


def test_a_pause_of_no_length_is_over_at_once(conversation: New) -> None:
    assert conversation().run('<Pause length="0"/>') == (END,)


def test_caller_hung_up_during_a_pause(conversation: New) -> None:
    talk = conversation()
    talk.run("<Pause/>")
    assert talk.tell(HungUp) == (CancelTimer(timer="pause-1-0"), GONE)


@pytest.mark.parametrize(
    ("text", "url"), [("https://b.test/x", "https://b.test/x"), ("", APP), ("?n=2", APP + "?n=2")]
)
def test_redirect(conversation: New, text: str, url: str) -> None:
    fetch = Fetch(fetch="fetch-2", url=url, method="GET")
    assert conversation().run(f'<Redirect method="GET">{text}</Redirect><Reject/>') == (fetch,)


def test_redirect_to_no_url_goes_to_the_fallback(conversation: New) -> None:
    """11100: it must not fetch this document again instead."""
    talk = conversation(fallback_url=FALLBACK)
    _warned, fault, fetch = talk.run("<Redirect>ftp://b.test/</Redirect>")
    assert (fault.code, fetch.url, fetch.params) == (
        11100,
        FALLBACK,
        (("ErrorCode", "11100"), ("ErrorUrl", APP)),
    )


@pytest.mark.parametrize("text", ["next", ""])
def test_a_relative_redirect_in_an_inline_document(conversation: New, text: str) -> None:
    """15004."""
    talk = conversation(url=None, twiml=f"<Response><Redirect>{text}</Redirect></Response>")
    fault, ended = talk.start()
    assert (fault.code, fault.line, ended) == (15004, 1, ERROR)


def test_an_unusable_base_is_a_fault_not_a_crash(conversation: New) -> None:
    talk = conversation()
    talk.start()
    assert talk.reply("<Redirect>/next</Redirect>", url="http://[")[-1] == ERROR


@pytest.mark.parametrize("verb", ["Pay", "Prompt", "Refer"])
def test_a_verb_that_does_not_act_is_skipped_with_a_warning(conversation: New, verb: str) -> None:
    warned, ended = conversation().run(f"<{verb}/>")
    assert (warned.code, warned.message, ended) == (13750, f"<{verb}> does not act yet: it was skipped", END)


def test_sms_sends_and_goes_on(conversation: New) -> None:
    """twilio-surface 2.5: to the caller from the number called, unless its attributes say otherwise."""
    send = SendMessage(message="sms-1-0", to=None, from_=None, body="hi", status_callback=None)
    assert conversation(answered=True).run("<Sms> hi </Sms>") == (send, END)


def test_sms_with_an_action_goes_on_there(conversation: New) -> None:
    """SmsSid and SmsStatus (twilio-surface 2.5)."""
    talk = conversation(answered=True)
    (send,) = talk.run(
        "<Sms to='+1' from='+2' action='/next' method='GET' statusCallback='/status'>hi</Sms><Reject/>"
    )
    assert (send.to, send.from_, send.status_callback) == ("+1", "+2", "https://app.test/status")
    assert talk.tell(MessageSent, message="another", sid="SM1", status="queued") == ()
    (fetch,) = talk.tell(MessageSent, message="sms-1-0", sid="SM2", status="queued")
    assert (fetch.url, fetch.method) == ("https://app.test/next", "GET")
    assert fetch.params == (("SmsSid", "SM2"), ("SmsStatus", "queued"))


@pytest.mark.parametrize("body", ["", " "])
def test_sms_without_words_is_skipped(conversation: New, body: str) -> None:
    """14103."""
    warned, ended = conversation(answered=True).run(f"<Sms action='/next'>{body}</Sms>")
    assert (warned.code, ended) == (14103, END)
