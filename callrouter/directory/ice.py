"""ICE servers for apps, with TURN credentials that expire.

The credentials are those that coturn checks with `use-auth-secret`: whoever holds the shared secret makes them, and
no server keeps a list (draft-uberti-behave-turn-rest-00).
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class IceServers:
    """What the operator runs; without TURN nobody gets credentials."""

    stun: tuple[str, ...] = ()
    turn: tuple[str, ...] = ()
    secret: str = field(default="", repr=False)

    def credentials(self, user: str, expires_at: float) -> tuple[str, str] | None:
        """Username and password for the TURN servers until a Unix time; None when there are none."""
        if not self.turn:
            return None
        username = f"{int(expires_at)}:{user}"
        # SHA-1 is what TURN servers check; as a MAC it is sound.
        password = hmac.new(self.secret.encode(), username.encode(), hashlib.sha1).digest()
        return username, base64.b64encode(password).decode()
