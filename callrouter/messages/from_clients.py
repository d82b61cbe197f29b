"""What clients say about messages, as the presence server reports it (docs/protocols/presence.md): they send (PR-75),
and what they were sent was shown or nobody took it in time (PR-72, PR-73).
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, select

from callrouter.calls.store import OutboxRow
from callrouter.directory.e164 import E164
from callrouter.messages import instead, outgoing, sessions, states
from callrouter.messages.outgoing import Submission
from callrouter.messages.status import Status
from callrouter.models import Account, Message
from foundation.db import Database
from foundation.sids import MESSAGE, MESSAGE_SESSION, MESSAGE_WITH_MEDIA, is_sid, new_sid
from foundation.webserver.errors import ApiError

T = TypeVar("T")
Answer = tuple[dict[str, Any], int]

EXPIRED, UNREACHABLE = 30036, 30003
NO_FROM, NO_TO, INVALID_TO, INVALID_FROM, NOT_FOUND, SUSPENDED = 21603, 21604, 21211, 21212, 20404, 20005
CLIENT = "client:"
LONGEST_NUMBER = 16
CLIENT_NAME = re.compile(r"[^\s\x00-\x1f\x7f]{1,256}")
ACCOUNTS = Account.__table__.c
MESSAGES = Message.__table__.c


class Settles(Protocol):
    """`callrouter.messages.front.Messages`, as far as it is needed here."""

    def settle(self, account_sid: str, work: Callable[[Connection], tuple[T, list[OutboxRow]]]) -> T: ...


class FromClients:
    """For Flask's threads."""

    def __init__(
        self,
        messages: Settles,
        database: Database,
        *,
        owner: str,
        now: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._messages, self._database = messages, database
        self._owner, self._now, self._random = owner, now, random

    def text(self, body: Mapping[str, Any]) -> Answer:
        """A client sends a message; the presence server has seen its permission. The same `id` again sends nothing."""
        account_sid, now = body["account_sid"], self._now()
        fresh = new_sid(MESSAGE_WITH_MEDIA if body["media"] else MESSAGE), new_sid(MESSAGE_SESSION)

        def work(connection: Connection) -> tuple[dict[str, Any] | ApiError, list[OutboxRow]]:
            try:
                with connection.begin_nested():
                    _demand_active(connection, account_sid)
                    address = _address(connection, body, now, fresh[1])
                    submission = Submission(
                        account_sid=account_sid,
                        sid=fresh[0],
                        direction="outbound-api",
                        from_=address.from_,
                        to=address.to,
                        body=body["body"],
                        media_urls=tuple(body["media"]),
                        session_sid=address.session_sid,
                        idempotency_key=_key(body),
                        idempotency_digest=_digest(body),
                    )
                    sent = outgoing.submit(
                        connection, submission, now, owner=self._owner, random=self._random
                    )
                    if address.session_sid:
                        sessions.touch(connection, account_sid, address.session_sid, now)
            except ApiError as refusal:  # the units beside this one go on
                return refusal, []
            return {"message_sid": sent.sid, "status": sent.status}, sent.rows

        answer = self._messages.settle(account_sid, work)
        if isinstance(answer, ApiError):
            raise answer
        return answer, 201

    def delivered(self, body: Mapping[str, Any]) -> Answer:
        """A device has shown it; after that nothing makes it undelivered (I5)."""
        return self._ended(body, self._deliver)

    def expired(self, body: Mapping[str, Any]) -> Answer:
        """Nobody has shown it in time."""
        return self._ended(body, self._expire)

    def _ended(
        self, body: Mapping[str, Any], end: Callable[[Connection, Any, float], list[OutboxRow]]
    ) -> Answer:
        """The account of the event is the client's, which may not be the message's (PR-61)."""
        of_sid = select(MESSAGES.account_sid, MESSAGES.sid, MESSAGES.to).where(
            MESSAGES.sid == body["message_sid"]
        )
        with self._database.read() as connection:
            row = connection.execute(of_sid).first()
        if row is None or not row.to.startswith(CLIENT):
            return {}, 200  # deleted meanwhile

        def work(connection: Connection) -> tuple[None, list[OutboxRow]]:
            found = states.found(connection, row.account_sid, row.sid)
            return None, end(connection, found, body["at"]) if found is not None else []

        self._messages.settle(row.account_sid, work)
        return {}, 200

    def _deliver(self, connection: Connection, row: Any, at: float) -> list[OutboxRow]:
        moved = states.move(
            connection,
            row.account_sid,
            row.sid,
            Status.DELIVERED,
            self._now(),
            owner=self._owner,
            due_at=None,
            reported_at=at,
        )
        return moved or []

    def _expire(self, connection: Connection, row: Any, at: float) -> list[OutboxRow]:
        now = self._now()
        code = EXPIRED if instead.holds(row.otherwise) else UNREACHABLE
        moved = states.move(
            connection,
            row.account_sid,
            row.sid,
            Status.UNDELIVERED,
            now,
            owner=self._owner,
            error_code=code,
            due_at=None,
            reported_at=at,
        )
        if moved is None:
            return []
        return moved + instead.send_instead(connection, row, now, owner=self._owner, random=self._random)[1]


@dataclass(frozen=True, kw_only=True)
class _Address:
    from_: str
    to: str
    session_sid: str | None = None


def _address(connection: Connection, body: Mapping[str, Any], now: float, new_session: str) -> _Address:
    """Whom it is for and from which number: as the client says, or as its session with that phone does (PR-71)."""
    account_sid, client = body["account_sid"], body["identity"]
    to, from_, timeout = body["to"], body["from"], body["session"]
    if to.startswith(CLIENT):
        if not CLIENT_NAME.fullmatch(to.removeprefix(CLIENT)):
            raise ApiError(400, INVALID_TO, "`to` names no client.")
        return _Address(from_=f"{CLIENT}{client}", to=to)
    open_ = sessions.between(connection, account_sid, client, now)
    if not to and len(open_) != 1:
        raise ApiError(
            400, NO_TO, f"`to` is missing, and the client has {len(open_)} open sessions, not one."
        )
    if is_sid(to, MESSAGE_SESSION) and all(one.sid != to for one in open_):
        raise ApiError(404, NOT_FOUND, "The client has no such open session.")
    fitting = (one for one in open_ if to in ("", one.sid, one.phone) and from_ in ("", one.number))
    session = next(fitting, None)
    if session is not None:
        to, from_ = session.phone, session.number
    if not E164.fullmatch(to):
        raise ApiError(400, INVALID_TO, f"{to!r} is no phone number in E.164, such as +15551234567.")
    if not from_:
        raise ApiError(
            400, NO_FROM, f"`from` is missing: a number of the account; the client has no session with {to}."
        )
    if not timeout:
        return _Address(from_=from_, to=to, session_sid=session.sid if session is not None else None)
    if len(from_) > LONGEST_NUMBER:
        raise ApiError(400, INVALID_FROM, "A session needs a number of the account.")
    sid = sessions.begin(
        connection,
        account_sid,
        number=from_,
        phone=to,
        client=client,
        timeout=timeout,
        now=now,
        sid=new_session,
    )
    return _Address(from_=from_, to=to, session_sid=sid)


def _demand_active(connection: Connection, account_sid: str) -> None:
    status = connection.execute(select(ACCOUNTS.status).where(ACCOUNTS.account_sid == account_sid)).scalar()
    if status != "active":
        raise ApiError(403, SUSPENDED, "The account is not active.")


def _key(body: Mapping[str, Any]) -> str:
    """Each client has ids of its own."""
    return f"client {hashlib.sha256(json.dumps([body['identity'], body['id']]).encode()).hexdigest()}"


def _digest(body: Mapping[str, Any]) -> str:
    said = [body["to"], body["from"], body["body"], list(body["media"])]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()
