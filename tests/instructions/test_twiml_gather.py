"""Gather: prompts in their order, keys that end it, and what `action` is told (twilio-surface 2.6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from instructions.commands import (
    CancelTimer,
    Fault,
    Fetch,
    Finish,
    FinishReason,
    Play,
    SetTimer,
    StopSounds,
    Warn,
)
from instructions.events import Answered, DigitsReceived, HungUp, Replaced, SoundEnded, TimerFired
from instructions.verbs.gather import MAX_DIGITS

New = Callable[..., Any]
APP = "https://app.test/voice"
END = Finish(reason=FinishReason.END_OF_DOCUMENT)


def gather(conversation: New, attributes: str = "", inside: str = "", after: str = "") -> Any:
    talk = conversation(answered=True)
    talk.run(f"<Gather{attributes}>{inside}</Gather>{after}")
    return talk


def press(talk: Any, digits: str, leg: str = "") -> Any:
    return talk.tell(DigitsReceived, leg=leg, digits=digits)


def asked(talk: Any) -> tuple[str, dict[str, str]]:
    fetch = talk.last(Fetch)
    return fetch.url, dict(fetch.params)


# -- prompts


def test_prompts_play_in_order_then_the_timeout_runs(conversation: New) -> None:
    talk = conversation(answered=True)
    inside = '<Say>A</Say><Pause length="2"/><Pause length="0"/><Say/><Play loop="0">b.wav</Play>'
    (first,) = talk.run(f'<Gather timeout="7">{inside}</Gather>')
    assert (first.sound_id, first.sound.text, first.loop) == ("sound-1-0-0", "A", 1)
    assert talk.tell(SoundEnded, sound_id="sound-1-0-0") == (SetTimer(timer="pause-1-0-1", seconds=2),)
    skipped, play = talk.tell(TimerFired, timer="pause-1-0-1")
    assert (type(skipped), skipped.code) == (Warn, 13520)
    assert (play.sound_id, play.sound.url, play.loop) == ("sound-1-0-4", "https://app.test/b.wav", 0)
    assert talk.tell(SoundEnded, sound_id="sound-1-0-0") == ()
    assert talk.tell(SoundEnded, sound_id="sound-1-0-4") == (SetTimer(timer="gather-1-0-0", seconds=7),)


def test_a_prompt_that_cannot_be_played_is_an_error_and_the_next_one_plays(conversation: New) -> None:
    talk = gather(conversation, inside="<Play>a</Play><Say>b</Say>")
    fault, play = talk.tell(SoundEnded, sound_id="sound-1-0-0", failed=True, code=11200, reason="404")
    assert (type(fault), fault.code, fault.message) == (Fault, 11200, "<Play> was not played: 404")
    assert play.sound.text == "b"


def test_without_prompts_the_timeout_runs_at_once(conversation: New) -> None:
    talk = gather(conversation)
    assert talk.commands[-1] == SetTimer(timer="gather-1-0-0", seconds=5)


@pytest.mark.parametrize(
    ("inside", "stopped"),
    [
        ('<Say loop="0">A</Say><Say>B</Say>', StopSounds()),
        ("<Pause/><Say>B</Say>", CancelTimer(timer="pause-1-0-0")),
    ],
)
def test_the_first_key_stops_the_prompts(conversation: New, inside: str, stopped: Any) -> None:
    talk = gather(conversation, inside=inside)
    assert press(talk, "1") == (stopped, SetTimer(timer="gather-1-0-1", seconds=5))
    assert talk.tell(SoundEnded, sound_id="sound-1-0-0") == ()
    assert talk.tell(TimerFired, timer="pause-1-0-0") == ()


# -- keys

INPUTS = {
    "numDigits": (' numDigits="3"', ["1", "23"], "123", ""),
    "more at once than wanted": (' numDigits="1"', ["45"], "4", ""),
    "finishing key": ("", ["12", "#"], "12", "#"),
    "another finishing key": (' finishOnKey="*"', ["1#", "*9"], "1#", "*"),
    "a digit as finishing key": (' finishOnKey="0"', ["5", "0"], "5", "0"),
    "the finishing key comes before numDigits": (' numDigits="4"', ["1#"], "1", "#"),
    "no finishing key": (' finishOnKey="" numDigits="2"', ["#", "*"], "#*", ""),
    "letters": (' numDigits="2"', ["A", "D"], "AD", ""),
}


@pytest.mark.parametrize(("attributes", "presses", "digits", "finished_on"), INPUTS.values(), ids=INPUTS)
def test_input_ends_and_action_is_asked(
    conversation: New, attributes: str, presses: list[str], digits: str, finished_on: str
) -> None:
    """The rest of the document is dead."""
    talk = gather(conversation, f'{attributes} action="/next" method="GET"', after="<Hangup/>")
    for some in presses:
        commands = press(talk, some)
    assert asked(talk) == ("https://app.test/next", {"Digits": digits, "FinishedOnKey": finished_on})
    assert talk.last(Fetch).method == "GET"
    assert [type(command) for command in commands] == [CancelTimer, Fetch]
    assert press(talk, "1") == ()


def test_the_finishing_key_is_one_that_the_document_names(conversation: New) -> None:
    talk = conversation(answered=True)
    talk.run('<Gather finishOnKey="9" method="GET"/>')
    press(talk, "1#9")
    assert asked(talk) == (APP, {"Digits": "1#", "FinishedOnKey": "9"})


def test_each_key_starts_the_timeout_again(conversation: New) -> None:
    talk = gather(conversation, ' timeout="3"')
    for number, digit in enumerate("12"):
        old, new = f"gather-1-0-{number}", f"gather-1-0-{number + 1}"
        assert press(talk, digit) == (CancelTimer(timer=old), SetTimer(timer=new, seconds=3))
        assert talk.tell(TimerFired, timer=old) == ()
    talk.tell(TimerFired, timer="gather-1-0-2")
    assert asked(talk) == (APP, {"Digits": "12", "FinishedOnKey": "timeout"})


def test_the_default_action_is_this_document(conversation: New) -> None:
    talk = gather(conversation, ' numDigits="1"')
    assert press(talk, "1")[-1] == Fetch(
        fetch="fetch-2", url=APP, method="POST", params=(("Digits", "1"), ("FinishedOnKey", ""))
    )


def test_a_default_action_without_a_document_url_goes_to_the_fallback(conversation: New) -> None:
    """15004: an inline document has no URL to ask again."""
    twiml = '<Response><Gather numDigits="1"/></Response>'
    talk = conversation(url=None, twiml=twiml, answered=True, fallback_url="https://b.test/f")
    talk.start()
    press(talk, "1")
    assert asked(talk) == ("https://b.test/f", {"ErrorCode": "15004"})


def test_keys_have_an_end_even_when_nobody_asked_for_one(conversation: New) -> None:
    talk = gather(conversation, ' finishOnKey=""')
    press(talk, "7" * (MAX_DIGITS + 50))
    assert asked(talk)[1]["Digits"] == "7" * MAX_DIGITS


def test_keys_of_others_and_of_earlier_are_not_its_keys(conversation: New) -> None:
    talk = conversation(answered=True)
    talk.run('<Say>A</Say><Gather numDigits="1"/>')
    press(talk, "1")
    talk.tell(SoundEnded, sound_id="sound-1-0")
    assert press(talk, "1", leg="leg-1") == ()
    assert press(talk, "") == ()
    press(talk, "2")
    assert asked(talk)[1]["Digits"] == "2"


# -- no input


@pytest.mark.parametrize("ends", ["timeout", "finishing key"])
def test_no_input_falls_through(conversation: New, ends: str) -> None:
    talk = gather(conversation, after="<Say>Nothing?</Say>")
    timer = "gather-1-0-0"
    commands = press(talk, "#") if ends == "finishing key" else talk.tell(TimerFired, timer=timer)
    assert isinstance(commands[-1], Play)
    assert (CancelTimer(timer=timer) in commands) is (ends == "finishing key")
    assert len([command for command in talk.commands if isinstance(command, Fetch)]) == 1


def test_no_input_and_no_next_verb_ends_the_call(conversation: New) -> None:
    assert gather(conversation).tell(TimerFired, timer="gather-1-0-0") == (END,)


@pytest.mark.parametrize(("ends", "key"), [("timeout", "timeout"), ("finishing key", "#")])
def test_no_input_asks_action_if_it_wants_to_know(conversation: New, ends: str, key: str) -> None:
    talk = gather(conversation, ' actionOnEmptyResult="true"')
    press(talk, "#") if ends == "finishing key" else talk.tell(TimerFired, timer="gather-1-0-0")
    assert asked(talk) == (APP, {"Digits": "", "FinishedOnKey": key})


# -- leaving


@pytest.mark.parametrize(
    ("inside", "left"),
    [("", CancelTimer(timer="gather-1-0-0")), ("<Say>A</Say>", StopSounds())],
)
def test_leaving_stops_what_is_under_way(conversation: New, inside: str, left: Any) -> None:
    assert gather(conversation, inside=inside).tell(HungUp)[0] == left
    replaced = gather(conversation, inside=inside).tell(Replaced, url=APP, method="POST", twiml=None)
    assert replaced[0] == left


def test_hanging_up_asks_nothing(conversation: New) -> None:
    talk = gather(conversation)
    press(talk, "1")
    gone = Finish(reason=FinishReason.CALLER_HUNG_UP)
    assert talk.tell(HungUp) == (CancelTimer(timer="gather-1-0-1"), gone)


def test_it_answers_the_call_first(conversation: New) -> None:
    talk = conversation()
    talk.start()
    talk.reply("<Gather/>")
    assert press(talk, "1") == ()
    assert talk.tell(Answered) == (SetTimer(timer="gather-1-0-0", seconds=5),)


def test_a_whisper_that_asks_the_callee(conversation: New) -> None:
    """PR-60: one key takes the call, none declines it."""
    twiml = '<Gather action="/take" numDigits="1"><Say>Press any key</Say></Gather><Hangup/>'
    taken = conversation(role="screening", answered=True)
    taken.run(twiml)
    press(taken, "5")
    assert taken.reply("") == (END,)
    declined = conversation(role="screening", answered=True)
    declined.run(twiml)
    declined.tell(SoundEnded, sound_id="sound-1-0-0")
    ended = declined.tell(TimerFired, timer="gather-1-0-0")
    assert ended == (Finish(reason=FinishReason.SCREENING_DECLINED),)
