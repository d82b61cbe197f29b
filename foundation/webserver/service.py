"""How our servers know each other: short-lived signed service tokens, one audience each.

A client's or customer's token never passes here, and a service token never passes where those are asked for
(reliability-security 4.4, PR-9).
"""

import time
from collections.abc import Callable
from functools import lru_cache

from flask import request

from foundation.keys import SKEW, Keys, TokenRefused
from foundation.webserver.errors import ApiError

LIFE = 300
TRUST_SECONDS = 30
"""How long a verified token is taken on sight: verifying it costs as much as the rest of a small request."""


def service_token(keys: Keys, audience: str, issuer: str) -> str:
    """A token with which `issuer` may call the server `audience` for five minutes."""
    return keys.sign(f"service.{audience}", {"iss": issuer})


class ServiceToken:
    """The token with which `issuer` calls the server `audience`: one for many requests, renewed long before it ends."""

    def __init__(self, keys: Keys, audience: str, issuer: str) -> None:
        self._keys, self._audience, self._issuer = keys, audience, issuer
        self._token, self._until = "", 0.0

    @property
    def header(self) -> dict[str, str]:
        now = time.monotonic()
        if now >= self._until:
            self._token = service_token(self._keys, self._audience, self._issuer)
            self._until = now + LIFE / 2
        return {"Authorization": f"Bearer {self._token}"}


def demand_service(keys: Keys, audience: str) -> Callable[[], None]:
    """A `before_request` hook that lets only our own services in."""

    @lru_cache(16)
    def verify(token: str, _trust: int) -> None:
        keys.verify(f"service.{audience}", token, LIFE + SKEW)

    def check() -> None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer":
            raise ApiError(
                401, 20003, "This address is for callrouter's own servers: a service token is missing."
            )
        try:
            verify(token, int(time.monotonic() / TRUST_SECONDS))
        except TokenRefused as error:
            raise ApiError(401, 20003, f"The service token was refused: {error}.") from error

    return check
