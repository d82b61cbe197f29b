"""Writes a step, in one transaction, and reads sessions back."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, func, insert, select, update

from callrouter.calls import recordings, streams
from callrouter.calls.session import CallSession, Leg, dumps
from callrouter.calls.status import Status
from callrouter.calls.steps.draft import Change, Step
from callrouter.models import Base, Call, Delivery, Inbox, Notification, Outbox, Session, TimelineEntry, Timer
from foundation.db import later
from foundation.sids import NOTIFICATION, new_sid

OutboxRow = dict[str, Any]


def _table(model: type[Base]) -> Table:
    assert isinstance(model.__table__, Table)
    return model.__table__


CALLS, SESSIONS, OUTBOX, TIMERS = map(_table, (Call, Session, Outbox, Timer))
_this_session = (
    SESSIONS.c.account_sid == bindparam("its_account"),
    SESSIONS.c.call_sid == bindparam("its_call"),
    SESSIONS.c.version == bindparam("its_version"),
    SESSIONS.c.epoch == bindparam("its_epoch"),
    SESSIONS.c.owner == bindparam("its_owner"),
)
_these_timers = (
    TIMERS.c.account_sid == bindparam("its_account"),
    TIMERS.c.call_sid == bindparam("its_call"),
)
_first_of = {  # what is known stays
    name: func.coalesce(bindparam(name, type_=CALLS.c[name].type), CALLS.c[name])
    for name in ("start_time", "end_time", "ended_because")
}
# Made once, so that the writer can run each once for all units of a batch (foundation.db).
INSERT_PARENT, INSERT_CALL = insert(CALLS), insert(CALLS)
UPDATE_CALL = (
    update(CALLS)
    .where(CALLS.c.account_sid == bindparam("its_account"), CALLS.c.sid == bindparam("its_call"))
    .values(status=bindparam("status"), date_updated=bindparam("date_updated"), **_first_of)
)
TAKEN = (
    update(CALLS)
    .where(CALLS.c.account_sid == bindparam("its_account"), CALLS.c.sid == bindparam("its_call"))
    .values(identity=bindparam("identity"), taken_by=bindparam("taken_by"))
)
INSERT_SESSION = insert(SESSIONS)
UPDATE_SESSION = (
    update(SESSIONS)
    .where(*_this_session)
    .values({name: bindparam(name) for name in ("snapshot", "version", "date_updated")})
)
DELETE_SESSION = delete(SESSIONS).where(*_this_session)
INSERT_OUTBOX, DELETE_OUTBOX = insert(OUTBOX), delete(OUTBOX).where(OUTBOX.c.id == bindparam("its_id"))
INSERT_TIMER = insert(TIMERS)
DELETE_TIMER = delete(TIMERS).where(*_these_timers, TIMERS.c.name == bindparam("its_name"))
DELETE_TIMERS = delete(TIMERS).where(*_these_timers)
INSERT_LINE = insert(_table(TimelineEntry))
INSERT_NOTE, INSERT_WARNING = insert(_table(Notification)), insert(_table(Notification))
INSERT_DELIVERY = insert(_table(Delivery))
INSERT_INBOX = insert(_table(Inbox))
FIND_INBOX = select(Inbox.call_sid).where(
    Inbox.source == bindparam("source"), Inbox.event_id == bindparam("event_id")
)


class Overtaken(Exception):
    """Another process owns this call by now; what we were about to write is void (I3)."""


@dataclass(frozen=True, kw_only=True)
class Owner:
    """The router process that acts for a call, and the number of its present lease."""

    name: str
    epoch: int


class Writes:
    """The rows of a step, made before the transaction so that the unit of work can be repeated."""

    def __init__(self, before: CallSession, step: Step, owner: Owner) -> None:
        session = step.session
        self.session = session
        self.at = step.at
        self.owner = owner
        self.snapshot = "" if session.finished else dumps(session)
        keys = {"account_sid": session.account_sid, "call_sid": session.call_sid}
        self.outbox: list[OutboxRow] = [
            {
                **keys,
                "id": f"{session.call_sid}.{position}",
                "lane": entry.lane,
                "position": position,
                "kind": entry.kind,
                "payload": entry.payload,
                "attempts": 0,
                "due_at": step.at,
                "owner": owner.name,
                "created_at": step.at,
            }
            for position, entry in enumerate(step.outbox, before.commands)
        ]
        self._new_calls = [_call_row(session, change, step.at) for change in step.changes if change.new]
        self._moves = _last_moves(step)
        self._taken = [_taken(session, change.leg) for change in step.changes if _for_destination(change)]
        self._timers = step.timers
        self._lines = [
            {
                **keys,
                "position": position,
                "at": step.at,
                "source": line.source[:64],
                "target": line.target[:64],
                "summary": line.summary,
                "detail": line.detail,
            }
            for position, line in enumerate(step.lines, before.entries)
        ]
        self._recordings = recordings.new_rows(session.account_sid, step)
        self._recording_states = recordings.state_rows(session.account_sid, step)
        self._streams = streams.new_rows(session.account_sid, step)
        self._ended_streams = streams.end_rows(session.account_sid, step)
        self._notes = [
            {
                "account_sid": session.account_sid,
                "sid": new_sid(NOTIFICATION),
                "call_sid": note.call_sid,
                "log": note.level,
                "error_code": str(note.code),
                "message_text": note.message,
                "message_date": step.at,
                "request_url": note.url,
            }
            for note in step.notes
        ]

    def create(self, connection: Connection, own: dict[str, Any]) -> None:
        """Writes a call that is new; `own` is the parent's call row."""
        later(connection, INSERT_PARENT, [own])
        row = {
            "account_sid": self.session.account_sid,
            "call_sid": self.session.call_sid,
            "snapshot": self.snapshot,
            "version": 1,
            "owner": self.owner.name,
            "epoch": self.owner.epoch,
            "date_updated": self.at,
        }
        later(connection, INSERT_SESSION, [row])
        self._rest(connection)

    def save(self, connection: Connection, version: int) -> None:
        """Writes a step of a call whose row has this version; Overtaken when it hasn't."""
        mine = {
            "its_account": self.session.account_sid,
            "its_call": self.session.call_sid,
            "its_version": version,
            "its_epoch": self.owner.epoch,
            "its_owner": self.owner.name,
        }
        overtaken = Overtaken(self.session.call_sid)
        if self.session.finished:
            later(connection, DELETE_SESSION, [mine], otherwise=overtaken)
        else:
            values = {"snapshot": self.snapshot, "version": version + 1, "date_updated": self.at}
            later(connection, UPDATE_SESSION, [{**mine, **values}], otherwise=overtaken)
        self._rest(connection)

    def _rest(self, connection: Connection) -> None:
        later(connection, INSERT_CALL, self._new_calls)
        later(connection, INSERT_OUTBOX, self.outbox)
        later(connection, INSERT_LINE, self._lines)
        later(connection, INSERT_NOTE, self._notes)
        later(connection, recordings.INSERT_RECORDING, self._recordings)
        later(connection, recordings.UPDATE_STATE, self._recording_states)
        later(connection, streams.INSERT_STREAM, self._streams)
        later(connection, streams.END_STREAM, self._ended_streams)
        later(connection, UPDATE_CALL, self._moves)
        later(connection, TAKEN, self._taken)
        self._write_timers(connection)

    def _write_timers(self, connection: Connection) -> None:
        of_call = {"its_account": self.session.account_sid, "its_call": self.session.call_sid}
        if self.session.finished:
            later(connection, DELETE_TIMERS, [of_call])
            return
        later(connection, DELETE_TIMER, [{**of_call, "its_name": name} for name in self._timers])
        keys = {"account_sid": self.session.account_sid, "call_sid": self.session.call_sid}
        due = [
            {**keys, "name": name, "due_at": due_at}
            for name, due_at in self._timers.items()
            if due_at is not None
        ]
        later(connection, INSERT_TIMER, due)


def holds(connection: Connection, writes: Writes, version: int) -> bool:
    """Whether the database has this step of the call whose row had `version`, under the owner that wrote it."""
    session, owner = writes.session, writes.owner
    stored = connection.execute(
        select(Session.version, Session.owner, Session.epoch).where(
            Session.account_sid == session.account_sid, Session.call_sid == session.call_sid
        )
    ).first()
    if stored:
        return (stored.version, stored.owner, stored.epoch) == (version + 1, owner.name, owner.epoch)
    if not session.finished or not writes.outbox:
        return session.finished
    # The row of a call that is over is gone, whoever ended it: its entries say who did.
    first = select(Outbox.owner).where(Outbox.id == writes.outbox[0]["id"])
    return connection.execute(first).scalar() == owner.name


def call_row(session: CallSession, at: float, **more: Any) -> dict[str, Any]:
    """The row of the parent call."""
    return {**_call_row(session, Change(leg=session.own), at), **more}


def _call_row(session: CallSession, change: Change, at: float) -> dict[str, Any]:
    leg = change.leg
    own = leg.name == session.own.name
    return {
        "account_sid": session.account_sid,
        "sid": leg.call_sid,
        "parent_call_sid": None if own else session.dialler(leg).call_sid,
        "leg": leg.name,
        "direction": leg.direction,
        "from": leg.from_,
        "to": leg.to,
        "status": leg.status.value,
        "carrier": leg.carrier or None,
        "carrier_call_id": leg.carrier_call_id or None,
        "identity": leg.identity or None,
        "queue_time": round(max(0.0, session.departure.due_at - at) * 1000) if session.departure else 0,
        "date_created": at,
        "date_updated": at,
    }


def _for_destination(change: Change) -> bool:
    """A client took the call for a name that is not its own."""
    leg = change.leg
    other = leg.identity and leg.to != f"client:{leg.identity}"
    return leg.outbound and leg.status is Status.IN_PROGRESS and bool(other or leg.client_account)


def _taken(session: CallSession, leg: Leg) -> dict[str, Any]:
    """The row says who took it; an account that did sees it, too (PR-61)."""
    return {
        "its_account": session.account_sid,
        "its_call": leg.call_sid,
        "identity": leg.identity,
        "taken_by": leg.client_account or None,
    }


def _last_moves(step: Step) -> list[dict[str, Any]]:
    """One update per call row, though a leg may have moved twice in a step."""
    moves: dict[str, dict[str, Any]] = {}
    for change in step.changes:
        if change.new:
            continue
        leg = change.leg
        move = moves.setdefault(
            leg.call_sid,
            {
                "its_account": step.session.account_sid,
                "its_call": leg.call_sid,
                "start_time": None,
                "end_time": None,
                "ended_because": None,
            },
        )
        move |= {"status": leg.status.value, "date_updated": step.at}
        if leg.status is Status.IN_PROGRESS:
            move["start_time"] = step.at
        if leg.status.final:
            move |= {"end_time": step.at, "ended_because": change.cause}
            if not leg.answered:
                move["start_time"] = step.at
    return list(moves.values())
