"""The sample contact centre, started by its one command and used by the command line's phone and caller."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import time
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
import requests

from callrouter.audio.ear import dominant_hz
from callrouter.audio.wav import read_wav
from callrouter.media.speech.espeak import EspeakSpeaker
from callrouter.media.speech.speaker import Utterance
from callrouter.scenario.ports import free_ports
from callrouter.voice.media.g711 import Samples
from presence.client import AccountPresence
from tests.support.extras import needs

T = TypeVar("T")

RUN = Path(__file__).parents[2] / "examples" / "contact_centre" / "run.py"
CALLER, NUMBER = "+14155550100", "+14155550199"
CALLER_HZ, AGENT_HZ = 600, 1000
PATIENCE = 60.0
RATE = 8000

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@dataclass
class Centre:
    """The contact centre as it runs, and the commands that somebody types beside it."""

    env: dict[str, str]
    app: str
    log: Path

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "callrouter", *arguments, "--json"]
        return subprocess.Popen(command, env=self.env, stdout=subprocess.PIPE, text=True)

    def call(self, *options: str) -> subprocess.Popen[str]:
        return self.start("simulate", "call", "--from", CALLER, "--to", NUMBER, *options)

    def recorded(self, kind: str) -> list[dict[str, str]]:
        return requests.get(f"{self.app}/recordings", timeout=5).json()[kind]

    def audio(self, recording: dict[str, str]) -> tuple[int, Samples]:
        """Channels and samples of a recording, by its URL."""
        shown = re.search(r"curl -u (\w+):(\w+) ", self.log.read_text())
        assert shown
        credentials = shown.group(1), shown.group(2)
        answer = requests.get(f"{recording['RecordingUrl']}.wav", auth=credentials, timeout=5)
        with wave.open(io.BytesIO(answer.content)) as reader:
            frames = np.frombuffer(reader.readframes(reader.getnframes()), "<i2")
            return reader.getnchannels(), frames


def until(true: Callable[[], T], what: str) -> T:
    ends = time.monotonic() + PATIENCE
    while not (value := true()):
        assert time.monotonic() < ends, f"not within {PATIENCE} s: {what}"
        time.sleep(0.5)
    return value


def report(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What a phone or a caller says at its end."""
    out, _ = process.communicate(timeout=PATIENCE)
    said = [json.loads(line) for line in out.splitlines()]
    found: list[dict[str, Any]] = [line["report"] for line in said if "report" in line]
    assert found, out
    return found[-1]


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    ports = free_ports(8)
    names = ("ROUTER_BIND", "PRESENCE_BIND", "SIGNAL_BIND", "MEDIA_BIND", "VOICE_CONTROL")
    env = {
        **os.environ,
        **{f"CALLROUTER_{name}": f"127.0.0.1:{port}" for name, port in zip(names, ports, strict=False)},
        "CALLROUTER_VOICE_WEBRTC_PORT": str(ports[5]),
        "CALLROUTER_DATA_DIR": str(tmp_path),
        "SIMULATOR_PORT": str(ports[6]),
        "APP_PORT": str(ports[7]),
        "RING_SECONDS": "5",
    }
    centre = Centre(env=env, app=f"http://127.0.0.1:{ports[7]}", log=tmp_path / "log")
    with centre.log.open("w") as log:
        running = subprocess.Popen([sys.executable, str(RUN)], env=env, stdout=log, stderr=log)
        try:
            until(lambda: "Stop with Ctrl-C" in centre.log.read_text(), "it opens")
            yield centre
        finally:
            running.terminate()
            running.wait(30)
            print(centre.log.read_text()[-6000:])  # shown when the test fails


def test_caller_gets_an_agent_by_a_key_and_the_talk_is_recorded_on_two_channels(centre: Centre) -> None:
    agent = centre.start(
        "phone", "--identity", "bob", "--tone", str(AGENT_HZ), "--answer-after", "0.5", "--once"
    )
    assert agent.stdout is not None
    until(lambda: "registered" in agent.stdout.readline(), "bob registers")  # type: ignore[union-attr]
    caller = centre.call("--digits", "ww2", "--tone", str(CALLER_HZ), "--hangup-after", "20")
    assert report(caller)["heard_hz"] == pytest.approx(AGENT_HZ, abs=10)
    assert report(agent)["heard_hz"] == pytest.approx(CALLER_HZ, abs=10)
    (recording,) = until(lambda: centre.recorded("recordings"), "the talk is recorded")
    assert (recording["RecordingSource"], recording["RecordingStatus"]) == ("DialVerb", "completed")
    channels, samples = centre.audio(recording)
    assert channels == 2
    heard = {round(dominant_hz(samples[side::2]) or 0, -1) for side in (0, 1)}
    assert heard == {CALLER_HZ, AGENT_HZ}


def test_only_agents_who_are_free_are_rung(centre: Centre) -> None:
    """The app asks the presence server; an agent says do-not-disturb on the team's page."""

    def chosen() -> str:
        asked = {"Digits": "2", "CallSid": "CA" + "0" * 32}
        return requests.post(f"{centre.app}/chosen", data=asked, timeout=10).text

    def at_once_to_voicemail() -> bool:
        return "<Redirect>/voicemail</Redirect>" in chosen()

    until(at_once_to_voicemail, "nobody is free")
    agent = centre.start("phone", "--identity", "bob", "--once")
    assert agent.stdout is not None
    until(lambda: "registered" in agent.stdout.readline(), "bob registers")  # type: ignore[union-attr]
    until(lambda: "<Enqueue" in chosen(), "bob is free")
    assert "presence.js" in requests.get(f"{centre.app}/team?identity=bob", timeout=5).text
    page = requests.get(f"{centre.app}/team/token?identity=bob", timeout=5).json()
    ca = str(Path(centre.env["CALLROUTER_DATA_DIR"]) / "tls" / "ca.pem")
    with AccountPresence(f"https://{page['host']}", page["account"], page["token"], verify=ca) as presence:
        assert [(one.client, one.status) for one in presence.query().clients] == [("bob", "available")]
        presence.set_status("bob", "dnd")
        until(at_once_to_voicemail, "bob is not to be disturbed")
    agent.terminate()
    agent.communicate(timeout=PATIENCE)


def test_caller_says_the_team_and_leaves_a_message_when_nobody_is_there(
    centre: Centre, tmp_path: Path
) -> None:
    needs("tts")
    needs("stt")
    wav = tmp_path / "caller.wav"
    write(wav, [silence(9), spoken("sales", tmp_path), silence(14), tone(CALLER_HZ, 12)])
    caller = centre.call("--wav", str(wav), "--hangup-after", "45")
    (message,) = until(lambda: centre.recorded("voicemails"), "the message is stored")
    caller.terminate()
    caller.communicate(timeout=PATIENCE)
    channels, samples = centre.audio(message)
    assert channels == 1
    assert dominant_hz(samples[-RATE:]) == pytest.approx(CALLER_HZ, abs=10)


def silence(seconds: float) -> Samples:
    return np.zeros(int(seconds * RATE), np.int16)


def tone(hz: float, seconds: float) -> Samples:
    return (np.sin(2 * np.pi * hz * np.arange(int(seconds * RATE)) / RATE) * 8000).astype(np.int16)


def spoken(word: str, folder: Path) -> Samples:
    speaker = EspeakSpeaker(1)
    try:
        audio = speaker.say(Utterance(text=word, markup=False, voice="", language="en-US"))
    finally:
        speaker.close()
    path = folder / "spoken.wav"
    path.write_bytes(audio.body)
    return read_wav(path)


def write(path: Path, parts: list[Samples]) -> None:
    with wave.open(str(path), "wb") as writer:
        writer.setparams((1, 2, RATE, 0, "NONE", ""))
        writer.writeframes(np.concatenate(parts).astype("<i2").tobytes())
