"""The snapshot of a live call: its legs, their programs, and what the webhooks need.

A frozen value; `dumps` and `loads` write and read it with a schema number, so that a row of an older release
is migrated by a function and one of a newer release is refused, never guessed at.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from callrouter.calls.running import Listening, Recording, Stream, listening_from_json, stream_from_json
from callrouter.calls.status import Status
from callrouter.calls.stay import Aside, Stay, leg_of
from instructions import snapshot
from instructions.commands import Record, RecordingCallback, SipTarget, StatusCallback
from instructions.state import State

SCHEMA = 1
OWN = ""
"""The name of the parent leg; dialled legs have the names that the language gave them."""


class SnapshotUnreadable(Exception):
    """A stored session was written by another release and can't be read by this one."""


@dataclass(frozen=True, kw_only=True)
class Leg:
    """One leg of the session: a carrier's call, or a client's."""

    name: str
    call_sid: str
    direction: str
    from_: str
    to: str
    status: Status
    sdp: str = ""
    """the far side's offer, for a leg that came to us"""
    carrier: str = ""
    carrier_call_id: str = ""
    identity: str = ""
    """set for a client's leg, empty for a carrier's; of a destination, the client that is rung for it"""
    client_account: str = ""
    """the client's account, when it is another than the session's (PR-61)"""
    endpoints: tuple[str, ...] = ()
    """the client's devices that ring, or the one that took the call"""
    declined: tuple[str, ...] = ()
    """devices that refused or vanished; one may do so before we know which of them ring"""
    vanished: bool = False
    """one of those lost its connection for good: nobody can say that it would have refused"""
    application: str = ""
    """set for a leg that is dialled into an application: it has no far end but the caller"""
    first_parameters: Mapping[str, str] = field(default_factory=dict)
    """of the first request of a dialled application"""
    send_digits: str = ""
    """keys to press once it is answered"""
    callback: StatusCallback | None = None
    callback_sequence: int = 0
    answered_at: float | None = None
    ended_because: str = ""
    """the cause of its end (callrouter.calls.status.Cause)"""
    bridged: bool = False
    dialled_by: str = ""
    """the leg whose program dialled this one; a dialled leg may be given a program of its own by REST"""
    stay: Stay | None = None
    """the conference or queue that it is in"""

    @property
    def live(self) -> bool:
        return not self.status.final

    @property
    def answered(self) -> bool:
        return self.answered_at is not None

    @property
    def outbound(self) -> bool:
        """We call the far side; it did not call us."""
        return self.direction != "inbound"


@dataclass(frozen=True, kw_only=True)
class Departure:
    """How a call that was placed by REST leaves for its far side. Times are Unix seconds."""

    due_at: float
    timeout: int
    """seconds that it may ring"""
    time_limit: int | None = None
    """seconds that it may last, from its answer"""
    parameters: tuple[tuple[str, str], ...] = ()
    """for the client that is called"""
    warnings: tuple[tuple[int, str], ...] = ()
    """codes and messages, of what the request asked for in vain"""
    record: Record | None = None
    """how it is recorded from its answer on"""
    sip: SipTarget | None = None
    """set for a call to a SIP address"""
    waiting: bool = True
    """in the account's queue: nobody was called yet"""


@dataclass(frozen=True, kw_only=True)
class CallSession:
    """A parent call and all that hangs on it."""

    account_sid: str
    legs: Mapping[str, Leg]
    programs: Mapping[str, State]
    webhook_parameters: Mapping[str, str] = field(default_factory=dict)
    """extra parameters of every request, such as ApplicationSid or CallerName"""
    first_parameters: Mapping[str, str] = field(default_factory=dict)
    """a client's own parameters: they go with the first request only"""
    cookies: tuple[Mapping[str, str], ...] = ()
    recordings: Mapping[str, Recording] = field(default_factory=dict)
    """by sid, oldest first"""
    streams: Mapping[str, Stream] = field(default_factory=dict)
    """those that are live, by sid"""
    listening: Mapping[str, Listening] = field(default_factory=dict)
    """by the key of the program that wants to know what is said"""
    asides: Mapping[str, Aside] = field(default_factory=dict)
    """by the key of their programs"""
    departure: Departure | None = None
    """set for a call that REST placed"""
    entries: int = 0
    """timeline entries written so far"""
    commands: int = 0
    """outbox entries written so far"""
    finished: bool = False
    at: float = 0.0
    """when its latest step that changed something was, in Unix seconds"""

    @property
    def own(self) -> Leg:
        return self.legs[OWN]

    @property
    def call_sid(self) -> str:
        return self.own.call_sid

    @property
    def waiting(self) -> bool:
        """Still in its account's queue."""
        return self.departure is not None and self.departure.waiting

    def aside_on(self, leg: str) -> str | None:
        """The program of the aside that runs on the leg, if one does."""
        return next((program for program in self.asides if leg_of(program) == leg), None)

    def leg_of(self, call_sid: str) -> Leg | None:
        return next((leg for leg in self.legs.values() if leg.call_sid == call_sid), None)

    def dialler(self, leg: Leg) -> Leg:
        """The leg that dialled this one: itself for the parent."""
        return self.legs[leg.dialled_by]

    def joined_to(self, leg: Leg) -> Leg | None:
        """The live leg that hears this one, if any."""
        for one in self.legs.values():
            if one.bridged and one.live:
                pair = (one, self.dialler(one))
                if leg in pair:
                    other = pair[leg is one]
                    return other if other.live else None
        return None

    def recorded(self, leg: Leg) -> str | None:
        """The sid of the recording of this call that goes on, if one does."""
        running = (
            sid
            for sid, one in self.recordings.items()
            if one.leg == leg.name and one.of_call and one.seconds is None and not one.stopping
        )
        return next(running, None)

    def with_leg(self, leg: Leg) -> "CallSession":
        return replace(self, legs={**self.legs, leg.name: leg})

    def with_program(self, name: str, state: State | None) -> "CallSession":
        programs = {key: value for key, value in self.programs.items() if key != name}
        return replace(self, programs=programs if state is None else {**programs, name: state})


def dumps(session: CallSession) -> str:
    """The session as JSON text."""
    values = {name: getattr(session, name) for name in _PLAIN}
    return _encode(
        {
            "schema": SCHEMA,
            "legs": [vars(leg) for leg in session.legs.values()],
            "programs": {name: snapshot.state_to_json(state) for name, state in session.programs.items()},
            "recordings": session.recordings,
            "streams": session.streams,
            "listening": session.listening,
            "asides": session.asides,
            "departure": session.departure,
            **values,
        }
    )


def loads(text: str) -> CallSession:
    """The session that `dumps` wrote; SnapshotUnreadable for another release's."""
    data = json.loads(text)
    if data["schema"] != SCHEMA:
        raise SnapshotUnreadable(f"session schema {data['schema']}, this release reads {SCHEMA}")
    legs = [_leg(leg) for leg in data["legs"]]
    values = {name: data[name] for name in _PLAIN}
    return CallSession(
        legs={leg.name: leg for leg in legs},
        programs={name: snapshot.state_from_json(state) for name, state in data["programs"].items()},
        recordings={sid: Recording(**value) for sid, value in data.get("recordings", {}).items()},
        streams={sid: stream_from_json(value) for sid, value in data.get("streams", {}).items()},
        listening={key: listening_from_json(value) for key, value in data.get("listening", {}).items()},
        asides={key: Aside(**value) for key, value in data.get("asides", {}).items()},
        departure=_departure(data.get("departure")),
        **{**values, "cookies": tuple(values["cookies"])},
    )


# `vars` for every dataclass in a leg: `asdict` copies deeply, at ten times the cost, for each step of a call.
_encode = json.JSONEncoder(separators=(",", ":"), default=vars).encode

_PLAIN = (
    "account_sid",
    "webhook_parameters",
    "first_parameters",
    "cookies",
    "entries",
    "commands",
    "finished",
    "at",
)


def _departure(data: dict[str, Any] | None) -> Departure | None:
    if data is None:
        return None
    pairs = {name: tuple(map(tuple, data[name])) for name in ("parameters", "warnings")}
    return Departure(**{**data, **pairs, "record": _record(data.get("record")), "sip": _sip(data.get("sip"))})


def _record(data: dict[str, Any] | None) -> Record | None:
    if data is None:
        return None
    callback = data["callback"]
    return Record(
        **{
            **data,
            "callback": callback and RecordingCallback(**{**callback, "events": tuple(callback["events"])}),
        }
    )


def _sip(data: dict[str, Any] | None) -> SipTarget | None:
    return None if data is None else SipTarget(**{**data, "headers": tuple(map(tuple, data["headers"]))})


def _leg(data: dict[str, Any]) -> Leg:
    callback, stay = data["callback"], data.get("stay")
    return Leg(
        **{
            **data,
            "stay": stay and Stay(**stay),
            "status": Status(data["status"]),
            "endpoints": tuple(data["endpoints"]),
            "declined": tuple(data["declined"]),
            "callback": callback and StatusCallback(**{**callback, "events": tuple(callback["events"])}),
        }
    )
