"""Record: what ends it, and what `action` is told (twilio-surface 2.7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from instructions.commands import (
    Fault,
    Fetch,
    Finish,
    FinishReason,
    Record,
    RecordingCallback,
    SetTimer,
    StopRecording,
)
from instructions.events import DigitsReceived, HungUp, RecordingEnded, Replaced

New = Callable[..., Any]
APP = "https://app.test/voice"
NAME = "recording-1-0"
GONE = Finish(reason=FinishReason.CALLER_HUNG_UP)
THE_NEXT_VERB = SetTimer(timer="pause-1-1", seconds=1)
STOP = StopRecording(recording=NAME)


def recording(conversation: New, attributes: str = "") -> Any:
    talk = conversation(answered=True)
    talk.run(f"<Record{attributes}/><Pause/>")
    return talk


def end(talk: Any, cause: str, seconds: int = 4, *, silent: bool = False) -> Any:
    return talk.tell(RecordingEnded, recording=NAME, cause=cause, seconds=seconds, silent=silent)


def press(talk: Any, digits: str, leg: str = "") -> Any:
    return talk.tell(DigitsReceived, leg=leg, digits=digits)


def test_the_defaults_are_twilios(conversation: New) -> None:
    assert recording(conversation).commands[-1] == Record(
        recording=NAME, silence=5, max_length=3600, beep=True, trim=True, callback=None
    )


def test_all_that_can_be_asked_for(conversation: New) -> None:
    talk = conversation(answered=True)
    talk.run(
        '<Record timeout="0" maxLength="30" playBeep="false" trim="do-not-trim" recordingStatusCallback="cb"'
        ' recordingStatusCallbackMethod="GET" recordingStatusCallbackEvent="in-progress absent"/>'
    )
    callback = RecordingCallback(url="https://app.test/cb", method="GET", events=("in-progress", "absent"))
    assert talk.commands[-1] == Record(
        recording=NAME, silence=0, max_length=30, beep=False, trim=False, callback=callback
    )


@pytest.mark.parametrize("cause", ["silence", "length", "stopped"])
def test_action_is_asked_with_the_recording(conversation: New, cause: str) -> None:
    """The rest of the document is dead; the engine adds RecordingUrl, RecordingSid and RecordingDuration."""
    talk = conversation(answered=True)
    talk.run('<Record action="/done" method="GET"/><Pause/>')
    fetch = Fetch(
        fetch="fetch-2",
        url="https://app.test/done",
        method="GET",
        params=(("Digits", ""),),
        recording=NAME,
    )
    assert end(talk, cause) == (fetch,)


def test_the_default_action_is_this_document(conversation: New) -> None:
    talk = recording(conversation)
    assert end(talk, "silence")[0].url == APP


def test_a_failed_action_takes_the_recording_to_the_fallback(conversation: New) -> None:
    talk = conversation(answered=True, fallback_url="https://b.test/f")
    talk.run("<Record/>")
    end(talk, "silence")
    talk.fail()
    assert (talk.last(Fetch).url, talk.last(Fetch).recording) == ("https://b.test/f", NAME)


# -- keys


@pytest.mark.parametrize(
    ("attributes", "pressed", "key"),
    [("", "5", "5"), ("", "#1", "#"), (' finishOnKey="*#"', "12*#", "*")],
)
def test_a_key_ends_it_and_action_is_told_which(
    conversation: New, attributes: str, pressed: str, key: str
) -> None:
    talk = recording(conversation, attributes)
    assert press(talk, pressed) == (STOP,)
    assert press(talk, pressed) == (), "it is ended once"
    assert end(talk, "stopped")[0].params == (("Digits", key),)


@pytest.mark.parametrize(
    ("attributes", "leg", "pressed"),
    [
        (' finishOnKey=""', "", "1"),
        (' finishOnKey="#"', "", "1*"),
        ("", "", ""),
        ("", "", "A"),
        ("", "leg-9", "1"),
    ],
)
def test_other_keys_do_not(conversation: New, attributes: str, leg: str, pressed: str) -> None:
    assert press(recording(conversation, attributes), pressed, leg) == ()


# -- nothing to report


@pytest.mark.parametrize(("seconds", "silent"), [(0, False), (5, True), (0, True)])
def test_an_empty_recording_leads_to_the_next_verb(conversation: New, seconds: int, silent: bool) -> None:
    assert end(recording(conversation), "silence", seconds, silent=silent) == (THE_NEXT_VERB,)


def test_one_second_is_a_recording(conversation: New) -> None:
    assert isinstance(end(recording(conversation), "silence", 1)[0], Fetch)


def test_a_recording_that_could_not_be_stored_is_our_error_and_the_call_goes_on(conversation: New) -> None:
    fault, following = end(recording(conversation), "failed")
    assert (type(fault), fault.code, fault.line, following) == (Fault, 12400, 1, THE_NEXT_VERB)


def test_the_end_of_another_recording_means_nothing(conversation: New) -> None:
    talk = recording(conversation)
    other = {"recording": "recording-1-9", "cause": "silence", "seconds": 4, "silent": False}
    assert talk.tell(RecordingEnded, **other) == ()


# -- hang-up


def test_a_caller_who_hangs_up_ends_it_and_action_is_told(conversation: New) -> None:
    """The answer has no effect."""
    talk = recording(conversation, ' action="/done"')
    fetch, gone = talk.tell(HungUp)
    assert (fetch.params, fetch.recording, gone) == ((("Digits", "hangup"),), NAME, GONE)
    assert talk.reply("<Dial>+15550111</Dial>") == ()
    assert end(talk, "hangup") == ()


def test_a_caller_who_hangs_up_after_the_key(conversation: New) -> None:
    talk = recording(conversation)
    press(talk, "1")
    assert talk.tell(HungUp)[0].params == (("Digits", "1"),)


def test_the_recording_may_end_before_the_hang_up_is_known(conversation: New) -> None:
    talk = recording(conversation)
    assert end(talk, "hangup")[0].params == (("Digits", "hangup"),)
    assert talk.tell(HungUp) == (GONE,)
    assert end(recording(conversation), "hangup", silent=True) == (GONE,)


def test_a_caller_who_hangs_up_in_an_inline_document_is_asked_nothing(conversation: New) -> None:
    talk = conversation(url=None, twiml="<Response><Record/></Response>", answered=True)
    talk.start()
    assert talk.tell(HungUp) == (GONE,)


# -- the rest


def test_leaving_stops_it(conversation: New) -> None:
    talk = recording(conversation)
    assert talk.tell(Replaced, url=APP, method="POST", twiml=None)[0] == STOP
    assert end(talk, "stopped") == ()


@pytest.mark.parametrize(
    ("attributes", "transcribe", "to"),
    [
        (' transcribe="true"', True, None),
        (' transcribeCallback="text"', True, "https://app.test/text"),
        (' transcribe="true" transcribeCallback="https://b.test/"', True, "https://b.test/"),
        (' transcribe="false"', False, None),
    ],
)
def test_a_transcription(conversation: New, attributes: str, transcribe: bool, to: str | None) -> None:
    """The callback implies it."""
    talk = recording(conversation, attributes)
    record = talk.commands[-1]
    assert (record.transcribe, record.transcribe_to, talk.codes()) == (transcribe, to, [])


@pytest.mark.parametrize(
    ("attributes", "codes"),
    [
        (' transcribe="true" maxLength="121"', [13615]),
        (' transcribeCallback="/t" maxLength="600"', [13615]),
        (' transcribe="true" maxLength="120"', []),
        (' maxLength="121"', []),
    ],
)
def test_what_is_too_long_to_be_transcribed(conversation: New, attributes: str, codes: list[int]) -> None:
    talk = recording(conversation, attributes)
    assert talk.codes() == codes
    assert isinstance(talk.commands[-1], Record)


def test_a_callback_that_has_no_url_to_start_from(conversation: New) -> None:
    twiml = '<Response><Record recordingStatusCallback="cb"/></Response>'
    talk = conversation(url=None, twiml=twiml, answered=True)
    fault, record = talk.start()
    assert (fault.code, record.callback) == (15004, None)


def test_a_transcription_for_nobody_is_still_made(conversation: New) -> None:
    twiml = '<Response><Record transcribeCallback="text"/></Response>'
    fault, record = conversation(url=None, twiml=twiml, answered=True).start()
    assert (fault.code, record.transcribe, record.transcribe_to) == (15004, True, None)


def test_a_whisper_may_record(conversation: New) -> None:
    talk = conversation(role="screening", answered=True)
    assert talk.run("<Record/>")[0].recording == NAME
    assert end(talk, "silence", silent=True) == (Finish(reason=FinishReason.END_OF_DOCUMENT),)
