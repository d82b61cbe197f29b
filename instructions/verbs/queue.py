from __future__ import annotations

from instructions.attributes import METHOD, URL, attribute, sid, text
from instructions.elements import Noun, Verb


class QueueNoun(Noun, tag="Queue", content=text(64), content_code=14213):
    """Inside Dial: connects to the caller at the front of the queue."""

    url: str | None = attribute(URL, default=None, code=14211)
    method: str = attribute(METHOD, default="POST", code=14210)
    reservation_sid: str | None = attribute(sid("WR"), default=None, code=14215)
    post_work_activity_sid: str | None = attribute(sid("WA"), default=None)


class Queue(Verb, content=text(64), content_code=14213):
    """The same as a verb: an old alias that Twilio's libraries keep."""

    url: str | None = attribute(URL, default=None, code=14211)
    method: str = attribute(METHOD, default="POST", code=14210)
    reservation_sid: str | None = attribute(sid("WR"), default=None, code=14215)
    post_work_activity_sid: str | None = attribute(sid("WA"), default=None)
