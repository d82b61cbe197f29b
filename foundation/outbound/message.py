"""What goes out and what comes back, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypedDict

from .overrides import Overrides

KB = 1_000
TWIML_MAX_BYTES = 64 * KB
CALLBACK_MAX_BYTES = 16 * KB


class StoredCookie(TypedDict):
    """A cookie as it is kept on the call's row. `expires` is Unix time; None ends with the call."""

    name: str
    value: str
    domain: str
    path: str
    secure: bool
    expires: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class OutboundRequest:
    """One logical request: both tries and all redirects.

    `url` may carry credentials and the override fragment. `params` go into the form of a POST or the query of
    a GET. `body` replaces the form by raw bytes of `content_type`. With `auth_token` every hop carries an
    X-Twilio-Signature. `overrides` (for requests of our own) wins over the fragment. `headers` are sent to
    the first origin only. `idempotency_token` is the same on every try; without one a fresh UUID is used. Of an
    answer whose media type begins with `glance_at` only the first byte is read: what it is suffices.
    """

    url: str
    method: str = "POST"
    params: tuple[tuple[str, str], ...] = ()
    body: bytes | None = field(default=None, repr=False)
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    auth_token: str | None = field(default=None, repr=False)
    cookies: tuple[StoredCookie, ...] = field(default=(), repr=False)
    idempotency_token: str | None = None
    max_bytes: int = TWIML_MAX_BYTES
    glance_at: str = ""
    follow_redirects: bool = True
    https_only: bool = False
    overrides: Overrides | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One line of the delivery log: what one exchange with an origin came to."""

    method: str
    url: str
    seconds: float
    status: int | None = None
    error_code: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """what we sent, without Authorization and Cookie"""


@dataclass(frozen=True, kw_only=True, slots=True)
class OutboundResponse:
    """A complete answer. `url` is the last hop's, without credentials and fragment."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)
    url: str
    cookies: tuple[StoredCookie, ...] = field(default=(), repr=False)
    attempts: tuple[Attempt, ...] = ()

    @property
    def ok(self) -> bool:
        """A 2xx. Anything else is 11200 when TwiML was wanted."""
        return 200 <= self.status < 300

    def header(self, name: str, default: str = "") -> str:
        """The first header of this name, in any case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), default)
