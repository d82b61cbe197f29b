"""Messages that come in: each is stored once, with what is to be done about it, in one transaction (IM3 to IM6)."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select

from callrouter.calls.store import OutboxRow
from callrouter.messages import media, optouts, program, states
from callrouter.messages.keywords import opt_word
from callrouter.messages.routing import reports
from callrouter.messages.status import Status
from callrouter.messages.targets import Target
from callrouter.messages.text import measure
from callrouter.models import Inbox, Message, MessageMedia, Outbox
from foundation.webserver.errors import ApiError


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A message that a carrier brought to a number of ours; `sid` is a new one, `media` are URLs."""

    target: Target
    sid: str
    carrier: str
    carrier_message_id: str
    from_: str
    to: str
    body: str
    media: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Received:
    """`message_sid` is the first delivery's when this is a repetition; `rows` are to go out after the commit."""

    message_sid: str
    rows: list[OutboxRow]
    repeated: bool = False


def receive(connection: Connection, arrival: Arrival, now: float, owner: str) -> Received:
    """Stores it, or finds that it was; `owner` is the router that goes on with it."""
    if known := _known(connection, arrival):
        return Received(message_sid=known, rows=[], repeated=True)
    target, measured = arrival.target, measure(arrival.body)
    receipt = {
        "source": f"carrier:{arrival.carrier}",
        "event_id": _event_id(arrival),
        "account_sid": target.account_sid,
        "call_sid": arrival.sid,
        "received_at": now,
    }
    connection.execute(insert(Inbox), [receipt])
    message = {
        "account_sid": target.account_sid,
        "sid": arrival.sid,
        "direction": "inbound",
        "from": arrival.from_,
        "to": arrival.to,
        "body": arrival.body,
        "encoding": measured.encoding,
        "num_segments": measured.segments,
        "num_media": len(arrival.media),
        "status": Status.RECEIVING if arrival.media else Status.RECEIVED,
        "messaging_service_sid": target.service_sid,
        "phone_number_sid": target.sid,
        "carrier": arrival.carrier,
        "carrier_message_id": arrival.carrier_message_id,
        "date_created": now,
        "date_updated": now,
        "date_sent": now,
    }
    connection.execute(insert(Message), [message])
    word = opt_word(arrival.body)
    optouts.note(connection, target.account_sid, arrival.to, target.service_sid, arrival.from_, word, now)
    reports.answered(connection, target.account_sid, arrival.to, arrival.from_, now)
    if arrival.media:
        pieces = media.rows(target.account_sid, arrival.sid, arrival.media, now)
        connection.execute(insert(MessageMedia), pieces)
        work = [media.entry(target.account_sid, arrival.sid, now, owner)]
        connection.execute(insert(Outbox), work)
        return Received(message_sid=arrival.sid, rows=work)
    row = states.found(connection, target.account_sid, arrival.sid)
    assert row is not None
    return Received(message_sid=arrival.sid, rows=program.begin(connection, row, target, now, owner))


def _known(connection: Connection, arrival: Arrival) -> str:
    """The message that an earlier delivery made, kept or deleted."""
    inbox = select(Inbox.call_sid).where(
        Inbox.source == f"carrier:{arrival.carrier}", Inbox.event_id == _event_id(arrival)
    )
    if known := connection.execute(inbox).scalar():
        return str(known)
    stored = select(Message.sid, Message.direction).where(
        Message.carrier == arrival.carrier, Message.carrier_message_id == arrival.carrier_message_id
    )
    row = connection.execute(stored).first()
    if row is not None and row.direction != "inbound":
        reason = f"{arrival.carrier_message_id!r} is our id of a message that went out; a message in needs its own."
        raise ApiError(409, 20409, reason)
    return str(row.sid) if row else ""


def _event_id(arrival: Arrival) -> str:
    return f"message {arrival.carrier_message_id}"
