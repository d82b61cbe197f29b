"""Keys of two accounts, and tokens signed with them."""

import base64
import json
from dataclasses import dataclass, field
from typing import Any

import jwt

from presence.access.tokens import Grant, verify

ACCOUNT, OTHER = "AC" + "a" * 32, "AC" + "b" * 32
KEY, OTHER_KEY = "SK" + "a" * 32, "SK" + "b" * 32
APP = "AP" + "a" * 32
SECRET, AUTH_TOKEN, OLD_AUTH_TOKEN = "s" * 32, "t" * 32, "o" * 32
NOW = 1_800_000_000


@dataclass
class Secrets:
    keys: dict[tuple[str, str], str] = field(
        default_factory=lambda: {(ACCOUNT, KEY): SECRET, (OTHER, OTHER_KEY): "x" * 32}
    )
    tokens: dict[str, tuple[str, ...]] = field(
        default_factory=lambda: {ACCOUNT: (AUTH_TOKEN, OLD_AUTH_TOKEN), OTHER: ("y" * 32,)}
    )
    revoked: set[str] = field(default_factory=set)

    def key_secret(self, account_sid: str, key_sid: str) -> str | None:
        return self.keys.get((account_sid, key_sid))

    def auth_tokens(self, account_sid: str) -> tuple[str, ...] | None:
        return self.tokens.get(account_sid)

    def is_revoked(self, grant: Grant) -> bool:
        return grant.token_digest in self.revoked


def claims(**changes: Any) -> dict[str, Any]:
    whole = {
        "jti": f"{KEY}-{NOW}",
        "iss": KEY,
        "sub": ACCOUNT,
        "exp": NOW + 3600,
        "grants": {"identity": "alice", "voice": {"incoming": {"allow": True}}},
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


def signed(
    payload: dict[str, Any] | None = None, secret: str = SECRET, header: dict[str, Any] | None = None
) -> str:
    """A token as the helper library signs it, with these claims and further headers."""
    given_header = {"cty": "twilio-fpa;v=1", **(header or {})}
    algorithm = given_header.pop("alg", "HS256")
    token = jwt.encode(payload or claims(), secret, algorithm, headers=given_header)
    return token


def raw(header: str, payload: str, signature: bytes = b"") -> str:
    """Parts as they are, signed for real over these very bytes when no signature is given."""
    import hashlib
    import hmac

    def part(content: bytes) -> str:
        return base64.urlsafe_b64encode(content).rstrip(b"=").decode()

    body = f"{part(header.encode())}.{part(payload.encode())}"
    made = hmac.new(SECRET.encode(), body.encode(), hashlib.sha256).digest()
    return f"{body}.{part(signature or made)}"


HEADER = json.dumps({"alg": "HS256", "typ": "JWT", "cty": "twilio-fpa;v=1"})


def take(token: object, now: float = NOW, **options: Any) -> Grant:
    return verify(token, Secrets(), now, **options)
