from __future__ import annotations

from instructions.attributes import METHOD, URL, attribute, sid, text
from instructions.elements import Verb
from instructions.events import Event
from instructions.outcomes import Call, Memory, Outcome
from instructions.verbs.dial import Dial
from instructions.verbs.dial_queue import QueueNoun


class Queue(Verb, content=text(64), content_code=14213):
    """The same as a verb, without a Dial around it: an old alias that Twilio's libraries keep."""

    url: str | None = attribute(URL, default=None, code=14211)
    method: str = attribute(METHOD, default="POST", code=14210)
    reservation_sid: str | None = attribute(sid("WR"), default=None, code=14215, acts=False)
    post_work_activity_sid: str | None = attribute(sid("WA"), default=None, acts=False)

    def begin(self, call: Call) -> Outcome:
        return self._dial().begin(call)

    def resume(self, call: Call, memory: Memory, event: Event) -> Outcome | None:
        return self._dial().resume(call, memory, event)

    def _dial(self) -> Dial:
        noun = QueueNoun(
            url=self.url,
            method=self.method,
            reservation_sid=self.reservation_sid,
            post_work_activity_sid=self.post_work_activity_sid,
            line=self.line,
            text=self.text,
        )
        return Dial(children=(noun,), line=self.line)
