"""The executor of `message.fetch`: asks the app what to do about a message, and has that done (IM8 to IM10)."""

import random
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, delete

from callrouter.calls.dispatch import Done, Later
from callrouter.calls.engine import Engine
from callrouter.calls.executors.webhooks import Webhooks
from callrouter.calls.store import OutboxRow
from callrouter.messages import cookies, program, states
from callrouter.models import Outbox
from foundation.failpoints import failpoint
from foundation.outbound.errors import Fault, OutboundError
from foundation.outbound.message import OutboundResponse
from instructions.messaging import DocumentFailed, DocumentFetched

RETRIEVAL_FAILED = 11200
PAUSES = (2.0, 10.0, 30.0)
"""Seconds before the app is asked again, when the fault was ours: nobody holds a telephone meanwhile."""


class Asking:
    """What an app answers is stored, with the messages that it sends, in one transaction with the next state."""

    def __init__(
        self,
        engine: Engine,
        webhooks: Webhooks,
        base_url: str,
        poke: Callable[[], None],
        *,
        random: Callable[[], float] = random.random,
    ) -> None:
        """`base_url`: what our own addresses begin with. `poke` tells queues that there may be something new."""
        self._engine, self._webhooks, self._base_url = engine, webhooks, base_url
        self._poke, self._random = poke, random

    async def fetch(self, row: OutboxRow) -> Done:
        answer, record = await self._webhooks.ask(self._whole(row), "document")
        ours = isinstance(answer, OutboundError) and answer.fault is Fault.PLATFORM
        if ours and row["attempts"] < len(PAUSES):
            raise Later(PAUSES[row["attempts"]], also=record)
        account_sid, message_sid, owner = row["account_sid"], row["call_sid"], self._engine.owner
        event, made, now = _event(row["payload"], answer), list[OutboxRow](), self._engine.now()
        fresh = answer.cookies if isinstance(answer, OutboundResponse) else ()

        def unit(connection: Connection) -> None:
            if not connection.execute(delete(Outbox).where(Outbox.id == row["id"])).rowcount:
                return  # this was committed, and the answer to the commit got lost
            made.clear()
            record(connection)
            message = states.found(connection, account_sid, message_sid)
            if message is None:
                return
            if fresh:
                cookies.keep(connection, message, fresh, now)
            made.extend(program.proceed(connection, message, event, now, owner, self._random))

        failpoint("IM9")
        await self._engine.persist(unit, account_sid)
        failpoint("IM10")
        self._poke()
        return Done(then=made)

    def _whole(self, row: OutboxRow) -> OutboxRow:
        """The entry with whole URLs of media."""
        parameters = {
            name: self._base_url + told if name.startswith("MediaUrl") and told.startswith("/") else told
            for name, told in row["payload"]["parameters"].items()
        }
        return {**row, "payload": {**row["payload"], "parameters": parameters}}


def _event(
    asked: dict[str, Any], answer: OutboundResponse | OutboundError
) -> DocumentFetched | DocumentFailed:
    if isinstance(answer, OutboundError):
        return DocumentFailed(fetch=asked["fetch"], code=answer.code, reason=answer.reason, url=asked["url"])
    if not answer.ok:
        reason = f"the app answered {answer.status}"
        return DocumentFailed(fetch=asked["fetch"], code=RETRIEVAL_FAILED, reason=reason, url=answer.url)
    return DocumentFetched(
        fetch=asked["fetch"],
        body=answer.body,
        content_type=answer.header("Content-Type") or None,
        url=answer.url,
    )
