"""The transport `presence`: messages to clients, which the presence server holds for their devices (PR-70 to PR-74).

What a device acknowledges comes back as an event (`from_clients`). Asking again is harmless: the message's SID is its
identity at the presence server, too.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select

from callrouter.calls.store import OutboxRow
from callrouter.messages import instead, sessions, states
from callrouter.messages import reach as reaching
from callrouter.messages.host import Host
from callrouter.messages.transport import PRESENCE, NotNow, Outgoing, Refused, Taken, Unavailable
from callrouter.models import MessageDecision
from presence.client import (
    ClientMessage,
    Presence,
    PresenceClient,
    PresenceRefused,
    PresenceUnavailable,
    Reach,
)

QUEUE_FULL, UNREACHABLE, UNKNOWN, NO_MEDIA = 30001, 30003, 30005, 30011
TOO_MANY = 429
PAUSE = 2.0
"""Seconds until a presence server that has too much to do is asked again."""
DECISIONS = MessageDecision.__table__.c


class ToClients:
    """`callrouter.messages.transport.Transport` for the queue `presence`."""

    def __init__(
        self,
        engine: Host,
        presence: PresenceClient,
        *,
        poke: Callable[[], None],
        random: Callable[[], float],
    ) -> None:
        """`poke` wakes the senders of the other queues."""
        self._engine, self._presence = engine, presence
        self._poke, self._random = poke, random

    async def send(self, carrier: str, message: Outgoing) -> Taken:
        """Taken is what a device will get: now, or by `valid_until`. Refused when nobody is there and it is not to be
        held: then it has gone to the number that was named instead, if one was (PR-73)."""
        try:
            reach = await asyncio.to_thread(self._presence.reach, message.account_sid, _name(message.to))
        except PresenceUnavailable as error:
            raise Unavailable(str(error), maybe_taken=False) from error
        except PresenceRefused as error:
            raise _refusal(error) from error
        chosen = await self._choose(message, reach)
        try:
            placed = await asyncio.to_thread(self._put, message, chosen)
        except PresenceUnavailable as error:  # it may hold the message by now: too late to cancel it
            raise Unavailable(str(error), maybe_taken=True) from error
        except PresenceRefused as error:
            raise _refusal(error) from error
        considered = reaching.considered(reach, chosen, media_required=message.media_required, placed=placed)
        await self._engine.persist(partial(self._note, message, chosen, considered), message.account_sid)
        if placed.status == "no-media":
            raise Refused(NO_MEDIA, f"no device of {message.to} takes media", elsewhere=False)
        if placed.status == "nobody":
            reason = await self._send_instead(message)
            raise Refused(UNREACHABLE, f"no device of {message.to} is there; {reason}", elsewhere=False)
        return Taken()

    async def _choose(self, message: Outgoing, reach: Reach) -> Presence:
        """For a destination, the choice is kept before anybody is told: after a crash the same client gets it."""
        if not reach.targets:
            raise Refused(UNKNOWN, f"there is no client {message.to}", elsewhere=False)
        if not reach.shared:
            return reach.targets[0]

        def work(connection: Connection) -> Presence:
            """Of two routers that both believe to have the message, the second one finds the first one's choice."""
            states.found(connection, message.account_sid, message.sid, locked=True)
            row = _last(connection, message)
            before = reaching.chosen_before(row.considered) if row else None
            chosen = reaching.choose(reach, media_required=message.media_required, before=before)
            if before is None:
                considered = reaching.considered(reach, chosen, media_required=message.media_required)
                self._note(message, chosen, considered, connection)
            return chosen

        chosen: Presence = await self._engine.persist(work, message.account_sid)
        return chosen

    def _put(self, message: Outgoing, chosen: Presence) -> ClientMessage:
        hold = instead.holds(message.otherwise)
        now = self._engine.now()
        return self._presence.put_message(
            chosen.account_sid,
            message.sid,
            chosen.client,
            sender=message.from_,
            recipient=message.to,
            body=message.body,
            valid_until=message.valid_until if hold else min(message.valid_until, now + instead.PATIENCE),
            media=[{"url": one.url, "content_type": one.content_type} for one in message.media],
            media_required=message.media_required,
            session_sid=message.session_sid or "",
            hold=hold,
        )

    async def _send_instead(self, message: Outgoing) -> str:
        def work(connection: Connection) -> tuple[str, list[OutboxRow]]:
            row = states.found(connection, message.account_sid, message.sid)
            if row is None:
                return "it was deleted", []
            now, owner = self._engine.now(), self._engine.owner
            return instead.send_instead(connection, row, now, owner=owner, random=self._random)

        reason, rows = await self._engine.persist(work, message.account_sid)
        self._engine.carry_out(rows)
        self._poke()
        return str(reason)

    def _note(
        self, message: Outgoing, chosen: Presence, considered: list[dict[str, Any]], connection: Connection
    ) -> None:
        """The decision, and that its session goes on, with the client that was chosen if that is the account's."""
        now = self._engine.now()
        last = connection.execute(
            select(func.max(DECISIONS.attempt)).where(
                DECISIONS.account_sid == message.account_sid, DECISIONS.message_sid == message.sid
            )
        ).scalar()
        row = {
            "account_sid": message.account_sid,
            "message_sid": message.sid,
            "attempt": (last or 0) + 1,
            "at": now,
            "carrier": PRESENCE,
            "reason": PRESENCE,
            "considered": considered,
        }
        connection.execute(insert(MessageDecision), [row])
        if message.session_sid:
            client = chosen.client if chosen.account_sid == message.account_sid else ""
            sessions.touch(connection, message.account_sid, message.session_sid, now, client=client)


def _last(connection: Connection, message: Outgoing) -> Row[Any] | None:
    return connection.execute(
        select(MessageDecision.__table__)
        .where(
            DECISIONS.account_sid == message.account_sid,
            DECISIONS.message_sid == message.sid,
            DECISIONS.reason == PRESENCE,
        )
        .order_by(DECISIONS.attempt.desc())
        .limit(1)
    ).first()


def _name(to: str) -> str:
    return to.removeprefix("client:")


def _refusal(error: PresenceRefused) -> Exception:
    if error.status == TOO_MANY and error.retry_after is None:
        return Refused(QUEUE_FULL, error.message, elsewhere=False)
    if error.status == TOO_MANY:
        return NotNow(error.retry_after or PAUSE)
    return Refused(UNKNOWN, error.message, elsewhere=False)
