"""Several voices made one: linear sums of mu-law frames, saturated. What needs no sum passes untouched."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from . import g711
from .packet import SAMPLES
from .tones import SILENT_FRAME

_LINEAR = g711.decode(bytes(range(256))).astype(np.int32)
_CODES = np.frombuffer(g711.encode(np.arange(-32768, 32768, dtype=np.float64)), dtype=np.uint8)
_ZERO = 32768  # its place in `_CODES`


def levels(frames: Sequence[bytes]) -> list[int]:
    """How loud each frame is: the mean of its samples' magnitudes."""
    if not frames:
        return []
    found: list[int] = (np.abs(_linear(frames)).sum(axis=1) // SAMPLES).tolist()
    return found


class Mix:
    """20 ms of a room: whole frames that sound at the same time. Sums are made when somebody asks for them.

    A voice alone, and each of two for the other, is passed on byte for byte.
    """

    __slots__ = ("_frames", "_minus", "_voices", "_whole")

    def __init__(self, frames: Sequence[bytes] = ()) -> None:
        self._frames = frames
        self._voices: npt.NDArray[np.int32] | None = None
        self._whole: bytes | None = None
        self._minus = b""

    def whole(self) -> bytes:
        """What somebody hears who says nothing."""
        if self._whole is None:
            if len(self._frames) < 2:
                self._whole = self._frames[0] if self._frames else SILENT_FRAME
            else:
                self._whole = _encode(self._linear().sum(axis=0))
        return self._whole

    def minus(self, index: int) -> bytes:
        """What the one hears who says `frames[index]`: all others."""
        if len(self._frames) < 3:
            return self._frames[1 - index] if len(self._frames) == 2 else SILENT_FRAME
        if not self._minus:
            voices = self._linear()
            self._minus = _encode(voices.sum(axis=0) - voices)
        return self._minus[index * SAMPLES : (index + 1) * SAMPLES]

    def _linear(self) -> npt.NDArray[np.int32]:
        if self._voices is None:
            self._voices = _linear(self._frames)
        return self._voices


def _linear(frames: Sequence[bytes]) -> npt.NDArray[np.int32]:
    """One row per frame."""
    codes = np.frombuffer(b"".join(frames), dtype=np.uint8)
    return _LINEAR.take(codes).reshape(len(frames), SAMPLES)


def _encode(sums: npt.NDArray[np.int32]) -> bytes:
    """Clipped to 16 bits by the look-up itself."""
    return _CODES.take(sums + _ZERO, mode="clip").tobytes()
