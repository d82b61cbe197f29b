"""Leases of routers, and what becomes of calls whose router is gone.

A router takes its lease when it starts, with a higher epoch than ever before: writes of an earlier life of it fail
by their epoch (reliability-security I3). While it lives it renews the lease, and adopts the calls of others that did
not renew theirs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog
from sqlalchemy import Connection, delete, insert, or_, select, text, update

from callrouter.calls.name_lock import NameTaken
from callrouter.calls.session import CallSession, SnapshotUnreadable, loads
from callrouter.calls.status import FOLLOWS, Status
from callrouter.calls.store import OutboxRow, Owner
from callrouter.models import Call, Inbox, Notification, Outbox, RouterNode, Session, Timer
from foundation.sids import NOTIFICATION, new_sid
from instructions.errors import SnapshotError

log = structlog.get_logger(__name__)

LEASE_SECONDS = 30
RECEIPT_SECONDS = 8 * 24 * 3600
"""Longer than any carrier repeats an event."""
PLATFORM_FAULT = "12400"


@dataclass(frozen=True, kw_only=True)
class Found:
    """Unfinished work: live calls with the versions of their rows, commands to send, timers to arm."""

    owner: Owner
    sessions: Sequence[tuple[CallSession, int]] = ()
    commands: Sequence[OutboxRow] = ()
    timers: Sequence[Any] = ()


def alive(connection: Connection, now: float) -> bool:
    """Whether a router runs, as far as the leases say."""
    return connection.execute(select(RouterNode.name).where(RouterNode.lease_until > now)).first() is not None


class NameLost(Exception):
    """Another process has taken this router's name: this one ends, and leaves the calls to it"""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


def lease_time(connection: Connection, now: float) -> float:
    """The time that leases are compared by. Routers on several machines share the database's clock, so that none takes
    another for dead because of a clock that is wrong."""
    if connection.dialect.name != "postgresql":
        return now
    return float(connection.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())


def take_lease(connection: Connection, name: str, now: float, *, over: int | None = None) -> Found:
    """Begins a new life of the router `name`, with all that its earlier ones left.

    NameTaken while another's lease runs; `over` is the epoch of the one that is known to have ended.
    """
    before = connection.execute(
        select(RouterNode.epoch, RouterNode.lease_until).where(RouterNode.name == name)
    ).first()
    if before and before.epoch != over and before.lease_until > now:
        raise NameTaken(
            f"another process is the router {name!r}, or was until a moment ago: stop it, set CALLROUTER_ROUTER_NAME, "
            f"or wait {before.lease_until - now:.0f} s until its lease ends"
        )
    owner = Owner(name=name, epoch=(before.epoch if before else 0) + 1)
    connection.execute(delete(RouterNode).where(RouterNode.name == name))
    lease = {"name": name, "epoch": owner.epoch, "lease_until": now + LEASE_SECONDS}
    connection.execute(insert(RouterNode), [lease])
    return _claim(connection, name, owner, now)


def renew_lease(connection: Connection, owner: Owner, now: float) -> Found:
    """Extends the lease, forgets old receipts, and takes over from routers whose lease has run out.

    NameLost: another process has our name. Was the lease only ended by others, because we were away, we take it again:
    our calls are theirs by now, but those that come are ours.
    """
    lease = {"name": owner.name, "epoch": owner.epoch, "lease_until": now + LEASE_SECONDS}
    ours = (RouterNode.name == owner.name, RouterNode.epoch == owner.epoch)
    if not connection.execute(update(RouterNode).where(*ours).values(lease)).rowcount:
        if connection.execute(select(RouterNode.epoch).where(RouterNode.name == owner.name)).first():
            raise NameLost
        connection.execute(insert(RouterNode), [lease])
    connection.execute(delete(Inbox).where(Inbox.received_at < now - RECEIPT_SECONDS))
    found = Found(owner=owner)
    dead = select(RouterNode.name).where(RouterNode.lease_until < now, RouterNode.name != owner.name)
    for name in connection.execute(dead).scalars().all():
        connection.execute(delete(RouterNode).where(RouterNode.name == name))
        claimed = _claim(connection, name, owner, now)
        found = replace(
            found,
            sessions=[*found.sessions, *claimed.sessions],
            commands=[*found.commands, *claimed.commands],
            timers=[*found.timers, *claimed.timers],
        )
    return found


def _claim(connection: Connection, name: str, owner: Owner, now: float) -> Found:
    """Gives the unfinished work of the router `name` to this owner."""
    sessions = []
    for row in connection.execute(select(Session.__table__).where(Session.owner == name)).all():
        try:
            sessions.append((loads(row.snapshot), row.version))
        except (SnapshotUnreadable, SnapshotError, LookupError, TypeError, ValueError) as error:
            log.error("call abandoned", call_sid=row.call_sid, error=str(error))
            _abandon(connection, row.account_sid, row.call_sid, now)
    mine = select(Session.call_sid).where(Session.owner == name)
    timers = connection.execute(
        select(Timer.call_sid, Timer.name, Timer.due_at).where(Timer.call_sid.in_(mine))
    ).all()
    commands = connection.execute(
        select(Outbox.__table__).where(Outbox.owner == name).order_by(Outbox.call_sid, Outbox.position)
    ).mappings()
    found = [{**row, "owner": owner.name} for row in commands]
    connection.execute(
        update(Session).where(Session.owner == name).values(owner=owner.name, epoch=owner.epoch)
    )
    connection.execute(update(Outbox).where(Outbox.owner == name).values(owner=owner.name))
    return Found(owner=owner, sessions=sessions, commands=found, timers=timers)


def _abandon(connection: Connection, account_sid: str, call_sid: str, now: float) -> None:
    """Ends a call whose snapshot this release can't read, rather than guess where it was."""
    children = select(Call.sid).where(Call.account_sid == account_sid, Call.parent_call_sid == call_sid)
    family = or_(Call.sid == call_sid, Call.sid.in_(children), Call.parent_call_sid.in_(children))
    legs = (Call.account_sid == account_sid, family)
    live = Call.status.in_([status.value for status in FOLLOWS])
    ended = {
        "status": Status.FAILED.value,
        "end_time": now,
        "date_updated": now,
        "ended_because": "unreadable",
    }
    connection.execute(update(Call).where(*legs, live).values(ended))
    for model in (Session, Timer):
        connection.execute(delete(model).where(model.account_sid == account_sid, model.call_sid == call_sid))
    notification = {
        "account_sid": account_sid,
        "sid": new_sid(NOTIFICATION),
        "call_sid": call_sid,
        "log": "0",
        "error_code": PLATFORM_FAULT,
        "message_text": "The call was in progress while callrouter was changed to a release that can't go on with it.",
        "message_date": now,
    }
    connection.execute(insert(Notification), [notification])
