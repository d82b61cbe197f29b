"""Sound at the ends of a call: what is said can be told by its frequency after PCMU and after a file."""

from __future__ import annotations

import asyncio
import socket
import wave
from contextlib import closing
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callrouter.audio.ear import MEMORY, Ear, dominant_hz
from callrouter.audio.sources import Recording, Silence, Source, Tone, source
from callrouter.audio.wav import WavError, WavWriter, read_wav
from callrouter.carriers.simulator.rtp import RtpSession
from callrouter.voice.media.g711 import Samples, decode, encode
from callrouter.voice.media.packet import SAMPLES
from callrouter.voice.sdp import parse


def said(source: Source, frames: int = 50) -> Samples:
    return np.concatenate(list(islice(source.frames(), frames)))


@given(hz=st.floats(200, 3600), level=st.floats(0.05, 0.9))
def test_a_tone_is_known_again_after_pcmu(hz: float, level: float) -> None:
    assert dominant_hz(decode(encode(said(Tone(hz=hz, level=level))))) == pytest.approx(hz, abs=2)


@given(frames=st.integers(2, 60))
def test_a_tone_has_no_click_between_frames(frames: int) -> None:
    """The greatest step of a 300 Hz sine at 8 kHz is known; a phase jump between frames would exceed it."""
    wave = said(Tone(hz=300, level=0.5), frames).astype(float)
    assert np.abs(np.diff(wave)).max() < 0.5 * 32767 * 2 * np.pi * 300 / 8000 + 2


@pytest.mark.parametrize(
    "samples",
    [np.zeros(8000, np.int16), np.zeros(0, np.int16), np.full(8000, 40, np.int16), said(Tone(hz=500))[:100]],
)
def test_silence_and_too_little_have_no_frequency(samples: Samples) -> None:
    assert dominant_hz(samples) is None


@pytest.mark.parametrize(
    "fault", [{"hz": 0}, {"hz": 4000}, {"hz": -5}, {"hz": 440, "level": 0}, {"hz": 440, "level": 2}]
)
def test_a_tone_that_a_telephone_cant_carry_is_refused(fault: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"tone|level"):
        Tone(**fault)


def write(path: Path, samples: Samples, rate: int, channels: int = 1, width: int = 2) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (16000, 1), (44100, 2), (48000, 2), (6000, 1)])
def test_any_pcm_file_is_read_at_its_pitch_and_length(tmp_path: Path, rate: int, channels: int) -> None:
    time = np.arange(rate) / rate
    mono = (np.sin(2 * np.pi * 440 * time) * 9000).astype(np.int16)
    write(tmp_path / "a.wav", np.repeat(mono, channels), rate, channels)
    samples = read_wav(tmp_path / "a.wav")
    assert len(samples) == 8000
    assert dominant_hz(samples) == pytest.approx(440, abs=1)


def test_what_a_telephone_cant_carry_does_not_fold_back_into_the_voice_band(tmp_path: Path) -> None:
    time = np.arange(16000) / 16000
    write(tmp_path / "high.wav", (np.sin(2 * np.pi * 7000 * time) * 9000).astype(np.int16), 16000)
    assert dominant_hz(read_wav(tmp_path / "high.wav")) is None


@pytest.mark.parametrize("content", [b"", b"RIFF", b"not a wave file at all" * 10])
def test_a_file_that_is_no_wav_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.wav").write_bytes(content)
    with pytest.raises(WavError, match=r"bad\.wav"):
        Recording(path=tmp_path / "bad.wav")


def test_eight_bit_files_are_refused_with_the_remedy(tmp_path: Path) -> None:
    write(tmp_path / "old.wav", np.zeros(100, np.int16), 8000, width=1)
    with pytest.raises(WavError, match="convert it to 16-bit PCM"):
        read_wav(tmp_path / "old.wav")


def test_a_recording_is_followed_by_silence_in_whole_frames(tmp_path: Path) -> None:
    writer = WavWriter(tmp_path / "a.wav")
    writer.write(np.full(SAMPLES + 7, 1000, np.int16))
    writer.close()
    writer.close()
    frames = list(islice(Recording(path=tmp_path / "a.wav").frames(), 4))
    assert [len(frame) for frame in frames] == [SAMPLES] * 4
    assert [int(frame.sum()) for frame in frames] == [SAMPLES * 1000, 7000, 0, 0]


def test_an_ear_records_from_the_first_sound_to_the_last(tmp_path: Path) -> None:
    ear = Ear(tmp_path / "a.wav")
    assert not (tmp_path / "a.wav").exists()
    ear.take(said(Tone(hz=500), 3))
    ear.take(said(Silence(), 2))
    ear.close()
    ear.close()
    assert np.array_equal(
        read_wav(tmp_path / "a.wav"), np.concatenate([said(Tone(hz=500), 3), said(Silence(), 2)])
    )


def test_options_choose_the_source(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", np.zeros(1, np.int16), 8000)
    assert source(None, None) == Silence()
    assert source(440, None) == Tone(hz=440)
    assert source(440, tmp_path / "a.wav") == Recording(path=tmp_path / "a.wav")


def test_an_ear_listens_to_what_comes_from_now_on() -> None:
    async def scenario() -> None:
        ear = Ear()
        ear.take(said(Tone(hz=500)))
        listening = asyncio.create_task(ear.heard(0.5))
        await asyncio.sleep(0)
        ear.take(said(Tone(hz=900), 25))
        assert await listening == pytest.approx(900, abs=3)

    asyncio.run(scenario())


def test_an_ear_does_not_wait_for_ever_and_keeps_a_bounded_memory() -> None:
    async def scenario() -> None:
        ear = Ear()
        with pytest.raises(TimeoutError):
            await ear.heard(0.01, patience=0.01)
        for _ in range(2 * MEMORY):
            ear.take(said(Silence()))
        assert ear.samples == 2 * MEMORY * 8000
        assert ear._kept <= MEMORY * 8000
        ear.take(said(Tone(hz=700)))
        assert ear.latest(1) == pytest.approx(700, abs=2)

    asyncio.run(scenario())


def test_a_call_that_is_over_before_its_port_is_open_keeps_none() -> None:
    async def scenario() -> None:
        with closing(RtpSession(Silence(), Ear())) as first:
            await first.open("127.0.0.1")
            kept = first.offer()
        await first.open("127.0.0.1")
        host, port = parse(kept).address, parse(first.offer()).port
        await asyncio.sleep(0)  # the transport closes its socket in the loop's next turn
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
            again.bind((host, port))

    asyncio.run(scenario())
