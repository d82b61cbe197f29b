"""The Python client of a presence server: the router's, and anybody's (docs/how-to/presence-python.md).

`AccountPresence` is for customers: one account, with its auth token, an API key or a client's token. `PresenceClient`
is for our own servers. It imports nothing else of presence.
"""

from presence.client.account import AccountPresence
from presence.client.inbox import Inbox
from presence.client.keeping import Heartbeat
from presence.client.service import CallUnknown, PresenceClient
from presence.client.transport import Breaker, CursorTooOld, PresenceRefused, PresenceUnavailable
from presence.client.values import ClientMessage, Endpoint, Event, Message, Presence, Reach, Rung, Snapshot
from presence.client.watching import Watch

__all__ = [
    "AccountPresence",
    "Breaker",
    "CallUnknown",
    "ClientMessage",
    "CursorTooOld",
    "Endpoint",
    "Event",
    "Heartbeat",
    "Inbox",
    "Message",
    "Presence",
    "PresenceClient",
    "PresenceRefused",
    "PresenceUnavailable",
    "Reach",
    "Rung",
    "Snapshot",
    "Watch",
]
