"""Reads a JWT strictly, before anything in it is believed (reliability-security 4.4, M11)."""

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jwt.algorithms import HMACAlgorithm

from presence.access.refusals import AccessRefused, Refusal

SIZE_LIMIT = 16 * 1024
BASE64URL = re.compile(r"[A-Za-z0-9_-]*\Z")  # without padding (RFC 7515 section 2)
LIFE_LIMIT = 86_400  # PR-5
SKEW = 30  # for clocks of the servers that mint; never extends a token's end


@dataclass(frozen=True, kw_only=True)
class Unverified:
    """The decoded halves of a token whose signature nobody has checked."""

    header: dict[str, Any]
    claims: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Life:
    """Unix seconds. A token that doesn't say when it was made counts as made as early as its end allows."""

    begins: int
    ends: int


def split(token: object) -> Unverified:
    """The token's header and claims; AccessRefused when it is not three parts of canonical JSON objects."""
    if not token:
        raise AccessRefused(Refusal.MISSING)
    if not isinstance(token, str) or len(token) > SIZE_LIMIT or token.count(".") != 2:
        raise AccessRefused(Refusal.MALFORMED)
    header, claims, _ = token.split(".")
    return Unverified(header=_header(header), claims=_object(claims))


@lru_cache(100)
def _header(part: str) -> dict[str, Any]:
    """Nearly all tokens have the same one."""
    header = _object(part)
    if header.get("alg") != "HS256" or header.get("typ", "JWT") != "JWT":
        raise AccessRefused(Refusal.HEADER, "alg must be HS256 and typ JWT")
    if strange := header.keys() & {"crit", "b64", "kid", "jku", "jwk", "x5u", "x5c", "zip"}:
        raise AccessRefused(Refusal.HEADER, f"{min(strange)} is not taken")
    return header


def check_signature(token: str, secrets: Sequence[str]) -> str:
    """The secret that signed it (two are valid at once while one is being replaced, PR-7); AccessRefused.

    By PyJWT's HS256, which `split` has demanded; its `decode` would take the token apart once more.
    """
    signed, _, signature = token.rpartition(".")
    given = _decoded(signature)
    for secret in filter(None, secrets):  # nobody signs with nothing
        if _HS256.verify(signed.encode(), secret.encode(), given):
            return secret
    raise AccessRefused(Refusal.SIGNATURE)


def check_times(claims: dict[str, Any], now: float) -> Life:
    """When the token begins and ends; 24 hours at most, also from now (PR-5). AccessRefused outside of it."""
    ends = claims.get("exp")
    if type(ends) is not int:
        raise AccessRefused(Refusal.MALFORMED, "exp must be an integer")
    said = [claims[name] for name in ("iat", "nbf") if claims.get(name) is not None]
    if any(type(moment) is not int for moment in said):
        raise AccessRefused(Refusal.MALFORMED, "iat and nbf must be integers")
    begins = said[0] if said else ends - LIFE_LIMIT
    if ends <= now:
        raise AccessRefused(Refusal.EXPIRED)
    if ends - begins > LIFE_LIMIT or ends - now > LIFE_LIMIT + SKEW:
        raise AccessRefused(Refusal.TOO_LONG)
    if said and max(said) > now + SKEW:
        raise AccessRefused(Refusal.NOT_YET)
    return Life(begins=begins, ends=ends)


def _object(part: str) -> dict[str, Any]:
    try:
        value = _JSON.decode(_decoded(part).decode())
    except (ValueError, RecursionError) as error:
        raise AccessRefused(Refusal.MALFORMED) from error
    if not isinstance(value, dict):
        raise AccessRefused(Refusal.MALFORMED)
    return value


def _decoded(part: str) -> bytes:
    if not BASE64URL.match(part):
        raise AccessRefused(Refusal.MALFORMED)
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_")
    except ValueError as error:
        raise AccessRefused(Refusal.MALFORMED) from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A claim that is given twice means one thing here and another thing there: refused (M11)."""
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a name is given twice")
    return dict(pairs)


_JSON = json.JSONDecoder(object_pairs_hook=_unique)
_HS256 = HMACAlgorithm(HMACAlgorithm.SHA256)
