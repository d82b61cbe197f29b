"""Access tokens for clients, exactly as Twilio's helper libraries make them (twilio-surface 6.1)."""

from collections.abc import Sequence
from typing import Any

import jwt
from sqlalchemy import Connection

from callrouter import models
from callrouter.directory import keys
from callrouter.directory.keys import Key
from callrouter.directory.rows import values


def access_token(
    key: Key,
    secret: str,
    *,
    identity: str,
    incoming: bool,
    application_sid: str | None,
    ttl: int,
    now: int,
    permissions: Sequence[str] = (),
) -> str:
    """A token with a voice grant; `ttl` and `now` in seconds. `permissions`: words of `foundation.permissions`."""
    voice: dict[str, Any] = {}
    if incoming:
        voice["incoming"] = {"allow": True}
    if application_sid:
        voice["outgoing"] = {"application_sid": application_sid}
    ours = {"callrouter": {"permissions": list(permissions)}} if permissions else {}
    claims = {
        "jti": f"{key.sid}-{now}",
        "grants": {"voice": voice, "identity": identity, **ours},
        "iss": key.sid,
        "sub": key.account_sid,
        "nbf": now,
        "exp": now + ttl,
    }
    return jwt.encode(claims, secret, algorithm="HS256", headers={"cty": "twilio-fpa;v=1"})


def newest_key(connection: Connection, account_sid: str) -> Key | None:
    """The key that signs an account's tokens when none is named."""
    query = keys.listed(account_sid).order_by(models.ApiKey.date_created.desc()).limit(1)
    return next(iter(values(Key, connection, query)), None)
