"""How our servers know each other: short-lived signed service tokens, one audience each.

A client's or customer's token never passes here, and a service token never passes where those are asked for
(reliability-security 4.4, PR-9).
"""

import time

from foundation.keys import Keys

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
