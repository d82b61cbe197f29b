"""Recordings: taken in as mu-law, handed out as WAV or MP3. On disk before they are acknowledged."""

from __future__ import annotations

import io
import os
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream

from callrouter.media import sheet, wav
from callrouter.media.conversion import RATE
from callrouter.media.sheet import Sheet
from callrouter.media.shelf import Shelf
from callrouter.media.silence import loud_frames, trimmed
from callrouter.media.sound import digest
from callrouter.voice.media.g711 import decode
from foundation.webserver.errors import ApiError

TYPES = {"wav": "audio/x-wav", "mp3": "audio/mpeg"}
MP3_BITS = 32_000
MP3_FRAME = 576
"""Samples that the encoder takes at a time at 8 kHz."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """`seconds` after trimming, rounded; `silent`: nothing in it is louder than a line's noise."""

    seconds: int
    silent: bool


class Recordings:
    """By account and SID, in `folder`; renditions are kept on the shelf like other sounds."""

    def __init__(self, folder: Path, shelf: Shelf) -> None:
        self._folder = folder
        self._shelf = shelf

    def put(self, account: str, sid: str, mulaw: bytes, *, channels: int, trim: bool) -> Facts:
        """Sent again, it changes nothing. ApiError 20409 when the SID holds other sound."""
        sent = digest(mulaw, channels, trim)
        kept = sheet.facts(self._path(account, sid))
        if not kept:
            body = trimmed(mulaw, channels) if trim else mulaw
            kept = {
                "sent": sent,
                "channels": channels,
                "seconds": round(len(body) / channels / RATE),
                "silent": not bool(loud_frames(body, channels).any()),
            }
            sheet.write(self._path(account, sid), Sheet(facts=kept, body=body))
        if kept["sent"] != sent:
            raise ApiError(409, 20409, f"{sid} holds another recording already.")
        return Facts(seconds=kept["seconds"], silent=kept["silent"])

    def rendition(self, account: str, sid: str, kind: str) -> bytes | None:
        """As `wav` or `mp3`; None when there is no such recording."""
        path, key = self._path(account, sid), f"{sid}.{kind}"
        kept = self._shelf.get(account, key)
        if kept is None and (recording := sheet.read(path)) is not None:
            make = {"wav": wav.of_mulaw, "mp3": _mp3}[kind]
            kept = Sheet(facts={}, body=make(recording.body, recording.facts["channels"]))
            self._shelf.put(account, key, kept)
        if path.exists():
            return kept.body if kept else None
        self._shelf.drop(account, key)  # deleted meanwhile
        return None

    def sound(self, account: str, sid: str) -> tuple[bytes, int] | None:
        """The mu-law as it is kept, and its channels; None when there is no such recording."""
        kept = sheet.read(self._path(account, sid))
        return None if kept is None else (kept.body, kept.facts["channels"])

    def delete(self, account: str, sid: str) -> None:
        """For good; nothing happens when it is not there."""
        path = self._path(account, sid)
        with suppress(FileNotFoundError):
            path.unlink()
            sheet.sync_folder(path.parent)
        for kind in TYPES:
            self._shelf.drop(account, f"{sid}.{kind}")

    def writable(self) -> str | None:
        """For the readiness check: what is wrong with the disk, if anything."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return None if os.access(self._folder, os.W_OK | os.X_OK) else f"{self._folder} can't be written to"

    def _path(self, account: str, sid: str) -> Path:
        return self._folder / account / sid


def _mp3(mulaw: bytes, channels: int) -> bytes:
    if "libmp3lame" not in av.codecs_available:
        raise ApiError(503, 20503, "This build of PyAV makes no MP3; ask for .wav.")
    file, time = io.BytesIO(), Fraction(1, RATE)
    with av.open(file, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=RATE, options={"compression_level": "7"})
        assert isinstance(stream, AudioStream)
        stream.layout, stream.bit_rate = ("stereo" if channels == 2 else "mono"), MP3_BITS * channels
        stream.format = "s16p"
        for at in range(0, len(mulaw) // channels * channels, MP3_FRAME * channels):
            samples = decode(mulaw[at : at + MP3_FRAME * channels])
            samples = samples[: len(samples) // channels * channels].reshape(-1, channels)
            planes = np.ascontiguousarray(samples.T)
            frame = AudioFrame.from_ndarray(planes, format="s16p", layout=stream.layout.name)
            frame.sample_rate, frame.pts, frame.time_base = RATE, at // channels, time
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()
