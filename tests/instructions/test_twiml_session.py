"""Sessions: fetching, fallback, answering, screening, and the end."""

from __future__ import annotations

import pytest
from session_world import APP, END, ERROR, FALLBACK, GONE, New, finish

from instructions.commands import Answer, Fault, Fetch, Reject, SetTimer, Warn
from instructions.events import (
    Answered,
    DocumentFailed,
    DocumentFetched,
    Event,
    HungUp,
    LegEnded,
    LegStatus,
    Started,
)
from instructions.interpreter import MAX_DOCUMENTS


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


def test_no_event_has_an_impossible_time() -> None:
    for at in (float("nan"), float("inf"), -1.0):
        with pytest.raises(ValueError, match="no unix time"):
            Started(at=at)
