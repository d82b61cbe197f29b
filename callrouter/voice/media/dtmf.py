"""Keypad digits in RTP: `telephone-event` (RFC 4733), both ways."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator

from .packet import SAMPLES

KEYS = "0123456789*#ABCD"
"""The digit of each event number (RFC 4733 section 3.2)."""

TONE_FRAMES, GAP_FRAMES = 6, 5  # 120 ms and 100 ms
_END_REPEATS = 3  # RFC 4733 section 2.5.1.4
_PAUSES = {"w": 25, "W": 50}  # frames: half a second and a second, as in Twilio's sendDigits
_EVENT = struct.Struct("!BBH")
_END, _VOLUME = 0x80, 10


class DigitReader:
    """One digit per key press, told at its first packet: lost updates and lost ends do not matter."""

    def __init__(self) -> None:
        self._seen: deque[tuple[int, int]] = deque(maxlen=8)  # (ssrc, timestamp), newest last
        self._event = -1

    def read(self, ssrc: int, timestamp: int, payload: bytes) -> str | None:
        """The digit if this packet is the first about a press; None if it says nothing new."""
        if len(payload) < 4 or payload[0] >= len(KEYS):
            return None
        event, press = payload[0], (ssrc, timestamp)
        if press in self._seen:
            return None
        # A press longer than 8.2 s goes on as a new segment (RFC 4733 section 2.5.1.3).
        longer = event == self._event and (ssrc, timestamp - 0xFFFF & 0xFFFFFFFF) in self._seen
        self._seen.append(press)
        self._event = event
        return None if longer else KEYS[event]


def event_payloads(digit: str) -> Iterator[bytes]:
    """The packets of one press, all with the timestamp of the first: one per 20 ms, the end three times."""
    event = KEYS.index(digit)
    for frame in range(1, TONE_FRAMES):
        yield _EVENT.pack(event, _VOLUME, frame * SAMPLES)
    for _ in range(_END_REPEATS):
        yield _EVENT.pack(event, _END | _VOLUME, TONE_FRAMES * SAMPLES)


def plan(digits: str) -> list[tuple[str, int]]:
    """What to send: (key, 0) or ("", frames of pause). `ValueError` names the first bad character.

    Keys are 0-9, *, #, A-D (any case); `w` waits half a second, `W` a second.
    """
    steps: list[tuple[str, int]] = []
    for character in digits:
        if character in _PAUSES:
            steps.append(("", _PAUSES[character]))
        elif character.upper() in KEYS:
            steps += [(character.upper(), 0), ("", GAP_FRAMES)]
        else:
            raise ValueError(f"{character!r} is no key; 0-9, *, #, A-D, w and W are")
    return steps
