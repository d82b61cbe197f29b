"""Recordings: stored before they are acknowledged, once, apart for each account; WAV, MP3, ranges."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_world import ACCOUNT, OTHER, RECORDING, Media, code, media

from callrouter.audio.ear import dominant_hz
from callrouter.media.conversion import to_mulaw
from callrouter.media.silence import FRAME, loud_frames, trimmed
from callrouter.voice.media.g711 import decode, encode

PATH = f"recordings/{RECORDING}"


def wave_of(hz: float, seconds: float) -> bytes:
    return encode(8_000 * np.sin(2 * np.pi * hz * np.arange(round(8_000 * seconds)) / 8_000))


def quiet(seconds: float) -> bytes:
    """A line's noise: not zero."""
    return bytes([0xFF, 0x7E, 0xFE, 0x7F]) * round(seconds * 2_000)


def both(left: bytes, right: bytes) -> bytes:
    return np.stack([np.frombuffer(left, np.uint8), np.frombuffer(right, np.uint8)], axis=1).tobytes()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Media]:
    with media(tmp_path) as running:
        yield running


def test_what_goes_in_comes_out(service: Media) -> None:
    sound = wave_of(500, 2)
    put = service.ask("PUT", PATH, params={"channels": "1", "trim": "0"}, data=sound)
    assert (put.status_code, put.json()) == (201, {"seconds": 2, "silent": False})
    for name in (PATH, f"{PATH}.wav"):
        got = service.ask("GET", name)
        assert got.headers["Content-Type"] == "audio/x-wav"
        with wave.open(io.BytesIO(got.content)) as file:
            assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 8_000)
            assert file.readframes(20_000) == decode(sound).tobytes()


@pytest.mark.parametrize("channels", [1, 2])
def test_mp3_has_the_same_length_and_pitch(service: Media, channels: int) -> None:
    left, right = wave_of(500, 3), wave_of(500, 3)
    sound = both(left, right) if channels == 2 else left
    service.ask("PUT", PATH, params={"channels": str(channels)}, data=sound)
    got = service.ask("GET", f"{PATH}.mp3")
    assert got.headers["Content-Type"] == "audio/mpeg"
    heard = to_mulaw(got.content, "audio/mpeg")
    assert len(heard) / 8_000 == pytest.approx(3, abs=0.3)
    assert dominant_hz(decode(heard)[4_000:20_000]) == pytest.approx(500, abs=2)


def test_two_channels_stay_apart(service: Media) -> None:
    put = service.ask("PUT", PATH, params={"channels": "2"}, data=both(wave_of(400, 1), wave_of(900, 1)))
    assert put.json() == {"seconds": 1, "silent": False}
    with wave.open(io.BytesIO(service.ask("GET", PATH).content)) as file:
        samples = np.frombuffer(file.readframes(8_000), np.int16).reshape(-1, 2)
    assert [dominant_hz(samples[:, side].copy()) for side in (0, 1)] == pytest.approx([400, 900], abs=2)


def test_an_upload_that_is_sent_again_changes_nothing(service: Media) -> None:
    sound = wave_of(500, 1)
    answers = [service.ask("PUT", PATH, data=sound) for _ in range(2)]
    assert [one.status_code for one in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert code(service.ask("PUT", PATH, data=wave_of(600, 1))) == (409, 20409)
    assert dominant_hz(decode(to_mulaw(service.ask("GET", PATH).content, "audio/wav"))) == pytest.approx(
        500, abs=2
    )


@pytest.mark.parametrize(
    ("sound", "trim", "seconds", "silent"),
    [
        (b"", "0", 0, True),
        (quiet(3), "0", 3, True),
        (quiet(3), "1", 0, True),
        (quiet(2) + wave_of(500, 1) + quiet(2), "0", 5, False),
        (quiet(2) + wave_of(500, 1) + quiet(2), "1", 1, False),
        (wave_of(500, 1) + quiet(2) + wave_of(500, 1), "1", 4, False),
        (wave_of(500, 1.6), "0", 2, False),
    ],
)
def test_length_and_silence(service: Media, sound: bytes, trim: str, seconds: int, silent: bool) -> None:
    put = service.ask("PUT", PATH, params={"trim": trim}, data=sound)
    assert put.json() == {"seconds": seconds, "silent": silent}
    with wave.open(io.BytesIO(service.ask("GET", PATH).content)) as file:
        assert file.getnframes() / 8_000 == pytest.approx(seconds, abs=0.5)
    assert service.ask("GET", f"{PATH}.mp3").status_code == 200


def test_md_6_ranges_head_and_conditions(service: Media) -> None:
    service.ask("PUT", PATH, data=wave_of(500, 1))
    whole = service.ask("GET", PATH)
    part = service.ask("GET", PATH, headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, whole.content[100:200])
    assert part.headers["Content-Range"] == f"bytes 100-199/{len(whole.content)}"
    assert service.ask("GET", PATH, headers={"Range": "bytes=-10"}).content == whole.content[-10:]
    assert code(service.ask("GET", PATH, headers={"Range": "bytes=999999-"}))[0] == 416
    head = service.ask("HEAD", f"{PATH}.wav")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == str(len(whole.content))
    again = service.ask("GET", PATH, headers={"If-None-Match": whole.headers["ETag"]})
    assert again.status_code == 304


def test_a_deleted_recording_is_gone_in_every_form(service: Media) -> None:
    service.ask("PUT", PATH, data=wave_of(500, 1))
    service.ask("GET", f"{PATH}.mp3")
    assert service.ask("DELETE", PATH).status_code == 204
    for name in (PATH, f"{PATH}.wav", f"{PATH}.mp3"):
        assert code(service.ask("GET", name)) == (404, 20404)
    assert service.ask("DELETE", PATH).status_code == 204
    assert not list((service.folder / "media").rglob(f"{RECORDING}*"))


def test_md_7_recordings_belong_to_one_account(service: Media) -> None:
    service.ask("PUT", PATH, data=wave_of(500, 1))
    assert code(service.ask("GET", PATH, account=OTHER)) == (404, 20404)
    service.ask("DELETE", PATH, account=OTHER)
    assert service.ask("GET", PATH).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", PATH, (404, 20404)),
        ("GET", f"{PATH}.ogg", (404, 20404)),
        ("GET", "recordings/..", (404, 20404)),
        ("GET", "recordings/%2e%2e%2f%2e%2e%2fsecret.key", (404, 20404)),
        ("GET", "sounds/%2e%2e", (404, 20404)),
        ("PUT", "recordings/nothing", (404, 20404)),
        ("PUT", f"{PATH}?channels=3", (400, 20001)),
        ("PUT", f"{PATH}?trim=maybe", (400, 20001)),
        ("POST", PATH, (405, 20004)),
    ],
)
def test_wrong_requests(service: Media, method: str, path: str, expected: tuple[int, int]) -> None:
    assert code(service.ask(method, path, data=b"x" if method == "PUT" else None)) == expected


def test_what_was_acknowledged_outlives_the_process_and_a_full_cache(tmp_path: Path) -> None:
    with media(tmp_path) as service:
        service.ask("PUT", PATH, data=wave_of(500, 1))
    for path in (tmp_path / "media" / "cache").rglob("*"):
        path.unlink()
    with media(tmp_path, media_cache_mb=1) as service:
        assert len(service.ask("GET", PATH).content) == 44 + 16_000
    assert (tmp_path / "media" / "recordings" / ACCOUNT / RECORDING).exists()


def test_an_hour_is_taken(service: Media) -> None:
    """The bridge's usual bound of 1 MB is not that of recordings."""
    put = service.ask("PUT", PATH, data=wave_of(500, 1) * 3_600)
    assert put.json() == {"seconds": 3_600, "silent": False}


@given(st.lists(st.booleans(), max_size=20), st.integers(0, FRAME - 1), st.sampled_from([1, 2]))
def test_trimming_keeps_all_from_the_first_loud_frame_to_the_last(
    loud: list[bool], rest: int, channels: int
) -> None:
    sound = (
        b"".join((b"\x80" if one else b"\xff") * FRAME * channels for one in loud) + b"\xff" * rest * channels
    )
    assert loud_frames(sound, channels)[: len(loud)].tolist() == loud
    kept = trimmed(sound, channels)
    at = [number for number, one in enumerate(loud) if one]
    frames = at[-1] - at[0] + 1 if at else 0
    assert len(kept) == frames * FRAME * channels
    assert kept in sound
