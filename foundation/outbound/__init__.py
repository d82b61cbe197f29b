"""The one way out: every HTTP request that leaves a server passes this package, and so one address guard, one
deadline, one body limit and one retry policy.

`Fetcher.fetch(OutboundRequest) -> OutboundResponse` blocks; `FetchPool` is the same for coroutines. What can
go wrong, with whose fault it is, is the table in `errors`.
"""

from .errors import (
    Fault,
    InvalidOverride,
    NameNotResolved,
    OriginFault,
    OutboundError,
    Overloaded,
    Refused,
    TimeOver,
)
from .fetch import Fetcher
from .guard import Guard
from .message import Attempt, OutboundRequest, OutboundResponse, StoredCookie
from .overrides import Overrides
from .pool import FetchPool
from .signature import SignatureRefused, sign_body, twilio_signature, verify_body, verify_twilio_signature

__all__ = [
    "Attempt",
    "Fault",
    "FetchPool",
    "Fetcher",
    "Guard",
    "InvalidOverride",
    "NameNotResolved",
    "OriginFault",
    "OutboundError",
    "OutboundRequest",
    "OutboundResponse",
    "Overloaded",
    "Overrides",
    "Refused",
    "SignatureRefused",
    "StoredCookie",
    "TimeOver",
    "sign_body",
    "twilio_signature",
    "verify_body",
    "verify_twilio_signature",
]
