"""Gather that listens: when, until when, and what `action` is told (twilio-surface 2.6)."""

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
    Listen,
    PartialCallback,
    Play,
    SetTimer,
    StopListening,
    StopSounds,
)
from instructions.events import (
    DigitsReceived,
    HungUp,
    Replaced,
    SoundEnded,
    SpeechHeard,
    SpeechStarted,
    TimerFired,
)

New = Callable[..., Any]
APP = "https://app.test/voice"
NAME = "listen-1-0"
DEAF = StopListening(listen=NAME)
TIMEOUT, PATIENCE, AGAIN = "gather-1-0-0", "speech-1-0", "again-1-0"
END = Finish(reason=FinishReason.END_OF_DOCUMENT)
SPEECH, BOTH = ' input="speech"', ' input="dtmf speech"'


def gather(conversation: New, attributes: str = SPEECH, inside: str = "", after: str = "") -> Any:
    talk = conversation(answered=True)
    talk.run(f"<Gather{attributes}>{inside}</Gather>{after}")
    return talk


def listen(**facts: Any) -> Listen:
    usual = {"language": "en-US", "hints": (), "silence": 5.0, "longest": 60, "partial": None}
    return Listen(listen=NAME, **usual | facts)


def hear(talk: Any, text: str, **facts: Any) -> Any:
    return talk.tell(SpeechHeard, listen=NAME, text=text, **facts)


def fail(talk: Any) -> Any:
    return hear(talk, "", failed=True, code=20503, reason="no recogniser")


def asked(talk: Any) -> tuple[str, dict[str, str]]:
    fetch = talk.last(Fetch)
    return fetch.url, dict(fetch.params)


# -- what is listened to


def test_it_listens_from_the_beginning(conversation: New) -> None:
    talk = gather(conversation, inside="<Say>Speak</Say>")
    heard, play = talk.commands[-2:]
    assert (heard, type(play)) == (listen(), Play)


def test_without_barge_in_it_listens_after_the_prompts(conversation: New) -> None:
    talk = gather(conversation, SPEECH + ' bargeIn="false"', "<Say>A</Say><Say>B</Say>")
    assert not [command for command in talk.commands if isinstance(command, Listen)]
    talk.tell(SoundEnded, sound_id="sound-1-0-0")
    after = talk.tell(SoundEnded, sound_id="sound-1-0-1")
    assert after == (listen(), SetTimer(timer=TIMEOUT, seconds=5))


def test_all_that_can_be_asked_for(conversation: New) -> None:
    talk = conversation(answered=True)
    talk.run(
        '<Gather input="speech" language="de-DE" hints=" yes,  no thanks ,,no" speechTimeout="2" '
        'maxSpeechTime="9" partialResultCallback="so-far" partialResultCallbackMethod="GET"/>'
    )
    partial = PartialCallback(url="https://app.test/so-far", method="GET")
    wanted = {"language": "de-DE", "silence": 2.0, "longest": 9, "partial": partial}
    assert talk.last(Listen) == listen(hints=("yes", "no thanks", "no"), **wanted)
    assert talk.codes() == []


@pytest.mark.parametrize(
    ("attributes", "silence", "codes"),
    [
        ('timeout="7"', 7.0, []),
        ('speechTimeout="auto"', 1.0, [13335]),
        ('speechTimeout="auto" speechModel="phone_call" enhanced="true"', 1.0, []),
        ('speechTimeout="soon" timeout="3"', 3.0, [13327]),
    ],
)
def test_the_silence_that_ends_speech(
    conversation: New, attributes: str, silence: float, codes: list[int]
) -> None:
    talk = gather(conversation, f"{SPEECH} {attributes}")
    assert (talk.last(Listen).silence, talk.codes()) == (silence, codes)


def test_attributes_of_the_recogniser_are_accepted_silently(conversation: New) -> None:
    talk = gather(conversation, SPEECH + ' profanityFilter="false" enhanced="true" debug="true"')
    assert talk.codes() == []


@pytest.mark.parametrize("hints", ["x" * 101, ",".join(["yes"] * 501)])
def test_hints_have_bounds(conversation: New, hints: str) -> None:
    talk = gather(conversation, f'{SPEECH} hints="{hints}"')
    assert (talk.codes(), talk.last(Listen).hints) == ([13330], ())


def test_a_callback_without_a_url_to_start_from(conversation: New) -> None:
    twiml = '<Response><Gather input="speech" action="https://b.test/" partialResultCallback="p"/></Response>'
    fault, heard, _ = conversation(url=None, twiml=twiml, answered=True).start()
    assert (fault.code, heard) == (15004, listen())


def test_keys_alone_listen_to_nothing(conversation: New) -> None:
    talk = gather(conversation, ' speechTimeout="auto" hints="yes"')
    assert (talk.commands[1:], talk.codes()) == ([SetTimer(timer=TIMEOUT, seconds=5)], [])


# -- speech


@pytest.mark.parametrize(
    ("inside", "stopped"),
    [
        ("<Say>A</Say><Say>B</Say>", StopSounds()),
        ("<Pause/>", CancelTimer(timer="pause-1-0-0")),
        ("", CancelTimer(timer=TIMEOUT)),
    ],
)
@pytest.mark.parametrize("input", [SPEECH, BOTH])
def test_speech_stops_the_prompts_and_the_timeout(
    conversation: New, input: str, inside: str, stopped: Any
) -> None:
    """However long it is, it ends: maxSpeechTime, the silence, and time to understand it."""
    talk = gather(conversation, input, inside, after="<Hangup/>")
    began = talk.tell(SpeechStarted, listen=NAME)
    assert began == (stopped, SetTimer(timer=PATIENCE, seconds=80))
    assert talk.tell(SpeechStarted, listen=NAME) == ()
    assert talk.tell(SoundEnded, sound_id="sound-1-0-0") == ()
    commands = hear(talk, "two pizzas", confidence=0.91234567)
    assert commands[0] == CancelTimer(timer=PATIENCE)
    assert asked(talk) == (APP, {"SpeechResult": "two pizzas", "Confidence": "0.9123"})


def test_the_news_may_come_all_at_once(conversation: New) -> None:
    talk = gather(conversation, inside="<Say>A</Say>")
    assert hear(talk, "yes")[0] == StopSounds()
    assert asked(talk)[1] == {"SpeechResult": "yes", "Confidence": "0.0"}


def test_what_was_not_understood_is_no_input(conversation: New) -> None:
    talk = gather(conversation, after="<Say>Again?</Say>")
    talk.tell(SpeechStarted, listen=NAME)
    cancel, play = hear(talk, "")
    assert (cancel, play.sound.text) == (CancelTimer(timer=PATIENCE), "Again?")


@pytest.mark.parametrize("timer", [TIMEOUT, PATIENCE])
def test_nobody_speaks_or_nobody_understands(conversation: New, timer: str) -> None:
    talk = gather(conversation)
    if timer == PATIENCE:
        talk.tell(SpeechStarted, listen=NAME)
    assert talk.tell(TimerFired, timer=timer) == (DEAF, END)
    assert hear(talk, "yes") == ()


@pytest.mark.parametrize(
    ("input", "told"),
    [
        ("speech", {"SpeechResult": ""}),
        ("dtmf speech", {"Digits": "", "FinishedOnKey": "timeout", "SpeechResult": ""}),
    ],
)
def test_no_input_asks_action_if_it_wants_to_know(
    conversation: New, input: str, told: dict[str, str]
) -> None:
    talk = conversation(answered=True)
    talk.run(f'<Gather input="{input}" method="GET" actionOnEmptyResult="true"/>')
    talk.tell(TimerFired, timer=TIMEOUT)
    assert (asked(talk), talk.last(Fetch).method) == ((APP, told), "GET")


def test_speech_of_others_means_nothing(conversation: New) -> None:
    talk = gather(conversation)
    assert talk.tell(SpeechStarted, listen="listen-1-9") == ()
    assert talk.tell(SpeechHeard, listen="listen-1-9", text="yes") == ()


# -- keys beside it


def test_the_first_key_ends_the_listening(conversation: New) -> None:
    talk = gather(conversation, BOTH + ' numDigits="2"', "<Say>A</Say>")
    key = talk.tell(DigitsReceived, leg="", digits="1")
    assert key == (StopSounds(), DEAF, SetTimer(timer="gather-1-0-1", seconds=5))
    assert talk.tell(SpeechStarted, listen=NAME) == ()
    assert hear(talk, "yes") == ()
    talk.tell(DigitsReceived, leg="", digits="2")
    assert asked(talk)[1] == {"Digits": "12", "FinishedOnKey": ""}


def test_a_key_counts_while_speech_is_not_understood_yet(conversation: New) -> None:
    talk = gather(conversation, BOTH + ' numDigits="1"')
    talk.tell(SpeechStarted, listen=NAME)
    assert talk.tell(DigitsReceived, leg="", digits="7")[:2] == (CancelTimer(timer=PATIENCE), DEAF)
    assert asked(talk)[1]["Digits"] == "7"


def test_keys_are_nothing_where_only_speech_counts(conversation: New) -> None:
    assert gather(conversation).tell(DigitsReceived, leg="", digits="1") == ()


# -- a recogniser that fails


def test_prompts_play_on_and_then_there_is_no_input(conversation: New) -> None:
    talk = gather(conversation, inside="<Say>A</Say>")
    (fault,) = fail(talk)
    assert (type(fault), fault.code, fault.line) == (Fault, 20503, 1)
    assert talk.tell(SoundEnded, sound_id="sound-1-0-0") == (END,)


@pytest.mark.parametrize("spoke", [False, True])
def test_without_prompts_there_is_no_input_at_once(conversation: New, spoke: bool) -> None:
    talk = gather(conversation)
    if spoke:
        talk.tell(SpeechStarted, listen=NAME)
    assert fail(talk)[1:] == (CancelTimer(timer=PATIENCE if spoke else TIMEOUT), END)


def test_keys_still_count(conversation: New) -> None:
    talk = gather(conversation, BOTH + ' numDigits="1"')
    assert len(fail(talk)) == 1, "the timeout runs on"
    talk.tell(DigitsReceived, leg="", digits="1")
    assert asked(talk)[1] == {"Digits": "1", "FinishedOnKey": ""}


def test_keys_still_count_after_speech_that_was_lost(conversation: New) -> None:
    talk = gather(conversation, BOTH)
    talk.tell(SpeechStarted, listen=NAME)
    assert fail(talk)[1:] == (CancelTimer(timer=PATIENCE), SetTimer(timer=AGAIN, seconds=5))
    assert talk.tell(TimerFired, timer=AGAIN) == (END,)


# -- leaving


@pytest.mark.parametrize(
    ("inside", "left"), [("", CancelTimer(timer=TIMEOUT)), ("<Say>A</Say>", StopSounds())]
)
def test_leaving_ends_the_listening(conversation: New, inside: str, left: Any) -> None:
    gone = Finish(reason=FinishReason.CALLER_HUNG_UP)
    assert gather(conversation, inside=inside).tell(HungUp) == (left, DEAF, gone)
    replaced = gather(conversation, inside=inside).tell(Replaced, url=APP, method="POST", twiml=None)
    assert replaced[:2] == (left, DEAF)
