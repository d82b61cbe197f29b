"""Secrets that we make: auth tokens, API key secrets, carriers' secrets (reliability-security 4.6, 4.7).

They sign webhooks and access tokens, so they must be readable again: sealed with the deployment's keys. A
hash stands beside them for checking passwords. They are random, 128 bits or more, so a fast hash is enough.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

from foundation.keys import Keys

NOBODY = hashlib.sha256(b"nobody has this password").hexdigest()


@dataclass(frozen=True, kw_only=True)
class Credential:
    """A secret as it is stored."""

    sealed: str = field(repr=False)
    hash: str = field(repr=False)


def new_secret() -> str:
    """A fresh secret of 128 bits in Twilio's form: 32 hex digits."""
    return secrets.token_hex(16)


def seal(keys: Keys, secret: str) -> Credential:
    return Credential(sealed=keys.seal(secret), hash=_hash(secret))


def matches(secret: str, stored_hash: str) -> bool:
    """Whether the hash is this secret's, in constant time and on bytes (M9)."""
    return hmac.compare_digest(_hash(secret).encode(), stored_hash.encode())


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
