"""What a leg says by itself, frame by frame: sounds, digits and tones. A leg speaks one job at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from . import dtmf, tones
from .g711 import SILENCE
from .packet import SAMPLES

Loading = Callable[[], bytes | None]
"""The whole sound as mu-law, or None while it is on its way. Raises `SoundFailed`."""


class SoundFailed(Exception):
    """A sound cannot be had. `code` is Twilio's for the reason, `message` says what to do."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One packet to send now. `event`: a telephone-event; `same_moment`: keep the last timestamp."""

    payload: bytes
    event: bool = False
    marker: bool = False
    same_moment: bool = False


@dataclass(frozen=True, kw_only=True)
class Job:
    """Something with an end: `frames` gives one packet per 20 ms, or raises `SoundFailed`.

    `gives_way`: it ends when something else is to be said. `ended` hears the reason in place of the router.
    """

    id: str
    kind: str
    frames: Iterator[Frame]
    gives_way: bool = False
    ended: Callable[[str], None] | None = None


def sound(loading: Loading, loop: int) -> Iterator[Frame]:
    """A sound `loop` times, 0: until stopped; silence while it is loading. A last part of a frame is filled up."""
    while (audio := loading()) is None:
        yield Frame(payload=tones.SILENT_FRAME)
    audio += bytes([SILENCE]) * (-len(audio) % SAMPLES)
    played = 0
    while audio and (not loop or played < loop):
        for start in range(0, len(audio), SAMPLES):
            yield Frame(payload=audio[start : start + SAMPLES])
        played += 1


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
