"""What a leg says by itself, frame by frame: digits and tones. A leg speaks one job at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from . import dtmf, tones


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One packet to send now. `event`: a telephone-event; `same_moment`: keep the last timestamp."""

    payload: bytes
    event: bool = False
    marker: bool = False
    same_moment: bool = False


@dataclass(frozen=True, kw_only=True)
class Job:
    """Something with an end: `frames` gives one packet per 20 ms."""

    id: str
    kind: str
    frames: Iterator[Frame]


def tone(name: str) -> Iterator[Frame]:
    """A tone by its name. `KeyError` if there is none."""
    found = tones.TONES[name]

    def sound() -> Iterator[Frame]:
        while True:
            for payload in tones.frames(found):
                yield Frame(payload=payload)
            if not found.loop:
                return

    return sound()


def digits(steps: list[tuple[str, int]], *, events: bool) -> Iterator[Frame]:
    """The steps of `dtmf.plan`, as telephone-events, or as audible tones where those were not agreed."""
    for key, pause in steps:
        if not key:
            for _ in range(pause):
                yield Frame(payload=tones.SILENT_FRAME)
        elif events:
            for number, payload in enumerate(dtmf.event_payloads(key)):
                yield Frame(payload=payload, event=True, marker=number == 0, same_moment=number > 0)
        else:
            for payload in tones.frames(tones.keypad(key, dtmf.TONE_FRAMES * 0.02)):
                yield Frame(payload=payload)
