"""Clients' tokens: those of the official helper library are taken, everything else is refused with its own code."""

import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from tokens_world import (
    ACCOUNT,
    APP,
    AUTH_TOKEN,
    HEADER,
    KEY,
    NOW,
    OLD_AUTH_TOKEN,
    OTHER,
    OTHER_KEY,
    SECRET,
    Secrets,
    claims,
    raw,
    signed,
    take,
)
from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import VoiceGrant
from twilio.jwt.client import ClientCapabilityToken

from presence.access.refusals import AccessRefused, Refusal
from presence.access.tokens import demand_publish, digest_for, signer, token_digest, verify
from presence.identity import ANONYMOUS


def test_the_official_access_token() -> None:
    token = AccessToken(ACCOUNT, KEY, SECRET, identity="alice", ttl=3600)
    token.add_grant(
        VoiceGrant(
            incoming_allow=True,
            outgoing_application_sid=APP,
            outgoing_application_params={"team": "blue", "n": 1},
        )
    )
    now = time.time()
    grant = take(token.to_jwt(), now)
    assert (grant.account_sid, grant.identity, grant.key_sid) == (ACCOUNT, "alice", KEY)
    assert (grant.incoming, grant.application_sid, dict(grant.params)) == (
        True,
        APP,
        {"team": "blue", "n": "1"},
    )
    assert 3590 < grant.expires_at - now <= 3600


def test_the_official_access_token_without_permissions() -> None:
    token = AccessToken(ACCOUNT, KEY, SECRET, identity="alice")
    token.add_grant(VoiceGrant())
    grant = take(token.to_jwt(), time.time())
    assert (grant.incoming, grant.application_sid) == (False, "")


def test_the_official_capability_token() -> None:
    token = ClientCapabilityToken(ACCOUNT, AUTH_TOKEN)
    token.allow_client_outgoing(APP, a="b c", d="e&f")
    token.allow_client_incoming("tommy")
    token.allow_event_stream(foo="bar")
    grant = take(token.to_jwt(), time.time())
    assert (grant.identity, grant.incoming, grant.application_sid) == ("tommy", True, APP)
    assert (dict(grant.params), grant.key_sid) == ({"a": "b c", "d": "e&f"}, signer(AUTH_TOKEN))


def test_a_capability_token_that_only_calls_out_is_anonymous() -> None:
    token = ClientCapabilityToken(ACCOUNT, AUTH_TOKEN)
    token.allow_client_outgoing(APP)
    grant = take(token.to_jwt(), time.time())
    assert (grant.identity, grant.incoming) == (ANONYMOUS, False)


def test_pr7_both_auth_tokens_sign_while_one_is_replaced() -> None:
    token = ClientCapabilityToken(ACCOUNT, OLD_AUTH_TOKEN)
    token.allow_client_incoming("tommy")
    grant = take(token.to_jwt(), time.time())
    assert grant.incoming
    assert grant.key_sid == signer(OLD_AUTH_TOKEN)


def test_capability_tokens_can_be_switched_off() -> None:
    token = ClientCapabilityToken(ACCOUNT, AUTH_TOKEN)
    token.allow_client_incoming("tommy")
    with pytest.raises(AccessRefused) as refused:
        take(token.to_jwt(), time.time(), capability=False)
    assert refused.value.refusal is Refusal.GRANTS


VOICE = {"incoming": {"allow": True}}
BAD: list[tuple[str, Callable[[], object], Refusal]] = [
    ("nothing", lambda: "", Refusal.MISSING),
    ("none", lambda: None, Refusal.MISSING),
    ("a number", lambda: 7, Refusal.MALFORMED),
    ("two parts", lambda: "a.b", Refusal.MALFORMED),
    ("four parts", lambda: signed() + ".x", Refusal.MALFORMED),
    ("no base64", lambda: "!!.??.##", Refusal.MALFORMED),
    ("not JSON", lambda: raw("hello", "{}"), Refusal.MALFORMED),
    ("a list", lambda: raw("[]", "{}"), Refusal.MALFORMED),
    ("claims a list", lambda: raw(HEADER, "[]"), Refusal.MALFORMED),
    ("endless nesting", lambda: raw("[" * 5000, "{}"), Refusal.MALFORMED),
    ("over 16 kB", lambda: signed(claims(pad="x" * 17_000)), Refusal.MALFORMED),
    ("alg none", lambda: raw(HEADER.replace("HS256", "none"), json.dumps(claims())), Refusal.HEADER),
    ("alg HS512", lambda: raw(HEADER.replace("HS256", "HS512"), json.dumps(claims())), Refusal.HEADER),
    ("alg lower case", lambda: raw(HEADER.replace("HS256", "hs256"), json.dumps(claims())), Refusal.HEADER),
    ("typ other", lambda: signed(header={"typ": "JWE"}), Refusal.HEADER),
    ("no cty", lambda: jwt.encode(claims(), SECRET, "HS256"), Refusal.HEADER),
    ("cty v2", lambda: signed(header={"cty": "twilio-fpa;v=2"}), Refusal.HEADER),
    ("crit", lambda: signed(header={"crit": ["x"], "x": 1}), Refusal.HEADER),
    ("b64", lambda: raw(HEADER[:-1] + ', "b64": false}', json.dumps(claims())), Refusal.HEADER),
    ("kid", lambda: signed(header={"kid": "../key"}), Refusal.HEADER),
    ("jku", lambda: signed(header={"jku": "http://evil.test"}), Refusal.HEADER),
    ("jwk", lambda: signed(header={"jwk": {"k": "x"}}), Refusal.HEADER),
    ("header twice", lambda: raw(HEADER[:-1] + ', "alg": "HS256"}', "{}"), Refusal.MALFORMED),
    (
        "claim twice",
        lambda: raw(HEADER, json.dumps(claims())[:-1] + ', "exp": 1900000000}'),
        Refusal.MALFORMED,
    ),
    ("no sub", lambda: signed(claims(sub=None)), Refusal.MALFORMED),
    ("no iss", lambda: signed(claims(iss=None)), Refusal.MALFORMED),
    ("no jti", lambda: signed(claims(jti=None)), Refusal.MALFORMED),
    ("sub a list", lambda: raw(HEADER, json.dumps(claims(sub=[ACCOUNT]))), Refusal.MALFORMED),
    ("unknown account", lambda: signed(claims(sub="AC" + "c" * 32)), Refusal.ACCOUNT),
    ("unknown key", lambda: signed(claims(iss="SK" + "c" * 32)), Refusal.ISSUER),
    ("another account's key", lambda: signed(claims(iss=OTHER_KEY), "x" * 32), Refusal.ISSUER),
    ("own key for another account", lambda: signed(claims(sub=OTHER)), Refusal.ISSUER),
    ("wrong secret", lambda: signed(secret="w" * 32), Refusal.SIGNATURE),
    ("no signature", lambda: signed().rpartition(".")[0] + ".", Refusal.SIGNATURE),
    ("signature of zeros", lambda: raw(HEADER, json.dumps(claims()), b"\0" * 32), Refusal.SIGNATURE),
    ("signed with the auth token", lambda: signed(secret=AUTH_TOKEN), Refusal.SIGNATURE),
    ("expired, wrong secret", lambda: signed(claims(exp=NOW - 9), "w" * 32), Refusal.SIGNATURE),
    ("expired", lambda: signed(claims(exp=NOW)), Refusal.EXPIRED),
    ("no exp", lambda: signed(claims(exp=None)), Refusal.MALFORMED),
    ("exp text", lambda: raw(HEADER, json.dumps(claims(exp=str(NOW + 60)))), Refusal.MALFORMED),
    ("exp fraction", lambda: signed(claims(exp=NOW + 60.5)), Refusal.MALFORMED),
    ("exp boolean", lambda: signed(claims(exp=True)), Refusal.MALFORMED),
    ("exp infinite", lambda: raw(HEADER, json.dumps(claims(exp=float("inf")))), Refusal.MALFORMED),
    ("25 hours", lambda: signed(claims(exp=NOW + 90_000)), Refusal.TOO_LONG),
    ("30 years", lambda: signed(claims(exp=NOW + 946_080_000)), Refusal.TOO_LONG),
    (
        "25 hours since it was made",
        lambda: signed(claims(iat=NOW - 7200, exp=NOW + 82_801)),
        Refusal.TOO_LONG,
    ),
    ("25 hours since it began", lambda: signed(claims(nbf=NOW - 7200, exp=NOW + 82_801)), Refusal.TOO_LONG),
    ("made in the future", lambda: signed(claims(iat=NOW + 31)), Refusal.NOT_YET),
    ("iat a fraction", lambda: signed(claims(iat=NOW + 0.5)), Refusal.MALFORMED),
    ("jti a number", lambda: signed(claims(jti=7)), Refusal.MALFORMED),
    ("not yet", lambda: signed(claims(nbf=NOW + 31)), Refusal.NOT_YET),
    ("nbf text", lambda: raw(HEADER, json.dumps(claims(nbf="0"))), Refusal.MALFORMED),
    ("no grants", lambda: signed(claims(grants=None)), Refusal.GRANTS),
    ("grants a list", lambda: signed(claims(grants=[])), Refusal.GRANTS),
    ("no voice grant", lambda: signed(claims(grants={"identity": "alice"})), Refusal.GRANTS),
    ("no identity", lambda: signed(claims(grants={"voice": VOICE})), Refusal.GRANTS),
    ("identity a number", lambda: signed(claims(grants={"identity": 7, "voice": VOICE})), Refusal.IDENTITY),
    ("identity empty", lambda: signed(claims(grants={"identity": "", "voice": VOICE})), Refusal.IDENTITY),
    (
        "identity long",
        lambda: signed(claims(grants={"identity": "a" * 257, "voice": VOICE})),
        Refusal.IDENTITY,
    ),
    (
        "incoming a text",
        lambda: signed(claims(grants={"identity": "a", "voice": {"incoming": "yes"}})),
        Refusal.GRANTS,
    ),
    (
        "application a number",
        lambda: signed(claims(grants={"identity": "a", "voice": {"outgoing": {"application_sid": 1}}})),
        Refusal.GRANTS,
    ),
]


@pytest.mark.parametrize(("make", "refusal"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_pr4_every_fault_has_its_own_code(make: Callable[[], object], refusal: Refusal) -> None:
    with pytest.raises(AccessRefused) as refused:
        take(make())
    assert refused.value.refusal is refusal


CAPABILITY_BAD = [
    ("scope:client:incoming", Refusal.GRANTS),
    ("scope:client:incoming?clientName=", Refusal.GRANTS),
    ("client:incoming?clientName=a", Refusal.GRANTS),
    ("scope:client:incoming?clientName=a scope:client:incoming?clientName=b", Refusal.GRANTS),
    ("scope:client:incoming?clientName=a scope:client:outgoing?appSid=AP1&clientName=b", Refusal.GRANTS),
    ("scope:client:incoming?clientName=a%20b", Refusal.IDENTITY),
]


@pytest.mark.parametrize(("scope", "refusal"), CAPABILITY_BAD)
def test_capability_scopes_must_name_one_client(scope: str, refusal: Refusal) -> None:
    token = jwt.encode({"iss": ACCOUNT, "exp": NOW + 60, "scope": scope}, AUTH_TOKEN, "HS256")
    with pytest.raises(AccessRefused) as refused:
        take(token)
    assert refused.value.refusal is refusal or (
        scope.endswith("=") and refused.value.refusal is Refusal.IDENTITY
    )


def test_m11_only_a_real_true_allows_incoming() -> None:
    for value in (1, "true", [True], None):
        token = signed(claims(grants={"identity": "alice", "voice": {"incoming": {"allow": value}}}))
        assert take(token).incoming is False
        with pytest.raises(AccessRefused):
            demand_publish(take(token), ACCOUNT, "alice")


def test_m9_a_signature_with_strange_characters_is_a_refusal() -> None:
    body = signed().rpartition(".")[0]
    for signature in ("é", "\x00", "ſ" * 43, "a b"):
        with pytest.raises(AccessRefused):
            take(f"{body}.{signature}")


def test_clock_skew_is_tolerated_for_the_beginning_only() -> None:
    assert take(signed(claims(nbf=NOW + 30)))
    assert take(signed(claims(exp=NOW + 86_430)))
    assert take(signed(claims(exp=NOW + 1)))


def test_pr9_a_grant_is_for_its_own_account_and_client() -> None:
    grant = take(signed())
    demand_publish(grant, ACCOUNT, "alice")
    for account, client in ((OTHER, "alice"), (ACCOUNT, "bob"), (ACCOUNT, "Alice")):
        with pytest.raises(AccessRefused) as refused:
            demand_publish(grant, account, client)
        assert refused.value.refusal is Refusal.FOREIGN


def test_pr5_a_token_lives_for_a_day_and_not_a_second_longer() -> None:
    assert take(signed(claims(iat=NOW - 60, nbf=0, exp=NOW - 60 + 86_400)))
    with pytest.raises(AccessRefused, match="24 hours"):
        take(signed(claims(iat=NOW - 60, exp=NOW - 60 + 86_401)))


@pytest.mark.parametrize(
    ("said", "issued_at"),
    [
        ({"iat": NOW - 5, "nbf": NOW - 9}, NOW - 5),
        ({"iat": None, "nbf": NOW - 9}, NOW - 9),
        ({}, NOW + 3600 - 86_400),
    ],
)
def test_a_token_that_does_not_say_counts_as_old(said: dict[str, Any], issued_at: int) -> None:
    assert take(signed(claims(**said))).issued_at == issued_at


def test_pr7_a_revoked_token_is_refused_however_its_signature_is_written() -> None:
    token = signed()
    secrets = Secrets(revoked={token_digest(token)})
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for written in (token, token + "=", *(token[:-1] + last for last in letters)):
        with pytest.raises(AccessRefused) as refused:
            verify(written, secrets, NOW)
        assert written != token or refused.value.refusal is Refusal.REVOKED


def test_pr7_tokens_of_one_second_share_their_jti_but_not_their_digest() -> None:
    grants = {"identity": "bob", "voice": {"incoming": {"allow": True}}}
    alice, bob = take(signed()), take(signed(claims(grants=grants)))
    assert alice.token_id == bob.token_id
    assert alice.token_digest != bob.token_digest


def test_pr7_a_token_can_be_named_after_its_end_but_only_by_its_own_account() -> None:
    ended = signed(claims(exp=NOW - 90_000))
    assert digest_for(ended, Secrets(), ACCOUNT) == token_digest(ended)
    capability = jwt.encode({"iss": ACCOUNT, "exp": 1, "scope": "x"}, AUTH_TOKEN, "HS256")
    assert digest_for(capability, Secrets(), ACCOUNT) == token_digest(capability)
    for token, account, refusal in (
        (ended, OTHER, Refusal.FOREIGN),
        (signed(secret="w" * 32), ACCOUNT, Refusal.SIGNATURE),
        ("x", ACCOUNT, Refusal.MALFORMED),
    ):
        with pytest.raises(AccessRefused) as refused:
            digest_for(token, Secrets(), account)
        assert refused.value.refusal is refusal
