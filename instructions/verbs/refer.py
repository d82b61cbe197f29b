from __future__ import annotations

from instructions.attributes import METHOD, SIP_URI, URL, attribute
from instructions.elements import Noun, Verb


class ReferSip(Noun, tag="Sip", content=SIP_URI, content_code=13243):
    """Where a SIP caller is transferred to."""


class Refer(Verb, nests=(ReferSip,)):
    """Transfers a SIP caller away (SIP REFER)."""

    action: str | None = attribute(URL, default=None, code=11100)
    method: str = attribute(METHOD, default="POST")
