"""The words of a token's permissions, one by one and together, and as the official library carries them."""

import time
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from presence_world import SECONDS, PresenceGrant, Tenant
from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import VoiceGrant
from twilio.jwt.client import ClientCapabilityToken

from foundation.permissions import (
    EVERYONE,
    MOST,
    NOBODY,
    Permissions,
    PermissionUnknown,
    Scope,
    parse,
)
from presence.access.refusals import AccessRefused, Refusal
from presence.access.tokens import Grant, verify

ACCOUNT, KEY, SECRET, AUTH_TOKEN = "AC" + "a" * 32, "SK" + "a" * 32, "s" * 32, "t" * 32


class Secrets:
    def key_secret(self, account_sid: str, key_sid: str) -> str | None:
        return SECRET if (account_sid, key_sid) == (ACCOUNT, KEY) else None

    def auth_tokens(self, account_sid: str) -> list[str] | None:
        return [AUTH_TOKEN] if account_sid == ACCOUNT else None

    def is_revoked(self, grant: Grant) -> bool:
        return False


def minted(*permissions: Any) -> str:
    token = AccessToken(ACCOUNT, KEY, SECRET, identity="alice")
    token.add_grant(VoiceGrant())
    token.add_grant(PresenceGrant(*permissions))
    return str(token.to_jwt())


def permitted(token: str) -> Permissions:
    return verify(token, Secrets(), time.time()).permissions


ALICE = Scope(clients=frozenset({"alice"}))
SALES = Scope(lists=frozenset({"sales"}))
TEAM = Scope(prefixes=frozenset({"team-"}))
WORDS = [
    ("presence:publish", Permissions(publish=True)),
    ("presence:hidden", Permissions(hidden=True)),
    ("presence:read:self", Permissions(read=ALICE)),
    ("presence:read:account", Permissions(read=EVERYONE)),
    ("presence:read:list:sales", Permissions(read=SALES)),
    ("presence:read:prefix:team-", Permissions(read=TEAM)),
    ("presence:read:detail", Permissions(detail=True)),
    ("presence:connect:self", Permissions(connect=ALICE)),
    ("presence:connect:account", Permissions(connect=EVERYONE)),
    ("presence:connect:list:sales", Permissions(connect=SALES)),
    ("presence:connect:prefix:team-", Permissions(connect=TEAM)),
    ("events:subscribe", Permissions(subscribe=EVERYONE)),
    ("events:subscribe:self", Permissions(subscribe=ALICE)),
    ("events:subscribe:account", Permissions(subscribe=EVERYONE)),
    ("events:subscribe:list:sales", Permissions(subscribe=SALES)),
    ("events:subscribe:prefix:team-", Permissions(subscribe=TEAM)),
    ("messages:send", Permissions(send=True)),
]


@pytest.mark.parametrize(("word", "permissions"), WORDS, ids=[word for word, _ in WORDS])
def test_pr2_each_word_gives_one_permission_and_no_other(word: str, permissions: Permissions) -> None:
    assert permitted(minted(word)) == permissions


def test_pr2_a_token_without_words_permits_nothing_about_others() -> None:
    token = AccessToken(ACCOUNT, KEY, SECRET, identity="alice")
    token.add_grant(VoiceGrant(incoming_allow=True))
    assert permitted(str(token.to_jwt())) == permitted(minted()) == Permissions()


def test_pr2_a_token_that_only_watches_needs_no_voice_grant() -> None:
    token = AccessToken(ACCOUNT, KEY, SECRET, identity="alice")
    token.add_grant(PresenceGrant("presence:read:account"))
    grant = verify(token.to_jwt(), Secrets(), time.time())
    assert grant.permissions == Permissions(read=EVERYONE)
    assert (grant.incoming, grant.application_sid, grant.publishes) == (False, "", False)


def test_pr30_words_add_up() -> None:
    found = permitted(minted("presence:read:self", "presence:read:list:sales", "presence:read:prefix:team-"))
    assert found.read == ALICE | SALES | TEAM
    assert found.read.holds("alice")
    assert found.read.holds("bob", {"sales", "all"})
    assert found.read.holds("team-1")
    assert not found.read.holds("bob", {"support"})
    assert not found.read.holds("Alice")


@pytest.mark.parametrize(
    "word",
    [
        "", "presence", "presence:", "presence:publish:", "presence:publish:self", "presence:hidden:self",
        "presence:read", "presence:read:", "presence:read:everyone", "presence:read:detail:self",
        "presence:read:self:", "presence:read:account:x", "presence:read:list", "presence:read:list:",
        "presence:read:list:a b", "presence:read:list:" + "a" * 65, "presence:read:list:a:b", "presence:read:prefix:",
        "presence:read:prefix:a b", "presence:read:prefix:a\0", "presence:read:prefix:\ud800",
        "presence:read:prefix:" + "a" * 257, "presence:connect", "presence:write:self", "Presence:publish",
        " presence:publish", "events", "events:subscribe:", "events:subscribe:nobody", "events:publish",
        "messages", "messages:send:all", "*",
    ],
)  # fmt: skip
def test_pr4_a_word_that_is_no_permission_refuses_the_whole_token(word: str) -> None:
    with pytest.raises(PermissionUnknown):
        parse(["presence:publish", word], "alice")
    with pytest.raises(AccessRefused) as refused:
        permitted(minted("presence:publish", word))
    assert refused.value.refusal is Refusal.GRANTS


@pytest.mark.parametrize("words", [[7], [None], [["presence:publish"]], ["presence:publish"] * (MOST + 1)])
def test_pr4_permissions_of_wrong_types_or_too_many_are_refused(words: list[Any]) -> None:
    with pytest.raises(AccessRefused) as refused:
        permitted(minted(*words))
    assert refused.value.refusal is Refusal.GRANTS


def test_as_many_words_as_may_be_are_read() -> None:
    words = [f"presence:read:list:{n}" for n in range(MOST)]
    assert len(permitted(minted(*words)).read.lists) == MOST


names = st.text("abc-", min_size=1, max_size=4)
scopes = st.builds(
    Scope,
    everyone=st.booleans(),
    clients=st.frozensets(names, max_size=3),
    lists=st.frozensets(names, max_size=3),
    prefixes=st.frozensets(names, max_size=3),
)


@given(one=scopes, other=scopes, client=names, lists=st.frozensets(names, max_size=3))
def test_pr30_a_union_holds_whom_either_holds(
    one: Scope, other: Scope, client: str, lists: frozenset[str]
) -> None:
    assert (one | other).holds(client, lists) == (one.holds(client, lists) or other.holds(client, lists))
    assert (one | NOBODY).holds(client, lists) == one.holds(client, lists)
    assert bool(one | other) == (bool(one) or bool(other))


def capability(*, incoming: bool, filters: dict[str, Any] | None = None) -> Permissions:
    token = ClientCapabilityToken(ACCOUNT, AUTH_TOKEN)
    if incoming:
        token.allow_client_incoming("tom")
    else:
        token.allow_client_outgoing("AP" + "1" * 32)
    if filters is not None:
        token.allow_event_stream(**filters)
    return permitted(str(token.to_jwt()))


@pytest.mark.parametrize(
    ("filters", "seen"),
    [
        ({}, EVERYONE),
        ({"client": "bob"}, Scope(clients=frozenset({"bob"}))),
        ({"client": ["bob", "carol"], "prefix": "x-"},
         Scope(clients=frozenset({"bob", "carol"}), prefixes=frozenset({"x-"}))),
        ({"foo": "bar"}, NOBODY),
        ({"client": "no name"}, NOBODY),
    ],
)  # fmt: skip
def test_pr2_a_capability_tokens_event_stream_is_the_subscription(
    filters: dict[str, Any], seen: Scope
) -> None:
    assert capability(incoming=False, filters=filters) == Permissions(read=seen, subscribe=seen)
    assert capability(incoming=True, filters=filters) == Permissions(read=EVERYONE, subscribe=EVERYONE)


def test_pr2_a_capability_token_that_only_calls_out_sees_nobody() -> None:
    assert capability(incoming=False) == Permissions()
    assert capability(incoming=True) == Permissions(read=EVERYONE, subscribe=EVERYONE)


def test_another_stream_than_that_of_events_gives_nothing() -> None:
    token = ClientCapabilityToken(ACCOUNT, AUTH_TOKEN)
    token.allow_event_stream()
    token.capabilities["events"].params["path"] = "/2010-04-01/Calls"
    assert permitted(str(token.to_jwt())) == Permissions()


# On real connections


def hidden_token(tenant: Tenant) -> str:
    token = AccessToken(tenant.account, tenant.key, tenant.secret, identity="alice")
    token.add_grant(VoiceGrant(incoming_allow=True))
    token.add_grant(PresenceGrant("presence:hidden"))
    return str(token.to_jwt())


def test_pr25_whatever_registers_with_a_hidden_token_is_rung_but_not_listed(tenant: Tenant) -> None:
    tenant.app("alice", token=hidden_token(tenant))
    assert tenant.register("alice", hidden_token(tenant), hidden=False).status_code == 201
    found = tenant.world.client.presence(tenant.account, "alice")
    assert [one.hidden for one in found.endpoints] == [True, True]
    watcher = AccessToken(tenant.account, tenant.key, tenant.secret, identity="bob")
    watcher.add_grant(PresenceGrant("presence:read:account", "presence:read:detail"))
    seen = requests.get(
        f"{tenant.world.settings.presence_base()}/v1/Accounts/{tenant.account}/Presence/alice",
        headers={"Authorization": f"Bearer {watcher.to_jwt()}"},
        timeout=SECONDS,
    ).json()
    assert (seen["status"], seen["endpoints"]) == ("offline", [])


def test_pr2_publishing_without_taking_calls(tenant: Tenant) -> None:
    token = AccessToken(tenant.account, tenant.key, tenant.secret, identity="alice")
    token.add_grant(PresenceGrant("presence:publish"))
    answer = tenant.register("alice", str(token.to_jwt()))
    assert (answer.status_code, answer.json()["incoming"]) == (201, False)
