"""How a Dial goes on: its states and transitions, as a table.

A Dial is *ringing* while any of its legs may still answer. The first leg that answers wins: the others
are cancelled at once, and either the two sides are *bridged*, or, when the winner's noun has a `url`,
that whisper document runs on the callee's side first (*whispering*). A callee who declines there, or
hangs up, never was put through: a sequential Dial rings its next noun, a parallel one is *finished*,
because nobody else rings any more. When the bridge ends, by either side, by the time limit or by the star
key, the Dial is finished.

Exactly one timer runs at a time: how long to ring, then how long the whisper may take, then how long to
talk. A caller who hangs up ends everything from any state.

TABLE holds every transition; a cue that is not in it for a state means nothing there. Nothing outside
this table changes a state. Twilio: the Dial verb; our PR-50 to PR-60.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum, auto


class Phase(StrEnum):
    RINGING = auto()
    WHISPERING = auto()
    BRIDGED = auto()
    FINISHED = auto()


class Cue(StrEnum):
    """An event, as the table sees it."""

    LEG_ANSWERED = auto()
    LEG_ANSWERED_TO_WHISPER = auto()
    LEG_ENDED_OTHERS_RING = auto()
    LEG_ENDED_NEXT_WAITS = auto()
    LAST_LEG_ENDED = auto()
    CALLEE_ACCEPTED = auto()
    CALLEE_DECLINED_NEXT_WAITS = auto()
    CALLEE_DECLINED = auto()
    TIME_UP_NEXT_WAITS = auto()
    TIME_UP = auto()
    STAR = auto()
    CALLER_HUNG_UP = auto()


class Do(StrEnum):
    """A step of a transition; `_Step` has the method of each name."""

    STOP_TIMER = auto()
    CANCEL_OTHERS = auto()
    CANCEL_RINGING = auto()
    HANG_UP_ANSWERED = auto()
    SCREEN = auto()
    BRIDGE = auto()
    RING_NEXT = auto()


R, W, B, F = Phase.RINGING, Phase.WHISPERING, Phase.BRIDGED, Phase.FINISHED

TABLE: Mapping[tuple[Phase, Cue], tuple[Phase, tuple[Do, ...]]] = {
    (R, Cue.LEG_ANSWERED): (B, (Do.STOP_TIMER, Do.CANCEL_OTHERS, Do.BRIDGE)),
    (R, Cue.LEG_ANSWERED_TO_WHISPER): (W, (Do.STOP_TIMER, Do.CANCEL_OTHERS, Do.SCREEN)),
    (R, Cue.LEG_ENDED_OTHERS_RING): (R, ()),
    (R, Cue.LEG_ENDED_NEXT_WAITS): (R, (Do.STOP_TIMER, Do.RING_NEXT)),
    (R, Cue.LAST_LEG_ENDED): (F, (Do.STOP_TIMER,)),
    (R, Cue.TIME_UP_NEXT_WAITS): (R, (Do.CANCEL_RINGING, Do.RING_NEXT)),
    (R, Cue.TIME_UP): (F, (Do.CANCEL_RINGING,)),
    (R, Cue.STAR): (F, (Do.STOP_TIMER, Do.CANCEL_RINGING)),
    (R, Cue.CALLER_HUNG_UP): (F, (Do.STOP_TIMER, Do.CANCEL_RINGING)),
    (W, Cue.CALLEE_ACCEPTED): (B, (Do.STOP_TIMER, Do.BRIDGE)),
    (W, Cue.CALLEE_DECLINED_NEXT_WAITS): (R, (Do.STOP_TIMER, Do.HANG_UP_ANSWERED, Do.RING_NEXT)),
    (W, Cue.CALLEE_DECLINED): (F, (Do.STOP_TIMER, Do.HANG_UP_ANSWERED)),
    (W, Cue.LEG_ENDED_NEXT_WAITS): (R, (Do.STOP_TIMER, Do.RING_NEXT)),
    (W, Cue.LAST_LEG_ENDED): (F, (Do.STOP_TIMER,)),
    (W, Cue.TIME_UP_NEXT_WAITS): (R, (Do.HANG_UP_ANSWERED, Do.RING_NEXT)),
    (W, Cue.TIME_UP): (F, (Do.HANG_UP_ANSWERED,)),
    (W, Cue.STAR): (F, (Do.STOP_TIMER, Do.HANG_UP_ANSWERED)),
    (W, Cue.CALLER_HUNG_UP): (F, (Do.STOP_TIMER, Do.HANG_UP_ANSWERED)),
    (B, Cue.LAST_LEG_ENDED): (F, (Do.STOP_TIMER,)),
    (B, Cue.TIME_UP): (F, (Do.HANG_UP_ANSWERED,)),
    (B, Cue.STAR): (F, (Do.STOP_TIMER, Do.HANG_UP_ANSWERED)),
    (B, Cue.CALLER_HUNG_UP): (F, (Do.STOP_TIMER, Do.HANG_UP_ANSWERED)),
}
