"""What one step writes: the values, and the draft that collects them while the step is worked out."""

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any

from callrouter.calls import parameters
from callrouter.calls.session import CallSession, Leg
from callrouter.calls.status import CALLBACK_EVENTS, FOLLOWS, Cause, Status, ending
from instructions.commands import Record


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Something to send: the row of the outbox."""

    kind: str
    lane: str
    payload: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Change:
    """A call row to write: a new leg, or a new status of one."""

    leg: Leg
    new: bool = False
    cause: Cause | None = None


@dataclass(frozen=True, kw_only=True)
class Note:
    """A notification: `level` is Twilio's log level, "0" error and "1" warning."""

    code: int
    level: str
    message: str
    url: str | None = None
    call_sid: str


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of the call's ladder."""

    source: str
    target: str
    summary: str
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class NewRecording:
    """A recording that begins."""

    sid: str
    call_sid: str
    wanted: Record


@dataclass(frozen=True, kw_only=True)
class NewStream:
    """A stream that begins; `title` is what the customer calls it."""

    sid: str
    call_sid: str
    title: str


@dataclass(frozen=True, kw_only=True)
class Step:
    """All that one step writes, in one transaction."""

    session: CallSession
    at: float
    outbox: tuple[Entry, ...]
    changes: tuple[Change, ...]
    timers: dict[str, float | None]
    """due times by name; None: not needed any more"""
    notes: tuple[Note, ...]
    lines: tuple[Line, ...]
    recordings: tuple[NewRecording, ...] = ()
    recording_states: dict[str, str] = field(default_factory=dict)
    """of live recordings, by sid"""
    streams: tuple[NewStream, ...] = ()
    ended_streams: tuple[str, ...] = ()


class Draft:
    """The session as it becomes, and all that must be written for it."""

    def __init__(self, session: CallSession, at: float) -> None:
        self.session = session
        self.at = at
        self.outbox: list[Entry] = []
        self.changes: list[Change] = []
        self.timers: dict[str, float | None] = {}
        self.notes: list[Note] = []
        self.lines: list[Line] = []
        self.recordings: list[NewRecording] = []
        self.recording_states: dict[str, str] = {}
        self.streams: list[NewStream] = []
        self.ended_streams: list[str] = []

    def finished(self) -> Step:
        """The step, once nothing more follows."""
        session = self.session
        return Step(
            session=replace(
                session,
                finished=not any(leg.live for leg in session.legs.values()),
                entries=session.entries + len(self.lines),
                commands=session.commands + len(self.outbox),
                at=self.at if self.changes or self.lines or self.outbox else session.at,
            ),
            at=self.at,
            outbox=tuple(self.outbox),
            changes=tuple(self.changes),
            timers=self.timers,
            notes=tuple(self.notes),
            lines=tuple(self.lines),
            recordings=tuple(self.recordings),
            recording_states=self.recording_states,
            streams=tuple(self.streams),
            ended_streams=tuple(self.ended_streams),
        )

    def end(self, leg: Leg, cause: Cause, *, tell_far: bool, reason: str = "", detail: str = "") -> None:
        if not leg.live:
            return
        self.move(leg, ending(cause, leg.answered), cause)
        if tell_far:
            self.end_far(leg, cause, reason)
        elif leg.identity and not leg.answered and leg.outbound:
            self.send("client.cancel", leg, **_whose(leg))  # devices that still ring
        who = ("router", self.face(leg)) if tell_far else (self.face(leg), "router")
        self.line(*who, f"ended: {cause}", **({"detail": detail} if detail else {}))
        self.send("close", leg)

    def end_far(self, leg: Leg, cause: Cause, reason: str = "") -> None:
        """Tells the far side of a leg that it is over."""
        if leg.application:
            return  # it has none
        if leg.identity:
            cancel = leg.outbound and not leg.answered
            self.send("client.cancel" if cancel else "client.hangup", leg, cause=cause, **_whose(leg))
        elif leg.answered or leg.outbound:
            command = "hangup" if leg.answered else "cancel"
            self.send("carrier", leg, type=command, cause="normal")
        else:
            word = reason or ("busy" if cause is Cause.BUSY else "rejected")
            self.send("carrier", leg, type="reject", cause=word)

    def move(self, leg: Leg, status: Status, cause: Cause | None = None) -> bool:
        """Gives the leg that status, if it may follow; says whether it did."""
        if status not in FOLLOWS.get(leg.status, ()):
            return False
        answered_at = self.at if status is Status.IN_PROGRESS else leg.answered_at
        moved = replace(leg, status=status, answered_at=answered_at, ended_because=cause or "")
        self.keep(moved)
        self.changes.append(Change(leg=moved, cause=cause))
        if not status.final:
            self.line(self.face(moved), "router", status.value, **_endpoints(moved))
        self.call_back(moved)
        return True

    def call_back(self, leg: Leg) -> None:
        event = CALLBACK_EVENTS.get(leg.status, "completed")
        if leg.callback is None or event not in leg.callback.events:
            return
        if self.session.waiting:
            return  # a call that never left the queue has nothing to tell (twilio-surface 4.3)
        recording = parameters.placed_recording(self.session, leg) if leg.status.final else None
        self.outbox.append(
            Entry(
                kind="callback",
                lane=f"callback:{leg.call_sid}",
                payload={
                    "call_sid": leg.call_sid,
                    "url": leg.callback.url,
                    "method": leg.callback.method,
                    "parameters": parameters.status_callback(self.session, leg, self.at),
                    **self.until_over(recording),
                },
            )
        )
        self.keep(replace(leg, callback_sequence=leg.callback_sequence + 1))

    def until_over(self, recording: str | None) -> dict[str, str]:
        """For an entry that tells of a recording: it waits a moment for the end of one that goes on."""
        going_on = recording is not None and self.session.recordings[recording].seconds is None
        return {"recording": recording} if recording and going_on else {}

    def media_sid(self, prefix: str) -> str:
        """Follows from the session and the next entry's number: a history can be replayed."""
        return prefix + hashlib.sha256(self.entry_id().encode()).hexdigest()[:32]

    def entry_id(self) -> str:
        """The next outbox entry's."""
        return f"{self.session.call_sid}.{self.session.commands + len(self.outbox)}"

    def keep(self, leg: Leg) -> None:
        self.session = self.session.with_leg(leg)

    def send(self, kind: str, leg: Leg, **payload: Any) -> None:
        about = {"leg": leg.name, "call_sid": leg.call_sid}
        self.outbox.append(Entry(kind=kind, lane=f"leg:{leg.call_sid}", payload={**about, **payload}))

    def note(self, code: int, level: str, message: str, leg: Leg, url: str | None = None) -> None:
        self.notes.append(Note(code=code, level=level, message=message, url=url, call_sid=leg.call_sid))
        self.line("router", "app", f"{'warning' if level == '1' else 'error'} {code}: {message}")

    def line(self, source: str, target: str, summary: str, **detail: Any) -> None:
        self.lines.append(Line(source=source, target=target, summary=summary, detail=detail))

    def face(self, leg: Leg) -> str:
        """Who is at the far end of a leg, for the ladder."""
        return leg.to if leg.outbound else leg.from_


def _whose(leg: Leg) -> dict[str, str]:
    """For entries that outlive the call."""
    return {"client_account": leg.client_account} if leg.client_account else {}


def _endpoints(leg: Leg) -> dict[str, Any]:
    return {"endpoints": list(leg.endpoints)} if leg.endpoints else {}
