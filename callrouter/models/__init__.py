"""The router's tables. Every tenant table leads with `account_sid`; times are Unix seconds in UTC.

Classes declare columns and nothing else; queries stand beside the code that asks them, as Core statements on
a `foundation.db.Database` connection.
"""

from callrouter.models.account import Account, ApiKey
from callrouter.models.base import Base
from callrouter.models.call import Call
from callrouter.models.caller_id import OutgoingCallerId
from callrouter.models.carrier import Carrier
from callrouter.models.conference import Conference, Participant
from callrouter.models.message import (
    IdempotencyKey,
    Message,
    MessageCookies,
    MessageMedia,
    MessageProgram,
    MessageSession,
)
from callrouter.models.message_queue import (
    CarrierHealth,
    MessageDecision,
    MessageRoute,
    QueuedMessage,
    RouteCount,
)
from callrouter.models.messaging import MessagingSender, MessagingService, OptOut, ShortCode, StickySender
from callrouter.models.number import Application, PhoneNumber, PoolNumber
from callrouter.models.playground import PlaygroundDocument
from callrouter.models.presence_decision import PresenceDecision
from callrouter.models.queue import Queue, QueueMember
from callrouter.models.record import Delivery, Notification, TimelineEntry
from callrouter.models.recording import Recording
from callrouter.models.session import Inbox, Outbox, RouterNode, Session, Timer
from callrouter.models.stream import Stream
from callrouter.models.transcription import Transcription
from callrouter.models.usage_trigger import UsageTrigger

__all__ = [
    "Account",
    "ApiKey",
    "Application",
    "Base",
    "Call",
    "Carrier",
    "CarrierHealth",
    "Conference",
    "Delivery",
    "IdempotencyKey",
    "Inbox",
    "Message",
    "MessageCookies",
    "MessageDecision",
    "MessageMedia",
    "MessageProgram",
    "MessageRoute",
    "MessageSession",
    "MessagingSender",
    "MessagingService",
    "Notification",
    "OptOut",
    "Outbox",
    "OutgoingCallerId",
    "Participant",
    "PhoneNumber",
    "PlaygroundDocument",
    "PoolNumber",
    "PresenceDecision",
    "Queue",
    "QueueMember",
    "QueuedMessage",
    "Recording",
    "RouteCount",
    "RouterNode",
    "Session",
    "ShortCode",
    "StickySender",
    "Stream",
    "TimelineEntry",
    "Timer",
    "Transcription",
    "UsageTrigger",
]
