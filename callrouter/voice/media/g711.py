"""G.711 by table: mu-law (PCMU) is what the node speaks inside, A-law is translated at its border."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Samples: TypeAlias = npt.NDArray[np.int16]


def _decode_mulaw_table() -> Samples:
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    magnitude = (((code & 0x0F) << 3) + 0x84 << (code >> 4 & 7)) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _decode_alaw_table() -> Samples:
    code = np.arange(256, dtype=np.int32) ^ 0x55
    segment, step = code >> 4 & 7, code & 0x0F
    magnitude = np.where(segment == 0, (step << 4) + 8, (step << 4) + 0x108 << np.maximum(segment - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


_MULAW = _decode_mulaw_table()
_ALAW = _decode_alaw_table()


def _nearest(table: Samples, values: npt.NDArray[np.int32]) -> npt.NDArray[np.uint8]:
    """For each value the code whose decoded sample is nearest."""
    order = np.argsort(table, kind="stable")
    levels = table[order].astype(np.int32)
    index = np.searchsorted((levels[1:] + levels[:-1]) / 2, values, side="right")
    return order[index].astype(np.uint8)


_ENCODE_MULAW = _nearest(_MULAW, np.arange(-32768, 32768, dtype=np.int32))
PCMA_TO_PCMU: bytes = _nearest(_MULAW, _ALAW.astype(np.int32)).tobytes()
"""For `bytes.translate`."""
PCMU_TO_PCMA: bytes = _nearest(_ALAW, _MULAW.astype(np.int32)).tobytes()

SILENCE = 0xFF
"""The mu-law code of zero."""


def decode(payload: bytes) -> Samples:
    """Mu-law bytes to linear samples."""
    return _MULAW[np.frombuffer(payload, dtype=np.uint8)]


def encode(samples: npt.NDArray[np.int16] | npt.NDArray[np.float64]) -> bytes:
    """Linear samples, clipped to 16 bits, to mu-law bytes."""
    clipped = np.clip(np.rint(samples), -32768, 32767).astype(np.int32)
    return _ENCODE_MULAW[clipped + 32768].tobytes()
