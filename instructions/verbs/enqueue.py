from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum, auto

from instructions.attributes import METHOD, URL, attribute, count, sid, text
from instructions.commands import (
    Command,
    ConnectQueued,
    Fault,
    FinishReason,
    JoinQueue,
    LeaveQueue,
    Music,
    Warn,
)
from instructions.elements import Noun, Verb, idle_attributes, unresolved
from instructions.errors import NOT_ACTING
from instructions.events import (
    AsideEnded,
    Event,
    HungUp,
    QueueBridged,
    QueueJoined,
    QueueParted,
    QueueRefused,
    QueueTaken,
    Replaced,
)
from instructions.outcomes import Call, Goto, Memory, Next, Outcome, Stop, Wait
from instructions.verbs.interlude import Interlude, Page, Source


class Phase(StrEnum):
    JOINING = auto()
    WAITING = auto()
    WHISPERING = auto()
    """The agent's document runs; then it is CONNECTING."""
    CONNECTING = auto()
    BRIDGED = auto()


@dataclass(frozen=True, kw_only=True)
class EnqueueMemory(Memory):
    phase: Phase = Phase.JOINING
    heard: Interlude = Interlude()
    queue_sid: str | None = None
    joined_at: float | None = None
    bridged_at: float | None = None

    def leave(self) -> tuple[Command, ...]:
        return (*self.heard.stop(), LeaveQueue())

    def joined(self, at: float) -> EnqueueMemory:
        return self if self.joined_at is not None else replace(self, joined_at=at)

    def waited(self, at: float) -> int:
        """Whole seconds in the queue, until the agent, or until now."""
        joined = at if self.joined_at is None else self.joined_at
        return max(0, int((at if self.bridged_at is None else self.bridged_at) - joined))


class Task(Noun, content=text(16_384), content_code=14221):
    """The attributes, as JSON, of the task that a workflow routes."""

    priority: int | None = attribute(count(0, 2_000_000), default=None, code=14221)
    timeout: int | None = attribute(count(0, 1_209_600), default=None, code=14221)


class Enqueue(Verb, nests=(Task,), content=text(64), content_code=14205):
    """Puts the caller into a queue, where `waitUrl` is run again and again, until an agent takes the call.

    Then, or when the wait is over for another reason, `action` is asked what to do next.
    """

    action: str | None = attribute(URL, default=None, code=14203)
    max_queue_size: int | None = attribute(count(1, 5000), default=None)
    method: str = attribute(METHOD, default="POST", code=14201)
    wait_url: str | None = attribute(URL, default=None, code=14202)
    wait_url_method: str = attribute(METHOD, default="POST", code=14206)
    workflow_sid: str | None = attribute(sid("WW"), default=None, code=14220, acts=False)

    def begin(self, call: Call) -> Outcome:
        notices: list[Command] = [*idle_attributes(self, call), *self._idle_tasks(call)]
        if not self.text:
            if self.text == "" and self.workflow_sid is None:
                message = "<Enqueue> names no queue: it was skipped"
                notices.append(Fault(code=14204, message=message, line=self.line, url=call.url))
            return Next(commands=tuple(notices))
        if self.wait_url and call.resolve(self.wait_url) is None:
            notices.append(unresolved(self, "waitUrl", self.wait_url, call))
        join = JoinQueue(queue=self.text, max_size=self.max_queue_size)
        return Wait(memory=EnqueueMemory(), commands=(*notices, join))

    def resume(self, call: Call, memory: Memory, event: Event) -> Outcome | None:
        if not isinstance(memory, EnqueueMemory):
            return None
        match event:
            case QueueJoined(queue_sid=queue_sid):
                # An agent who waited already may have taken the caller before this was told.
                first = memory.phase is Phase.JOINING
                memory = replace(memory.joined(call.at), queue_sid=queue_sid)
                return self._wait(call, memory) if first else Wait(memory=memory)
            case QueueRefused(queue_sid=queue_sid) if memory.phase is Phase.JOINING:
                return self._refused(call, replace(memory, queue_sid=queue_sid))
            case QueueTaken() if memory.phase is not Phase.BRIDGED:
                return self._taken(call, memory.joined(call.at), event)
            case QueueBridged() if memory.phase is not Phase.BRIDGED:
                bridged = replace(memory, phase=Phase.BRIDGED, bridged_at=call.at)
                return self._hear(call, bridged, None)
            case QueueParted() if memory.phase is Phase.BRIDGED:
                return self._end(call, memory, "bridged")
            case QueueParted() if memory.phase in (Phase.WHISPERING, Phase.CONNECTING):
                return self._wait(call, memory)
            case AsideEnded(aside=ended, reason=reason) if ended == memory.heard.aside:
                if outcome := self._aside_ended(call, memory, reason):
                    return outcome
            case HungUp():
                result = "bridged" if memory.phase is Phase.BRIDGED else "hangup"
                return self._end(call, memory, result, memory.leave())
            case Replaced():
                result = "redirected-from-bridged" if memory.phase is Phase.BRIDGED else "redirected"
                return self._end(call, memory, result, memory.leave())
        if heard := memory.heard.resume(call, event, self._entertainment(call)):
            return Wait(memory=replace(memory, heard=heard[0]), commands=heard[1])
        return None

    def _wait(self, call: Call, memory: EnqueueMemory) -> Outcome:
        return self._hear(call, replace(memory, phase=Phase.WAITING), self._entertainment(call))

    def _refused(self, call: Call, memory: EnqueueMemory) -> Outcome:
        if memory.queue_sid is None:
            message = "the queue could not be joined: this is our fault, not the application's"
            fault = Fault(code=12400, message=message, line=self.line, url=call.url)
            return self._end(call, memory, "system-error", (fault,))
        full = Warn(code=14207, message=f"the queue {self.text!r} is full", line=self.line, url=call.url)
        return self._end(call, memory, "queue-full", (full,))

    def _taken(self, call: Call, memory: EnqueueMemory, event: QueueTaken) -> Outcome:
        if event.url is None:
            return self._connect(call, memory)
        told = (
            *((("QueueSid", memory.queue_sid),) if memory.queue_sid else ()),
            ("QueueTime", str(memory.waited(call.at))),
            ("DequeingCallSid", event.by),  # spelt like this by Twilio
        )
        page = Page(url=event.url, method=event.method, role="dequeued", params=told)
        return self._hear(call, replace(memory, phase=Phase.WHISPERING), page)

    def _connect(self, call: Call, memory: EnqueueMemory) -> Outcome:
        return self._hear(call, replace(memory, phase=Phase.CONNECTING), None, (ConnectQueued(),))

    def _aside_ended(self, call: Call, memory: EnqueueMemory, reason: FinishReason) -> Outcome | None:
        """None: what the caller waits with begins anew."""
        memory = replace(memory, heard=memory.heard.over())
        if memory.phase is Phase.WHISPERING:
            return self._connect(call, memory)  # however it ended: two people wait for each other
        match reason:
            case FinishReason.HANGUP:
                return Stop(reason=FinishReason.HANGUP, commands=memory.leave())
            case FinishReason.LEFT_QUEUE:
                return self._end(call, memory, "leave", memory.leave())
            case FinishReason.APPLICATION_ERROR:
                return self._end(call, memory, "error", memory.leave())
        return None

    def _entertainment(self, call: Call) -> Source:
        """What a waiting caller hears; `waitUrl=""` is silence."""
        if self.wait_url == "":
            return None
        url = call.resolve(self.wait_url) if self.wait_url else None
        if url is None:
            return Music()
        return Page(url=url, method=self.wait_url_method, role="queued", queue=True)

    @staticmethod
    def _hear(call: Call, memory: EnqueueMemory, source: Source, then: tuple[Command, ...] = ()) -> Outcome:
        heard, commands = memory.heard.change(call, source)
        return Wait(memory=replace(memory, heard=heard), commands=(*commands, *then))

    def _end(
        self, call: Call, memory: EnqueueMemory, result: str, commands: tuple[Command, ...] = ()
    ) -> Outcome:
        if self.action is None:
            return Next(commands=commands)
        queue = (("QueueSid", memory.queue_sid),) if memory.queue_sid else ()
        params = (("QueueResult", result), *queue, ("QueueTime", str(memory.waited(call.at))))
        return Goto(url=self.action, method=self.method, params=params, commands=commands)

    def _idle_tasks(self, call: Call) -> Iterator[Warn]:
        for task in self.children:
            message = "<Task> does not act: workflows do not route calls here; it was ignored"
            yield Warn(code=NOT_ACTING, message=message, line=task.line, url=call.url)
