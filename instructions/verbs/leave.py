from __future__ import annotations

from instructions.commands import FinishReason
from instructions.elements import Verb
from instructions.outcomes import Call, Next, Outcome, Role, Stop


class Leave(Verb):
    """In a `waitUrl` document: takes the caller out of the queue. Elsewhere it means nothing."""

    answers = False

    def begin(self, call: Call) -> Outcome:
        return Stop(reason=FinishReason.LEFT_QUEUE) if call.role is Role.QUEUED else Next()
