"""Any text as a token, any claims that are signed, any name of a client: a grant or a refusal."""

import base64
import json
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokens_world import ACCOUNT, AUTH_TOKEN, HEADER, KEY, NOW, claims, raw, signed, take

from presence.access.refusals import AccessRefused
from presence.identity import is_client_name


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
