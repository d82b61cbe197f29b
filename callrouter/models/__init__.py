"""The router's tables. Every tenant table leads with `account_sid`; times are Unix seconds in UTC.

Classes declare columns and nothing else; queries stand beside the code that asks them, as Core statements on
a `foundation.db.Database` connection.
"""

from callrouter.models.account import Account, ApiKey
from callrouter.models.base import Base
from callrouter.models.call import Call
from callrouter.models.caller_id import OutgoingCallerId
from callrouter.models.carrier import Carrier
from callrouter.models.number import Application, PhoneNumber, PoolNumber
from callrouter.models.record import Delivery, Notification, TimelineEntry
from callrouter.models.recording import Recording
from callrouter.models.session import Inbox, Outbox, RouterNode, Session, Timer

__all__ = [
    "Account",
    "ApiKey",
    "Application",
    "Base",
    "Call",
    "Carrier",
    "Delivery",
    "Inbox",
    "Notification",
    "Outbox",
    "OutgoingCallerId",
    "PhoneNumber",
    "PoolNumber",
    "Recording",
    "RouterNode",
    "Session",
    "TimelineEntry",
    "Timer",
]
