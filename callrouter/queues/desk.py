"""Queues in the database: one transaction for each change, with all who are to be told.

Every function is a repeatable unit of work. It answers with outbox entries, which the caller hands on after the commit.
Only calls of one router process are matched with each other: their audio is at one voice node.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, or_, select, update

from callrouter.calls import words
from callrouter.calls.store import OutboxRow
from callrouter.models import Queue, QueueMember, Session
from callrouter.queues import rules
from callrouter.queues.rules import Decision, Member
from foundation.sids import QUEUE, new_sid
from instructions import events as e

DEFAULT_SIZE, LARGEST = 1_000, 5_000
_FIELDS = tuple(Member.__dataclass_fields__)
_MEMBERS = QueueMember.__table__.c
WAITING = (QueueMember.agent.is_(False), QueueMember.connected.is_(False))
"""Callers who are not connected yet."""


@dataclass
class Line:
    """One queue, as a transaction finds and changes it."""

    connection: Connection
    queue: dict[str, Any]
    members: tuple[Member, ...]
    """those whom the change may concern, in the order in which they came"""
    owner: str
    at: float
    rows: list[OutboxRow] = field(default_factory=list)

    @property
    def sid(self) -> str:
        return str(self.queue["sid"])

    def size(self) -> int:
        found = select(func.count()).select_from(QueueMember).where(*self._mine(), *WAITING)
        return int(self.connection.execute(found).scalar_one())

    def write(self, decision: Decision) -> None:
        """Stores the decision, and tells everybody of it in its order."""
        self._write_members(decision.members)
        for word in decision.words:
            self.tell(word.to, words.event(word.to.leg, word.to.ticket, word.event))
        self.members = decision.members

    def tell(self, to: Member, payload: Mapping[str, Any]) -> None:
        self.queue["entries"] += 1
        position = self.queue["entries"]
        row = words.store(
            self.connection,
            stem=self.sid,
            position=position,
            account_sid=self.queue["account_sid"],
            call_sid=to.session_sid,
            lane=f"tell:{to.call_sid}",
            kind="tell",
            payload=payload,
            owner=self.owner,
            at=self.at,
        )
        self.rows.append(row)
        mine = (Queue.account_sid == self.queue["account_sid"], Queue.sid == self.sid)
        self.connection.execute(update(Queue).where(*mine).values(entries=position))

    def _mine(self) -> tuple[ColumnElement[bool], ...]:
        return QueueMember.account_sid == self.queue["account_sid"], QueueMember.queue_sid == self.sid

    def _write_members(self, members: tuple[Member, ...]) -> None:
        known, now = _by_call(self.members), _by_call(members)
        for one in self.members:
            if one.call_sid not in now:
                self.connection.execute(
                    delete(QueueMember).where(*self._mine(), QueueMember.call_sid == one.call_sid)
                )
        for one in members:
            if one.call_sid not in known:
                keys = {"account_sid": self.queue["account_sid"], "queue_sid": self.sid}
                row = {**keys, **vars(one), "date_enqueued": self.at}
                self.connection.execute(insert(QueueMember).values(row))
            elif known[one.call_sid] != one:
                changed = update(QueueMember).where(*self._mine(), QueueMember.call_sid == one.call_sid)
                self.connection.execute(changed.values(partner=one.partner, connected=one.connected))


def _by_call(members: tuple[Member, ...]) -> dict[str, Member]:
    return {one.call_sid: one for one in members}


def find(
    connection: Connection, account_sid: str, owner: str, at: float, about: str, *which: ColumnElement[bool]
) -> Line | None:
    """The account's queue, held until the transaction ends, with those whom a change may concern.

    These are the leg that it is `about` and its partner, and who has waited longest, caller and agent. More are never
    matched at once, as there are never both callers and agents who wait.
    """
    query = select(Queue.__table__).where(Queue.account_sid == account_sid, *which).with_for_update()
    queue = connection.execute(query).mappings().first()
    if queue is None:
        return None
    ours = or_(Session.owner == owner, Session.owner.is_(None))
    session = (Session.account_sid == _MEMBERS.account_sid) & (Session.call_sid == _MEMBERS.session_sid)
    there = (
        select(_MEMBERS.date_enqueued, *(_MEMBERS[name] for name in _FIELDS))
        .outerjoin(Session, session)
        .where(_MEMBERS.account_sid == account_sid, _MEMBERS.queue_sid == queue["sid"], ours)
        .order_by(_MEMBERS.date_enqueued, _MEMBERS.call_sid)
    )
    waiting = there.where(_MEMBERS.partner == "").limit(1)
    queries = (
        there.where(or_(_MEMBERS.call_sid == about, _MEMBERS.partner == about)),
        waiting.where(_MEMBERS.agent.is_(False)),
        waiting.where(_MEMBERS.agent.is_(True)),
    )
    rows = {tuple(row) for query in queries for row in connection.execute(query)}
    members = tuple(Member(**dict(zip(_FIELDS, row[1:], strict=True))) for row in sorted(rows, key=_came))
    return Line(connection, dict(queue), members, owner, at)


def _came(row: tuple[Any, ...]) -> tuple[float, str]:
    return row[0], row[1 + _FIELDS.index("call_sid")]


def of_call(connection: Connection, account_sid: str, owner: str, at: float, call_sid: str) -> Line | None:
    """The queue that this leg is at."""
    where = select(QueueMember.queue_sid).where(
        QueueMember.account_sid == account_sid, QueueMember.call_sid == call_sid
    )
    return find(connection, account_sid, owner, at, call_sid, Queue.sid == where.scalar_subquery())


def create(
    connection: Connection, account_sid: str, at: float, *, friendly_name: str, max_size: int = DEFAULT_SIZE
) -> str:
    """A new queue's SID."""
    row = {
        "account_sid": account_sid,
        "sid": new_sid(QUEUE),
        "friendly_name": friendly_name,
        "max_size": max_size,
        "entries": 0,
        "date_created": at,
        "date_updated": at,
    }
    connection.execute(insert(Queue).values(row))
    return str(row["sid"])


def join(
    connection: Connection,
    account_sid: str,
    owner: str,
    at: float,
    *,
    name: str,
    max_size: int | None,
    newcomer: Member,
) -> tuple[dict[str, Any], list[OutboxRow]]:
    """A caller comes: what its call is told, as the payload of a tell, and all other entries."""
    earlier = of_call(connection, account_sid, owner, at, newcomer.call_sid)
    known = rules.find(earlier.members, newcomer.call_sid) if earlier else None
    if earlier and known and known.ticket == newcomer.ticket:  # this entry runs again after a crash
        return _joined(earlier, newcomer, at), []
    rows = _leave(earlier, newcomer.call_sid) if earlier else []
    place = (account_sid, owner, at, newcomer.call_sid, Queue.friendly_name == name)
    line = find(connection, *place)
    if line is None:
        create(connection, account_sid, at, friendly_name=name)
        line = find(connection, *place)
        assert line is not None
    if line.size() >= (line.queue["max_size"] if max_size is None else max_size):
        refused = e.QueueRefused(at=at, queue_sid=line.sid)
        return words.event(newcomer.leg, newcomer.ticket, refused), rows
    line.write(rules.join(line.members, newcomer, at=at))
    return _joined(line, newcomer, at), [*rows, *line.rows]


def take(
    connection: Connection, account_sid: str, owner: str, at: float, *, name: str, agent: Member
) -> tuple[dict[str, Any] | None, list[OutboxRow]]:
    """An agent waits for the caller at the front: what its own call is told at once, and all other entries."""
    earlier = of_call(connection, account_sid, owner, at, agent.call_sid)
    known = rules.find(earlier.members, agent.call_sid) if earlier else None
    if known and known.ticket == agent.ticket:
        return None, []
    rows = _leave(earlier, agent.call_sid) if earlier else []
    line = find(connection, account_sid, owner, at, agent.call_sid, Queue.friendly_name == name)
    if line is None:
        return words.event(agent.leg, agent.ticket, e.QueueMissing(at=at)), rows
    line.write(rules.join(line.members, agent, at=at))
    return None, [*rows, *line.rows]


def connect(
    connection: Connection, account_sid: str, owner: str, at: float, *, call_sid: str, ticket: str
) -> list[OutboxRow]:
    """The caller is ready for its agent, if that still waits."""
    line = of_call(connection, account_sid, owner, at, call_sid)
    caller = rules.find(line.members, call_sid) if line else None
    if line is None or caller is None or caller.ticket != ticket:
        return []
    line.write(rules.connect(line.members, call_sid, at=at))
    return line.rows


def leave(
    connection: Connection, account_sid: str, owner: str, at: float, *, call_sid: str, ticket: str
) -> list[OutboxRow]:
    """A leg is gone from its queue or from its partner, if it came by this ticket."""
    line = of_call(connection, account_sid, owner, at, call_sid)
    known = rules.find(line.members, call_sid) if line else None
    return _leave(line, call_sid) if line and known and known.ticket == ticket else []


def press(
    connection: Connection, account_sid: str, owner: str, at: float, *, call_sid: str, digits: str
) -> list[OutboxRow]:
    """Keys for the far end of the call that this one is connected with."""
    line = of_call(connection, account_sid, owner, at, call_sid)
    known = rules.find(line.members, call_sid) if line else None
    partner = rules.find(line.members, known.partner) if line and known and known.connected else None
    if line is None or partner is None:
        return []
    line.tell(partner, words.event(partner.leg, partner.ticket, None, digits=digits))
    return line.rows


def dequeue(
    connection: Connection,
    account_sid: str,
    owner: str,
    at: float,
    *,
    queue_sid: str,
    call_sid: str | None,
    url: str,
    method: str,
) -> tuple[Row[Any] | None, list[OutboxRow]]:
    """REST takes a caller (None: the one at the front) out for another document: its row as it was."""
    line = find(connection, account_sid, owner, at, call_sid or "whoever is first", Queue.sid == queue_sid)
    if line is None:
        return None, []
    callers = [one for one in line.members if not one.agent and not one.connected]
    wanted = next((one for one in callers if (one.call_sid == call_sid if call_sid else one.waits)), None)
    if wanted is None:
        return None, []
    mine = (QueueMember.account_sid == account_sid, QueueMember.call_sid == wanted.call_sid)
    row = connection.execute(select(QueueMember.__table__).where(*mine)).one()
    line.write(rules.leave(line.members, wanted.call_sid, at=at))
    line.tell(wanted, words.document(wanted.leg, url, method))
    return row, line.rows


def _leave(line: Line, call_sid: str) -> list[OutboxRow]:
    line.write(rules.leave(line.members, call_sid, at=line.at))
    return line.rows


def _joined(line: Line, newcomer: Member, at: float) -> dict[str, Any]:
    return words.event(newcomer.leg, newcomer.ticket, e.QueueJoined(at=at, queue_sid=line.sid))
