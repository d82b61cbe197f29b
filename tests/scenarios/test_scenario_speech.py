"""What callers say, as text: <Gather input="speech"> and transcribed recordings, with a real voice and recogniser."""

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import requests
from scene import CALLER, Scene, scenes, soon, until_hears

from callrouter import models
from callrouter.audio.sources import SILENT
from callrouter.carriers.simulator.call import SimulatedCall
from callrouter.voice.media.g711 import Samples, decode
from callrouter.voice.media.packet import SAMPLES
from foundation.webserver.service import ServiceToken
from tests.support.deployment import deployments
from tests.support.extras import needs
from tests.support.sound import served, tone

needs("tts")
needs("stt")

MENU = (
    "<Response><Gather input='speech dtmf' action='/said' hints='sales, support, billing' speechTimeout='1' "
    "timeout='20' {more}>{prompt}</Gather><Hangup/></Response>"
)


@dataclass(kw_only=True)
class Speaker:
    """A caller who is silent until told to say something."""

    scene: Scene
    _words: deque[Samples] = field(default_factory=deque)

    def frames(self) -> Iterator[Samples]:
        while True:
            yield self._words.popleft() if self._words else SILENT

    async def say(self, text: str) -> None:
        samples = decode(await asyncio.to_thread(self._voice, text))
        for start in range(0, len(samples), SAMPLES):
            frame = samples[start : start + SAMPLES]
            self._words.append(np.pad(frame, (0, SAMPLES - len(frame))))

    def _voice(self, text: str) -> bytes:
        deployment, account = self.scene.deployment, self.scene.tenant.sid
        answer = requests.get(
            f"{deployment.media_url}/v1/Accounts/{account}/speech",
            params={"text": text, "markup": 0, "voice": "man", "language": "en-US"},
            headers=ServiceToken(deployment.keys, "media", "scenario").header,
            timeout=10,
        )
        assert answer.status_code == 200
        return answer.content


def menu(scene: Scene, *, more: str = "", prompt: str = "") -> str:
    scene.app.answers["/said"] = "<Response><Hangup/></Response>"
    return scene.number(MENU.format(more=more, prompt=prompt))


async def listening(scene: Scene) -> None:
    await scene.until(
        lambda: any(line.summary == "listens" for line in scene.rows(models.TimelineEntry)),
        "the call listens",
    )


async def over(scene: Scene, call: SimulatedCall) -> None:
    await soon(call.ended)
    await scene.over()


async def test_a_menu_understands_a_word_while_it_still_talks(scene: Scene) -> None:
    """Barge-in: speech stops the prompt; the app gets the text and how sure the recogniser is."""
    scene.app.answers["/menu.wav"] = served(tone(700, 0.5))
    number = menu(scene, prompt="<Play loop='0'>/menu.wav</Play>")
    caller = Speaker(scene=scene)
    async with scene.carrier() as carrier:
        call = await carrier.call(CALLER, number, source=caller)
        await until_hears(call, 700)
        await caller.say("support")
        form = await scene.form("/said")
        await over(scene, call)
    assert form["SpeechResult"] == "support"
    assert 0.0 < float(form["Confidence"]) <= 1.0
    assert scene.codes() == []


@pytest.fixture
def quick_scene(tmp_path: Path) -> Iterator[Scene]:
    """A deployment whose recogniser is as fast as it knows little."""
    engine = tmp_path / "recogniser.sh"
    engine.write_text('#!/bin/sh\ncat > /dev/null\necho \'{"text": "sales please", "confidence": 0.5}\'\n')
    engine.chmod(0o700)
    for deployment in deployments(tmp_path, recognition_engine=f"command:{engine}"):
        yield from scenes(deployment)


async def test_partial_results_come_in_order_before_the_whole(quick_scene: Scene) -> None:
    """Also by an engine of the operator's own."""
    scene = quick_scene
    number = menu(scene, more="partialResultCallback='/partial'")
    scene.app.answers["/partial"] = ""
    caller = Speaker(scene=scene)
    async with scene.carrier() as carrier:
        call = await carrier.call(CALLER, number, source=caller)
        await listening(scene)
        await caller.say("I would like to talk with somebody in sales, please, as soon as that is possible")
        form = await scene.form("/said")
        await over(scene, call)
    parts = scene.app.forms("/partial")
    assert [one["SequenceNumber"] for one in parts] == [str(number) for number in range(len(parts))]
    assert {one["UnstableSpeechResult"] for one in parts} == {"sales please"}
    assert {one["CallSid"] for one in parts} == {form["CallSid"]}
    assert (form["SpeechResult"], form["Confidence"]) == ("sales please", "0.5")


async def test_a_key_goes_before_speech(scene: Scene) -> None:
    number = menu(scene, more="numDigits='1'")
    caller = Speaker(scene=scene)
    async with scene.carrier() as carrier:
        call = await carrier.call(CALLER, number, source=caller)
        await listening(scene)
        await call.press("3")
        form = await scene.form("/said")
        await over(scene, call)
    assert form["Digits"] == "3"
    assert "SpeechResult" not in form


async def test_nothing_said_goes_on(scene: Scene) -> None:
    number = scene.number(MENU.format(more="", prompt="").replace("timeout='20'", "timeout='1'"))
    async with scene.carrier() as carrier:
        call = await carrier.call(CALLER, number)
        await over(scene, call)
    assert scene.app.forms("/said") == []
    assert scene.codes() == []


async def test_a_recogniser_that_does_not_know_the_language_is_noted_and_keys_still_count(
    scene: Scene,
) -> None:
    number = menu(scene, more="language='de-DE' numDigits='1'")
    caller = Speaker(scene=scene)
    async with scene.carrier() as carrier:
        call = await carrier.call(CALLER, number, source=caller)
        await listening(scene)
        await caller.say("support")
        await scene.until(scene.codes, "the fault is noted")
        await call.press("1")
        form = await scene.form("/said")
        await over(scene, call)
    assert form["Digits"] == "1"
    assert len(scene.codes()) == 1


async def test_a_recording_is_transcribed_and_the_app_is_told(scene: Scene) -> None:
    """<Record transcribeCallback>, and the text by REST (twilio-surface 2.7, 5.10)."""
    scene.app.answers["/recorded"] = "<Response><Hangup/></Response>"
    number = scene.number(
        "<Response><Record playBeep='false' maxLength='60' timeout='2' transcribeCallback='/status/text' "
        "action='/recorded'/></Response>"
    )
    caller = Speaker(scene=scene)
    async with scene.carrier() as carrier:
        call = await carrier.call(CALLER, number, source=caller)
        await call.answered
        await scene.until(lambda: scene.rows(models.Recording), "it is recorded")
        await caller.say("one two three four five six seven eight nine")
        recorded = await scene.form("/recorded")
        told = await scene.form("/status/text")
        await over(scene, call)
    assert told["TranscriptionStatus"] == "completed"
    assert "two" in told["TranscriptionText"].lower().split()  # how well, the recogniser's own tests show
    assert (told["RecordingSid"], told["CallSid"]) == (recorded["RecordingSid"], call.call_sid)
    assert told["TranscriptionUrl"].startswith(scene.deployment.router_url)
    rest = scene.tenant.rest
    (shown,) = await asyncio.to_thread(rest.transcriptions.list)
    assert (shown.sid, shown.transcription_text) == (told["TranscriptionSid"], told["TranscriptionText"])
    text = requests.get(
        told["TranscriptionUrl"] + ".txt", auth=(scene.tenant.sid, scene.tenant.auth_token), timeout=5
    )
    assert text.text == told["TranscriptionText"]
    assert await asyncio.to_thread(rest.transcriptions(shown.sid).delete)
