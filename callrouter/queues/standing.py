"""How a queue stands at a moment: for its callers' requests, and for REST (twilio-surface 2.8, 5.10)."""

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from callrouter.models import Queue, QueueMember
from callrouter.queues.desk import WAITING


@dataclass(frozen=True, kw_only=True)
class Standing:
    """`average` is the time that those who wait have waited, in whole seconds."""

    size: int
    average: int


def standing(connection: Connection, account_sid: str, queue_sid: str, now: float) -> Standing:
    found = connection.execute(
        select(func.count(), func.avg(QueueMember.date_enqueued)).where(
            QueueMember.account_sid == account_sid, QueueMember.queue_sid == queue_sid, *WAITING
        )
    ).one()
    return Standing(size=found[0], average=seconds(found[1] or now, now))


def seconds(since: float, now: float) -> int:
    return max(0, int(now - since))


def position(connection: Connection, account_sid: str, queue_sid: str, call_sid: str, enqueued: float) -> int:
    """From 1, for the caller at the front."""
    member = QueueMember
    before = (member.date_enqueued < enqueued) | (
        (member.date_enqueued == enqueued) & (member.call_sid < call_sid)
    )
    ahead = select(func.count()).where(
        member.account_sid == account_sid, member.queue_sid == queue_sid, before, *WAITING
    )
    return 1 + int(connection.execute(ahead).scalar_one())


def parameters(connection: Connection, account_sid: str, call_sid: str, now: float) -> dict[str, str]:
    """What a waiting caller's request says of its queue; nothing when it has left."""
    mine = (QueueMember.account_sid == account_sid, QueueMember.call_sid == call_sid)
    joined = (Queue.account_sid == account_sid) & (Queue.sid == QueueMember.queue_sid)
    found = connection.execute(
        select(Queue.sid, Queue.max_size, QueueMember.date_enqueued)
        .join_from(QueueMember, Queue, joined)
        .where(*mine)
    ).first()
    if found is None:
        return {}
    stands = standing(connection, account_sid, found.sid, now)
    place = position(connection, account_sid, found.sid, call_sid, found.date_enqueued)
    return {
        "QueueSid": found.sid,
        "QueuePosition": str(place),
        "QueueTime": str(seconds(found.date_enqueued, now)),
        "AvgQueueTime": str(stands.average),
        "CurrentQueueSize": str(stands.size),
        "MaxQueueSize": str(found.max_size),
    }
