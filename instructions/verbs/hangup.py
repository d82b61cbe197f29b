from __future__ import annotations

from instructions.commands import FinishReason
from instructions.elements import Verb
from instructions.outcomes import Call, Outcome, Role, Stop
from instructions.verbs.parameter import Parameter


class Hangup(Verb, nests=(Parameter,)):
    """Ends the call; an unanswered one is answered first. In a whisper document: the callee declines."""

    def begin(self, call: Call) -> Outcome:
        screening = call.role is Role.SCREENING
        return Stop(reason=FinishReason.SCREENING_DECLINED if screening else FinishReason.HANGUP)
