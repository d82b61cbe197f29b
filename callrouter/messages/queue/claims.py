"""Takes the messages of one carrier's queue that may leave now, and leases them to this process.

One transaction under the lock of the carrier's row: the breaker and the window say how many, the accounts take turns
(PQ-9), of each only the first of a lane (PQ-5), and the rate says when each leaves (PQ-3).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, func, select, update
from sqlalchemy.orm import aliased

from callrouter.messages import states
from callrouter.messages.queue import health
from callrouter.messages.queue.pace import AHEAD, slots
from callrouter.messages.status import Status
from callrouter.messages.transport import PRESENCE, Attachment, Outgoing
from callrouter.models import Account, Carrier, Message, MessageMedia, QueuedMessage

WAITING, LEASED = "waiting", "leased"
LEASE_SECONDS = 60.0
"""Longer than any hand-off: after it, another process may try again."""
ACCOUNTS = 200
"""How many accounts one claim looks at."""
PRESENCE_WINDOW = 32
SUSPENDED = 30002

assert isinstance(QueuedMessage.__table__, Table)
QUEUE: Table = QueuedMessage.__table__
_CARRIER: Any = bindparam("carrier")
_LIMITS = select(
    Carrier.status,
    Carrier.messages,
    Carrier.message_rate.label("rate"),
    Carrier.message_window.label("window"),
).where(Carrier.name == _CARRIER)
_LEASED = select(func.count()).where(QUEUE.c.carrier == _CARRIER, QUEUE.c.state == LEASED)
_ABOVE = aliased(Account)
_ACTIVE = (
    select(Account.account_sid)
    .join(_ABOVE, _ABOVE.account_sid == Account.owner_account_sid)
    .where(Account.account_sid.in_(bindparam("sids", expanding=True)))
    .where(Account.status == "active", _ABOVE.status == "active")
)
_LEASE = update(QUEUE).where(QUEUE.c.position == bindparam("its_position"))
_SIDS: Any = bindparam("sids", expanding=True)
_MESSAGES = select(Message.__table__).where(states.MESSAGES.sid.in_(_SIDS))
_PIECES = MessageMedia.__table__.c
_MEDIA = (
    select(MessageMedia.__table__)
    .where(_PIECES.message_sid.in_(_SIDS), _PIECES.size.is_not(None))
    .order_by(_PIECES.message_sid, _PIECES.position)
)


def _next_accounts() -> Any:
    """Accounts with messages that wait, in their order after one of them: one step in the index for each."""
    mine = (QUEUE.c.carrier == _CARRIER, QUEUE.c.state == WAITING)

    def after(start: Any) -> Any:
        first = select(func.min(QUEUE.c.account_sid)).where(*mine, QUEUE.c.account_sid > start)
        return first.scalar_subquery()

    step = select(after(bindparam("start")).label("account_sid")).cte("step", recursive=True)
    step = step.union_all(select(after(step.c.account_sid)).where(step.c.account_sid.is_not(None)))
    return select(step.c.account_sid).where(step.c.account_sid.is_not(None)).limit(ACCOUNTS)


def _first_of_lanes() -> Any:
    """An account's rows that are the first in their lane, wherever the rest of it waits."""
    elder = aliased(QueuedMessage)
    behind = select(elder.position).where(elder.lane == QUEUE.c.lane, elder.position < QUEUE.c.position)
    return (
        select(QUEUE)
        .where(
            QUEUE.c.carrier == _CARRIER,
            QUEUE.c.state == WAITING,
            QUEUE.c.account_sid == bindparam("account_sid"),
            QUEUE.c.due_at <= bindparam("now"),
            QUEUE.c.valid_until > bindparam("now"),
            ~behind.exists(),
        )
        .order_by(QUEUE.c.priority, QUEUE.c.position)
        .limit(bindparam("most"))
        .with_for_update(skip_locked=True, of=QUEUE)
    )


_NEXT_ACCOUNTS, _HEADS = _next_accounts(), _first_of_lanes()


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
    row = health.locked(connection, carrier, now)
    rate, window = _limits(connection, carrier)
    breaker = health.breaker(row).at(now)
    room = breaker.room(window) - connection.execute(_LEASED, {"carrier": carrier}).scalar_one()
    if room <= 0:
        return Claim(again_at=breaker.until if window and not breaker.room(window) else None)
    if row.next_at > now + AHEAD:
        return Claim(again_at=row.next_at - AHEAD)
    found, turn = _fair(connection, carrier, row.turn, room, now)
    active = _active(connection, {each.account_sid for each in found})
    fit = [each for each in found if each.account_sid in active]
    suspended = [(each.account_sid, each.message_sid) for each in found if each.account_sid not in active]
    paced = slots([each.segments for each in fit], rate=rate, next_at=row.next_at, now=now)
    leaving = dict(zip([each.message_sid for each in fit], paced.leave_at, strict=False))
    chosen = [each for each in fit if each.message_sid in leaving]
    if chosen:
        _lease(connection, chosen, lease, now)
        turn = chosen[-1].account_sid
        health.change(connection, carrier, next_at=paced.next_at, turn=turn, breaker=breaker.state)
    elif turn != row.turn:
        health.change(connection, carrier, turn=turn)
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
    row = connection.execute(_LIMITS, {"carrier": carrier}).first()
    if row is None or row.status != "active" or not row.messages:
        return 0.0, 0
    return row.rate, row.window


def _active(connection: Connection, account_sids: Collection[str]) -> set[str]:
    """Those of them that may send; a subaccount stops with its owner."""
    if not account_sids:
        return set()
    return set(connection.execute(_ACTIVE, {"sids": sorted(account_sids)}).scalars())


def _fair(
    connection: Connection, carrier: str, turn: str, room: int, now: float
) -> tuple[Sequence[Any], str]:
    """Up to `room` rows, one of each account in turn, beginning after the account that was served last.

    And who was looked at last, if there are more accounts than one claim looks at and none of these had any: the next
    claim goes on behind it, so that no account is hidden behind others that only wait (PQ-9).
    """
    accounts = _accounts(connection, carrier, turn)
    share = -(-room // min(room, len(accounts) or 1))
    lists: list[Sequence[Any]] = []
    for account_sid in accounts:
        its = {"carrier": carrier, "account_sid": account_sid, "now": now, "most": share}
        lists.append(connection.execute(_HEADS, its).all())
        if sum(map(len, lists)) >= room:
            break
    rows = [row for row in chain.from_iterable(zip_longest(*lists)) if row is not None]
    return rows[:room], accounts[-1] if len(accounts) >= ACCOUNTS else turn


def _accounts(connection: Connection, carrier: str, turn: str) -> Sequence[str]:
    """Accounts with messages that wait, in their order from `turn` on, ACCOUNTS at most."""

    def listed(start: str) -> list[str]:
        return list(connection.execute(_NEXT_ACCOUNTS, {"carrier": carrier, "start": start}).scalars())

    behind = listed(turn)
    if not turn or len(behind) >= ACCOUNTS:
        return behind
    return [*behind, *(sid for sid in listed("") if sid <= turn)][:ACCOUNTS]


def _lease(connection: Connection, rows: Sequence[Any], lease: str, now: float) -> None:
    values = {"state": LEASED, "lease_owner": lease, "lease_until": now + LEASE_SECONDS}
    connection.execute(
        _LEASE, [{"its_position": row.position, "attempts": row.attempts + 1, **values} for row in rows]
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
    messages = connection.execute(_MESSAGES, {"sids": sids}).all()
    found = {row.sid: row for row in messages if row.status in (Status.QUEUED, Status.SENDING)}
    over = [sid for sid in sids if sid not in found]
    if over:
        connection.execute(delete(QueuedMessage).where(QUEUE.c.message_sid.in_(over)))
    states.hand_over(connection, list(found.values()), carrier, now)
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
    for row in connection.execute(_MEDIA, {"sids": sids}):
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
