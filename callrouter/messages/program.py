"""The program of a message that came in: what its app says is done in the transaction of its next state (IM10)."""

import random
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from callrouter.calls.store import INSERT_NOTE, OutboxRow
from callrouter.messages import cookies, outgoing, parameters, sessions
from callrouter.messages.outgoing import Submission
from callrouter.messages.targets import Target
from callrouter.models import Message, MessageMedia, MessageProgram, Outbox
from foundation.db import later
from foundation.sids import MESSAGE, MESSAGE_WITH_MEDIA, NOTIFICATION, new_sid
from foundation.webserver.errors import ApiError
from instructions import messaging as language
from instructions.messaging import Event, Fault, Fetch, Finish, Reply, Sent, Started, State, Warn

LOOP, LOOP_REPLIES, LOOP_SECONDS = 14107, 15, 30.0
"""So many replies between the same two numbers in so many seconds mean that two machines talk to each other."""
MEDIA, MESSAGES, PROGRAMS = MessageMedia.__table__.c, Message.__table__.c, MessageProgram.__table__.c


def begin(
    connection: Connection,
    message: Any,
    target: Target,
    now: float,
    owner: str,
    *,
    random: Callable[[], float] = random.random,
) -> list[OutboxRow]:
    """What is done about a message that is whole: the client of its session gets it (PR-71), or its app is asked."""
    turn = Turn(connection, message, now, owner, random)
    phone = message._mapping["from"]
    session = sessions.open_for(connection, message.account_sid, message.to, phone, now)
    if session is not None:
        turn.forward(session)
    elif target.url:
        state = language.new_session(
            url=target.url,
            method=target.method,
            fallback_url=target.fallback_url,
            fallback_method=target.fallback_method,
            params=tuple(parameters.standard(message, turn.media()).items()),
        )
        turn.run(state, Started(), version=0)
    return turn.rows


def proceed(
    connection: Connection, message: Any, event: Event, now: float, owner: str, random: Callable[[], float]
) -> list[OutboxRow]:
    """Tells the message's program what happened; nothing when it has none any more."""
    of_message = (PROGRAMS.account_sid == message.account_sid, PROGRAMS.message_sid == message.sid)
    row = connection.execute(select(MessageProgram.__table__).where(*of_message).with_for_update()).first()
    if row is None:
        return []
    turn = Turn(connection, message, now, owner, random)
    turn.run(language.loads(row.state), event, version=row.version)
    return turn.rows


class Turn:
    """One event's worth of a program; `rows` are to go out after the commit."""

    def __init__(
        self, connection: Connection, message: Any, now: float, owner: str, random: Callable[[], float]
    ) -> None:
        self._connection, self._message, self._now = connection, message, now
        self._owner, self._random = owner, random
        self.rows: list[OutboxRow] = []

    def run(self, state: State, event: Event, *, version: int) -> None:
        """Everything that the event leads to without the network, and the state after it."""
        events, finished = deque([event]), False
        while events:
            state, commands = language.advance(state, events.popleft())
            for command in commands:
                match command:
                    case Fetch():
                        self._fetch(command)
                    case Reply():
                        events.append(self._reply(command))
                    case Warn() | Fault():
                        level = "1" if isinstance(command, Warn) else "0"
                        self._note(level, command.code, command.message, command.url)
                    case Finish():
                        finished = True
        self._save(state, version, finished)

    def forward(self, session: Any) -> None:
        """To the client that the phone is in a session with; its app is not asked."""
        message, media = self._message, self.media()
        paths = [parameters.media_path(message.account_sid, message.sid, piece.sid) for piece in media]
        connection, mine = self._connection, (MESSAGES.account_sid == message.account_sid)
        connection.execute(
            update(Message).where(mine, MESSAGES.sid == message.sid).values(session_sid=session.sid)
        )
        submission = Submission(
            account_sid=message.account_sid,
            sid=new_sid(MESSAGE_WITH_MEDIA if media else MESSAGE),
            direction="outbound-reply",
            from_=message._mapping["from"],
            to=f"client:{session.client}",
            body=message.body,
            media_urls=tuple(paths),
            answers=message.sid,
            session_sid=session.sid,
            otherwise=session.otherwise,
        )
        with suppress(ApiError):
            self._submit(submission)

    # -- commands

    def _fetch(self, command: Fetch) -> None:
        message = self._message
        entry = {
            "id": f"{message.sid}.{command.fetch}",
            "account_sid": message.account_sid,
            "call_sid": message.sid,
            "lane": f"message:{message.sid}",
            "position": 0,
            "kind": "message.fetch",
            "payload": {
                "fetch": command.fetch,
                "url": command.url,
                "method": command.method,
                "parameters": dict(command.params),
                "cookies": cookies.kept(self._connection, message, self._now),
            },
            "attempts": 0,
            "due_at": self._now,
            "owner": self._owner,
            "created_at": self._now,
        }
        self._connection.execute(insert(Outbox), [entry])
        self.rows.append(entry)

    def _reply(self, command: Reply) -> Sent:
        message = self._message
        to, from_ = command.to or message._mapping["from"], command.from_ or message.to
        if self._loops(from_, to):
            reason = (
                f"{LOOP_REPLIES} replies from {from_} to {to} in {LOOP_SECONDS:g} s: they answer each other"
            )
            self._note("0", LOOP, reason, None)
            return _unsent(command, LOOP)
        submission = Submission(
            account_sid=message.account_sid,
            sid=new_sid(MESSAGE_WITH_MEDIA if command.media else MESSAGE),
            direction="outbound-reply",
            from_=from_,
            to=to,
            body=command.body,
            media_urls=command.media,
            messaging_service_sid=None if command.from_ else message.messaging_service_sid,
            status_callback=command.status_callback,
            answers=message.sid,
            session_sid=self._session(to, command),
            otherwise=command.otherwise,
            media_required=command.media_required,
        )
        try:
            status = self._submit(submission)
        except ApiError as refusal:
            return _unsent(command, refusal.code)
        return Sent(reply=command.index, sid=submission.sid, status=status, to=to, from_=from_)

    def _submit(self, submission: Submission) -> str:
        """Its status; the account is told when it can't be sent, and the caller by ApiError."""
        connection, random = self._connection, self._random
        try:
            with connection.begin_nested():
                sent = outgoing.submit(connection, submission, self._now, owner=self._owner, random=random)
        except ApiError as refusal:
            reason = f"The message to {submission.to} is not sent: {refusal.message}"
            self._note("1", refusal.code, reason, None)
            raise
        self.rows += sent.rows
        return sent.status.value

    def _session(self, to: str, command: Reply) -> str | None:
        """Opens a session between the phone and the client that is written to, if the app wants one."""
        kind, _, client = to.partition(":")
        if command.session is None or kind != "client":
            return None
        message = self._message
        row = sessions.begin(
            self._connection,
            message.account_sid,
            number=message.to,
            phone=message._mapping["from"],
            client=client,
            timeout=command.session,
            now=self._now,
            otherwise=command.otherwise,
        )
        self._connection.execute(
            update(Message)
            .where(MESSAGES.account_sid == message.account_sid, MESSAGES.sid == message.sid)
            .values(session_sid=row)
        )
        return str(row)

    def _loops(self, from_: str, to: str) -> bool:
        recent = select(func.count()).where(
            MESSAGES.account_sid == self._message.account_sid,
            MESSAGES.date_created > self._now - LOOP_SECONDS,
            MESSAGES.direction == "outbound-reply",
            MESSAGES["from"] == from_,
            MESSAGES.to == to,
        )
        return bool(self._connection.execute(recent).scalar_one() >= LOOP_REPLIES)

    def _note(self, level: str, code: int, text: str, url: str | None) -> None:
        row = {
            "account_sid": self._message.account_sid,
            "sid": new_sid(NOTIFICATION),
            "call_sid": self._message.sid,
            "log": level,
            "error_code": str(code),
            "message_text": text,
            "message_date": self._now,
            "request_url": url,
        }
        later(self._connection, INSERT_NOTE, [row])

    # -- rows

    def media(self) -> Sequence[Any]:
        """Those that could be had, in their order."""
        message = self._message
        query = select(MessageMedia.__table__).where(
            MEDIA.account_sid == message.account_sid,
            MEDIA.message_sid == message.sid,
            MEDIA.size.is_not(None),
        )
        return self._connection.execute(query.order_by(MEDIA.position)).all() if message.num_media else ()

    def _save(self, state: State, version: int, finished: bool) -> None:
        message = self._message
        of_message = (PROGRAMS.account_sid == message.account_sid, PROGRAMS.message_sid == message.sid)
        if finished:
            self._connection.execute(delete(MessageProgram).where(*of_message))
            return
        values = {"state": language.dumps(state), "version": version + 1, "date_updated": self._now}
        if version:
            self._connection.execute(update(MessageProgram).where(*of_message).values(values))
        else:
            keys = {"account_sid": message.account_sid, "message_sid": message.sid}
            self._connection.execute(insert(MessageProgram), [{**keys, **values}])


def _unsent(command: Reply, code: int) -> Sent:
    return Sent(reply=command.index, sid="", status="failed", error_code=code)
