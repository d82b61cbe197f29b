"""Any sound file to the one telephony profile, 8 kHz mono mu-law (MD-3), with bounds on time and size."""

from __future__ import annotations

import io
import os
import threading
import time
from typing import cast

import av
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from prometheus_client import Counter

from callrouter.voice.media.g711 import encode
from foundation.webserver.errors import ApiError

RATE = 8_000
MOST_BYTES = 40_000_000
MOST_SECONDS = 3_600
CPU_SECONDS = 30.0
QUEUE_SECONDS = 30.0

CONVERSIONS = Counter("callrouter_media_conversions_total", "Conversions to mu-law.", ["format", "outcome"])

_RAW = {
    **dict.fromkeys(("audio/ulaw", "audio/x-ulaw", "audio/mulaw", "audio/x-mulaw", "audio/basic"), "mulaw"),
    **dict.fromkeys(("audio/gsm", "audio/x-gsm"), "gsm"),
}
"""Formats without a head of their own: only the declared type tells."""
_UNTYPED = ("", "application/octet-stream", "binary/octet-stream", "application/ogg")
_TURNS = threading.BoundedSemaphore(os.cpu_count() or 1)


def to_mulaw(audio: bytes, content_type: str) -> bytes:
    """One byte a sample, 8,000 a second. Raises ApiError: 12300 or 13420 when it is no audio, 11750 when it is too
    large or too long, 20503 when too many others wait."""
    if len(audio) > MOST_BYTES:
        raise ApiError(413, 11750, f"The sound is larger than {MOST_BYTES} bytes.")
    kind = recognised(audio, content_type)
    if kind == "mulaw":
        _bounded(len(audio))
        CONVERSIONS.labels(kind, "none").inc()
        return audio
    if not _TURNS.acquire(timeout=QUEUE_SECONDS):
        raise ApiError(503, 20503, "Too many sounds wait for conversion; try again.", {"Retry-After": "5"})
    try:
        sound = _decoded(audio, kind)
    except ApiError:
        CONVERSIONS.labels(kind, "refused").inc()
        raise
    finally:
        _TURNS.release()
    CONVERSIONS.labels(kind, "done").inc()
    return sound


def recognised(audio: bytes, content_type: str) -> str:
    """The demuxer for these bytes. Never left to FFmpeg, which would take a play list and open what it names.

    Raises ApiError: 12300 for a type that is no audio, 13420 for bytes that are none.
    """
    declared = content_type.partition(";")[0].strip().lower()
    if not declared.startswith("audio/") and declared not in _UNTYPED:
        raise ApiError(422, 12300, f"The content type {declared[:80]!r} is not one of a sound file.")
    if not audio:
        raise ApiError(422, 13420, "The sound file is empty.")
    head = audio[:12]
    if head[:4] == b"RIFF" and head[8:] == b"WAVE":
        return "wav"
    if head[:4] == b"FORM" and head[8:] in (b"AIFF", b"AIFC"):
        return "aiff"
    for magic, kind in ((b".snd", "au"), (b"OggS", "ogg"), (b"fLaC", "flac"), (b"ID3", "mp3")):
        if head.startswith(magic):
            return kind
    if declared in _RAW and not head.lstrip().startswith(b"<"):
        return _RAW[declared]
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        return "mp3"
    raise ApiError(
        422, 13420, f"This is no sound that can be played: it was declared as {declared[:80] or 'nothing'!r}."
    )


def _decoded(audio: bytes, kind: str) -> bytes:
    sound, ends = bytearray(), time.thread_time() + CPU_SECONDS
    resampler = AudioResampler(format="s16", layout="mono", rate=RATE)
    try:
        # No other stream, and nothing but these bytes: the demuxer is named and may open nothing.
        with av.open(io.BytesIO(audio), "r", format=kind, options={"protocol_whitelist": ""}) as container:
            if not container.streams.audio:
                raise ApiError(422, 13420, f"The {kind} file has no sound in it.")
            for frame in container.decode(container.streams.audio[0]):
                _append(sound, resampler.resample(frame))
                if time.thread_time() > ends:
                    raise ApiError(422, 11750, f"The sound took more than {CPU_SECONDS:g} s to convert.")
            _append(sound, resampler.resample(None))
    except (av.FFmpegError, ValueError) as error:
        if not sound:  # a damaged end costs the end only
            raise ApiError(422, 13420, f"The {kind} file cannot be decoded: {_words(error)}.") from error
    if not sound:
        raise ApiError(422, 13420, f"The {kind} file has no sound in it.")
    return bytes(sound)


def _append(sound: bytearray, frames: list[AudioFrame]) -> None:
    for frame in frames:
        sound += encode(cast("npt.NDArray[np.int16]", frame.to_ndarray()).reshape(-1))
    _bounded(len(sound))


def _bounded(samples: int) -> None:
    if samples > MOST_SECONDS * RATE:
        raise ApiError(422, 11750, f"The sound is longer than {MOST_SECONDS} s.")


def _words(error: Exception) -> str:
    return (getattr(error, "strerror", None) or type(error).__name__).rstrip(".")
