from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from instructions.attributes import (
    CALLER_ID,
    FLAG,
    METHOD,
    PHONE,
    URL,
    attribute,
    choice,
    seconds,
    text,
    words,
)
from instructions.commands import (
    Command,
    Fault,
    Params,
    StartLeg,
    StatusCallback,
    Warn,
)
from instructions.elements import Element, Problem, Verb, idle_attributes, unresolved
from instructions.errors import NOT_ACTING
from instructions.events import Event
from instructions.outcomes import Call, Goto, Memory, Next, Outcome, Wait
from instructions.verbs import dial_conference, dial_queue, dial_recording, dialling
from instructions.verbs.dial_conference import ConferenceMemory
from instructions.verbs.dial_nouns import Application, Callee, Client, Conference, Number, Sim, WhatsApp
from instructions.verbs.dial_queue import QueueNoun, TakingMemory
from instructions.verbs.dial_sip import Sip
from instructions.verbs.dialling import DialMemory, Plan

MAX_NOUNS = 10
"""Twilio's limit of one Dial; the eleventh is an error (PR-54)."""
RING_BUFFER = 5
"""Seconds that Twilio adds to the requested `timeout`."""

_RINGTONES = (
    "at au bg br be ch cl cn cz de dk ee es fi fr gr hu il in it lt jp mx my nl no nz ph pl pt "
    "ru se sg th uk us us-old tw ve za"
)


class Dial(
    Verb,
    nests=(Number, Client, Sip, Conference, QueueNoun, Application, WhatsApp, Sim),
    nest_code=13215,
    content=PHONE,
    content_code=13223,
):
    """Puts the caller through: to the first of one or several callees who answers, or alone into a conference,
    or to the next caller of a queue.
    """

    action: str | None = attribute(URL, default=None, code=11100)
    method: str = attribute(METHOD, default="POST", code=13210)
    timeout: int = attribute(seconds(5, 600), default=30, code=13212)
    hangup_on_star: bool = attribute(FLAG, default=False, code=13213)
    time_limit: int = attribute(seconds(1, 86_400), default=14_400, code=13216)
    caller_id: str | None = attribute(CALLER_ID, default=None, code=13214)
    call_reason: str | None = attribute(text(50), default=None, acts=False)
    record: str = attribute(
        choice(
            "do-not-record",
            "record-from-answer",
            "record-from-ringing",
            "record-from-answer-dual",
            "record-from-ringing-dual",
            "true",
            "false",
        ),
        default="do-not-record",
        code=13217,
    )
    trim: str = attribute(choice("trim-silence", "do-not-trim"), default="do-not-trim")
    recording_status_callback: str | None = attribute(URL, default=None, code=13256)
    recording_status_callback_method: str = attribute(METHOD, default="POST")
    recording_status_callback_event: tuple[str, ...] = attribute(
        words("in-progress", "completed", "absent"), default=("completed",), code=13621
    )
    recording_track: Literal["both", "inbound", "outbound"] = attribute(
        choice("both", "inbound", "outbound"), default="both"
    )
    recording_configuration_id: str | None = attribute(text(64), default=None, acts=False)
    answer_on_bridge: bool = attribute(FLAG, default=False, code=13219)
    ring_tone: str | None = attribute(
        choice(*_RINGTONES.split(), name="a country's two letters, or us-old"),
        default=None,
        code=13220,
    )
    sequential: bool = attribute(FLAG, default=False, code=13218)
    refer_url: str | None = attribute(URL, default=None, code=11100, acts=False)
    refer_method: str = attribute(METHOD, default="POST", acts=False)
    events: str | None = attribute(text(256), default=None, acts=False)
    passports: str | None = attribute(text(), default=None, acts=False)

    def needs_answer(self) -> bool:
        return not self.answer_on_bridge or self.alone() is not None

    def nouns(self) -> tuple[Element, ...]:
        """The callees in document order; plain text is a number."""
        return (*((Number(text=self.text, line=self.line),) if self.text else ()), *self.children)

    def alone(self) -> Conference | QueueNoun | None:
        """The conference or queue that is all there is to dial."""
        nouns = self.nouns()
        return nouns[0] if len(nouns) == 1 and isinstance(nouns[0], Conference | QueueNoun) else None

    def check(self) -> Iterator[Problem]:
        alone = [noun for noun in self.nouns() if isinstance(noun, Conference | QueueNoun)]
        if alone and len(self.nouns()) > 1:
            message = f"<{alone[0].tag}> must be alone in its <Dial>: it is ignored"
            yield Problem(code=13000, message=message, line=alone[0].line)

    def begin(self, call: Call) -> Outcome:
        match self.alone():
            case Conference() as conference:
                return dial_conference.begin(self, conference, call)
            case QueueNoun() as queue:
                return dial_queue.begin(self, queue, call)
        nouns = self.nouns()
        if len(nouns) > MAX_NOUNS:
            message = f"<Dial> has {len(nouns)} nouns; at most {MAX_NOUNS} can be dialled, so none was"
            return self._end(call, DialMemory(), (self._fault(call, 13215, message, nouns[MAX_NOUNS].line),))
        notices: list[Command] = list(idle_attributes(self, call))
        plan = self._plan(call, notices)
        if not plan.starts:
            return self._end(call, DialMemory(), tuple(notices))
        memory, commands = dial_recording.attend(self, call, dialling.begin(plan), notices)
        return Wait(memory=memory, commands=(*notices, *commands))

    def resume(self, call: Call, memory: Memory, event: Event) -> Outcome | None:
        match self.alone(), memory:
            case Conference() as conference, ConferenceMemory():
                return dial_conference.resume(self, conference, call, memory, event)
            case QueueNoun() as queue, TakingMemory():
                return dial_queue.resume(self, queue, call, memory, event)
        if not isinstance(memory, DialMemory):
            return None
        step = dialling.advance(self._plan(call, []), memory, event, answered=call.answered)
        step = step or dial_recording.lost(self, call, memory, event)
        if step is None:
            return None
        memory, commands = dial_recording.attend(self, call, step, [])
        return (
            self._end(call, memory, commands) if memory.finished else Wait(memory=memory, commands=commands)
        )

    def over(
        self,
        params: Params,
        commands: tuple[Command, ...],
        leg: str | None = None,
        recording: str | None = None,
    ) -> Outcome:
        """The Dial is over: what `action` is told, or else the next verb."""
        if self.action is None:
            return Next(commands=commands)
        return Goto(
            url=self.action,
            method=self.method,
            params=params,
            leg=leg,
            recording=recording,
            commands=commands,
        )

    def _end(self, call: Call, memory: DialMemory, commands: tuple[Command, ...]) -> Outcome:
        leg, status = memory.result()
        bridged = memory.bridged_at is not None
        params = [("DialCallStatus", status.value), ("DialBridged", str(bridged).lower())]
        if memory.bridged_at is not None:
            params.insert(1, ("DialCallDuration", str(max(0, int(call.at - memory.bridged_at)))))
        return self.over(tuple(params), commands, leg, memory.recording or None)

    def _plan(self, call: Call, notices: list[Command]) -> Plan:
        """The legs that can be rung; `notices` receives why a noun is left out."""
        starts: list[StartLeg] = []
        whispers: list[tuple[str, str] | None] = []
        for index, noun in enumerate(self.nouns()):
            if not isinstance(noun, Callee) or not (targets := noun.targets()):
                notices.extend(_skipped(noun, call))
                continue
            notices.extend(idle_attributes(noun, call))
            if isinstance(noun, Number) and not self._may_show(call):
                message = "a client or SIP caller needs a number as callerId to dial a number"
                notices.append(Warn(code=13214, message=message, line=noun.line, url=call.url))
                continue
            whisper = None if noun.url is None else call.resolve(noun.url)
            if noun.url is not None and whisper is None:
                # Without its screening the callee must not be put through.
                notices.append(unresolved(noun, "url", noun.url, call))
                continue
            callback = self._callback(noun, call, notices)
            for number, target in enumerate(targets):
                name = f"leg-{call.place}-{index}"
                start = StartLeg(
                    leg=f"{name}-{number}" if number else name,
                    noun=target,
                    caller_id=self.caller_id,
                    timeout=self.timeout + RING_BUFFER,
                    status_callback=callback,
                    ring_tone=self.ring_tone,
                )
                starts.append(start)
                whispers.append((whisper, noun.method) if whisper else None)
        return Plan(
            place=call.place,
            starts=tuple(starts),
            whispers=tuple(whispers),
            sequential=self.sequential or len(self.nouns()) == 1,
            hangup_on_star=self.hangup_on_star,
            time_limit=self.time_limit,
        )

    def _may_show(self, call: Call) -> bool:
        """Whether a number can be dialled with this caller id. Who owns it is the engine's question."""
        shown = call.caller if self.caller_id is None else self.caller_id
        return not shown.lower().startswith(("client:", "sip:", "sips:"))

    def _callback(self, noun: Callee, call: Call, notices: list[Command]) -> StatusCallback | None:
        if noun.status_callback is None:
            return None
        whole = call.resolve(noun.status_callback)
        if whole is None:
            notices.append(unresolved(noun, "statusCallback", noun.status_callback, call))
            return None
        return StatusCallback(
            url=whole, method=noun.status_callback_method, events=noun.status_callback_event
        )

    @staticmethod
    def _fault(call: Call, code: int, message: str, line: int) -> Fault:
        return Fault(code=code, message=message, line=line, url=call.url)


def _skipped(noun: Element, call: Call) -> Iterator[Warn]:
    if noun.text is None or isinstance(noun, Conference | QueueNoun):
        return  # the parser has said what is wrong with it
    if isinstance(noun, Number | Client | Sip | Application):
        code, message = noun.content_code, f"<{noun.tag}> names nobody that can be dialled: it was skipped"
    else:
        code, message = NOT_ACTING, f"<{noun.tag}> does not act yet: it was skipped"
    yield Warn(code=code, message=message, line=noun.line, url=call.url)
