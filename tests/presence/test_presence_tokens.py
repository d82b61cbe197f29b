"""Clients' tokens: those of the official helper library are taken, everything else is refused with its own code."""

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import VoiceGrant
from twilio.jwt.client import ClientCapabilityToken

from presence.access.refusals import AccessRefused, Refusal
from presence.access.tokens import Grant, demand_publish, digest_for, signer, token_digest, verify
from presence.identity import ANONYMOUS, is_client_name

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


def test_text_that_no_encoding_has_is_no_fault_of_ours() -> None:
    payload = json.dumps(claims()).replace(f"{KEY}-{NOW}", "\\ud800")
    assert take(raw(HEADER, payload)).token_id
    with pytest.raises(AccessRefused):
        take(raw(HEADER, json.dumps(claims(iss="\ud800"))))


@given(position=st.integers(0, 2000), character=st.characters(max_codepoint=127))
def test_pr1_a_changed_byte_is_refused(position: int, character: str) -> None:
    """Unless the change decodes to the same bytes (base64's unused last bits)."""
    token = signed()
    position %= len(token)
    changed = token[:position] + character + token[position + 1 :]
    if _decoded(changed) == _decoded(token):
        return
    with pytest.raises(AccessRefused):
        take(changed)


def _decoded(token: str) -> list[bytes | str]:
    parts: list[bytes | str] = []
    for part in token.split("."):
        try:
            parts.append(base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True))
        except ValueError:
            parts.append(part)
    return parts


@given(st.text(max_size=300))
def test_any_text_is_a_refusal_not_a_fault(text: str) -> None:
    with pytest.raises(AccessRefused):
        take(text)


@pytest.mark.parametrize(
    "name", ["alice", "a", "A_1", "a" * 256, "user@example.com", "first.last-2", "žofie", "日本"]
)
def test_pr6_names_that_are_taken(name: str) -> None:
    assert is_client_name(name)


@pytest.mark.parametrize(
    "name",
    ["", "a" * 257, "a b", "a\n", "a\0", "a/b", "a?b", "a#b", "a:b", "a&b", "a=b", "a%41", "a\u202eb", "a\u00a0b",
     "a\u200bb", "\ud800", "a<b", 'a"b', "a;b", "a,b", None, 7],
)  # fmt: skip
def test_pr6_names_that_are_refused(name: object) -> None:
    assert not is_client_name(name)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("alice"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
words = st.sampled_from(["presence:publish", "presence:read:self", "x", "presence:read:list:\ud800"])
shaken = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("jti", "iat", "nbf", "exp", "scope", "x"), values),
        "grants": st.fixed_dictionaries(
            {},
            optional={
                "identity": values,
                "voice": values
                | st.fixed_dictionaries({}, optional={"incoming": values, "outgoing": values}),
                "callrouter": values
                | st.fixed_dictionaries({"permissions": values | st.lists(words | values)}),
            },
        )
        | values,
    },
)


@given(shaken)
def test_pr4_any_claims_that_are_signed_are_a_grant_or_a_refusal(changes: dict[str, Any]) -> None:
    try:
        grant = take(raw(HEADER, json.dumps(claims(**changes))))
    except AccessRefused:
        return
    assert (grant.account_sid, grant.key_sid) == (ACCOUNT, KEY)
    assert is_client_name(grant.identity)
    assert NOW < grant.expires_at <= grant.issued_at + 86_400


@given(
    st.lists(st.sampled_from(["client:incoming", "client:outgoing", "stream:subscribe", "x"])),
    st.text(max_size=40),
)
def test_pr4_any_scope_that_is_signed_is_a_grant_or_a_refusal(privileges: list[str], query: str) -> None:
    scope = " ".join(f"scope:{privilege}?{query}" for privilege in privileges)
    token = raw(HEADER, json.dumps({"iss": ACCOUNT, "exp": NOW + 60, "scope": scope}))
    with pytest.raises(AccessRefused):
        take(token)  # signed with a key's secret
    made = jwt.encode({"iss": ACCOUNT, "exp": NOW + 60, "scope": scope}, AUTH_TOKEN, "HS256")
    try:
        grant = take(made)
    except AccessRefused:
        return
    assert is_client_name(grant.identity)
