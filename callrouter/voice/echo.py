"""The `leg.echo` command: a far end that hears itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from . import fields
from .contract import Request
from .legs.leg import Leg
from .media.packet import FRAME_SECONDS, SAMPLES
from .media.tones import SILENT_FRAME
from .media.tracks import Track

_LATENESS = 3  # frames that a packet may be late without being missed
_AHEAD = 10 * SAMPLES  # more had been held back, and would be late for ever


class Echoes:
    """`leg` finds a leg for a router that commands it, `free` takes one out of its bridge, room and echo."""

    def __init__(self, *, leg: Callable[[str, str], Leg], free: Callable[[Leg], None]) -> None:
        self._leg = leg
        self._free = free
        self._echoes: dict[str, Echo] = {}  # by leg

    def table(self) -> Mapping[str, Callable[[str, Request], dict[str, Any]]]:
        return {"leg.echo": self._switch}

    def _switch(self, owner: str, request: Request) -> dict[str, Any]:
        """{leg, on} -> {}: out of any bridge and room, until it is told otherwise or joined to somebody.

        What the leg says by itself goes before its echo.
        """
        if "on" not in request.fields:
            raise fields.refusal("leg.echo needs `on`, true or false")
        on, leg = fields.flag(request, "on"), self._leg(owner, fields.leg(request))
        if not on:
            self.remove(leg)
        elif leg.id not in self._echoes:
            self._free(leg)
            leg.stop("bridged", kind="tone")
            echo = self._echoes[leg.id] = Echo(asyncio.get_running_loop().time())
            leg.listeners = (*leg.listeners, echo)
            leg.listen_to(echo)
        return {}

    def remove(self, leg: Leg) -> None:
        """No echo any more, if there is one."""
        echo = self._echoes.pop(leg.id, None)
        if echo is not None:
            leg.listeners = tuple(each for each in leg.listeners if each is not echo)
            if leg.source is echo:
                leg.listen_to(None)


class Echo(Track):
    """Hears a leg's far end, and is what it hears."""

    def __init__(self, start: float) -> None:
        super().__init__(start, ahead=_AHEAD)
        self._frames = 0
        self._last = SILENT_FRAME

    def frame(self, now: float) -> bytes:
        due = round((now - self.start) / FRAME_SECONDS) - _LATENESS
        while self._frames < due:
            self._frames += 1
            self._last = self.audio.pull()
        return self._last
