from __future__ import annotations

from instructions.attributes import METHOD, URL, attribute, count, sid, text
from instructions.elements import Noun, Verb


class Task(Noun, content=text(16_384), content_code=14221):
    """The attributes, as JSON, of the task that a workflow routes."""

    priority: int | None = attribute(count(0, 2_000_000), default=None, code=14221)
    timeout: int | None = attribute(count(0, 1_209_600), default=None, code=14221)


class Enqueue(Verb, nests=(Task,), content=text(64), content_code=14205):
    """Puts the caller into a queue; `waitUrl` entertains them there."""

    action: str | None = attribute(URL, default=None, code=14203)
    max_queue_size: int | None = attribute(count(1, 5000), default=None)
    method: str = attribute(METHOD, default="POST", code=14201)
    wait_url: str | None = attribute(URL, default=None, code=14202)
    wait_url_method: str = attribute(METHOD, default="POST", code=14206)
    workflow_sid: str | None = attribute(sid("WW"), default=None, code=14220)
