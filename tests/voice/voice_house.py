"""Rooms, six legs and a clock, without sockets: who hears what, sample by sample."""

from __future__ import annotations

from typing import Any, cast
from unittest import mock

import numpy as np
from voice_peers import tone_frames

from callrouter.voice.contract import Request
from callrouter.voice.media import g711
from callrouter.voice.media.packet import RtpPacket
from callrouter.voice.rooms import Rooms

SILENT = b"\xff" * 160


def added(frames: list[bytes]) -> bytes:
    """The sum in plain Python, sample by sample."""
    if len(frames) < 2:
        return frames[0] if frames else SILENT
    columns = zip(*(g711.decode(frame).tolist() for frame in frames), strict=True)
    sums = [max(-32768, min(32767, sum(column))) for column in columns]
    return g711.encode(np.array(sums, dtype=np.float64))


# -- who hears whom ----------------------------------------------------------------


class Clock:
    """A ticker whose time the test makes."""

    def __init__(self) -> None:
        self.now = 0.0
        self.members: dict[Any, None] = {}

    def __len__(self) -> int:
        return len(self.members)

    def add(self, member: Any) -> None:
        self.members[member] = None

    def discard(self, member: Any) -> None:
        self.members.pop(member, None)

    def step(self) -> None:
        self.now += 0.02
        for member in tuple(self.members):
            member.tick(self.now)


class Far:
    """A leg with a voice of its own, a steady tone, and what it heard last."""

    def __init__(self, number: int) -> None:
        self.id = f"L{number}"
        self.voice = tone_frames(400 + 150 * number, 1)[0]
        self.listeners: tuple[Any, ...] = ()
        self.source: Any = None
        self.number = 0

    def listen_to(self, source: Any) -> None:
        self.source = source

    def stop(self, reason: str, kind: str | None = None) -> None:
        assert (reason, kind) == ("bridged", "tone")

    def speak(self, now: float, payload: bytes = b"") -> None:
        self.number += 1
        packet = RtpPacket(
            0, False, self.number & 0xFFFF, self.number * 160, hash(self.id), payload or self.voice
        )
        for listener in self.listeners:
            listener.hear(packet, now)


class House:
    """Rooms and six legs, without sockets."""

    def __init__(self, count: int = 6) -> None:
        self.clock = Clock()
        self.legs = {far.id: far for far in map(Far, range(count))}
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.parted: list[str] = []
        self.rooms = Rooms(
            leg=lambda owner, leg: cast("Any", self.legs[leg]),
            part=lambda leg: self.parted.append(leg.id),
            emit=lambda leg, *type, **data: self.told.append((leg, data)),
            tell=lambda *told, **data: None,
            ticker=cast("Any", self.clock),
            recorder=mock.Mock(),
        )
        self._table = self.rooms.table()

    def do(self, command: str, **fields: Any) -> None:
        assert self._table[command]("router", Request(id="1", type=command, fields=fields)) == {}

    def talk(self, frames: int, *silent: str) -> None:
        """Everybody who is not `silent` says this many frames."""
        for _ in range(frames):
            for far in self.legs.values():
                if far.id not in silent:
                    far.speak(self.clock.now + 0.001)
            self.clock.step()

    def hears(self, leg: str) -> bytes:
        source = self.legs[leg].source
        return SILENT if source is None else cast("bytes", source.frame(self.clock.now))

    def voices(self, *legs: str) -> bytes:
        return added([self.legs[leg].voice for leg in legs])

    def assert_hears(self, leg: str, *others: str) -> None:
        """Exactly the others, and nothing else: sample by sample."""
        assert np.array_equal(g711.decode(self.hears(leg)), g711.decode(self.voices(*others))), leg
