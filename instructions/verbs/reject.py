from __future__ import annotations

from typing import Literal

from instructions import commands
from instructions.attributes import attribute, choice
from instructions.commands import FinishReason
from instructions.elements import Verb
from instructions.outcomes import Call, Outcome, Role, Stop
from instructions.verbs.parameter import Parameter


class Reject(Verb, nests=(Parameter,)):
    """Refuses a call that is not answered yet; after the answer it is a Hangup."""

    answers = False

    reason: Literal["rejected", "busy"] = attribute(
        choice("rejected", "busy"),
        default="rejected",
        code=13810,
    )

    def begin(self, call: Call) -> Outcome:
        if call.role is Role.SCREENING:
            return Stop(reason=FinishReason.SCREENING_DECLINED)
        if call.answered:
            return Stop(reason=FinishReason.HANGUP)
        return Stop(reason=FinishReason.REJECTED, commands=(commands.Reject(reason=self.reason),))
