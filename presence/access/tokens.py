"""Clients' tokens: verified, and turned into what they permit.

Two kinds, told apart by their claims: access tokens (`grants`, signed with an API key's secret; twilio-surface 6.1)
and capability tokens (`scope`, signed with the account's auth token; 6.2). Pure: keys and revocations come by a
look-up, time is an argument. Every failure is an AccessRefused with its own code (PR-4), and nobody learns more about
a token than that its signature is wrong until the signature is right.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import parse_qsl

from foundation.permissions import EVERYONE, NOBODY, Permissions, PermissionUnknown, Scope, is_prefix
from foundation.permissions import parse as parse_permissions
from presence.access.jwt_parts import Life, Unverified, check_signature, check_times, split
from presence.access.refusals import AccessRefused, Refusal
from presence.identity import ANONYMOUS, is_client_name

NOTHING = Permissions()
ACCESS_TOKEN = "twilio-fpa;v=1"  # noqa: S105 - the content type of access tokens
OURS = "callrouter"
"""The grant that carries our permissions; a token that has it needs no voice grant."""
EVENTS = "/2010-04-01/Events"
"""The one stream that capability tokens subscribe to."""


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What a verified token permits; moments in Unix seconds. Without `application_sid`: no outgoing calls.

    `key_sid` is what signed it: an API key, or for a capability token the name of the auth token (`signer`).
    `token_digest` is of the token itself, `token_id` of its `jti`: helper libraries give all tokens of one second and
    key the same one.
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
    """Where secrets come from; they answer nothing for what is unknown, suspended or revoked."""

    def key_secret(self, account_sid: str, key_sid: str) -> str | None: ...

    def auth_tokens(self, account_sid: str) -> Sequence[str] | None:
        """The active account's auth tokens, newest first; None unless the account is known and active."""

    def is_revoked(self, grant: Grant) -> bool:
        """Whether the token was revoked before its end (PR-7)."""


def verify(token: object, secrets: SecretLookup, now: float, *, capability: bool = True) -> Grant:
    """The grant of a token that is genuine, in time, well formed and not revoked; AccessRefused otherwise."""
    parts = split(token)
    assert isinstance(token, str)
    if _is_capability(parts) and not capability:
        raise AccessRefused(Refusal.GRANTS, "capability tokens are switched off here")
    account_sid, key_sid = _signed(token, parts, secrets)
    life = check_times(parts.claims, now)
    if _is_capability(parts):
        grant = _capability(token, parts.claims, account_sid, key_sid, life)
    else:
        grant = _access(token, parts.claims, account_sid, key_sid, life)
    if secrets.is_revoked(grant):
        raise AccessRefused(Refusal.REVOKED)
    return grant


def digest_for(token: object, secrets: SecretLookup, account_sid: str) -> str:
    """The digest of a genuine token of this account, which may have ended long ago; AccessRefused."""
    if _signed(token, split(token), secrets)[0] != account_sid:
        raise AccessRefused(Refusal.FOREIGN)
    return token_digest(str(token))


def token_digest(token: str) -> str:
    """Names a token: of what is signed, because the same signature can be written in several ways."""
    return digest(token.rpartition(".")[0])


def digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()[:32]


def signer(auth_token: str) -> str:
    """Names an auth token as what signed a token, without telling it."""
    return f"AT{digest(auth_token)}"


def demand_publish(grant: Grant, account_sid: str, client: str) -> None:
    """The permission to register as this client of this account (PR-9, reliability-security 4.5)."""
    if (grant.account_sid, grant.identity) != (account_sid, client):
        raise AccessRefused(Refusal.FOREIGN)
    if not grant.publishes:
        raise AccessRefused(Refusal.INCOMING)


def _is_capability(parts: Unverified) -> bool:
    return "scope" in parts.claims and "grants" not in parts.claims


def _signed(token: object, parts: Unverified, secrets: SecretLookup) -> tuple[str, str]:
    """The account and what signed for it, once the signature is right."""
    assert isinstance(token, str)
    claims = parts.claims
    if _is_capability(parts):
        account_sid, scope = claims.get("iss"), claims.get("scope")
        if not (isinstance(account_sid, str) and isinstance(scope, str)):
            raise AccessRefused(Refusal.MALFORMED, "iss and scope must be text")
        auth_tokens = secrets.auth_tokens(account_sid)
        if auth_tokens is None:
            raise AccessRefused(Refusal.ACCOUNT)
        return account_sid, signer(check_signature(token, auth_tokens))
    if parts.header.get("cty") != ACCESS_TOKEN:
        raise AccessRefused(Refusal.HEADER, f"cty must be {ACCESS_TOKEN}")
    account_sid, key_sid, token_id = claims.get("sub"), claims.get("iss"), claims.get("jti")
    if not (isinstance(account_sid, str) and isinstance(key_sid, str) and isinstance(token_id, str)):
        raise AccessRefused(Refusal.MALFORMED, "iss, sub and jti must be text")
    if secrets.auth_tokens(account_sid) is None:
        raise AccessRefused(Refusal.ACCOUNT)
    secret = secrets.key_secret(account_sid, key_sid)
    if secret is None:
        raise AccessRefused(Refusal.ISSUER)
    check_signature(token, [secret])
    return account_sid, key_sid


def _access(token: str, claims: dict[str, Any], account_sid: str, key_sid: str, life: Life) -> Grant:
    grants = _mapping(claims.get("grants"), "grants")
    voice = _mapping(grants.get("voice", {} if OURS in grants else None), "grants.voice")
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
        token_digest=token_digest(token),
        token_id=digest(claims["jti"]),
        issued_at=life.begins,
        expires_at=life.ends,
        incoming=incoming.get("allow") is True,
        application_sid=application,
        params={name: str(value) for name, value in params.items()},
        permissions=_permissions(grants, identity),
    )


def _capability(token: str, claims: dict[str, Any], account_sid: str, key_sid: str, life: Life) -> Grant:
    scopes = _scopes(claims["scope"])
    incoming, outgoing = scopes.get("client:incoming"), scopes.get("client:outgoing", {})
    names = {given["clientName"] for given in (incoming or {}, outgoing) if "clientName" in given}
    if incoming == {} or len(names) > 1:
        raise AccessRefused(Refusal.GRANTS, "the scopes must name one client")
    return Grant(
        account_sid=account_sid,
        identity=_identity(names.pop()) if names else ANONYMOUS,
        key_sid=key_sid,
        token_digest=token_digest(token),
        token_id=digest(str(claims["jti"])) if claims.get("jti") else "",
        issued_at=life.begins,
        expires_at=life.ends,
        incoming=incoming is not None,
        application_sid=outgoing.get("appSid", ""),
        params=dict(parse_qsl(outgoing.get("appParams", ""), keep_blank_values=True)),
        permissions=_legacy(scopes),
    )


def _legacy(scopes: dict[str, dict[str, str]]) -> Permissions:
    """A client of Twilio's old library saw all clients of its account (twilio-surface 6.4); a token for the event
    stream sees those that its filters name."""
    seen = EVERYONE if "client:incoming" in scopes else NOBODY
    stream = scopes.get("stream:subscribe")
    if stream is not None and stream.get("path") == EVENTS:
        seen |= _filtered(parse_qsl(stream.get("params", ""), keep_blank_values=True))
    return Permissions(read=seen, subscribe=seen)


def _filtered(filters: list[tuple[str, str]]) -> Scope:
    """`client=` and `prefix=` add up; a filter of another name is about events that we have none of."""
    if not filters:
        return EVERYONE
    found = NOBODY
    for name, value in filters:
        if name == "client" and is_client_name(value):
            found |= Scope(clients=frozenset({value}))
        elif name == "prefix" and is_prefix(value):
            found |= Scope(prefixes=frozenset({value}))
    return found


def _permissions(grants: dict[str, Any], identity: str) -> Permissions:
    words = _mapping(grants.get(OURS, {}), f"grants.{OURS}").get("permissions", [])
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise AccessRefused(Refusal.GRANTS, "callrouter.permissions must be a list of texts")
    try:
        return parse_permissions(words, identity)
    except PermissionUnknown as unknown:
        raise AccessRefused(Refusal.GRANTS, str(unknown)) from unknown


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
