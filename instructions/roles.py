"""Which verbs a program may run that is not the call's own: one table (Twilio: nested and waitUrl documents)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from instructions.commands import Fault, FinishReason, Warn
from instructions.elements import Verb
from instructions.errors import SCHEMA_WARNING
from instructions.outcomes import Call, Next, Outcome, Role, Stop


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Either `only` these verbs or all but `never`; another is noted with `code`, and then skipped, or `ends` it."""

    document: str
    code: int
    only: frozenset[str] | None = None
    never: frozenset[str] = frozenset()
    ends: FinishReason | None = None

    def permits(self, tag: str) -> bool:
        return tag not in self.never and (self.only is None or tag in self.only)


_PLAYING = frozenset({"Play", "Say", "Pause", "Redirect"})

RULES: Mapping[Role, Rule] = MappingProxyType(
    {
        Role.SCREENING: Rule(
            document="a whisper document",
            never=frozenset({"Dial", "Enqueue", "Queue"}),
            code=13201,
            ends=FinishReason.SCREENING_DECLINED,
        ),
        Role.CONFERENCE: Rule(
            document="a conference's wait, hold or announcement document",
            only=_PLAYING,
            code=13238,
            ends=FinishReason.APPLICATION_ERROR,
        ),
        Role.QUEUED: Rule(
            document="a queue's waitUrl document",
            only=_PLAYING | {"Hangup", "Leave", "Gather"},
            code=SCHEMA_WARNING,
        ),
        Role.DEQUEUED: Rule(
            document="the document of <Queue url>",
            only=_PLAYING,
            code=SCHEMA_WARNING,
        ),
    }
)


def refusal(verb: Verb, call: Call) -> Outcome | None:
    """What happens instead of `verb`, when the program may not run it."""
    rule = RULES.get(call.role)
    if rule is None or rule.permits(verb.tag):
        return None
    message = f"<{verb.tag}> may not stand in {rule.document}"
    if rule.ends is None:
        note = Warn(code=rule.code, message=f"{message}: it was skipped", line=verb.line, url=call.url)
        return Next(commands=(note,))
    return Stop(
        reason=rule.ends,
        commands=(Fault(code=rule.code, message=f"{message}: it ends here", line=verb.line, url=call.url),),
    )
