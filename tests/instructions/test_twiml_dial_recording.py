"""Dial records: from when, until when, and what `action` is told (twilio-surface 2.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from instructions.commands import (
    Answer,
    Bridge,
    CancelTimer,
    Fault,
    Fetch,
    Record,
    RecordingCallback,
    ScreenLeg,
    SetTimer,
    StopRecording,
)
from instructions.events import (
    HungUp,
    LegAnswered,
    LegEnded,
    LegScreened,
    LegStatus,
    RecordingEnded,
    Replaced,
    TimerFired,
)

New = Callable[..., Any]
LEG, NAME = "leg-1-0-0", "recording-1-0"
STOP = StopRecording(recording=NAME)
ANN = "<Client>ann</Client>"


def dial(conversation: New, attributes: str = "", nouns: str = ANN, **options: Any) -> Any:
    talk = conversation(**{"answered": True} | options)
    talk.run(f'<Dial action="/done" {attributes}>{nouns}</Dial>')
    return talk


def records(talk: Any) -> list[Record]:
    return [command for command in talk.commands if isinstance(command, Record)]


def record(**facts: Any) -> Record:
    usual: dict[str, Any] = {"silence": 0, "max_length": 14_400, "beep": False, "trim": False}
    usual |= {"callback": None, "track": "both", "channels": 1, "source": "DialVerb"}
    return Record(recording=NAME, **usual | facts)


@pytest.mark.parametrize(
    ("value", "channels"),
    [("record-from-answer", 1), ("true", 1), ("record-from-answer-dual", 2)],
)
def test_recorded_from_the_answer_to_the_end(conversation: New, value: str, channels: int) -> None:
    talk = dial(conversation, f'record="{value}"')
    assert records(talk) == []
    bridged = talk.tell(LegAnswered, leg=LEG)
    assert bridged[1:] == (
        Bridge(leg=LEG),
        SetTimer(timer="talk-1-0", seconds=14_400),
        record(channels=channels),
    )
    timer, stop, fetch = talk.tell(LegEnded, leg=LEG, status=LegStatus.COMPLETED)
    assert (timer, stop) == (CancelTimer(timer="talk-1-0"), STOP)
    assert (fetch.leg, fetch.recording) == (LEG, NAME)


@pytest.mark.parametrize(("value", "channels"), [("record-from-ringing", 1), ("record-from-ringing-dual", 2)])
def test_recorded_from_the_ringing(conversation: New, value: str, channels: int) -> None:
    talk = dial(conversation, f'record="{value}"')
    assert talk.commands[-1] == record(channels=channels)
    talk.tell(LegAnswered, leg=LEG)
    assert len(records(talk)) == 1


def test_what_rang_only_is_a_recording_too(conversation: New) -> None:
    talk = dial(conversation, 'record="record-from-ringing"')
    ended = talk.tell(TimerFired, timer="ring-1-0-0")
    assert STOP in ended
    assert ended[-1].recording == NAME


def test_a_call_that_is_not_answered_yet_is_recorded_from_the_bridge(conversation: New) -> None:
    attributes = 'answerOnBridge="true" record="record-from-ringing"'
    talk = dial(conversation, attributes, answered=False)
    assert records(talk) == []
    answered = talk.tell(LegAnswered, leg=LEG)
    assert Answer() in answered
    assert answered[-1] == record()


@pytest.mark.parametrize("value", ["do-not-record", "false", "sometimes"])
def test_nobody_is_recorded_unasked(conversation: New, value: str) -> None:
    talk = dial(conversation, f'record="{value}"')
    talk.tell(LegAnswered, leg=LEG)
    ended = talk.tell(LegEnded, leg=LEG, status=LegStatus.COMPLETED)
    assert records(talk) == []
    assert (STOP in ended, ended[-1].recording) == (False, None)


def test_nobody_answered_nothing_was_recorded(conversation: New) -> None:
    talk = dial(conversation, 'record="true"')
    assert talk.tell(LegEnded, leg=LEG, status=LegStatus.BUSY)[-1].recording is None


def test_a_whisper_is_not_recorded(conversation: New) -> None:
    talk = dial(conversation, 'record="true"', '<Client url="hear">ann</Client>')
    assert isinstance(talk.tell(LegAnswered, leg=LEG)[-2], ScreenLeg)
    assert records(talk) == []
    assert talk.tell(LegScreened, leg=LEG, accepted=True)[-1] == record()


@pytest.mark.parametrize(("track", "channels"), [("both", 2), ("inbound", 1), ("outbound", 1)])
def test_all_that_can_be_said_about_a_recording(conversation: New, track: str, channels: int) -> None:
    talk = conversation(answered=True)
    talk.run(
        f'<Dial record="record-from-answer-dual" recordingTrack="{track}" trim="trim-silence" '
        'recordingStatusCallback="cb" recordingStatusCallbackMethod="GET" '
        f'recordingStatusCallbackEvent="in-progress completed">{ANN}</Dial>'
    )
    talk.tell(LegAnswered, leg=LEG)
    callback = RecordingCallback(url="https://app.test/cb", method="GET", events=("in-progress", "completed"))
    assert records(talk) == [record(track=track, channels=channels, trim=True, callback=callback)]
    assert talk.codes() == []


def test_a_callback_that_has_no_url_to_start_from_is_said_once(conversation: New) -> None:
    twiml = f'<Response><Dial record="true" recordingStatusCallback="cb">{ANN}</Dial></Response>'
    talk = conversation(url=None, twiml=twiml, answered=True)
    talk.start()
    talk.tell(LegAnswered, leg=LEG)
    assert talk.codes() == [15004]
    assert records(talk) == [record()]


def test_a_recording_that_could_not_be_stored_is_our_error_and_they_talk_on(conversation: New) -> None:
    talk = dial(conversation, 'record="record-from-ringing"')
    facts: dict[str, Any] = {"seconds": 0, "silent": False}
    assert talk.tell(RecordingEnded, recording=NAME, cause="length", **facts) == ()
    (fault,) = talk.tell(RecordingEnded, recording=NAME, cause="failed", **facts)
    assert (type(fault), fault.code) == (Fault, 12400)
    assert talk.tell(RecordingEnded, recording=NAME, cause="failed", **facts) == ()
    talk.tell(LegAnswered, leg=LEG)
    ended = talk.tell(LegEnded, leg=LEG, status=LegStatus.COMPLETED)
    assert len(records(talk)) == 1
    assert (STOP in ended, ended[-1].recording) == (False, None)


def test_leaving_ends_the_recording(conversation: New) -> None:
    talk = dial(conversation, 'record="true"')
    talk.tell(LegAnswered, leg=LEG)
    assert STOP in talk.tell(Replaced, url="https://app.test/new", method="POST", twiml=None)
    gone = dial(conversation, 'record="true"')
    gone.tell(LegAnswered, leg=LEG)
    commands = gone.tell(HungUp)
    assert commands.count(STOP) == 1
    assert gone.last(Fetch).recording == NAME
