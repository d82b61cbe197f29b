"""Sessions: fetching, fallback, answering, redirects, hang-up, replacement, and the small verbs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from instructions.commands import (
    Answer,
    CancelLeg,
    CancelTimer,
    Fault,
    Fetch,
    Finish,
    FinishReason,
    Reject,
    SendMessage,
    SetTimer,
    StartLeg,
    Warn,
)
from instructions.events import (
    Answered,
    DocumentFailed,
    DocumentFetched,
    Event,
    HungUp,
    LegAnswered,
    LegEnded,
    LegStatus,
    MessageSent,
    Replaced,
    SoundEnded,
    Started,
    TimerFired,
)
from instructions.interpreter import APOLOGY, MAX_DOCUMENTS

New = Callable[..., Any]
APP = "https://app.test/voice"
FALLBACK = "https://app.test/fallback"


def finish(reason: str) -> Finish:
    return Finish(reason=FinishReason(reason))


END, ERROR, GONE = finish("end_of_document"), finish("application_error"), finish("caller_hung_up")


# -- documents


def test_started_fetches_once(conversation: New) -> None:
    talk = conversation(method="GET")
    assert talk.start() == (Fetch(fetch="fetch-1", url=APP, method="GET"),)
    assert talk.start() == ()


def test_an_inline_document_runs_at_once(conversation: New) -> None:
    talk = conversation(url=None, twiml="<Response><Pause/></Response>")
    assert talk.start() == (SetTimer(timer="pause-1-0", seconds=1),)


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16", "ISO-8859-1"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_an_inline_document_is_text_whatever_its_declaration_says(
    conversation: New, encoding: str, mark: str
) -> None:
    declaration = f'{mark}<?xml version="1.0" encoding="{encoding}"?>'
    talk = conversation(
        url=None, twiml=f"{declaration}<Response><Dial><Client>Zoë</Client></Dial></Response>", answered=True
    )
    assert talk.start()[0].noun.identity == "Zoë"


def test_neither_url_nor_document(conversation: New) -> None:
    assert conversation(url=None).start()[-1] == ERROR


def test_an_empty_document_ends_an_inbound_call_unanswered(conversation: New) -> None:
    talk = conversation()
    talk.start()
    assert talk.reply("") == (END,)


def test_an_answer_to_another_fetch_is_ignored(conversation: New) -> None:
    talk = conversation()
    talk.start()
    late = {"fetch": "fetch-0", "url": APP}
    assert talk.tell(DocumentFetched, **late, body=b"<Response/>", content_type="text/xml") == ()
    assert talk.tell(DocumentFailed, **late, code=11200, reason="no") == ()


def test_warnings_come_before_the_first_verb_with_line_and_url(conversation: New) -> None:
    talk = conversation()
    talk.start()
    warned, ended = talk.reply("\n<Shout/>", url="https://app.test/final")
    assert warned == Warn(code=12200, message="<Shout> is not a verb", line=2, url="https://app.test/final")
    assert ended == END


def test_relative_urls_start_from_the_final_url(conversation: New) -> None:
    talk = conversation()
    talk.start()
    talk.reply("<Redirect>next?x=1#rc=2</Redirect>", url="https://other.test/a/b")
    assert talk.last(Fetch).url == "https://other.test/a/next?x=1#rc=2"


@pytest.mark.parametrize("failure", ["fetch", "document", "no content type"])
def test_a_failure_asks_the_fallback_once(conversation: New, failure: str) -> None:
    """I9: once per failed document, with ErrorCode and ErrorUrl (twilio-surface 4.7)."""
    talk = conversation(fallback_url=FALLBACK, fallback_method="GET")
    talk.start()
    if failure == "fetch":
        code, commands = 11205, talk.fail(11205)
    elif failure == "document":
        code, commands = 12100, talk.reply("<Say>")
    else:
        code, commands = 11200, talk.reply("", content_type=None)
    fault, fetch = commands
    assert (fault.code, fault.url) == (code, APP)
    errors = (("ErrorCode", str(code)), ("ErrorUrl", APP))
    assert fetch == Fetch(fetch="fetch-2", url=FALLBACK, method="GET", params=errors)
    second, ended = talk.fail()
    assert (second.code, second.url, ended) == (11200, FALLBACK, ERROR)


def test_without_a_fallback_a_failure_ends_the_session(conversation: New) -> None:
    talk = conversation()
    talk.start()
    fault, ended = talk.reply("<Say>")
    assert isinstance(fault, Fault)
    assert ended == ERROR


def test_nothing_of_a_broken_document_runs(conversation: New) -> None:
    talk = conversation()
    talk.start()
    talk.reply("<Reject/><Say>")
    assert not [command for command in talk.commands if isinstance(command, Reject)]


def test_a_document_that_fails_later_has_its_own_fallback(conversation: New) -> None:
    """The failed request's own parameters, and its leg, go to the fallback too."""
    talk = conversation(fallback_url=FALLBACK)
    talk.start()
    talk.fail()
    talk.reply('<Dial action="/done"><Client>ann</Client></Dial>')
    talk.tell(Answered)
    talk.tell(LegEnded, leg="leg-2-0-0", status=LegStatus.BUSY)
    talk.fail(11210)
    fetch = talk.last(Fetch)
    assert (fetch.url, fetch.leg) == (FALLBACK, "leg-2-0-0")
    assert dict(fetch.params) == {
        "DialCallStatus": "busy",
        "DialBridged": "false",
        "ErrorCode": "11210",
        "ErrorUrl": "https://app.test/done",
    }


def test_a_broken_inline_document_has_a_fallback_too(conversation: New) -> None:
    talk = conversation(url=None, twiml="<Response>", fallback_url=FALLBACK)
    fault, fetch = talk.start()
    assert (fault.code, fault.url) == (12100, None)
    assert fetch.params == (("ErrorCode", "12100"),)


def test_a_redirect_loop_ends(conversation: New) -> None:
    talk = conversation()
    talk.start()
    while talk.state.finished is None:
        commands = talk.reply("<Redirect/>")
    assert [command.code for command in commands if isinstance(command, Fault)] == [11215]
    assert commands[-1] == ERROR
    assert len([command for command in talk.commands if isinstance(command, Fetch)]) == MAX_DOCUMENTS


# -- answering

ANSWER_FIRST = [
    "Say",
    "Play",
    "Gather",
    "Record",
    "Enqueue",
    "Connect",
    "Start",
    "Pay",
    "Echo",
    "Refer",
    "Hangup",
    "Sms",
]
NO_ANSWER = ["Pause", "Reject", "Redirect", "Leave", "Stop"]


@pytest.mark.parametrize(
    ("verb", "answers"), [(v, True) for v in ANSWER_FIRST] + [(v, False) for v in NO_ANSWER]
)
def test_which_verbs_answer_the_call(conversation: New, verb: str, answers: bool) -> None:
    """Twilio's table of verbs (twilio-surface 2.1)."""
    talk = conversation()
    talk.start()
    assert (talk.reply(f"<{verb}/>") == (Answer(),)) is answers


def test_an_answered_call_is_not_answered_again(conversation: New) -> None:
    talk = conversation(answered=True)
    talk.start()
    assert talk.reply("<Hangup/>") == (finish("hangup"),)


def test_answered_while_fetching_counts(conversation: New) -> None:
    talk = conversation()
    talk.start()
    assert talk.tell(Answered) == ()
    assert talk.reply("<Hangup/>") == (finish("hangup"),)


# -- the small verbs


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


# -- the end


@pytest.mark.parametrize("before", [[], [Started], [Started, Answered]])
def test_caller_hung_up_at_any_time(conversation: New, before: list[type[Event]]) -> None:
    talk = conversation()
    for kind in before:
        talk.tell(kind)
    assert talk.tell(HungUp) == (GONE,)
    assert talk.start() == ()


def test_caller_hung_up_while_being_answered(conversation: New) -> None:
    talk = conversation()
    talk.start()
    talk.reply("<Say>Hi</Say>")
    assert talk.tell(HungUp) == (GONE,)


def test_a_caller_who_hung_up_gets_no_fallback_for_a_bad_action(conversation: New) -> None:
    talk = conversation(
        url=None,
        twiml='<Response><Dial action="done">+15550111</Dial></Response>',
        fallback_url=FALLBACK,
        answered=True,
    )
    talk.start()
    assert talk.tell(HungUp)[-1] == GONE
    assert not [command for command in talk.commands if isinstance(command, Fetch)]


# -- screening


@pytest.mark.parametrize(
    ("twiml", "reason"),
    [
        ("", "end_of_document"),
        ("<Pay/>", "end_of_document"),
        ("<Hangup/>", "screening_declined"),
        ("<Reject/>", "screening_declined"),
        ("<Say>", "application_error"),
    ],
)
def test_a_screening_ends_accepted_or_declined(conversation: New, twiml: str, reason: str) -> None:
    """PR-60: only the end of the document puts the callee through."""
    talk = conversation(role="screening", answered=True)
    assert talk.run(twiml)[-1] == finish(reason)


# -- replacement


def test_replaced_leaves_the_dial_and_runs_the_new_document(conversation: New) -> None:
    """Checklist 42; the action of the Dial that was left is not requested."""
    talk = conversation(fallback_url=FALLBACK)
    talk.run('<Dial action="/done"><Client>ann</Client><Client>bob</Client></Dial>')
    new = "https://app.test/new"
    assert talk.tell(Replaced, url=new, method="GET", twiml=None) == (
        CancelTimer(timer="ring-1-0-0"),
        CancelLeg(leg="leg-1-0-0"),
        CancelLeg(leg="leg-1-0-1"),
        Fetch(fetch="fetch-2", url=new, method="GET"),
    )
    assert talk.tell(LegAnswered, leg="leg-1-0-0") == ()
    talk.fail()
    assert talk.last(Fetch).url == FALLBACK


def test_replaced_by_an_inline_document_while_fetching(conversation: New) -> None:
    talk = conversation()
    talk.start()
    new = {"url": None, "method": "POST", "twiml": "<Response><Dial>+15550111</Dial></Response>"}
    assert talk.tell(Replaced, **new, fallback_url=FALLBACK) == (Answer(),)
    assert talk.state.origin.fallback_url == FALLBACK
    assert talk.reply("<Reject/>") == ()
    assert talk.tell(Answered)[0].leg == "leg-2-0-0"


def test_replaced_before_the_start_is_the_start(conversation: New) -> None:
    talk = conversation()
    assert talk.tell(Replaced, url=None, method="POST", twiml="<Response/>") == (END,)


def test_replaced_by_nothing_changes_nothing(conversation: New) -> None:
    talk = conversation()
    talk.run("<Pause/>")
    assert talk.tell(Replaced, url=None, method="POST", twiml=None) == ()


def test_leg_names_are_new_in_every_document(conversation: New) -> None:
    talk = conversation()
    talk.run("<Dial>+15550111</Dial><Dial>+15550112</Dial><Redirect/>")
    talk.tell(LegEnded, leg="leg-1-0-0", status=LegStatus.BUSY)
    talk.tell(LegEnded, leg="leg-1-1-0", status=LegStatus.BUSY)
    talk.reply("<Dial>+15550111</Dial>")
    names = [command.leg for command in talk.commands if isinstance(command, StartLeg)]
    assert names == ["leg-1-0-0", "leg-1-1-0", "leg-2-0-0"]


# -- upgrades


@pytest.mark.parametrize(
    "change",
    [{"verb": "Gather"}, {"cursor": 7}, {"document": b"<Response><Dial>"}],
    ids=["verb", "cursor", "document"],
)
@pytest.mark.parametrize("event", ["answered", "ended", "hung up"])
def test_a_document_that_reads_differently_after_an_upgrade_ends_the_call(
    conversation: New, change: dict[str, Any], event: str
) -> None:
    """style 6: nobody guesses; what rings is cancelled."""
    talk = conversation()
    talk.start()
    talk.reply("<Dial>+15550111</Dial>")
    if event != "answered":
        talk.tell(Answered)
    (frame,) = talk.state.frames
    talk.state = replace(talk.state, frames=(replace(frame, **change),))
    match event:
        case "answered":
            commands = talk.tell(Answered)
        case "ended":
            commands = talk.tell(LegEnded, leg="leg-1-0-0", status=LegStatus.BUSY)
        case _:
            commands = talk.tell(HungUp)
    assert (CancelLeg(leg="leg-1-0-0") in commands) is (event != "answered")
    assert [command.code for command in commands if isinstance(command, Fault)] == [12400]
    if event != "hung up":
        assert commands[-1].sound == APOLOGY
        commands = talk.tell(SoundEnded, sound_id=commands[-1].sound_id)
    assert commands[-1] == ERROR


def test_a_verb_ignores_another_verbs_memory(conversation: New) -> None:
    talk = conversation()
    talk.run("<Pause/>")
    (frame,) = talk.state.frames
    for verb in ("Dial", "Say", "Gather", "Record", "Connect", "Echo"):
        other = replace(frame, document=f"<Response><{verb}/></Response>".encode(), verb=verb)
        talk.state = replace(talk.state, frames=(other,))
        assert talk.tell(TimerFired, timer="pause-1-0") == ()


def test_no_event_has_an_impossible_time() -> None:
    for at in (float("nan"), float("inf"), -1.0):
        with pytest.raises(ValueError, match="no unix time"):
            Started(at=at)
