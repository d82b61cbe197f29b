"""Lets only our own services in, by the tokens of `service`."""

import time
from collections.abc import Callable
from functools import lru_cache

from flask import request

from foundation.keys import SKEW, Keys, TokenRefused
from foundation.webserver.errors import ApiError
from foundation.webserver.service import LIFE, TRUST_SECONDS


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
