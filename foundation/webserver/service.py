"""How our servers know each other: short-lived signed service tokens, one audience each.

A client's or customer's token never passes here, and a service token never passes where those are asked for
(reliability-security 4.4, PR-9).
"""

from collections.abc import Callable

from flask import request

from foundation.keys import SKEW, Keys, TokenRefused
from foundation.webserver.errors import ApiError

LIFE = 300


def service_token(keys: Keys, audience: str, issuer: str) -> str:
    """A token with which `issuer` may call the server `audience` for five minutes."""
    return keys.sign(f"service.{audience}", {"iss": issuer})


def demand_service(keys: Keys, audience: str) -> Callable[[], None]:
    """A `before_request` hook that lets only our own services in."""

    def check() -> None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer":
            raise ApiError(
                401, 20003, "This address is for callrouter's own servers: a service token is missing."
            )
        try:
            keys.verify(f"service.{audience}", token, LIFE + SKEW)
        except TokenRefused as error:
            raise ApiError(401, 20003, f"The service token was refused: {error}.") from error

    return check
