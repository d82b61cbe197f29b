"""What runs on a leg beside the verb of its program: recordings, streams, the recognition of speech."""

from dataclasses import dataclass
from typing import Any

from instructions.commands import PartialCallback, StreamCallback


@dataclass(frozen=True, kw_only=True)
class Recording:
    """What is recorded, or has been."""

    leg: str
    name: str
    """what the leg's program calls it; empty when no program waits for its end"""
    started_at: float
    source: str = "RecordVerb"
    """Twilio's RecordingSource"""
    stopping: bool = False
    """its end was asked for"""
    seconds: int | None = None
    """None: it goes on"""

    @property
    def of_call(self) -> bool:
        """It records the call as such, not what a <Record> verb wants to hear."""
        return self.source != "RecordVerb"


@dataclass(frozen=True, kw_only=True)
class Stream:
    """A live stream to a WebSocket."""

    leg: str
    program: str
    """whose program started it; REST's have the leg's"""
    name: str
    """what that program calls it; empty when REST started it"""
    title: str
    """what the customer calls it: its sid, unless a name was given"""
    callback: StreamCallback | None = None
    up: bool = False


@dataclass(frozen=True, kw_only=True)
class Listening:
    """Speech that is being recognised for a program, which does so once at a time."""

    id: str
    """the voice node's name for it"""
    leg: str
    name: str
    """the program's name for it"""
    partial: PartialCallback | None = None


def stream_from_json(data: dict[str, Any]) -> Stream:
    callback = data["callback"]
    return Stream(**{**data, "callback": callback and StreamCallback(**callback)})


def listening_from_json(data: dict[str, Any]) -> Listening:
    partial = data["partial"]
    return Listening(**{**data, "partial": partial and PartialCallback(**partial)})
