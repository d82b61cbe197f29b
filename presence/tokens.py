"""Clients' tokens: verified, and turned into what they permit.

Two kinds, told apart by their claims: access tokens (`grants`, signed with an API key's secret; twilio-surface 6.1)
and capability tokens (`scope`, signed with the account's auth token; 6.2). Pure: keys come by a look-up, time is an
argument. Every failure is an AccessRefused with its own code (PR-4), and nobody learns more about a token than that
its signature is wrong until the signature is right.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import parse_qsl

from presence.identity import ANONYMOUS, is_client_name
from presence.jwt_parts import LIFE_LIMIT, check_signature, check_times, split
from presence.permissions import EVERYONE, Permissions, PermissionUnknown
from presence.permissions import MOST as MOST_PERMISSIONS
from presence.permissions import parse as parse_permissions
from presence.refusals import AccessRefused, Refusal

NOTHING = Permissions()
ACCESS_TOKEN = "twilio-fpa;v=1"  # noqa: S105 - the content type of access tokens


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What a verified token permits; moments in Unix seconds. Without `application_sid`: no outgoing calls.

    `token_id` is a digest of its `jti`; `issued_at` is the latest moment at which it can have been made.
    """

    account_sid: str
    identity: str
    key_sid: str
    token_digest: str
    token_id: str = ""
    issued_at: int = 0
    expires_at: int
    incoming: bool = False
    application_sid: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    permissions: Permissions = NOTHING

    @property
    def publishes(self) -> bool:
        """Whether it may register and set its own status."""
        return self.incoming or self.permissions.publish


class SecretLookup(Protocol):
    """Where secrets come from; both answer nothing for what is unknown, suspended or revoked."""

    def key_secret(self, account_sid: str, key_sid: str) -> str | None: ...

    def auth_tokens(self, account_sid: str) -> Sequence[str] | None:
        """The active account's auth tokens, newest first; None unless the account is known and active."""


def verify(token: object, secrets: SecretLookup, now: float, *, capability: bool = True) -> Grant:
    """The grant of a token that is genuine, in time and well formed; AccessRefused otherwise."""
    parts = split(token)
    assert isinstance(token, str)
    if "scope" in parts.claims and "grants" not in parts.claims:
        if not capability:
            raise AccessRefused(Refusal.GRANTS, "capability tokens are switched off here")
        return _capability(token, parts.claims, secrets, now)
    if parts.header.get("cty") != ACCESS_TOKEN:
        raise AccessRefused(Refusal.HEADER, f"cty must be {ACCESS_TOKEN}")
    return _access(token, parts.claims, secrets, now)


def demand_publish(grant: Grant, account_sid: str, client: str) -> None:
    """The permission to register as this client of this account (PR-9, reliability-security 4.5)."""
    if (grant.account_sid, grant.identity) != (account_sid, client):
        raise AccessRefused(Refusal.FOREIGN)
    if not grant.publishes:
        raise AccessRefused(Refusal.INCOMING)


def _access(token: str, claims: dict[str, Any], secrets: SecretLookup, now: float) -> Grant:
    account_sid, key_sid, token_id = claims.get("sub"), claims.get("iss"), claims.get("jti")
    if not (isinstance(account_sid, str) and isinstance(key_sid, str) and isinstance(token_id, str)):
        raise AccessRefused(Refusal.MALFORMED, "iss, sub and jti must be text")
    if secrets.auth_tokens(account_sid) is None:
        raise AccessRefused(Refusal.ACCOUNT)
    secret = secrets.key_secret(account_sid, key_sid)
    if secret is None:
        raise AccessRefused(Refusal.ISSUER)
    check_signature(token, [secret])
    expires_at = check_times(claims, now)
    grants = _mapping(claims.get("grants"), "grants")
    voice = _mapping(grants.get("voice"), "grants.voice")
    incoming = _mapping(voice.get("incoming", {}), "incoming")
    outgoing = _mapping(voice.get("outgoing", {}), "outgoing")
    application = outgoing.get("application_sid", "")
    params = _mapping(outgoing.get("params") or {}, "outgoing.params")
    if not isinstance(application, str):
        raise AccessRefused(Refusal.GRANTS, "outgoing.application_sid must be text")
    identity = _identity(grants.get("identity"))
    return Grant(
        account_sid=account_sid,
        identity=identity,
        key_sid=key_sid,
        token_digest=_digest(token),
        token_id=_digest(token_id),
        issued_at=_issued_at(claims),
        expires_at=expires_at,
        incoming=incoming.get("allow") is True,
        application_sid=application,
        params={name: str(value) for name, value in params.items()},
        permissions=_permissions(grants, identity),
    )


def _capability(token: str, claims: dict[str, Any], secrets: SecretLookup, now: float) -> Grant:
    account_sid, scope = claims.get("iss"), claims.get("scope")
    if not (isinstance(account_sid, str) and isinstance(scope, str)):
        raise AccessRefused(Refusal.MALFORMED, "iss and scope must be text")
    auth_tokens = secrets.auth_tokens(account_sid)
    if auth_tokens is None:
        raise AccessRefused(Refusal.ACCOUNT)
    check_signature(token, auth_tokens)
    expires_at = check_times(claims, now)
    scopes = _scopes(scope)
    incoming, outgoing = scopes.get("client:incoming"), scopes.get("client:outgoing", {})
    names = {given["clientName"] for given in (incoming or {}, outgoing) if "clientName" in given}
    if incoming == {} or len(names) > 1:
        raise AccessRefused(Refusal.GRANTS, "the scopes must name one client")
    return Grant(
        account_sid=account_sid,
        identity=_identity(names.pop()) if names else ANONYMOUS,
        key_sid=account_sid,
        token_digest=_digest(token),
        token_id=_digest(str(claims.get("jti") or token)),
        issued_at=_issued_at(claims),
        expires_at=expires_at,
        incoming=incoming is not None,
        application_sid=outgoing.get("appSid", ""),
        params=dict(parse_qsl(outgoing.get("appParams", ""), keep_blank_values=True)),
        permissions=_LEGACY if incoming is not None else NOTHING,
    )


_LEGACY = Permissions(read=EVERYONE, subscribe=EVERYONE)
"""A client of Twilio's old library saw all clients of its account (twilio-surface 6.4)."""


def _permissions(grants: dict[str, Any], identity: str) -> Permissions:
    words = _mapping(grants.get("callrouter", {}), "grants.callrouter").get("permissions", [])
    if (
        not isinstance(words, list)
        or len(words) > MOST_PERMISSIONS
        or not all(isinstance(w, str) for w in words)
    ):
        raise AccessRefused(
            Refusal.GRANTS, f"callrouter.permissions must be a list of at most {MOST_PERMISSIONS} texts"
        )
    try:
        return parse_permissions(words, identity)
    except PermissionUnknown as unknown:
        raise AccessRefused(Refusal.GRANTS, str(unknown)) from unknown


def _issued_at(claims: dict[str, Any]) -> int:
    """When it was made; a token that doesn't say counts as made as early as its end allows."""
    said = claims.get("iat") or claims.get("nbf")
    return int(said) if said else int(claims["exp"]) - LIFE_LIMIT


def _scopes(scope: str) -> dict[str, dict[str, str]]:
    """`scope:client:incoming?clientName=tom …` as {"client:incoming": {"clientName": "tom"}, …}."""
    found: dict[str, dict[str, str]] = {}
    for uri in scope.split():
        name, _, query = uri.partition("?")
        kind, _, privilege = name.partition(":")
        if kind != "scope" or privilege in found:
            raise AccessRefused(Refusal.GRANTS, "a scope is malformed or given twice")
        found[privilege] = dict(parse_qsl(query, keep_blank_values=True))
    return found


def _identity(name: object) -> str:
    if name is None:
        raise AccessRefused(Refusal.GRANTS, "the identity is missing")
    if not is_client_name(name):
        raise AccessRefused(Refusal.IDENTITY)
    return str(name)


def _mapping(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise AccessRefused(Refusal.GRANTS, f"{name} must be an object")
    return value


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()[:32]
