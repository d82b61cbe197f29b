"""The open HTTP carrier protocol, messages: they arrive, and carriers say what became of those that they took."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from flask import Blueprint
from sqlalchemy import Connection, bindparam, select

from callrouter.calls.store import FIND_INBOX, INSERT_INBOX, OutboxRow
from callrouter.carriers import fields
from callrouter.carriers.fields import ADDRESS_LIMIT, ID_LIMIT
from callrouter.messages import inbound, targets
from callrouter.messages.inbound import Arrival
from callrouter.messages.routing.reports import apply
from callrouter.messages.text import MAX
from callrouter.models import Message
from foundation.clock import Clock
from foundation.db import Database, later
from foundation.failpoints import failpoint
from foundation.sids import MESSAGE, MESSAGE_WITH_MEDIA, new_sid
from foundation.webserver.errors import ApiError

T = TypeVar("T")
Answer = tuple[dict[str, str], int]

MOST_MEDIA = 10
URL_LIMIT = 2_000
_ACCOUNT = select(Message.account_sid).where(Message.sid == bindparam("sid"))


class Settles(Protocol):
    """Commits work for an account, again if another router stored the same just now; then what it made goes out."""

    def settle(self, account_sid: str, work: Callable[[Connection], tuple[T, list[OutboxRow]]]) -> T: ...


class MessageIngress:
    """The routes for messages; who asks was verified before."""

    def __init__(self, database: Database, messages: Settles, clock: Clock, owner: str) -> None:
        self._database, self._messages, self._clock, self._owner = database, messages, clock, owner

    def add_routes(self, blueprint: Blueprint) -> None:
        @blueprint.post("/messages")
        def message(carrier: str) -> Answer:
            return self._receive(carrier, fields.body())

        @blueprint.post("/messages/<sid>/events")
        def message_event(carrier: str, sid: str) -> Answer:
            return self._report(carrier, sid, fields.body())

    def _receive(self, carrier: str, body: Mapping[str, Any]) -> Answer:
        arrival, now = self._arrival(carrier, body), self._clock().timestamp()

        def unit(connection: Connection) -> tuple[inbound.Received, list[OutboxRow]]:
            received = inbound.receive(connection, arrival, now, self._owner)
            return received, received.rows

        failpoint("IM2")
        received = self._messages.settle(arrival.target.account_sid, unit)
        failpoint("IM6")
        return {"message_sid": received.message_sid}, 200 if received.repeated else 201

    def _arrival(self, carrier: str, body: Mapping[str, Any]) -> Arrival:
        to, media = fields.text(body, "to", ADDRESS_LIMIT), _media(body)
        with self._database.read() as connection:
            target = targets.find(connection, to)
        if target is None:
            raise ApiError(404, 21421, f"{to!r} is no number of this deployment.")
        if not target.active:
            raise ApiError(403, 10001, "The account of this number is not active.")
        return Arrival(
            target=target,
            sid=new_sid(MESSAGE_WITH_MEDIA if media else MESSAGE),
            carrier=carrier,
            carrier_message_id=fields.text(body, "id", ID_LIMIT),
            from_=fields.text(body, "from", ADDRESS_LIMIT),
            to=to,
            body=_words(body),
            media=media,
        )

    def _report(self, carrier: str, sid: str, body: Mapping[str, Any]) -> Answer:
        event_id = fields.text(body, "event_id", ID_LIMIT)
        status, code, now = fields.text(body, "status", 32), _code(body), self._clock().timestamp()
        with self._database.read() as connection:
            account_sid = connection.execute(_ACCOUNT, {"sid": sid}).scalar()
        if account_sid is None:
            raise ApiError(404, 20404, f"Carrier {carrier!r} has no message {sid[:40]!r} here.")
        receipt = {"source": f"carrier:{carrier}", "event_id": f"report {sid} {event_id}"}
        row = {**receipt, "account_sid": account_sid, "call_sid": sid, "received_at": now}

        def unit(connection: Connection) -> tuple[str, list[OutboxRow]]:
            if connection.execute(FIND_INBOX, receipt).scalar():
                kept = select(Message.status).where(Message.account_sid == account_sid, Message.sid == sid)
                return str(connection.execute(kept).scalar()), []
            after, rows = apply(connection, carrier, sid, status, code, now, self._owner)
            later(connection, INSERT_INBOX, [row])
            return after.value, rows

        failpoint("OM9")
        after = self._messages.settle(account_sid, unit)
        failpoint("OM10")
        return {"status": after}, 200


def _words(body: Mapping[str, Any]) -> str:
    """The message's body as a database can keep it; an empty one is allowed."""
    given = body.get("body", "")
    if not isinstance(given, str):
        raise ApiError(400, 20001, "`body` must be a text.")
    words = fields.whole(given).replace("\0", "�")
    if len(words) > MAX:
        raise ApiError(400, 21617, f"`body` has {len(words)} characters; a message takes {MAX}.")
    return words


def _media(body: Mapping[str, Any]) -> tuple[str, ...]:
    given = body.get("media") or []
    if not isinstance(given, list) or not all(isinstance(piece, dict) for piece in given):
        raise ApiError(400, 20001, "`media` must be a list of objects with a `url`.")
    if len(given) > MOST_MEDIA:
        raise ApiError(400, 21623, f"`media` has {len(given)} entries; a message takes {MOST_MEDIA}.")
    return tuple(fields.text(piece, "url", URL_LIMIT) for piece in given)


def _code(body: Mapping[str, Any]) -> int | None:
    """Twilio's code of a failure, if the carrier knows one."""
    code = body.get("error_code")
    if code is None:
        return None
    if isinstance(code, bool) or not isinstance(code, int) or not 10_000 <= code < 100_000:
        raise ApiError(400, 20001, "`error_code` must be a number of five digits, such as 30003.")
    return code
