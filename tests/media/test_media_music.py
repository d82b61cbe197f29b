"""What those hear who wait."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import requests
from media_world import media, tone

from callrouter.audio.ear import dominant_hz
from callrouter.media import music
from callrouter.media.music import Music
from callrouter.media.tune import tune
from callrouter.voice.media.g711 import decode
from foundation.webserver.errors import ApiError


def test_our_tune_is_a_voice_loud_and_never_quiet_for_long() -> None:
    sound = decode(tune()).astype(float) / 32_768
    assert 20 <= len(sound) / 8_000 <= 30
    assert 20 * np.log10(np.sqrt(np.mean(sound**2))) == pytest.approx(-20, abs=0.5)
    assert np.abs(sound).max() < 0.9  # nothing is clipped
    seconds = np.sqrt(np.mean(sound.reshape(-1, 8_000) ** 2, axis=1))
    assert seconds.min() > 0.02


def test_our_tune_is_the_same_each_time_and_its_loop_is_not_heard() -> None:
    first = tune()
    assert first == tune()
    sound = decode(first).astype(float)
    steps = np.abs(np.diff(sound))
    assert abs(sound[0] - sound[-1]) < np.percentile(steps, 90)  # no click: a step like any other
    before, after = (np.sqrt(np.mean(part**2)) for part in (sound[-800:], sound[:800]))
    assert before > 300  # nor a gap
    assert after > 300


def test_it_is_served_with_an_etag_to_our_own_services(tmp_path: Path) -> None:
    with media(tmp_path) as service:
        url = f"{service.url}/v1/music"
        got = service.ask("GET", url)
        assert (got.status_code, got.headers["Content-Type"]) == (200, "audio/basic")
        assert got.content == tune()
        assert "max-age=3600" in got.headers["Cache-Control"]
        again = service.ask("GET", url, headers={"If-None-Match": got.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        part = service.ask("GET", url, headers={"Range": "bytes=0-99"})
        assert (part.status_code, part.content) == (206, got.content[:100])
        assert requests.get(url, timeout=20).status_code == 401


def test_the_operators_file_is_converted_and_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "music.wav"
    file.write_bytes(tone(rate=44_100, hz=600, channels=2))
    with media(tmp_path, hold_music=str(file)) as service:
        url = f"{service.url}/v1/music"
        first = service.ask("GET", url)
        assert dominant_hz(decode(first.content)) == pytest.approx(600, abs=3)
        assert service.ask("GET", url).headers["ETag"] == first.headers["ETag"]
        file.write_bytes(tone(hz=900))
        os.utime(file, (1, 1))
        second = service.ask("GET", url)
        assert dominant_hz(decode(second.content)) == pytest.approx(900, abs=3)
        assert second.headers["ETag"] != first.headers["ETag"]


def test_a_file_without_a_head_is_known_by_its_name(tmp_path: Path) -> None:
    file = tmp_path / "music.ulaw"
    file.write_bytes(tune())
    assert Music(str(file)).tune().body == tune()


@pytest.mark.parametrize("body", [b"", b"#EXTM3U\nfile:///etc/passwd\n", b"RIFF\0\0\0\0WAVEbroken"])
def test_a_file_that_is_no_sound_is_the_operators_fault(tmp_path: Path, body: bytes) -> None:
    file = tmp_path / "music.wav"
    file.write_bytes(body)
    with pytest.raises(ApiError, match="CALLROUTER_HOLD_MUSIC") as caught:
        Music(str(file)).tune()
    assert (caught.value.status, caught.value.code) == (503, 20503)


def test_a_file_that_is_not_there_is_said_by_the_readiness_check_too(tmp_path: Path) -> None:
    with media(tmp_path, hold_music=str(tmp_path / "none.wav")) as service:
        assert service.ask("GET", f"{service.url}/v1/music").status_code == 503
        ready = requests.get(f"{service.url}/readyz", timeout=20)
    assert (ready.status_code, "CALLROUTER_HOLD_MUSIC" in ready.text) == (503, True)


def test_a_file_has_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(music, "LONGEST", 1)
    file = tmp_path / "music.wav"
    file.write_bytes(tone(seconds=1.5))
    with pytest.raises(ApiError, match="longer than 1 s"):
        Music(str(file)).tune()
