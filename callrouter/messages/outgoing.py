"""Messages that go out: each is checked, stored and put into the queue of a carrier in one transaction (OM1, OM2).

One that must wait, for its time, for its service's sender or for its media, is stored as such; `enqueue` is called when
what it waited for has come.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update

from callrouter.calls.store import OutboxRow
from callrouter.directory import accounts
from callrouter.messages import optouts, senders, states
from callrouter.messages import submission as wanted
from callrouter.messages.queue import entering
from callrouter.messages.queue.entering import Put, inserted
from callrouter.messages.routing.choose import Decision
from callrouter.messages.senders import Sender
from callrouter.messages.status import Status
from callrouter.messages.submission import Submission
from callrouter.models import IdempotencyKey, Message, MessageMedia, Outbox, QueuedMessage
from foundation.webserver.errors import ApiError

__all__ = ["Submission", "Submitted", "enqueue", "submit"]

NO_SENDER, OPTED_OUT, SUSPENDED = 21603, 21610, 30002
OTHER_REQUEST = 20409
NO_CARRIER = (
    "No carrier of this deployment takes messages to {to}: there is none, or all are disabled, banned there or "
    "without a route. `callrouter carrier routes --to {to}` tells."
)
MESSAGES = Message.__table__.c
_STORE = insert(Message)


@dataclass(frozen=True, kw_only=True)
class Submitted:
    """`sid` is the first request's when this one repeats it; `rows` are to go out after the commit."""

    sid: str
    status: Status
    rows: list[OutboxRow]


class NotSendable(Exception):
    """A stored message can't go out any more: it fails with this code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def submit(
    connection: Connection,
    submission: Submission,
    now: float,
    *,
    owner: str,
    random: Callable[[], float],
    put: Put = inserted,
) -> Submitted:
    """Stores the message and, if nothing is to be waited for, queues it. `owner` is the router that carries its outbox
    entries out. `put`: how its rows are inserted; nobody reads them by then, unless it has an idempotency key.

    ApiError with Twilio's code when it can't be sent; it is raised before anything is written.
    """
    if known := _repeated(connection, submission):
        return known
    submission = wanted.as_its_service_wants(connection, submission)
    wanted.demand_content(submission)
    sender = _sender(connection, submission)
    if _opted_out(
        connection, submission.account_sid, sender, submission.messaging_service_sid, submission.to
    ):
        raise ApiError(400, OPTED_OUT, f"{submission.to} wants no messages from this sender any more.")
    row = wanted.row(submission, sender.sid, now)
    decision = None
    if submission.send_at is None:
        kind = entering.kind(row["num_media"])
        decision = _decision(connection, submission.account_sid, submission.to, kind, sender, now, random)
    put(connection, _STORE, [row])
    _remember(connection, submission, now)
    rows = _media_work(connection, submission, now, owner)
    if decision and row["status"] == Status.QUEUED and not rows:
        entering.enter(connection, row, decision, now, priority=submission.priority, put=put)
    return Submitted(sid=submission.sid, status=row["status"], rows=rows)


def enqueue(
    connection: Connection,
    account_sid: str,
    sid: str,
    now: float,
    *,
    owner: str,
    random: Callable[[], float],
) -> Submitted:
    """Queues a stored message if nothing is to be waited for any more. One that can't go out by now fails."""
    message = states.found(connection, account_sid, sid, locked=True)
    if message is None or not _ready(connection, message, now):
        status = Status.FAILED if message is None else Status(message.status)
        return Submitted(sid=sid, status=status, rows=[])
    try:
        sender = _sender_of(connection, message)
        kind = entering.kind(message.num_media)
        decision = _decision(connection, account_sid, message.to, kind, sender, now, random, capped=False)
    except (NotSendable, ApiError) as fault:
        failed = states.move(
            connection, account_sid, sid, Status.FAILED, now, owner=owner, error_code=fault.code, due_at=None
        )
        return Submitted(sid=sid, status=Status.FAILED, rows=failed or [])
    mine = (MESSAGES.account_sid == account_sid, MESSAGES.sid == sid)
    chosen = {"from": sender.address, "phone_number_sid": sender.sid}
    connection.execute(update(Message).where(*mine).values(chosen))
    moved = states.move(connection, account_sid, sid, Status.QUEUED, now, owner=owner, due_at=None)
    entering.enter(connection, {**message._mapping, **chosen}, decision, now)
    return Submitted(sid=sid, status=Status.QUEUED, rows=moved or [])


# -- a new one


def _repeated(connection: Connection, submission: Submission) -> Submitted | None:
    """What the same request made before (OM2)."""
    if submission.idempotency_key is None:
        return None
    table = IdempotencyKey.__table__
    query = select(table).where(
        table.c.account_sid == submission.account_sid, table.c.key == submission.idempotency_key
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    if row.request != submission.idempotency_digest:
        reason = "This idempotency key was used for another request; give each request its own."
        raise ApiError(409, OTHER_REQUEST, reason)
    message = states.found(connection, submission.account_sid, row.message_sid)
    status = Status.CANCELED if message is None else Status(message.status)
    return Submitted(sid=row.message_sid, status=status, rows=[])


def _remember(connection: Connection, submission: Submission, now: float) -> None:
    if submission.idempotency_key is None:
        return
    row = {
        "account_sid": submission.account_sid,
        "key": submission.idempotency_key,
        "request": submission.idempotency_digest,
        "message_sid": submission.sid,
        "date_created": now,
    }
    connection.execute(insert(IdempotencyKey), [row])


def _sender(connection: Connection, submission: Submission) -> Sender:
    """The one that is named, if it may be; without an address when the service is to choose one later."""
    account_sid, service_sid = submission.account_sid, submission.messaging_service_sid
    pool = senders.pool(connection, account_sid, service_sid) if service_sid else ()
    if not (submission.from_ or service_sid):
        raise ApiError(400, NO_SENDER, "A message needs From or MessagingServiceSid.")
    if not submission.from_:
        return Sender(address="")
    sender = _named(connection, account_sid, submission.from_, submission.to, submission.session_sid)
    if pool and sender.sid not in {row.sender_sid for row in pool}:
        reason = f"From: {submission.from_} is no sender of the messaging service {service_sid}."
        raise ApiError(400, senders.NOT_A_SENDER, reason)
    if sender.named and submission.media_urls:
        raise ApiError(400, senders.NOT_A_SENDER, f"From: the name {sender.address!r} can't send media.")
    return sender


def _named(
    connection: Connection, account_sid: str, address: str, to: str, session_sid: str | None
) -> Sender:
    if session_sid and to.startswith(senders.CLIENT):
        return Sender(address=address)  # what a phone wrote goes to its client as it came (PR-71)
    return senders.owned(connection, account_sid, address, to)


def _media_work(connection: Connection, submission: Submission, now: float, owner: str) -> list[OutboxRow]:
    """Its media are fetched before it goes out; the executor calls `enqueue` at its end."""
    from callrouter.messages import media  # it knows this module, too

    if not submission.media_urls:
        return []
    account_sid, sid = submission.account_sid, submission.sid
    connection.execute(insert(MessageMedia), media.rows(account_sid, sid, submission.media_urls, now))
    work = [media.entry(account_sid, sid, now, owner)]
    connection.execute(insert(Outbox), work)
    return work


# -- one that waited


def _ready(connection: Connection, message: Any, now: float) -> bool:
    """It is to be sent by now, all its media are there, and it is in no queue yet."""
    if Status(message.status) not in (Status.ACCEPTED, Status.SCHEDULED, Status.QUEUED):
        return False
    if message.status == Status.SCHEDULED and message.due_at is not None and message.due_at > now:
        return False
    piece = MessageMedia.__table__.c
    missing = select(piece.sid).where(
        piece.account_sid == message.account_sid,
        piece.message_sid == message.sid,
        piece.size.is_(None),
        piece.error_code.is_(None),
    )
    queued = select(QueuedMessage.message_sid).where(QueuedMessage.message_sid == message.sid)
    return connection.execute(missing.union_all(queued).limit(1)).first() is None


def _sender_of(connection: Connection, message: Any) -> Sender:
    """The sender of a stored message, chosen now if its service is to choose; NotSendable when it may not go out."""
    account_sid, service_sid = message.account_sid, message.messaging_service_sid
    account = accounts.find(connection, account_sid)
    if account is None or not account.active:
        raise NotSendable(SUSPENDED)
    if address := message._mapping["from"]:
        sender = _named(connection, account_sid, address, message.to, message.session_sid)
    else:
        service = senders.service(connection, account_sid, service_sid)
        sender = senders.of_service(connection, service, message.to, media=bool(message.num_media))
    if _opted_out(connection, account_sid, sender, service_sid, message.to):
        raise NotSendable(OPTED_OUT)
    return sender


# -- both


def _opted_out(
    connection: Connection, account_sid: str, sender: Sender, service_sid: str | None, to: str
) -> bool:
    return not to.startswith(senders.CLIENT) and optouts.blocked(
        connection, account_sid, sender.address, service_sid, to
    )


def _decision(
    connection: Connection,
    account_sid: str,
    to: str,
    kind: str,
    sender: Sender,
    now: float,
    random: Callable[[], float],
    *,
    capped: bool = True,
) -> Decision:
    """ApiError 21612 when no carrier takes it; if `capped`, 21611 when all queues are full (PQ-10)."""
    full: list[str] = []
    while True:
        decision = entering.decide(
            connection, account_sid, to, kind, now, random, avoid=full, preferred=sender.carrier
        )
        if not decision.carrier and full:
            reason = "The queue of messages is full; nothing was stored. Try again later."
            raise ApiError(429, entering.FULL, reason, {"Retry-After": "10"})
        if not decision.carrier:
            raise ApiError(400, entering.NO_ROUTE, NO_CARRIER.format(to=to))
        if not (capped and entering.full(connection, decision.carrier, account_sid)):
            return decision
        full.append(decision.carrier)
