"""The language of messages: the answer to an inbound SMS or MMS in, replies out. Pure, like the language of calls.

https://www.twilio.com/docs/messaging/twiml

A session is started with `new_session`; from then on `advance(state, event)` answers each event with the next state and
the commands to carry out, in their order. A document runs to its end at once, because no verb waits but a `<Message>`
with an `action`: after that one the action's document goes on instead.
"""

from instructions.commands import Fault, Finish, FinishReason, Params, Warn
from instructions.messaging.commands import Command, Fetch, Reply
from instructions.messaging.events import DocumentFailed, DocumentFetched, Event, Sent, Started
from instructions.messaging.interpreter import MAX_DOCUMENTS, MAX_REPLIES, advance, new_session
from instructions.messaging.state import State, dumps, loads

__all__ = [
    "MAX_DOCUMENTS",
    "MAX_REPLIES",
    "Command",
    "DocumentFailed",
    "DocumentFetched",
    "Event",
    "Fault",
    "Fetch",
    "Finish",
    "FinishReason",
    "Params",
    "Reply",
    "Sent",
    "Started",
    "State",
    "Warn",
    "advance",
    "dumps",
    "loads",
    "new_session",
]
