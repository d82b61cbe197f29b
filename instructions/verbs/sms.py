from __future__ import annotations

from dataclasses import dataclass

from instructions.attributes import METHOD, URL, attribute, text
from instructions.commands import Command, SendMessage, Warn
from instructions.elements import Verb, unresolved
from instructions.events import Event, MessageSent
from instructions.outcomes import Call, Goto, Memory, Next, Outcome, Wait

NO_BODY = 14103


@dataclass(frozen=True, kw_only=True)
class SmsMemory(Memory):
    message: str


class Sms(Verb, content=text(1600), content_code=NO_BODY):
    """Sends a text message to the caller from the number called, or as its attributes say (deprecated by Twilio).

    With an `action` the call waits until the message is queued, and goes on there.
    """

    to: str | None = attribute(text(64), default=None, code=14101)
    from_: str | None = attribute(text(64), default=None, code=14102)
    action: str | None = attribute(URL, default=None, code=11100)
    method: str = attribute(METHOD, default="POST", code=14104)
    status_callback: str | None = attribute(URL, default=None, code=14105)

    def begin(self, call: Call) -> Outcome:
        body = (self.text or "").strip()
        if not body:
            message = "<Sms> has no text to send: it was skipped"
            return Next(commands=(Warn(code=NO_BODY, message=message, line=self.line, url=call.url),))
        notices: list[Command] = []
        callback = call.resolve(self.status_callback) if self.status_callback else None
        if self.status_callback and callback is None:
            notices.append(unresolved(self, "statusCallback", self.status_callback, call))
        send = SendMessage(
            message=f"sms-{call.place}",
            to=self.to,
            from_=self.from_,
            body=body,
            status_callback=callback,
        )
        commands = (*notices, send)
        if self.action is None:
            return Next(commands=commands)
        return Wait(memory=SmsMemory(message=send.message), commands=commands)

    def resume(self, call: Call, memory: Memory, event: Event) -> Outcome | None:
        match event:
            case MessageSent(message=sent) if (
                isinstance(memory, SmsMemory) and sent == memory.message and self.action
            ):
                params = (("SmsSid", event.sid), ("SmsStatus", event.status))
                return Goto(url=self.action, method=self.method, params=params)
        return None
