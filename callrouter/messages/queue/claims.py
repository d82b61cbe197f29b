"""Takes the messages of one carrier's queue that may leave now, and leases them to this process.

One transaction under the lock of the carrier's row: the breaker and the window say how many, the accounts take turns
(PQ-9), of each only the first of a lane (PQ-5), and the rate says when each leaves (PQ-3).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Any

from sqlalchemy import Connection, delete, func, literal, select, update
from sqlalchemy.orm import aliased

from callrouter.directory import accounts
from callrouter.messages import states
from callrouter.messages.queue import health
from callrouter.messages.queue.pace import AHEAD, slots
from callrouter.messages.status import Status
from callrouter.messages.transport import PRESENCE, Attachment, Outgoing
from callrouter.models import Carrier, CarrierHealth, Message, MessageMedia, QueuedMessage

WAITING, LEASED = "waiting", "leased"
LEASE_SECONDS = 60.0
"""Longer than any hand-off: after it, another process may try again."""
ACCOUNTS = 200
"""How many accounts one claim looks at."""
PRESENCE_WINDOW = 32
SUSPENDED = 30002

QUEUE = QueuedMessage.__table__


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """A message that this process gives to `carrier` at `leave_at`. `tries`: how often that was begun, with this."""

    account_sid: str
    sid: str
    carrier: str
    leave_at: float
    tries: int
    outgoing: Outgoing


@dataclass(frozen=True, kw_only=True)
class Claim:
    messages: Sequence[Claimed] = ()
    suspended: Sequence[tuple[str, str]] = ()
    """accounts and messages of those that may send no more"""
    troubled: bool = False
    """the carrier's breaker counts failures"""
    again_at: float | None = None
    """before that no claim finds any; None: that depends on what happens"""


def claim(connection: Connection, carrier: str, *, lease: str, now: float, media_base: str) -> Claim:
    """`lease` names the holder: this life of this process. `media_base`: what URLs of media begin with."""
    rate, window = _limits(connection, carrier)
    row = health.locked(connection, carrier, now)
    breaker = health.breaker(row).at(now)
    leased = select(func.count()).where(QUEUE.c.carrier == carrier, QUEUE.c.state == LEASED)
    room = breaker.room(window) - connection.execute(leased).scalar_one()
    if room <= 0:
        return Claim(again_at=breaker.until if window and not breaker.room(window) else None)
    if row.next_at > now + AHEAD:
        return Claim(again_at=row.next_at - AHEAD)
    found = list(_fair(connection, carrier, row.turn, room, now))
    active = {sid: _active(connection, sid) for sid in {each.account_sid for each in found}}
    fit = [each for each in found if active[each.account_sid]]
    suspended = [(each.account_sid, each.message_sid) for each in found if not active[each.account_sid]]
    paced = slots([each.segments for each in fit], rate=rate, next_at=row.next_at, now=now)
    leaving = dict(zip([each.message_sid for each in fit], paced.leave_at, strict=False))
    chosen = [each for each in fit if each.message_sid in leaving]
    if chosen:
        _lease(connection, [each.position for each in chosen], lease, now)
        values = {"next_at": paced.next_at, "turn": chosen[-1].account_sid, "breaker": breaker.state}
        connection.execute(update(CarrierHealth).where(health.HEALTH.c.carrier == carrier).values(values))
    messages = _opened(connection, carrier, chosen, leaving, now, media_base)
    short = len(chosen) < len(fit)
    return Claim(
        messages=messages,
        suspended=suspended,
        troubled=breaker.failures > 0,
        again_at=paced.next_at - AHEAD if short else None,
    )


def freed(connection: Connection, *which: Any) -> int:
    """Ends these leases: how many. The messages stay `sending`, because their carrier may have them."""
    values = {"state": WAITING, "lease_owner": "", "lease_until": None}
    lost = update(QueuedMessage).where(QUEUE.c.state == LEASED, *which)
    return connection.execute(lost.values(values)).rowcount


def _limits(connection: Connection, carrier: str) -> tuple[float, int]:
    """Segments a second, and messages under way at once: none for a carrier that takes no messages."""
    if carrier == PRESENCE:
        return 0.0, PRESENCE_WINDOW
    row = connection.execute(select(Carrier.__table__).where(Carrier.name == carrier)).first()
    if row is None or row.status != "active" or not row.messages:
        return 0.0, 0
    return row.message_rate, row.message_window


def _active(connection: Connection, account_sid: str) -> bool:
    account = accounts.find(connection, account_sid)
    return account is not None and account.active


def _fair(connection: Connection, carrier: str, turn: str, room: int, now: float) -> Iterator[Any]:
    """Up to `room` rows, one of each account in turn, beginning after the account that was served last."""
    waiting = list(_accounts(connection, carrier, turn))
    share = -(-room // min(room, len(waiting) or 1))
    lists: list[Sequence[Any]] = []
    for account_sid in waiting:
        lists.append(_heads(connection, carrier, account_sid, share, now))
        if sum(map(len, lists)) >= room:
            break
    rows = (row for row in chain.from_iterable(zip_longest(*lists)) if row is not None)
    return (row for row, _ in zip(rows, range(room), strict=False))


def _accounts(connection: Connection, carrier: str, turn: str) -> Iterable[str]:
    """Accounts with messages that wait, in their order from `turn` on: one step in the index for each."""
    mine = (QUEUE.c.carrier == carrier, QUEUE.c.state == WAITING)

    def after(start: Any) -> Any:
        first = select(func.min(QUEUE.c.account_sid)).where(*mine, QUEUE.c.account_sid > start)
        return first.scalar_subquery()

    def listed(start: str) -> list[str]:
        step = select(after(literal(start)).label("account_sid")).cte("step", recursive=True)
        step = step.union_all(select(after(step.c.account_sid)).where(step.c.account_sid.is_not(None)))
        query = select(step.c.account_sid).where(step.c.account_sid.is_not(None)).limit(ACCOUNTS)
        return list(connection.execute(query).scalars())

    behind = listed(turn)
    if not turn or len(behind) >= ACCOUNTS:
        return behind
    return [*behind, *(sid for sid in listed("") if sid <= turn)]


def _heads(connection: Connection, carrier: str, account_sid: str, most: int, now: float) -> Sequence[Any]:
    """The account's rows that are the first in their lane, wherever the rest of it waits."""
    elder = aliased(QueuedMessage)
    behind = select(elder.position).where(elder.lane == QUEUE.c.lane, elder.position < QUEUE.c.position)
    query = (
        select(QUEUE)
        .where(
            QUEUE.c.carrier == carrier,
            QUEUE.c.state == WAITING,
            QUEUE.c.account_sid == account_sid,
            QUEUE.c.due_at <= now,
            QUEUE.c.valid_until > now,
            ~behind.exists(),
        )
        .order_by(QUEUE.c.priority, QUEUE.c.position)
        .limit(most)
        .with_for_update(skip_locked=True, of=QUEUE)
    )
    return connection.execute(query).all()


def _lease(connection: Connection, positions: Sequence[int], lease: str, now: float) -> None:
    values = {"state": LEASED, "lease_owner": lease, "lease_until": now + LEASE_SECONDS}
    connection.execute(
        update(QueuedMessage)
        .where(QUEUE.c.position.in_(positions))
        .values(**values, attempts=QUEUE.c.attempts + 1)
    )


def _opened(
    connection: Connection,
    carrier: str,
    rows: Sequence[Any],
    leaving: dict[str, float],
    now: float,
    media_base: str,
) -> list[Claimed]:
    """What is handed over. A message that came to its end in the meantime, by an early report, leaves the queue."""
    sids = [row.message_sid for row in rows]
    if not sids:
        return []
    messages = connection.execute(select(Message.__table__).where(states.MESSAGES.sid.in_(sids))).all()
    found = {row.sid: row for row in messages if row.status in (Status.QUEUED, Status.SENDING)}
    over = [sid for sid in sids if sid not in found]
    if over:
        connection.execute(delete(QueuedMessage).where(QUEUE.c.message_sid.in_(over)))
    states.hand_over(connection, list(found), carrier, now)
    media = _media(connection, [row.sid for row in found.values() if row.num_media], media_base)
    return [
        Claimed(
            account_sid=row.account_sid,
            sid=row.message_sid,
            carrier=carrier,
            leave_at=leaving[row.message_sid],
            tries=row.attempts + 1,
            outgoing=_outgoing(found[row.message_sid], media.get(row.message_sid, []), row.valid_until),
        )
        for row in rows
        if row.message_sid in found
    ]


def _media(connection: Connection, sids: Sequence[str], base: str) -> dict[str, list[Attachment]]:
    of: dict[str, list[Attachment]] = {}
    if not sids:
        return of
    table = MessageMedia.__table__
    query = select(table).where(table.c.message_sid.in_(sids), table.c.size.is_not(None))
    for row in connection.execute(query.order_by(table.c.message_sid, table.c.position)):
        url = f"{base}/2010-04-01/Accounts/{row.account_sid}/Messages/{row.message_sid}/Media/{row.sid}"
        of.setdefault(row.message_sid, []).append(
            Attachment(sid=row.sid, url=url, content_type=row.content_type)
        )
    return of


def _outgoing(row: Any, media: Sequence[Attachment], valid_until: float) -> Outgoing:
    return Outgoing(
        account_sid=row.account_sid,
        sid=row.sid,
        from_=row._mapping["from"],
        to=row.to,
        body=row.body,
        encoding=row.encoding,
        segments=row.num_segments,
        media=media,
        valid_until=valid_until,
        again=row.status == Status.SENDING,
        otherwise=row.otherwise,
        session_sid=row.session_sid,
        media_required=row.media_required,
    )
