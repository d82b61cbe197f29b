"""Reads a JWT strictly, before anything in it is believed (reliability-security 4.4, M11)."""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jwt

from presence.refusals import AccessRefused, Refusal

SIZE_LIMIT = 16 * 1024
LIFE_LIMIT = 86_400  # PR-5
SKEW = 30  # for clocks of the servers that mint; never extends a token's end


@dataclass(frozen=True, kw_only=True)
class Unverified:
    """The decoded halves of a token whose signature nobody has checked."""

    header: dict[str, Any]
    claims: dict[str, Any]


def split(token: object) -> Unverified:
    """The token's header and claims; AccessRefused when it is not three parts of canonical JSON objects."""
    if not token:
        raise AccessRefused(Refusal.MISSING)
    if not isinstance(token, str) or len(token) > SIZE_LIMIT or token.count(".") != 2:
        raise AccessRefused(Refusal.MALFORMED)
    header, claims, _ = token.split(".")
    parts = Unverified(header=_object(header), claims=_object(claims))
    if parts.header.get("alg") != "HS256" or parts.header.get("typ", "JWT") != "JWT":
        raise AccessRefused(Refusal.HEADER, "alg must be HS256 and typ JWT")
    if strange := parts.header.keys() & {"crit", "b64", "kid", "jku", "jwk", "x5u", "x5c", "zip"}:
        raise AccessRefused(Refusal.HEADER, f"{min(strange)} is not taken")
    return parts


def check_signature(token: str, secrets: Sequence[str]) -> None:
    """One of the secrets signed it (two are valid at once while one is being replaced, PR-7)."""
    for secret in secrets:
        try:
            jwt.decode_complete(token, secret.encode(), algorithms=["HS256"], options=ONLY_SIGNATURE)
        except jwt.InvalidSignatureError:
            continue
        except jwt.PyJWTError as error:
            raise AccessRefused(Refusal.MALFORMED) from error
        return
    raise AccessRefused(Refusal.SIGNATURE)


ONLY_SIGNATURE: Any = {
    "verify_signature": True,
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
    "enforce_minimum_key_length": False,
}


def check_times(claims: dict[str, Any], now: float) -> int:
    """The moment at which the token ends; `exp` must be an integer at most 24 hours ahead (PR-5)."""
    expires_at = claims.get("exp")
    if type(expires_at) is not int:
        raise AccessRefused(Refusal.MALFORMED, "exp must be an integer")
    for name in ("nbf", "iat"):
        moment = claims.get(name)
        if moment is not None and type(moment) is not int:
            raise AccessRefused(Refusal.MALFORMED, f"{name} must be an integer")
    if expires_at <= now:
        raise AccessRefused(Refusal.EXPIRED)
    if expires_at - now > LIFE_LIMIT + SKEW:
        raise AccessRefused(Refusal.TOO_LONG)
    if (claims.get("nbf") or 0) > now + SKEW:
        raise AccessRefused(Refusal.NOT_YET)
    return expires_at


def _object(part: str) -> dict[str, Any]:
    try:
        raw = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
        value = json.loads(raw, object_pairs_hook=_unique)
    except (binascii.Error, ValueError, RecursionError) as error:
        raise AccessRefused(Refusal.MALFORMED) from error
    if not isinstance(value, dict):
        raise AccessRefused(Refusal.MALFORMED)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A claim that is given twice means one thing here and another thing there: refused (M11)."""
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a name is given twice")
    return dict(pairs)
