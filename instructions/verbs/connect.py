from __future__ import annotations

from instructions.attributes import METHOD, URL, attribute
from instructions.elements import Verb
from instructions.verbs.conversations import (
    AiSession,
    Autopilot,
    Conversation,
    ConversationRelay,
    ConversationRelaySession,
    Room,
    VirtualAgent,
)
from instructions.verbs.streams import Stream


class Connect(
    Verb,
    nests=(
        Stream,
        Room,
        VirtualAgent,
        Conversation,
        ConversationRelay,
        ConversationRelaySession,
        Autopilot,
        AiSession,
    ),
):
    """Hands the caller to a service until that ends."""

    action: str | None = attribute(URL, default=None, code=11100)
    method: str = attribute(METHOD, default="POST")
