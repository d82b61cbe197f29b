"""Twilio's Python library records live calls and reads transcriptions (twilio-surface 5.7, 5.10)."""

from typing import Any

import pytest
import requests
from sqlalchemy import insert, update
from twilio.rest import Client
from twilio_contract import refusal

from callrouter.models import Call, Recording, Transcription
from foundation.sids import CALL, RECORDING, TRANSCRIPTION, new_sid
from instructions.commands import RecordingCallback

CURRENT = "Twilio.CURRENT"


@pytest.fixture
def call(deployment: Any, account: tuple[str, str]) -> str:
    """A call in progress."""
    sid = new_sid(CALL)
    row = {"from": "+15555550100", "to": "+15555550199", "direction": "inbound", "status": "in-progress"}
    row |= {"account_sid": account[0], "sid": sid, "date_created": 1.0, "date_updated": 1.0, "leg": ""}
    deployment.write(lambda c: c.execute(insert(Call).values(row)))
    return sid


def set_status(deployment: Any, sid: str, status: str) -> None:
    deployment.write(lambda c: c.execute(update(Recording).where(Recording.sid == sid).values(status=status)))


def wanted(deployment: Any) -> Any:
    return next(what for name, _call, what in deployment.live.audio[-1:] if name == "record")


def test_a_call_is_recorded_from_now_on(client: Client, deployment: Any, call: str) -> None:
    recording = client.calls(call).recordings.create()
    assert (recording.status, recording.source, recording.channels, recording.track) == (
        "in-progress",
        "StartCallRecordingAPI",
        1,
        "both",
    )
    assert (recording.call_sid, recording.duration, recording.conference_sid) == (call, None, None)
    asked = wanted(deployment)
    assert (asked.callback, asked.trim, asked.silence, asked.beep) == (None, False, 0, False)
    assert [one.sid for one in client.calls(call).recordings.list()] == [recording.sid]
    assert client.recordings(recording.sid).fetch().status == "in-progress"


def test_every_setting_of_a_recording_counts(client: Client, deployment: Any, call: str) -> None:
    recording = client.calls(call).recordings.create(
        recording_status_callback="https://app.example/r",
        recording_status_callback_method="GET",
        recording_status_callback_event=["in-progress", "absent"],
        recording_channels="dual",
        recording_track="both",
        trim="trim-silence",
    )
    assert recording.channels == 2
    asked = wanted(deployment)
    assert asked.trim
    assert asked.callback == RecordingCallback(
        url="https://app.example/r", method="GET", events=("in-progress", "absent")
    )


def test_one_recording_at_a_time(client: Client, call: str) -> None:
    """16108."""
    client.calls(call).recordings.create()
    assert refusal(lambda: client.calls(call).recordings.create()) == (400, 16108)


def test_a_call_that_is_not_in_progress_is_not_recorded(client: Client, deployment: Any, call: str) -> None:
    deployment.live.silent.add(call)
    assert refusal(lambda: client.calls(call).recordings.create()) == (400, 21220)
    assert refusal(lambda: client.calls(new_sid(CALL)).recordings.create()) == (404, 20404)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"recording_channels": "quadro"}, 20001),
        ({"recording_track": "sideways"}, 20001),
        ({"trim": "hair"}, 20001),
        ({"recording_status_callback": "nope"}, 21609),
        ({"recording_status_callback_event": ["ended"]}, 21626),
    ],
)
def test_wrong_settings_are_refused(
    client: Client, deployment: Any, call: str, given: dict[str, Any], code: int
) -> None:
    before = len(deployment.live.audio)
    assert refusal(lambda: client.calls(call).recordings.create(**given)) == (400, code)
    assert len(deployment.live.audio) == before


def test_a_recording_is_paused_taken_up_again_and_ended(client: Client, deployment: Any, call: str) -> None:
    sid = client.calls(call).recordings.create().sid
    one = client.calls(call).recordings
    assert one(CURRENT).update(status="paused").status == "paused"
    assert deployment.live.audio[-1] == ("paused", call, sid, False)
    assert one(CURRENT).update(status="in-progress").status == "in-progress"
    assert one(sid).update(status="paused", pause_behavior="skip").status == "paused"
    assert deployment.live.audio[-1] == ("paused", call, sid, True)
    assert one(sid).update(status="stopped").status == "stopped"
    assert refusal(lambda: one(sid).update(status="in-progress")) == (400, 21220)
    assert refusal(lambda: one(CURRENT).update(status="stopped")) == (404, 20404)


def test_wrong_changes_are_refused(client: Client, call: str) -> None:
    sid = client.calls(call).recordings.create().sid
    one = client.calls(call).recordings
    assert refusal(lambda: one(sid).update(status="completed")) == (400, 20001)
    assert refusal(lambda: one(sid).update(status="paused", pause_behavior="loud")) == (400, 20001)
    assert refusal(lambda: one(new_sid(RECORDING)).update(status="stopped")) == (404, 20404)


def test_a_live_recording_that_is_deleted_is_ended_and_never_seen_again(
    client: Client, deployment: Any, call: str
) -> None:
    """The media service is down here: what is not stored yet need not be deleted there."""
    sid = client.calls(call).recordings.create().sid
    assert client.recordings(sid).delete()
    assert deployment.live.audio[-1] == ("stopped", call, sid, False)
    assert refusal(lambda: client.recordings(sid).fetch()) == (404, 20404)
    assert client.calls(call).recordings.list() == []
    kept = deployment.write(
        lambda c: c.execute(Recording.__table__.select().where(Recording.sid == sid)).one()
    )
    assert kept.status == "deleted"


def test_a_stored_recording_is_not_deleted_while_its_audio_can_not_be(
    client: Client, deployment: Any, call: str
) -> None:
    sid = client.calls(call).recordings.create().sid
    set_status(deployment, sid, "completed")
    assert refusal(lambda: client.recordings(sid).delete()) == (503, 20503)
    assert client.recordings(sid).fetch().status == "completed"


@pytest.fixture
def transcription(deployment: Any, account: tuple[str, str], client: Client, call: str) -> tuple[str, str]:
    """The SIDs of a recording and its text."""
    recording, sid = client.calls(call).recordings.create().sid, new_sid(TRANSCRIPTION)
    row = {"sid": sid, "recording_sid": recording, "status": "completed", "text": "grüß Gott", "duration": 7}
    row |= {"account_sid": account[0], "date_created": 1.0, "date_updated": 1.0}
    deployment.write(lambda c: c.execute(insert(Transcription).values(row)))
    return recording, sid


def test_transcriptions_of_the_account_and_of_a_recording(
    client: Client, transcription: tuple[str, str]
) -> None:
    recording, sid = transcription
    of_recording = client.recordings(recording).transcriptions
    for shown in (client.transcriptions(sid).fetch(), of_recording(sid).fetch()):
        assert (shown.transcription_text, shown.status, shown.duration) == ("grüß Gott", "completed", "7")
        assert (shown.recording_sid, shown.type) == (recording, "fast")
    assert [one.sid for one in client.transcriptions.list()] == [sid]
    assert [one.sid for one in of_recording.list()] == [sid]
    assert refusal(lambda: client.recordings(new_sid(RECORDING)).transcriptions.list()) == (404, 20404)
    assert refusal(lambda: client.transcriptions(new_sid(TRANSCRIPTION)).fetch()) == (404, 20404)


def test_a_transcription_as_plain_text(
    deployment: Any, account: tuple[str, str], transcription: tuple[str, str]
) -> None:
    url = f"{deployment.url}/2010-04-01/Accounts/{account[0]}/Transcriptions/{transcription[1]}.txt"
    answer = requests.get(url, auth=account, timeout=5)
    assert (answer.headers["Content-Type"], answer.text) == ("text/plain; charset=utf-8", "grüß Gott")


def test_a_transcription_is_deleted(client: Client, transcription: tuple[str, str]) -> None:
    _, sid = transcription
    assert client.transcriptions(sid).delete()
    assert refusal(lambda: client.transcriptions(sid).fetch()) == (404, 20404)


def test_nobody_sees_what_is_another_accounts(
    deployment: Any, transcription: tuple[str, str], call: str
) -> None:
    other = deployment.client(*deployment.account())
    assert refusal(lambda: other.transcriptions(transcription[1]).fetch()) == (404, 20404)
    assert refusal(lambda: other.calls(call).recordings.create()) == (404, 20404)
    assert refusal(lambda: other.calls(call).recordings(transcription[0]).update(status="stopped")) == (
        404,
        20404,
    )
