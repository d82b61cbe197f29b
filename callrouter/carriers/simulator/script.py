"""How a simulated carrier behaves: what it does with a call it shall place, and how it misbehaves."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from callrouter.audio.sources import Silence, Source


class Outcome(StrEnum):
    """What becomes of a call that the router asked for."""

    ANSWER = "answer"
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    """Rings until the router's timeout, then fails."""
    REJECT = "rejected"
    FAIL = "failed"
    UNREACHABLE = "unreachable"
    MUTE = "mute"
    """The command is accepted and nothing else ever happens."""
    ASK = "ask"
    """Rings until `SimulatedCall.decide` says which of the others it is, or the router's timeout."""


@dataclass(frozen=True, kw_only=True)
class DialScript:
    """Times are seconds. An answered call ends `hangup_after` its answer, or when the router ends it."""

    outcome: Outcome = Outcome.ANSWER
    ring: bool = True
    answer_after: float = 0.5
    hangup_after: float | None = None
    source: Source = field(default_factory=Silence)


@dataclass(frozen=True, kw_only=True)
class Faults:
    """What a careless or hostile carrier does to its events; all of it must change nothing in the router."""

    duplicates: int = 0
    """How many times more each event is sent, with the same event_id."""
    late: float = 0.0
    """Seconds that each event waits."""
    reorder: bool = False
    """Every second event of a call overtakes the one before it."""
    unsigned: bool = False
    clock_offset: int = 0
    """Seconds that its clock is wrong by."""
