"""Who asks, by the Authorization header: our own servers, an account's server, or a client with its token (PR-9).

* `Bearer` and a service token: our own servers, for any account;
* `Basic` and the account's SID with its auth token, or an API key with its secret: the account's server;
* `Bearer` and an access or capability token: one client, as far as its permissions go.

Refusals are limited for each address, but those of service tokens, which cost no look-up: whoever floods us from our
router's address does not lock the router out.
"""

import base64
import binascii
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from flask import request

from foundation.keys import SKEW, Keys, TokenRefused
from foundation.permissions import ALL, Permissions
from foundation.webserver.errors import ApiError
from foundation.webserver.service import LIFE, TRUST_SECONDS
from presence.access.directory import Directory
from presence.access.limits import RefusalLimit
from presence.access.refusals import AccessRefused, Refusal
from presence.access.tokens import Grant, signer, verify


class Kind(StrEnum):
    SERVICE = "service"
    ACCOUNT = "account"
    CLIENT = "client"


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Somebody whose credentials are good for this account. `grant` is set for clients only; `key_sid` is the API key
    or the name of the auth token (`tokens.signer`) of an account's server."""

    kind: Kind
    account_sid: str
    permissions: Permissions = ALL
    grant: Grant | None = None
    key_sid: str = ""

    @property
    def credential(self) -> Grant | None:
        """What revocations are compared with while something stays open: the client's grant; for an account's server,
        which has no token, its key; None for our own servers."""
        if self.kind is not Kind.ACCOUNT:
            return self.grant
        never = 2**62
        return Grant(
            account_sid=self.account_sid,
            identity="",
            key_sid=self.key_sid,
            token_digest="",
            issued_at=never,
            expires_at=never,
        )

    @property
    def calls_out(self) -> bool:
        return self.grant is None or bool(self.grant.application_sid)


class Access:
    """Recognises callers."""

    def __init__(
        self,
        keys: Keys,
        directory: Directory,
        now: Callable[[], float],
        limit: RefusalLimit,
        *,
        capability_tokens: bool,
    ) -> None:
        self._directory, self._now, self._limit = directory, now, limit
        self._capability = capability_tokens

        @lru_cache(16)
        def trusted(token: str, _trust: int) -> None:
            keys.verify("service.presence", token, LIFE + SKEW)

        self._trusted = trusted

    def caller(self, authorization: str, account_sid: str, address: str = "") -> Caller:
        """Who this header is for this account. AccessRefused says why nobody. `address`: whose refusals are limited."""
        scheme, _, given = authorization.partition(" ")
        if scheme == "Bearer" and _is_service_token(given):
            return self._service(given, account_sid)
        with self._limit.watching(address, authorization):
            if scheme == "Basic":
                return self._account(given, account_sid)
            return self._client(given if scheme == "Bearer" else "", account_sid)

    def at_once(self, authorization: str, account_sid: str, address: str = "") -> Grant:
        """The grant of a client, if that takes no waiting: for the event loop. NotRemembered when it does;
        AccessRefused for a refusal, which is not counted: let `caller` refuse it again."""
        scheme, _, token = authorization.partition(" ")
        if scheme != "Bearer":
            raise AccessRefused(Refusal.KIND)
        grant = verify(token, self._directory.memory, self._now(), capability=self._capability)
        if grant.account_sid != account_sid:
            raise AccessRefused(Refusal.FOREIGN)
        with self._limit.watching(address, authorization):
            return grant

    def asks(self, account_sid: str, *kinds: Kind) -> Caller:
        """The caller of the present request, who must be of one of these kinds (any, if none is named)."""
        found = self.caller(request.headers.get("Authorization", ""), account_sid, request.remote_addr or "")
        if kinds and found.kind not in kinds:
            raise AccessRefused(Refusal.KIND)
        return found

    def _service(self, token: str, account_sid: str) -> Caller:
        try:
            self._trusted(token, int(time.monotonic() / TRUST_SECONDS))
        except TokenRefused as error:
            raise ApiError(401, 20003, f"The service token was refused: {error}.") from error
        return Caller(kind=Kind.SERVICE, account_sid=account_sid)

    def _client(self, token: str, account_sid: str) -> Caller:
        grant = verify(token, self._directory, self._now(), capability=self._capability)
        if grant.account_sid != account_sid:
            raise AccessRefused(Refusal.FOREIGN)
        return Caller(kind=Kind.CLIENT, account_sid=account_sid, permissions=grant.permissions, grant=grant)

    def _account(self, given: str, account_sid: str) -> Caller:
        try:
            name, _, secret = base64.b64decode(given, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise AccessRefused(Refusal.CREDENTIALS) from None
        auth_tokens = self._directory.auth_tokens(account_sid)
        if auth_tokens is None:
            raise AccessRefused(Refusal.ACCOUNT)
        if name == account_sid:
            right = list(auth_tokens)
        else:
            key = self._directory.key_secret(account_sid, name)
            right = [] if key is None else [key]
        for one in right:
            if hmac.compare_digest(one.encode(), secret.encode()):
                key_sid = signer(one) if name == account_sid else name
                return Caller(kind=Kind.ACCOUNT, account_sid=account_sid, key_sid=key_sid)
        raise AccessRefused(Refusal.CREDENTIALS)


def _is_service_token(token: str) -> bool:
    """A JWT's first part names its algorithm; our service tokens start with their claims."""
    first = token.partition(".")[0]
    try:
        claims = json.loads(base64.urlsafe_b64decode(first + "=" * (-len(first) % 4)))
    except (ValueError, RecursionError):
        return False
    return isinstance(claims, dict) and "iss" in claims and "alg" not in claims
