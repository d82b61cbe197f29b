"""Any sound file becomes 8 kHz mono mu-law of the same length, pitch and level (MD-3); nothing else does (MD-8)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media_world import tone

from callrouter.audio.ear import dominant_hz
from callrouter.media import conversion
from callrouter.media.conversion import MOST_BYTES, to_mulaw
from callrouter.voice.media.g711 import decode
from foundation.webserver.errors import ApiError

FORMATS = [
    ("wav", "pcm_s16le", 8_000, "audio/wav"),
    ("wav", "pcm_s16le", 44_100, "audio/x-wav"),
    ("wav", "pcm_mulaw", 8_000, "audio/wave"),
    ("wav", "pcm_f32le", 48_000, "audio/vnd.wave; codec=3"),
    ("mp3", "libmp3lame", 22_050, "audio/mpeg"),
    ("mp3", "libmp3lame", 44_100, "AUDIO/MPEG"),
    ("aiff", "pcm_s16be", 16_000, "audio/x-aiff"),
    ("au", "pcm_mulaw", 8_000, "audio/basic"),
    ("mulaw", "pcm_mulaw", 8_000, "audio/ulaw"),
    ("flac", "flac", 44_100, "application/octet-stream"),
    ("ogg", "libopus", 48_000, ""),
]


def refused(audio: bytes, type: str) -> int:
    with pytest.raises(ApiError) as caught:
        to_mulaw(audio, type)
    return caught.value.code


@pytest.mark.parametrize(
    ("format", "codec", "rate", "type", "channels"),
    [(*row, channels) for row in FORMATS for channels in (1, 2) if channels == 1 or row[0] != "mulaw"],
)
def test_md_3_length_pitch_and_level_are_kept(
    format: str, codec: str, rate: int, type: str, channels: int
) -> None:
    sound = to_mulaw(tone(format, codec, rate=rate, seconds=1.0, channels=channels), type)
    assert len(sound) / 8_000 == pytest.approx(1.0, abs=0.08)  # MP3 and Opus fill their last frame
    middle = decode(sound)[1_600:6_400]
    assert dominant_hz(middle) == pytest.approx(440, abs=2)
    assert np.sqrt(np.mean(middle.astype(float) ** 2)) == pytest.approx(10_000 / 2**0.5, rel=0.1)


def test_gsm_files_without_a_head_are_known_by_their_type() -> None:
    frame = b"\xd0" + bytes(range(32))
    assert len(to_mulaw(frame * 50, "audio/x-gsm")) == 50 * 160


@pytest.mark.parametrize(
    ("audio", "type", "expected"),
    [
        pytest.param(b"<html>not found</html>", "text/html", 12300, id="a page"),
        pytest.param(tone(), "text/plain", 12300, id="sound declared as text"),
        pytest.param(tone(), "image/png", 12300, id="sound declared as an image"),
        pytest.param(b"<html>log in</html>", "audio/mpeg", 13420, id="a page declared as sound"),
        pytest.param(b"  <html>log in</html>", "audio/ulaw", 13420, id="a page declared as raw sound"),
        pytest.param(b"", "audio/wav", 13420, id="nothing"),
        pytest.param(b"RIFF\x00\x00\x00\x00WAVE", "audio/wav", 13420, id="a head alone"),
        pytest.param(b"ID3" + b"\x00" * 400, "audio/mpeg", 13420, id="tags alone"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + b"\x00" * 64, "audio/wav", 13420, id="an image"),
        pytest.param(b"OggS" + b"\x01" * 64, "audio/ogg", 13420, id="broken ogg"),
    ],
)
def test_md_8_what_is_no_sound_is_refused_with_its_code(audio: bytes, type: str, expected: int) -> None:
    assert refused(audio, type) == expected


def test_a_play_list_opens_nothing(tmp_path: Path) -> None:
    """FFmpeg's own guess at the format would follow what these name: a file of ours, a server inside."""
    (tmp_path / "secret.wav").write_bytes(tone())
    name = tmp_path / "secret.wav"
    for text in (
        f"#EXTM3U\n#EXTINF:1,\nfile://{name}\n",
        f"ffconcat version 1.0\nfile {name}\n",
        f"SDP\n{name}",
    ):
        for declared in ("audio/mpeg", "audio/x-mpegurl", "application/octet-stream"):
            assert refused(text.encode(), declared) == 13420


def test_too_large_and_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(b"\xff" * (MOST_BYTES + 1), "audio/ulaw") == 11750
    monkeypatch.setattr(conversion, "MOST_SECONDS", 1)
    assert refused(b"\xff" * 8_001, "audio/ulaw") == 11750
    assert refused(tone(seconds=1.2), "audio/wav") == 11750
    assert len(to_mulaw(tone(seconds=1.0), "audio/wav")) == 8_000


def test_cpu_time_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "CPU_SECONDS", -1.0)
    assert refused(tone(), "audio/wav") == 11750


def test_a_damaged_end_costs_the_end_only() -> None:
    whole = tone("mp3", "libmp3lame", rate=44_100, seconds=1.0)
    assert 0.5 < len(to_mulaw(whole[: len(whole) * 3 // 4], "audio/mpeg")) / 8_000 < 0.9


@settings(max_examples=200, deadline=None)
@given(
    data=st.binary(max_size=300),
    head=st.sampled_from([b"", tone(seconds=0.05)[:60], tone("mp3", "libmp3lame", seconds=0.1)[:80]]),
    type=st.sampled_from(["audio/wav", "audio/mpeg", "audio/gsm", "audio/aiff", "", "text/html"]),
)
def test_any_bytes_are_sound_or_a_refusal(data: bytes, head: bytes, type: str) -> None:
    try:
        came: int | None = len(to_mulaw(head + data, type))
        code = 0
    except ApiError as error:
        came, code = None, error.code
    assert code in (12300, 13420, 11750) or (came is not None and came <= 3_600 * 8_000)
