"""Where in a recording somebody speaks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from callrouter.media.silence import FRAME, loud_frames

PAUSE = 35
"""Frames of 20 ms that are quiet: a new piece begins after them."""
MARGIN = 10
"""Frames that a piece keeps on both sides."""
LONGEST = 750
"""Frames of a piece; a speech without a pause is cut."""


def pieces(mulaw: bytes, channels: int) -> Iterator[bytes]:
    """Each stretch of speech of each channel, in the order of their beginnings. Channels are interleaved bytes."""
    apart = [mulaw[number::channels] for number in range(channels)]
    found = [
        (first, number, last)
        for number, channel in enumerate(apart)
        for first, last in stretches(loud_frames(channel, 1))
    ]
    for first, number, last in sorted(found):
        yield apart[number][first * FRAME : last * FRAME]


def stretches(loud: npt.NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """From which frame to before which; they do not overlap."""
    places = np.flatnonzero(loud)
    if not len(places):
        return
    breaks = np.flatnonzero(np.diff(places) > PAUSE)
    starts = [int(places[0]), *(int(places[at + 1]) for at in breaks)]
    ends = [*(int(places[at]) for at in breaks), int(places[-1])]
    for start, end in zip(starts, ends, strict=True):
        first, last = max(start - MARGIN, 0), min(end + 1 + MARGIN, len(loud))
        for at in range(first, last, LONGEST):
            yield at, min(at + LONGEST, last)
