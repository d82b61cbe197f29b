"""Why a token or a permission was refused, in both languages: Twilio's REST codes and the Voice SDK's codes.

Sources: twilio-surface 6.1 and 7.7, voice-sdk-protocol 5 and 10, PR-4. 401 says "I don't know you", 403 "you may not".
"""

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, kw_only=True)
class Codes:
    """How one reason is said: HTTP status and code to REST callers, `signal` to the Voice SDK."""

    status: int
    rest: int
    signal: int
    message: str


class Refusal(Enum):
    """Every reason; the member's value is how it is said."""

    MISSING = Codes(status=401, rest=20003, signal=31102, message="no access token was given")
    MALFORMED = Codes(status=401, rest=20101, signal=31204, message="the token is not a valid JWT")
    HEADER = Codes(status=401, rest=20102, signal=31204, message="the token's header is not one we take")
    ISSUER = Codes(
        status=401, rest=20103, signal=31202, message="the token's key is not an active key of its account"
    )
    EXPIRED = Codes(status=401, rest=20104, signal=31205, message="the token has expired")
    NOT_YET = Codes(status=401, rest=20105, signal=31204, message="the token is not valid yet")
    GRANTS = Codes(status=401, rest=20106, signal=31204, message="the token's grants are malformed")
    SIGNATURE = Codes(status=401, rest=20107, signal=31202, message="the token's signature is wrong")
    TOO_LONG = Codes(
        status=401, rest=20157, signal=31207, message="a token may live for 24 hours, this one lives longer"
    )
    ACCOUNT = Codes(
        status=401, rest=20005, signal=31203, message="the token's account is unknown or not active"
    )
    IDENTITY = Codes(
        status=401,
        rest=31105,
        signal=31105,
        message="a client name has 1 to 256 characters, without control characters, blanks or delimiters",
    )
    INCOMING = Codes(status=403, rest=20403, signal=31201, message="the token does not allow incoming calls")
    OUTGOING = Codes(
        status=403, rest=20403, signal=31002, message="the token names no application for outgoing calls"
    )
    FOREIGN = Codes(
        status=403, rest=20403, signal=31201, message="the token is for another account or another client"
    )
    READ = Codes(status=403, rest=20403, signal=31201, message="the token does not allow to see who is there")
    SUBSCRIBE = Codes(
        status=403, rest=20403, signal=31201, message="the token does not allow to subscribe to changes"
    )
    SEND = Codes(status=403, rest=20403, signal=31201, message="the token does not allow to send messages")
    KIND = Codes(status=403, rest=20403, signal=31201, message="these credentials are not for this resource")
    CREDENTIALS = Codes(
        status=401, rest=20003, signal=31202, message="the account's or key's credentials are wrong"
    )
    REVOKED = Codes(status=401, rest=20104, signal=31205, message="the token was revoked")
    RATE = Codes(status=429, rest=20429, signal=31206, message="too many requests; slow down")


class AccessRefused(Exception):
    """A client asked for what its token does not give; nothing was written. `retry_after`: seconds, for RATE."""

    def __init__(self, refusal: Refusal, detail: str = "", *, retry_after: int = 0) -> None:
        self.refusal, self.retry_after = refusal, retry_after
        self.codes = refusal.value
        self.message = f"{self.codes.message}: {detail}" if detail else self.codes.message
        super().__init__(self.message)
