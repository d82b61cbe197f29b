"""One call of a client."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum

from presence.signalling.socket import Socket

FRAME_IDS = 64  # of the router's last frames of a call, to know repeats


class Handed(IntEnum):
    """What became of a frame, by the HTTP status that says so."""

    OVER = 202
    AWAY = 409
    """the call's device has lost its socket, and may come back"""
    UNKNOWN = 404
    """no device has that call, or will have it again"""


@dataclass(eq=False)
class Call:
    """A client's call. Before the router has named an outgoing one, only `temporary_sid` is known."""

    account_sid: str
    client: str
    endpoint_id: str
    incoming: bool
    lane: str
    call_sid: str = ""
    temporary_sid: str = ""
    named: bool = False  # whether the device of an outgoing call was told its SID
    ufrag: str = ""
    socket: Socket | None = None
    over: bool = False
    stored: bool = False
    grace: asyncio.TimerHandle | None = None
    frame_ids: deque[str] = field(default_factory=lambda: deque(maxlen=FRAME_IDS))

    @property
    def whose(self) -> tuple[str, str, str]:
        return self.account_sid, self.client, self.endpoint_id

    def send(self, text: str) -> None:
        if self.socket is not None:
            self.socket.send(text)
