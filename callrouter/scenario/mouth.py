"""What an end of a scenario says: silence, until it is told to hum a tone or to play something."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np

from callrouter.audio.sources import SILENT, Tone
from callrouter.audio.wav import read_wav
from callrouter.media.speech import espeak
from callrouter.media.speech.speaker import SpeechFailed, Utterance
from callrouter.scenario.faults import CannotPlay
from callrouter.voice.media.g711 import Samples
from callrouter.voice.media.packet import SAMPLE_RATE, SAMPLES

REMEDY = "pip install 'callrouter[tts]'"


class Mouth:
    """A source (callrouter.audio.sources) of one call at a time, which can be changed while it speaks."""

    def __init__(self, hz: float) -> None:
        self.hz = hz
        """of its tone, which no other end of the scenario makes"""
        self._tone = Tone(hz=hz).frames()
        self._humming = False
        self._clip: Iterator[Samples] = iter(())

    def frames(self) -> Iterator[Samples]:
        while True:
            clip = next(self._clip, None)
            if clip is not None:
                yield clip
            else:
                yield next(self._tone) if self._humming else SILENT

    def hum(self, on: bool) -> None:
        self._humming = on

    async def play(self, samples: Samples) -> None:
        """Returns when it was said, after its own length."""
        whole = np.pad(samples, (0, -len(samples) % SAMPLES)).astype(np.int16)
        self._clip = iter(whole.reshape(-1, SAMPLES))
        await asyncio.sleep(len(whole) / SAMPLE_RATE)


def spoken(words: str) -> Samples:
    """Words in English, as samples; takes seconds. CannotPlay without a speech engine."""
    if not espeak.installed():
        raise CannotPlay(f"`says` needs a speech engine: {REMEDY}")
    speaker = espeak.EspeakSpeaker(workers=1)
    try:
        audio = speaker.say(Utterance(text=words, markup=False, voice="", language="en-US"))
        with NamedTemporaryFile(suffix=".wav") as file:
            file.write(audio.body)
            file.flush()
            return read_wav(Path(file.name))
    except SpeechFailed as failed:
        raise CannotPlay(f"`says` could not speak {words!r}: {failed}") from failed
    finally:
        speaker.close()
