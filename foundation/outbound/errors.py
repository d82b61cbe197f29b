"""What can go wrong with a request that we send, whose fault it is, and the error code that the customer
sees.

The one table of codes. Twilio has an old set (11200, 11205) and a newer split of it (11201 to 11203); where
the split says more, we use it.

| Code  | Fault    | When                                                                      | `rp` |
|-------|----------|---------------------------------------------------------------------------|------|
| 11100 | customer | the URL is unusable: scheme, host, port, characters                       |      |
| 11200 | origin   | connected, but no complete answer within the read timeout `rt`            | rt   |
| 11201 | origin   | no connection (TCP or TLS handshake) within the connect timeout `ct`      | ct   |
| 11202 | origin   | connection refused                                                        | ct   |
| 11203 | origin   | the total time `tt` is over; ours if most of it went by in our own queue  |      |
| 11205 | customer | the address may not be called (private, reserved, our own)                |      |
| 11205 | origin   | any other failure to connect: no route, reset                             | ct   |
| 11206 | origin   | not HTTP, a cut body, an unknown content coding, plain HTTP on a TLS port | rt   |
| 11210 | customer | the host name does not resolve, or not within five seconds                |      |
| 11215 | origin   | more than ten redirects                                                   |      |
| 11220 | origin   | TLS handshake failed                                                      |      |
| 11235 | origin   | the certificate is for another name                                       |      |
| 11236 | origin   | the certificate has expired or is not valid yet                           |      |
| 11237 | origin   | no path from the certificate to a trusted root                            |      |
| 11240 | customer | invalid `e` override                                                      |      |
| 11243 | customer | invalid `rp` override                                                     |      |
| 11750 | origin   | the body is larger than allowed                                           |      |
| 12400 | platform | our queue is full, or we are shutting down                                |      |

The last column is the word in `rp=` that lets the failure be tried again. An answer with a status outside 2xx
is no error here: the caller decides (for TwiML it is 11200).
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .message import Attempt


class Fault(StrEnum):
    """Who can put it right."""

    CUSTOMER = "customer"  # the URL or its overrides, as configured
    ORIGIN = "origin"  # the server that the URL names, or the network up to it
    PLATFORM = "platform"  # this installation


class OutboundError(Exception):
    """A request that got no usable answer.

    `reason` may be shown to the customer; `detail` is for the operator's log only (it can name internal
    addresses). `url` has neither credentials nor fragment. `attempts` says what was tried, newest last. `sent`: one of
    these tries had begun to leave, so that the other side may have acted on it, whatever came of the last one.
    """

    fault = Fault.ORIGIN

    def __init__(
        self, code: int, reason: str, *, url: str = "", detail: str = "", retry_word: str = ""
    ) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason
        self.url = url
        self.detail = detail
        self.retry_word = retry_word
        self.attempts: tuple[Attempt, ...] = ()
        self.sent = False

    def __str__(self) -> str:
        at = f" ({self.url})" if self.url else ""
        return f"{self.code} {self.reason}{at}; fault of the {self.fault}"


class OriginFault(OutboundError):
    """The other side, or the way to it, failed."""


class Refused(OutboundError):
    """We do not call this URL: it is malformed (11100) or its address is not allowed (11205)."""

    fault = Fault.CUSTOMER


class NameNotResolved(OutboundError):
    """11210: the host name has no address that we could learn."""

    fault = Fault.CUSTOMER


class InvalidOverride(OutboundError):
    """11240 or 11243: a `#key=value` override that cannot be obeyed."""

    fault = Fault.CUSTOMER


class Overloaded(OutboundError):
    """12400: our own queue or pool is full or closed."""

    fault = Fault.PLATFORM


class TimeOver(OutboundError):
    """11200, 11201 or 11203: a limit passed. Ours when the time went by in our queue."""

    def __init__(self, code: int, reason: str, *, retry_word: str = "", fault: Fault = Fault.ORIGIN) -> None:
        super().__init__(code, reason, retry_word=retry_word)
        self.fault = fault
