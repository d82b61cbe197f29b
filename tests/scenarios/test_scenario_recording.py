"""Calls that are recorded as such: by REST, from their answer, by <Dial> and <Start> (twilio-surface 4.4, 5.7)."""

import asyncio
import io
import wave
from typing import Any

import numpy as np
import pytest
import requests
from scene import CALLEE_HZ, CALLER, CALLER_HZ, Scene, soon, until_hears
from twilio.base.exceptions import TwilioRestException

from callrouter import models
from callrouter.audio.ear import dominant_hz
from callrouter.audio.sources import Tone
from callrouter.carriers.simulator.script import DialScript
from tests.support.sound import served, tone

CURRENT = "Twilio.CURRENT"
LOOP = "<Response><Play loop='0'>/tune.wav</Play></Response>"
TUNE_HZ = 700


def tune(scene: Scene) -> None:
    scene.app.answers["/tune.wav"] = served(tone(TUNE_HZ, 1.0))


async def rest(work: Any) -> Any:
    return await asyncio.to_thread(work)


async def stored(scene: Scene, sid: str) -> Any:
    """The recording, once its audio is there."""
    mine = models.Recording.sid == sid

    def over() -> Any:
        (row,) = scene.deployment.rows(models.Recording, mine)
        return row if row.status in ("completed", "absent") else None

    return await scene.until(over, "the recording is over")


def channels(scene: Scene, sid: str) -> list[float | None]:
    """What is heard in each channel of the stored recording."""
    return [dominant_hz(np.ascontiguousarray(one)) for one in samples(scene, sid).T]


def samples(scene: Scene, sid: str) -> Any:
    """The audio: a column for each channel."""
    url = f"{scene.deployment.router_url}/2010-04-01/Accounts/{scene.tenant.sid}/Recordings/{sid}.wav"
    answer = requests.get(url, auth=(scene.tenant.sid, scene.tenant.auth_token), timeout=5)
    assert answer.status_code == 200
    with wave.open(io.BytesIO(answer.content)) as reader:
        data = np.frombuffer(reader.readframes(reader.getnframes()), "<i2")
        return data.reshape(-1, reader.getnchannels())


async def test_rest_records_a_call_that_plays_and_steers_the_recording(scene: Scene) -> None:
    """Both sides, apart; it pauses, goes on and ends; its callbacks tell what Twilio's tell."""
    tune(scene)
    number = scene.number(LOOP)
    async with scene.carrier() as carrier:
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        recordings = scene.tenant.rest.calls(call.call_sid).recordings
        await until_hears(call, TUNE_HZ)
        made = await rest(
            lambda: recordings.create(
                recording_channels="dual",
                recording_status_callback=scene.app.url("/status/recording"),
                recording_status_callback_event=["in-progress", "completed"],
            )
        )
        assert (made.status, made.source, made.channels, made.track) == (
            "in-progress",
            "StartCallRecordingAPI",
            2,
            "both",
        )
        with pytest.raises(TwilioRestException) as twice:
            await rest(recordings.create)
        assert twice.value.code == 16108
        await call.heard(1.5)
        paused = await rest(lambda: recordings(CURRENT).update(status="paused", pause_behavior="skip"))
        assert paused.status == "paused"
        await call.heard(2.0)
        assert (await rest(lambda: recordings(CURRENT).update(status="in-progress"))).status == "in-progress"
        await call.heard(0.5)
        assert (await rest(lambda: recordings(made.sid).update(status="stopped"))).status in (
            "stopped",
            "completed",
        )
        row = await stored(scene, made.sid)
        assert not call.ended.done()
        await call.hangup()
        await scene.over()
    told = [await scene.form("/status/recording", number) for number in range(2)]
    assert [one["RecordingStatus"] for one in told] == ["in-progress", "completed"]
    assert {one["RecordingSource"] for one in told} == {"StartCallRecordingAPI"}
    assert {(one["RecordingChannels"], one["RecordingTrack"]) for one in told} == {("2", "both")}
    assert told[1]["RecordingDuration"] == str(row.duration)
    assert 1.5 <= len(samples(scene, made.sid)) / 8000 <= 3.4  # without the two seconds of the pause
    assert channels(scene, made.sid) == [pytest.approx(CALLER_HZ, abs=10), pytest.approx(TUNE_HZ, abs=10)]
    with pytest.raises(TwilioRestException) as late:
        await rest(recordings.create)
    assert late.value.code == 21220


async def test_a_recording_goes_on_while_the_call_is_bridged_and_ends_with_it(scene: Scene) -> None:
    async with scene.carrier() as carrier, scene.phone("alice") as alice:
        number = scene.number(f"<Response><Dial>{scene.client('alice')}</Dial></Response>")
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        ringing = await soon(alice.incoming())
        await ringing.answer()
        await until_hears(call, CALLEE_HZ)
        recordings = scene.tenant.rest.calls(call.call_sid).recordings
        made = await rest(lambda: recordings.create(recording_channels="dual"))
        assert await ringing.heard(1.5) == pytest.approx(CALLER_HZ, abs=20)
        await call.hangup()
        await stored(scene, made.sid)
        await scene.over()
    assert channels(scene, made.sid) == [
        pytest.approx(CALLER_HZ, abs=10),
        pytest.approx(CALLEE_HZ, abs=10),
    ]


async def test_a_placed_call_is_recorded_and_its_last_callback_tells_of_it(scene: Scene) -> None:
    tune(scene)
    async with scene.carrier(script=DialScript(answer_after=0.1, source=Tone(hz=CALLER_HZ))) as carrier:
        from_ = scene.tenant.number()
        made = await rest(
            lambda: scene.tenant.rest.calls.create(
                to="+14155550123",
                from_=from_,
                twiml=LOOP.replace("/tune.wav", scene.app.url("/tune.wav")),
                record=True,
                recording_channels="dual",
                recording_status_callback=scene.app.url("/status/recording"),
                status_callback=scene.app.url("/status/call"),
            )
        )
        call = await soon(carrier.dialled())
        await until_hears(call, TUNE_HZ)
        await call.heard(2.0)
        await call.hangup()
        final = await scene.form("/status/call")
        told = await scene.form("/status/recording")
        await scene.over()
    sid = final["RecordingSid"]
    assert final["CallSid"] == made.sid
    assert final["RecordingUrl"] == f"{told['RecordingUrl']}"
    assert final["RecordingUrl"].startswith("http")
    assert (told["RecordingSid"], told["RecordingSource"], told["RecordingChannels"]) == (
        sid,
        "OutboundAPI",
        "2",
    )
    assert final["RecordingDuration"] == told["RecordingDuration"]
    assert channels(scene, sid) == [pytest.approx(CALLER_HZ, abs=10), pytest.approx(TUNE_HZ, abs=10)]
    assert scene.codes() == []


async def test_a_dial_is_recorded_from_its_answer_with_both_sides_apart(scene: Scene) -> None:
    scene.app.answers["/done"] = "<Response><Hangup/></Response>"
    async with scene.carrier() as carrier, scene.phone("alice") as alice:
        number = scene.number(
            "<Response><Dial record='record-from-answer-dual' action='/done' "
            f"recordingStatusCallback='/status/recording'>{scene.client('alice')}</Dial></Response>"
        )
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        ringing = await soon(alice.incoming())
        await ringing.answer()
        await until_hears(call, CALLEE_HZ)
        await ringing.heard(2.0)
        await ringing.hangup()
        done = await scene.form("/done")
        told = await scene.form("/status/recording")
        await soon(call.ended)
        await scene.over()
    assert (told["RecordingSource"], told["RecordingChannels"], told["CallSid"]) == (
        "DialVerb",
        "2",
        call.call_sid,
    )
    assert done["RecordingUrl"] == told["RecordingUrl"]
    assert done["RecordingDuration"] == told["RecordingDuration"]
    assert channels(scene, told["RecordingSid"]) == [
        pytest.approx(CALLER_HZ, abs=10),
        pytest.approx(CALLEE_HZ, abs=10),
    ]


async def test_start_records_until_the_end_of_the_call(scene: Scene) -> None:
    tune(scene)
    number = scene.number(
        "<Response><Start><Recording channels='mono' track='inbound' "
        "recordingStatusCallback='/status/recording'/></Start><Play loop='0'>/tune.wav</Play></Response>"
    )
    async with scene.carrier() as carrier:
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        await until_hears(call, TUNE_HZ)
        await call.heard(1.5)
        await call.hangup()
        told = await scene.form("/status/recording")
        await scene.over()
    assert (told["RecordingTrack"], told["RecordingChannels"]) == ("inbound", "1")
    assert channels(scene, told["RecordingSid"]) == [pytest.approx(CALLER_HZ, abs=10)]


async def test_an_action_after_a_hang_up_tells_how_long_the_recording_became(scene: Scene) -> None:
    """It waits for the audio to be stored."""
    number = scene.number(
        "<Response><Record playBeep='false' action='/recorded' recordingStatusCallback='/status/recording'/></Response>"
    )
    async with scene.carrier() as carrier:
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        await call.answered
        await call.heard(2.4)
        await call.hangup()
        form = await scene.form("/recorded")
        told = await scene.form("/status/recording")
        await scene.over()
    assert form["Digits"] == "hangup"
    assert form["RecordingDuration"] == told["RecordingDuration"]


async def test_what_is_deleted_while_it_is_recorded_is_nowhere(any_scene: Scene) -> None:
    """Neither at REST nor on the media service's disk."""
    scene = any_scene
    tune(scene)
    number = scene.number(LOOP)
    async with scene.carrier() as carrier:
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        await until_hears(call, TUNE_HZ)
        made = await rest(scene.tenant.rest.calls(call.call_sid).recordings.create)
        await call.heard(1.0)
        assert await rest(scene.tenant.rest.recordings(made.sid).delete)
        assert await rest(scene.tenant.rest.recordings.list) == []
        await scene.until(lambda: scene.rows(models.Recording) == [], "the recording is thrown away")
        assert not call.ended.done()
        await call.hangup()
        await scene.over()
    kept = [path for path in scene.deployment.folder.rglob("*") if made.sid in path.name]
    assert kept == []


async def test_recordings_survive_a_router_that_is_killed(broken: Scene) -> None:
    """The voice node goes on, and the router that comes back hears of the end."""
    scene = broken
    tune(scene)
    number = scene.number(LOOP)
    async with scene.carrier() as carrier:
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        await until_hears(call, TUNE_HZ)
        recordings = scene.tenant.rest.calls(call.call_sid).recordings
        made = await rest(
            lambda: recordings.create(recording_status_callback=scene.app.url("/status/recording"))
        )
        await call.heard(1.0)
        scene.deployment.kill("router")
        await asyncio.to_thread(scene.deployment.start, "router")
        assert (await rest(lambda: recordings(CURRENT).update(status="stopped"))).sid == made.sid
        row = await stored(scene, made.sid)
        told = await scene.form("/status/recording")
        await call.hangup()
        await scene.over()
    assert (row.status, told["RecordingStatus"]) == ("completed", "completed")
