"""Text messages of calls, handed to the queues of messages."""

import random
from collections.abc import Callable

from sqlalchemy import Connection

from callrouter.calls import happenings as h
from callrouter.calls.dispatch import Done
from callrouter.calls.engine import Engine
from callrouter.calls.store import OutboxRow
from callrouter.messages import outgoing, states
from callrouter.messages.outgoing import Submission
from foundation.webserver.errors import ApiError


class Texting:
    """Executor of `text`. The message's SID is in the entry, so that it is queued once."""

    def __init__(
        self, engine: Engine, poke: Callable[[], None], *, random: Callable[[], float] = random.random
    ) -> None:
        self._engine, self._poke, self._random = engine, poke, random

    async def send(self, row: OutboxRow) -> Done:
        wanted, account_sid = row["payload"], row["account_sid"]
        now, owner = self._engine.now(), self._engine.owner
        submission = Submission(
            account_sid=account_sid,
            sid=wanted["sid"],
            direction="outbound-call",
            from_=wanted["from"],
            to=wanted["to"],
            body=wanted["body"],
            status_callback=wanted["status_callback"],
        )

        def unit(connection: Connection) -> tuple[str, list[OutboxRow]]:
            known = states.found(connection, account_sid, submission.sid)
            if known is not None:
                return str(known.status), []
            sent = outgoing.submit(connection, submission, now, owner=owner, random=self._random)
            return str(sent.status), list(sent.rows)

        about = {"leg": wanted["leg"], "program": wanted["program"], "message": wanted["message"]}
        try:
            status, rows = await self._engine.persist(unit, account_sid)
        except ApiError as refusal:
            code, reason = refusal.code, refusal.message
            return Done(h.Texted(at=now, sid="", status="failed", code=code, reason=reason, **about))
        self._poke()
        return Done(h.Texted(at=now, sid=submission.sid, status=status, **about), then=rows)
