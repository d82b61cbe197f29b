"""What a call says, hears and records by itself: Say, Play, Gather and Record, with real audio."""

import asyncio
import io
import wave
from contextlib import suppress

import numpy as np
import pytest
import requests
from scene import CALLER, CALLER_HZ, PATIENCE, Scene, soon, until_hears

from callrouter.audio.ear import dominant_hz
from callrouter.audio.sources import Tone
from tests.support.extras import needs
from tests.support.origin import reply
from tests.support.sound import served, tone


def sound(scene: Scene, path: str, hz: float, seconds: float) -> str:
    """An audio file that the app serves."""
    scene.app.answers[path] = served(tone(hz, seconds))
    return scene.app.url(path)


async def test_play_is_heard_and_the_next_verb_follows(scene: Scene) -> None:
    """MD-3: a file of another format and rate, by a relative URL, as often as `loop` says."""
    sound(scene, "/hello.wav", 700, 0.5)
    number = scene.number("<Response><Play loop='2'>/hello.wav</Play><Hangup/></Response>")
    async with scene.carrier() as carrier:
        call = await carrier.call(CALLER, number)
        await until_hears(call, 700)
        await soon(call.ended)
        await scene.over()
    assert scene.statuses() == {number: "completed"}
    assert scene.codes() == []
    assert len([one for one in scene.app.received if one.path == "/hello.wav"]) == 1


async def test_say_is_heard(scene: Scene) -> None:
    needs("tts")
    number = scene.number("<Response><Say>Please hold the line, somebody will be with you.</Say></Response>")
    async with scene.carrier() as carrier:
        call = await carrier.call(CALLER, number)
        async with asyncio.timeout(PATIENCE):
            while await call.heard(0.3) is None:
                pass
        await soon(call.ended)
        await scene.over()
    assert scene.codes() == []


async def test_marked_up_speech_is_heard(scene: Scene) -> None:
    """The SSML subset, with the pause that it asks for (twilio-surface 2.5)."""
    needs("tts")
    number = scene.number(
        "<Response><Say voice='Polly.Joanna' language='en-US' loop='1'><p><s>Your <emphasis level='strong'>code"
        "</emphasis> is <say-as interpret-as='digits' format='mdy'>12</say-as>.</s></p><break strength='strong' "
        "time='2s'/><prosody rate='slow' volume='loud' pitch='high'>Call <sub alias='the desk'>TD</sub></prosody> "
        "<phoneme alphabet='ipa' ph='təˈmɑːtoʊ'>tomato</phoneme> <w role='amazon:VB'>read</w> "
        "<lang xml:lang='de-DE'>Hallo</lang></Say></Response>"
    )
    async with scene.carrier() as carrier:
        call = await carrier.call(CALLER, number)
        heard = []
        with suppress(TimeoutError):  # once it is over, nothing comes any more
            while not call.ended.done():
                heard.append(await call.heard(0.2) is not None)
        await soon(call.ended)
        await scene.over()
    words = "".join("x" if spoken else "." for spoken in heard).strip(".")
    assert ".......x" in words, f"no pause of two seconds within the speech: {words}"
    assert scene.codes() == []


async def test_file_that_is_not_there_is_noted_and_the_call_goes_on(scene: Scene) -> None:
    scene.app.answers["/missing.wav"] = reply(404)
    url = sound(scene, "/there.wav", 900, 0.5)
    number = scene.number(f"<Response><Play>/missing.wav</Play><Play>{url}</Play></Response>")
    async with scene.carrier() as carrier:
        call = await carrier.call(CALLER, number)
        await until_hears(call, 900)
        await soon(call.ended)
        await scene.over()
    assert scene.codes() == ["11200"]


async def test_gather_stops_its_prompt_at_the_first_key(scene: Scene) -> None:
    """Barge-in; the finishing key is not among the digits (twilio-surface 2.6)."""
    sound(scene, "/menu.wav", 700, 0.5)
    scene.app.answers["/chosen"] = "<Response><Hangup/></Response>"
    number = scene.number(
        "<Response><Gather action='/chosen' numDigits='4'><Play loop='0'>/menu.wav</Play></Gather></Response>"
    )
    async with scene.carrier() as carrier:
        call = await carrier.call(CALLER, number)
        await until_hears(call, 700)
        await call.press("42#")
        form = await scene.form("/chosen")
        await soon(call.ended)
        await scene.over()
    assert form["Digits"] == "42"
    assert form["CallStatus"] == "in-progress"


async def test_gather_without_keys_goes_on(scene: Scene) -> None:
    number = scene.number("<Response><Gather action='/chosen' timeout='1'/><Hangup/></Response>")
    async with scene.carrier() as carrier:
        call = await carrier.call(CALLER, number)
        await soon(call.ended)
        await scene.over()
    assert scene.app.forms("/chosen") == []
    assert scene.statuses() == {number: "completed"}


async def test_record_keeps_what_the_caller_says(scene: Scene) -> None:
    """The action and the callback name the recording; its audio is the caller's."""
    scene.app.answers["/recorded"] = "<Response><Hangup/></Response>"
    number = scene.number(
        "<Response><Record action='/recorded' finishOnKey='#' recordingStatusCallback='/status/recording' "
        "recordingStatusCallbackEvent='in-progress completed'/></Response>"
    )
    async with scene.carrier() as carrier:
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        await until_hears(call, 1000)
        await call.heard(2.0)
        await call.press("#")
        form = await scene.form("/recorded")
        told = [await scene.form("/status/recording", number) for number in range(2)]
        await soon(call.ended)
        await scene.over()
    assert form["Digits"] == "#"
    assert [one["RecordingStatus"] for one in told] == ["in-progress", "completed"]
    assert {one["RecordingSid"] for one in told} == {form["RecordingSid"]}
    assert 1 <= int(form["RecordingDuration"]) <= 4
    assert recorded_hz(scene, form["RecordingUrl"]) == pytest.approx(CALLER_HZ, abs=10)
    (recording,) = await asyncio.to_thread(scene.tenant.rest.recordings.list)
    assert (recording.sid, recording.status, recording.source) == (
        form["RecordingSid"],
        "completed",
        "RecordVerb",
    )
    assert recording.duration == form["RecordingDuration"]
    assert await asyncio.to_thread(scene.tenant.rest.recordings(recording.sid).delete)
    assert requests.get(form["RecordingUrl"], auth=credentials(scene), timeout=5).status_code == 404


def recorded_hz(scene: Scene, url: str) -> float | None:
    """What is heard in the recording, by WAV and by MP3, whole and in part."""
    answer = requests.get(f"{url}.wav", auth=credentials(scene), timeout=5)
    assert answer.headers["Content-Type"] == "audio/x-wav"
    with wave.open(io.BytesIO(answer.content)) as reader:
        assert (reader.getnchannels(), reader.getframerate()) == (1, 8000)
        samples = np.frombuffer(reader.readframes(reader.getnframes()), "<i2")
    part = requests.get(url, auth=credentials(scene), headers={"Range": "bytes=0-3"}, timeout=5)
    assert (part.status_code, part.content) == (206, b"RIFF")
    spoken = requests.get(f"{url}.mp3", auth=credentials(scene), timeout=5)
    assert spoken.headers["Content-Type"] == "audio/mpeg"
    assert requests.get(f"{url}.wav", timeout=5).status_code == 401
    return dominant_hz(samples)


def credentials(scene: Scene) -> tuple[str, str]:
    return scene.tenant.sid, scene.tenant.auth_token


async def test_caller_who_hangs_up_leaves_a_recording(scene: Scene) -> None:
    """`Digits=hangup`; the recording is completed after the call is over."""
    number = scene.number(
        "<Response><Record playBeep='false' action='/recorded' recordingStatusCallback='/status/recording'/></Response>"
    )
    async with scene.carrier() as carrier:
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        await call.answered
        await call.heard(2.0)
        await call.hangup()
        form = await scene.form("/recorded")
        told = await scene.form("/status/recording")
        await scene.over()
    assert form["Digits"] == "hangup"
    assert told["RecordingStatus"] == "completed"
    assert told["RecordingSid"] == form["RecordingSid"]
