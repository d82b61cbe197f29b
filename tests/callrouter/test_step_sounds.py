"""What a call says and records by itself, step by step (callrouter.calls.steps.sounding)."""

from step_history import History

from callrouter.calls import happenings as h
from callrouter.calls.session import OWN
from callrouter.calls.status import Cause
from callrouter.calls.steps.draft import Entry

RECORD = (
    "<Response><Record action='/recorded' recordingStatusCallback='/heard' "
    "recordingStatusCallbackEvent='in-progress completed'/></Response>"
)


def last(history: History, kind: str) -> Entry:
    return [entry for entry in history.outbox if entry.kind == kind][-1]


def end(history: History) -> None:
    """The sound that plays comes to its end."""
    history.tell(h.Sounded, leg=OWN, sound_id=last(history, "play").payload["sound_id"])


def test_sounds_follow_each_other_and_then_the_call_ends() -> None:
    history = History().begin("<Response><Say>Hello</Say><Play loop='2'>/a.wav</Play></Response>")
    said = last(history, "play").payload
    assert said["sound"] == {
        "kind": "speech",
        "text": "Hello",
        "markup": False,
        "voice": None,
        "language": "en-US",
    }
    end(history)
    played = last(history, "play").payload
    assert (played["sound"]["url"], played["loop"]) == ("https://app.test/a.wav", 2)
    end(history)
    assert history.session.finished


def test_a_sound_that_ends_twice_ends_once() -> None:
    history = History().begin("<Response><Play>/a.wav</Play><Pause length='9'/></Response>")
    end(history)
    end(history)
    assert not history.session.finished


def test_a_failed_sound_is_noted_and_the_document_goes_on() -> None:
    history = History().begin("<Response><Play>/a.wav</Play><Pause length='9'/></Response>")
    sound_id = last(history, "play").payload["sound_id"]
    taken = history.tell(
        h.Sounded, leg=OWN, sound_id=sound_id, failed=True, code=11200, reason="it answered 404"
    )
    assert [(note.code, note.level) for note in taken.notes] == [(11200, "0")]
    assert not history.session.finished


def test_a_key_stops_the_prompt() -> None:
    history = History().begin(
        "<Response><Gather action='/chosen' numDigits='1'><Play loop='0'>/menu.wav</Play></Gather></Response>"
    )
    history.tell(h.Pressed, leg=OWN, digits="7")
    assert history.kinds()["stop"] == 1
    assert last(history, "fetch").payload["parameters"]["Digits"] == "7"


def test_a_recording_has_a_row_a_callback_and_an_address() -> None:
    history = History().begin(RECORD)
    (row,) = history.steps[-1].recordings
    told = last(history, "callback").payload
    assert told["url"] == "https://app.test/heard"
    assert (told["parameters"]["RecordingStatus"], told["parameters"]["RecordingSid"]) == (
        "in-progress",
        row.sid,
    )
    assert last(history, "record").payload["recording"] == row.sid
    history.tell(h.Pressed, leg=OWN, digits="#")
    assert last(history, "record.stop").payload["recording"] == row.sid
    history.tell(h.Recorded, leg=OWN, sid=row.sid, cause="stopped", seconds=7, silent=False)
    asked = last(history, "fetch").payload["parameters"]
    assert asked["RecordingSid"] == row.sid
    assert asked["RecordingUrl"] == f"/2010-04-01/Accounts/AC1/Recordings/{row.sid}"
    assert (asked["RecordingDuration"], asked["Digits"]) == ("7", "#")


def test_recordings_of_one_call_have_sids_of_their_own() -> None:
    history = History().begin("<Response><Record/><Record/></Response>")
    first = history.steps[-1].recordings[0].sid
    history.tell(h.Recorded, leg=OWN, sid=first, cause="silence", seconds=0, silent=True)
    second = history.steps[-1].recordings[0].sid
    assert first != second
    assert list(history.session.recordings) == [first, second]


def test_a_caller_who_hangs_up_is_told_of_with_what_is_known() -> None:
    history = History().begin(RECORD.replace("in-progress ", ""))
    history.tell(h.Pressed, leg="nobody", digits="1")
    history.tell(h.Gone, leg=OWN, cause=Cause.NORMAL)
    asked = last(history, "fetch").payload["parameters"]
    assert (asked["Digits"], asked["RecordingDuration"]) == ("hangup", "2")
    assert history.session.finished


def test_another_sids_recording_changes_nothing() -> None:
    history = History().begin(RECORD)
    before = history.session
    history.tell(h.Recorded, leg=OWN, sid="RE0", cause="silence", seconds=3, silent=False)
    assert history.session == before
