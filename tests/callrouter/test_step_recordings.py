"""Recordings of a call as such, step by step: by REST, from an answer on, and by <Dial>."""

from dataclasses import replace

import pytest
from step_history import History

from callrouter.calls import happenings as h
from callrouter.calls import recordings
from callrouter.calls.outgoing import Placement, outgoing_call
from callrouter.calls.session import OWN
from callrouter.calls.status import Cause
from callrouter.calls.steps.draft import Entry
from instructions.commands import Record, RecordingCallback, StatusCallback

WANTED = Record(
    recording="",
    silence=0,
    max_length=14_400,
    beep=False,
    trim=False,
    callback=RecordingCallback(
        url="https://app.test/heard", method="POST", events=("in-progress", "completed")
    ),
    track="both",
    channels=2,
    source="StartCallRecordingAPI",
)
GATHERING = "<Response><Gather timeout='60' action='/chosen'/></Response>"


def last(history: History, kind: str) -> Entry:
    return [entry for entry in history.outbox if entry.kind == kind][-1]


def recorded() -> History:
    history = History().begin(GATHERING)
    history.tell(h.RecordingWanted, leg=OWN, sid="RE1", wanted=WANTED)
    return history


def test_rest_records_while_a_verb_runs() -> None:
    history = recorded()
    (row,) = recordings.new_rows("AC1", history.steps[-1])
    assert (row["sid"], row["source"], row["track"], row["channels"]) == (
        "RE1",
        "StartCallRecordingAPI",
        "both",
        2,
    )
    wanted = last(history, "record").payload
    assert (wanted["recording"], wanted["track"], wanted["channels"]) == ("RE1", "both", 2)
    told = last(history, "callback").payload["parameters"]
    assert (told["RecordingStatus"], told["RecordingChannels"], told["RecordingTrack"]) == (
        "in-progress",
        "2",
        "both",
    )
    before = history.session.programs
    history.tell(h.Recorded, leg=OWN, sid="RE1", cause="length", seconds=9, silent=False)
    assert history.session.programs == before  # no verb waits for it
    assert history.session.recordings["RE1"].seconds == 9


def test_one_recording_of_a_call_at_a_time() -> None:
    history = recorded()
    history.tell(h.RecordingWanted, leg=OWN, sid="RE2", wanted=WANTED)
    assert list(history.session.recordings) == ["RE1"]
    history.tell(h.RecordingSteered, leg=OWN, sid="RE1", to="stopped")
    history.tell(h.RecordingWanted, leg=OWN, sid="RE2", wanted=WANTED)
    assert list(history.session.recordings) == ["RE1", "RE2"]


def test_record_verb_does_not_stand_in_the_way() -> None:
    history = History().begin("<Response><Record/></Response>")
    history.tell(h.RecordingWanted, leg=OWN, sid="RE1", wanted=WANTED)
    assert history.session.recorded(history.session.own) == "RE1"


def test_a_recording_pauses_goes_on_and_ends() -> None:
    history = recorded()
    history.tell(h.RecordingSteered, leg=OWN, sid="RE1", to="paused", skip=True)
    assert last(history, "record.pause").payload["skip"]
    assert recordings.state_rows("AC1", history.steps[-1])[0]["status"] == "paused"
    history.tell(h.RecordingSteered, leg=OWN, sid="RE1", to="in-progress")
    assert last(history, "record.resume").payload["recording"] == "RE1"
    history.tell(h.RecordingSteered, leg=OWN, sid="RE1", to="stopped")
    assert last(history, "record.stop").payload["recording"] == "RE1"
    before = history.session
    history.tell(h.RecordingSteered, leg=OWN, sid="RE1", to="in-progress")
    assert history.session == before


@pytest.mark.parametrize("sid", ["RE9", "RE1"])
def test_what_is_over_or_unknown_is_not_steered(sid: str) -> None:
    history = recorded()
    history.tell(h.Recorded, leg=OWN, sid="RE1", cause="length", seconds=1, silent=False)
    before = history.session
    history.tell(h.RecordingSteered, leg=OWN, sid=sid, to="paused")
    assert history.session == before


def test_nothing_is_recorded_before_the_answer() -> None:
    history = History()
    history.tell(h.Began)
    history.tell(h.RecordingWanted, leg=OWN, sid="RE1", wanted=WANTED)
    assert history.session.recordings == {}


def placed() -> History:
    placement = Placement(
        account_sid="AC1",
        from_="+14155550101",
        to="+14155550100",
        url="https://app.test/voice",
        callback=StatusCallback(
            url="https://app.test/status", method="POST", events=("answered", "completed")
        ),
        record=replace(WANTED, source="OutboundAPI", callback=None),
        call_sid="CA0",
    )
    history = History()
    history.session = outgoing_call(placement, 1_000.0)
    history.tell(h.Began)
    history.tell(h.Rang, leg=OWN)
    return history


def test_a_placed_call_is_recorded_from_its_answer_and_its_last_callback_names_the_recording() -> None:
    history = placed()
    assert history.kinds()["record"] == 0
    history.tell(h.Took, leg=OWN, sdp="v=0")
    sid = last(history, "record").payload["recording"]
    assert "RecordingSid" not in last(history, "callback").payload["parameters"]
    history.tell(h.Gone, leg=OWN, cause=Cause.NORMAL)
    final = last(history, "callback").payload
    assert final["recording"] == sid  # it waits for the recording to be stored
    assert final["parameters"]["RecordingUrl"].endswith(f"/Recordings/{sid}")


def test_a_call_that_nobody_answers_is_not_recorded() -> None:
    history = placed()
    history.tell(h.Gone, leg=OWN, cause=Cause.BUSY)
    final = last(history, "callback").payload
    assert "recording" not in final
    assert "RecordingUrl" not in final["parameters"]


def test_an_action_waits_for_a_recording_that_its_hang_up_ended() -> None:
    history = History().begin("<Response><Record action='/recorded'/></Response>")
    sid = last(history, "record").payload["recording"]
    history.tell(h.Gone, leg=OWN, cause=Cause.NORMAL)
    asked = last(history, "fetch").payload
    assert (asked["parameters"]["Digits"], asked["recording"]) == ("hangup", sid)


def test_an_action_waits_for_no_recording_that_is_over() -> None:
    history = History().begin("<Response><Record action='/recorded'/></Response>")
    sid = last(history, "record").payload["recording"]
    history.tell(h.Recorded, leg=OWN, sid=sid, cause="silence", seconds=4, silent=False)
    assert "recording" not in last(history, "fetch").payload


def test_a_dial_is_recorded_with_both_sides_apart() -> None:
    history = History().begin(
        "<Response><Dial record='record-from-answer-dual' action='/done'>+14155550177</Dial></Response>"
    )
    name = next(name for name in history.session.legs if name)
    history.tell(h.Rang, leg=name)
    history.tell(h.Took, leg=name, sdp="v=0")
    wanted = last(history, "record").payload
    assert (wanted["leg"], wanted["track"], wanted["channels"]) == (OWN, "both", 2)
    history.tell(h.Gone, leg=name, cause=Cause.NORMAL)
    assert last(history, "record.stop").payload["recording"] == wanted["recording"]
    asked = last(history, "fetch").payload
    assert asked["parameters"]["RecordingUrl"].endswith(wanted["recording"])
    assert asked["recording"] == wanted["recording"]
