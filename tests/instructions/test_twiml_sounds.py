"""Say and Play: what is played, what is skipped and why, and what happens when a sound ends or is left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from lxml import etree

from instructions.commands import (
    Fault,
    Fetch,
    File,
    Finish,
    FinishReason,
    Keys,
    Play,
    Speech,
    StopSounds,
    Warn,
)
from instructions.document import parse
from instructions.events import DigitsReceived, HungUp, Replaced, SoundEnded, TimerFired
from instructions.verbs.ssml import ssml

New = Callable[..., Any]
END = Finish(reason=FinishReason.END_OF_DOCUMENT)


def said(text: str, *, voice: str | None = None, language: str = "en-US") -> Speech:
    return Speech(text=text, markup=False, voice=voice, language=language)


SOUNDS = {
    "text": ("<Say> Hello you </Say>", said("Hello you"), 1),
    "voice and language": (
        '<Say voice="Polly.Vicki" language="de-DE" loop="3">Hallo</Say>',
        said("Hallo", voice="Polly.Vicki", language="de-DE"),
        3,
    ),
    "for ever": ('<Say loop="0">Hold on</Say>', said("Hold on"), 0),
    "bad values are the defaults": ('<Say voice="Bob" loop="x" language="?">Hi</Say>', said("Hi"), 1),
    "file": ("<Play>https://b.test/a.mp3</Play>", File(url="https://b.test/a.mp3"), 1),
    "relative file": ('<Play loop="2">../a.wav?x=1</Play>', File(url="https://app.test/a.wav?x=1"), 2),
    "keys": ('<Play digits="wW12#"/>', Keys(digits="wW12#"), 1),
    "keys are pressed once, and go before a URL": (
        '<Play digits="9" loop="5">https://b.test/a.mp3</Play>',
        Keys(digits="9"),
        1,
    ),
    "marks": (
        '<Say>A &lt; B <break time="1s"/>and <emphasis>C</emphasis>!</Say>',
        Speech(
            text='<speak>A &lt; B <break strength="medium" time="1s"/>and <emphasis level="moderate">C'
            "</emphasis>!</speak>",
            markup=True,
            voice=None,
            language="en-US",
        ),
        1,
    ),
}


@pytest.mark.parametrize(("twiml", "sound", "loop"), SOUNDS.values(), ids=SOUNDS)
def test_what_is_played(conversation: New, twiml: str, sound: Any, loop: int) -> None:
    """twilio-surface 2.5."""
    talk = conversation()
    assert talk.run(twiml) == (Play(sound_id="sound-1-0", sound=sound, loop=loop),)
    assert talk.tell(SoundEnded, sound_id="sound-1-0") == (END,)


SKIPPED = {
    "no text": ("<Say> </Say>", Warn, 13520),
    "text too long": (f"<Say>{'x' * 4097}</Say>", Warn, 13521),
    "no URL": ("<Play/>", Fault, 11100),
    "no such scheme": ("<Play>ftp://b.test/a</Play>", Warn, 11100),
}


@pytest.mark.parametrize(("twiml", "kind", "code"), SKIPPED.values(), ids=SKIPPED)
def test_what_cannot_be_played_is_skipped_and_said_once(
    conversation: New, twiml: str, kind: type[Any], code: int
) -> None:
    talk = conversation(answered=True)
    notice, ended = talk.run(twiml)
    assert (type(notice), notice.code, notice.line, ended) == (kind, code, 1, END)


def test_a_relative_file_in_an_inline_document(conversation: New) -> None:
    """15004: the call goes on."""
    talk = conversation(url=None, twiml="<Response><Play>a.wav</Play></Response>", answered=True)
    fault, ended = talk.start()
    assert (fault.code, ended) == (15004, END)


def test_verbs_play_one_after_the_other(conversation: New) -> None:
    talk = conversation(answered=True)
    talk.run("<Say>one</Say><Play>two</Play>")
    assert talk.tell(SoundEnded, sound_id="sound-1-1") == ()
    assert talk.tell(SoundEnded, sound_id="sound-1-0")[0].sound == File(url="https://app.test/two")
    assert talk.tell(SoundEnded, sound_id="sound-1-0") == ()
    assert talk.tell(SoundEnded, sound_id="sound-1-1") == (END,)


def test_a_sound_that_cannot_be_played_is_an_error_and_the_call_goes_on(conversation: New) -> None:
    talk = conversation(answered=True)
    talk.run("\n<Play>a.txt</Play><Pause/>")
    fault, timer = talk.tell(SoundEnded, sound_id="sound-1-0", failed=True, code=13420, reason="no audio")
    url = "https://app.test/voice"
    assert fault == Fault(code=13420, message="<Play> was not played: no audio", line=2, url=url)
    assert timer.timer == "pause-1-1"


def test_keys_do_not_stop_a_sound_outside_gather(conversation: New) -> None:
    talk = conversation(answered=True)
    talk.run("<Say>Hi</Say>")
    assert talk.tell(DigitsReceived, leg="", digits="1") == ()
    assert talk.tell(TimerFired, timer="sound-1-0") == ()


def test_leaving_stops_the_sound(conversation: New) -> None:
    talk = conversation(answered=True)
    talk.run('<Say loop="0">Hi</Say>')
    stop, fetch = talk.tell(Replaced, url="https://b.test/", method="POST", twiml=None)
    assert (stop, type(fetch)) == (StopSounds(), Fetch)
    talk.reply("<Say>New</Say>")
    assert talk.tell(SoundEnded, sound_id="sound-1-0") == ()
    assert talk.tell(HungUp) == (StopSounds(), Finish(reason=FinishReason.CALLER_HUNG_UP))


def test_a_whisper_may_speak(conversation: New) -> None:
    """PR-60: the callee hears it, then takes the call."""
    talk = conversation(role="screening", answered=True)
    assert talk.run("<Say>A call from ann</Say>")[0].sound == said("A call from ann")
    assert talk.tell(SoundEnded, sound_id="sound-1-0") == (END,)


def markup(inside: str) -> str:
    (say,) = parse(f"<Response><Say>{inside}</Say></Response>".encode()).verbs
    return ssml(say)


def test_marks_keep_their_order_and_nesting() -> None:
    inside = (
        '<p>One <s>two <say-as interpret-as="date" format="mdy">01/02/2030</say-as></s></p> three '
        '<lang xml:lang="fr-FR">quatre</lang><sub alias="a &quot;b&quot;">c</sub>'
    )
    written, read = etree.fromstring(f"<a>{inside}</a>"), etree.fromstring(f"<a>{markup(inside)}</a>")
    assert etree.tostring(written, method="c14n") == etree.tostring(read, method="c14n")


def test_marks_that_are_not_known_leave_their_text() -> None:
    """12200 is stored; nothing unchecked reaches a speech engine."""
    assert markup('a <audio src="x">b</audio> c<p role="x"/><break time="soon"/>') == (
        'a b c<p/><break strength="medium"/>'
    )
