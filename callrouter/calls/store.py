"""Writes a step, in one transaction, and reads sessions back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from callrouter.calls.draft import Change, Step
from callrouter.calls.session import CallSession, dumps, loads
from callrouter.calls.status import Status
from callrouter.models import Call, Notification, Outbox, Session, TimelineEntry, Timer
from foundation.sids import NOTIFICATION, new_sid

OutboxRow = dict[str, Any]


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
        connection.execute(insert(Call), [own])
        connection.execute(
            insert(Session),
            [
                {
                    "account_sid": self.session.account_sid,
                    "call_sid": self.session.call_sid,
                    "snapshot": self.snapshot,
                    "version": 1,
                    "owner": self.owner.name,
                    "epoch": self.owner.epoch,
                    "finished": False,
                    "date_updated": self.at,
                }
            ],
        )
        self._rest(connection)

    def save(self, connection: Connection, version: int) -> None:
        """Writes a step of a call whose row has this version; Overtaken when it hasn't."""
        mine = (
            Session.account_sid == self.session.account_sid,
            Session.call_sid == self.session.call_sid,
            Session.version == version,
            Session.epoch == self.owner.epoch,
            Session.owner == self.owner.name,
        )
        if self.session.finished:
            result = connection.execute(delete(Session).where(*mine))
        else:
            values = {"snapshot": self.snapshot, "version": version + 1, "date_updated": self.at}
            result = connection.execute(update(Session).where(*mine).values(values))
        if result.rowcount != 1:
            raise Overtaken(self.session.call_sid)
        self._rest(connection)

    def _rest(self, connection: Connection) -> None:
        for model, rows in (
            (Call, self._new_calls),
            (Outbox, self.outbox),
            (TimelineEntry, self._lines),
            (Notification, self._notes),
        ):
            if rows:
                connection.execute(insert(model), rows)
        for move in self._moves:
            keys = (Call.account_sid == self.session.account_sid, Call.sid == move["sid"])
            connection.execute(update(Call).where(*keys).values(move))
        self._write_timers(connection)

    def _write_timers(self, connection: Connection) -> None:
        of_call = (Timer.account_sid == self.session.account_sid, Timer.call_sid == self.session.call_sid)
        if self.session.finished:
            connection.execute(delete(Timer).where(*of_call))
        elif self._timers:
            connection.execute(delete(Timer).where(*of_call, Timer.name.in_(self._timers)))
            due = [
                {
                    "account_sid": self.session.account_sid,
                    "call_sid": self.session.call_sid,
                    "name": name,
                    "due_at": due_at,
                }
                for name, due_at in self._timers.items()
                if due_at is not None
            ]
            if due:
                connection.execute(insert(Timer), due)


def unfinished(connection: Connection, owner: Owner) -> Sequence[tuple[CallSession, int]]:
    """The live calls that this process owns, with the versions of their rows."""
    rows = connection.execute(select(Session.snapshot, Session.version).where(Session.owner == owner.name))
    return [(loads(row.snapshot), row.version) for row in rows]


def call_row(session: CallSession, at: float, **more: Any) -> dict[str, Any]:
    """The row of the parent call."""
    return {**_call_row(session, Change(leg=session.own), at), **more}


def _call_row(session: CallSession, change: Change, at: float) -> dict[str, Any]:
    leg = change.leg
    own = leg.name == session.own.name
    return {
        "account_sid": session.account_sid,
        "sid": leg.call_sid,
        "parent_call_sid": None if own else session.call_sid,
        "leg": leg.name,
        "direction": leg.direction,
        "from": leg.from_,
        "to": leg.to,
        "status": leg.status.value,
        "carrier": leg.carrier or None,
        "carrier_call_id": leg.carrier_call_id or None,
        "identity": leg.identity or None,
        "date_created": at,
        "date_updated": at,
    }


def _last_moves(step: Step) -> list[dict[str, Any]]:
    """One update per call row, though a leg may have moved twice in a step."""
    moves: dict[str, dict[str, Any]] = {}
    for change in step.changes:
        if change.new:
            continue
        leg = change.leg
        move = moves.setdefault(leg.call_sid, {"sid": leg.call_sid})
        move |= {"status": leg.status.value, "date_updated": step.at}
        if leg.status is Status.IN_PROGRESS:
            move["start_time"] = step.at
        if leg.status.final:
            move |= {"end_time": step.at, "ended_because": change.cause}
            if not leg.answered:
                move["start_time"] = step.at
    return list(moves.values())
