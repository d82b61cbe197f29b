from __future__ import annotations

from instructions.attributes import METHOD, URL, attribute, text
from instructions.elements import Verb


class Sms(Verb, content=text(1600)):
    """Sends a text message during a call (deprecated by Twilio)."""

    to: str | None = attribute(text(64), default=None)
    from_: str | None = attribute(text(64), default=None)
    action: str | None = attribute(URL, default=None, code=11100)
    method: str = attribute(METHOD, default="POST")
    status_callback: str | None = attribute(URL, default=None, code=11100)
