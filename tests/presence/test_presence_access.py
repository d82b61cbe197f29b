"""Who may do what: every kind of credentials at every kind of address (PR-9)."""

import base64
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from presence_world import MASTER, SECONDS, PresenceGrant, Tenant, sid
from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import VoiceGrant
from twilio.jwt.client import ClientCapabilityToken

from foundation.db import Database
from foundation.keys import Keys
from foundation.settings import Settings
from foundation.webserver.service import service_token
from presence.access.callers import Access, Kind
from presence.access.directory import Directory
from presence.access.limits import RefusalLimit
from presence.access.refusals import AccessRefused, Refusal
from presence.access.tokens import signer
from presence.app import create_app
from presence.store import Store
from tests.support import tables

OPEN = {"/livez", "/readyz", "/metrics", "/presence.js", "/v1/openapi.json"}
"""What anybody may read, at most."""


def basic(name: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


def bearer(token: object) -> str:
    return f"Bearer {token}"


def reader(tenant: Tenant, *words: str) -> str:
    token = AccessToken(tenant.account, tenant.key, tenant.secret, identity="alice")
    token.add_grant(VoiceGrant())
    token.add_grant(PresenceGrant(*words))
    return str(token.to_jwt())


def capability(tenant: Tenant) -> str:
    token = ClientCapabilityToken(tenant.account, tenant.auth_token)
    token.allow_client_incoming("alice")
    return str(token.to_jwt())


Make = Callable[[Tenant, Tenant], str]
NO_GOOD: dict[str, Make] = {
    "nothing": lambda a, b: "",
    "no token": lambda a, b: bearer("x"),
    "expired": lambda a, b: bearer(a.token("alice", ttl=-1)),
    "changed": lambda a, b: bearer(a.token("alice")[:-4] + "AAAA"),
    "wrong scheme": lambda a, b: f"Token {a.token('alice')}",
    "wrong auth token": lambda a, b: basic(a.account, "w" * 32),
    "another's auth token": lambda a, b: basic(a.account, b.auth_token),
    "another account": lambda a, b: basic(b.account, b.auth_token),
    "another's key": lambda a, b: basic(b.key, b.secret),
    "key without secret": lambda a, b: basic(a.key, ""),
    "secret is an access token": lambda a, b: basic(a.account, a.token("alice")),
    "NUL and others": lambda a, b: basic("SK\0\u00e9", "x"),
    "no base64": lambda a, b: "Basic !!!",
    "for the router": lambda a, b: bearer(service_token(Keys([MASTER]), "router", "x")),
    "a ring token": lambda a, b: bearer(Keys([MASTER]).sign("ring", {"iss": "router"})),
    "of another deployment": lambda a, b: bearer(service_token(Keys(["z" * 40]), "presence", "x")),
}
"""Credentials that are nobody's: 401 everywhere."""
GOOD: dict[str, Make] = {
    "service": lambda a, b: bearer(service_token(Keys([MASTER]), "presence", "x")),
    "account": lambda a, b: basic(a.account, a.auth_token),
    "key": lambda a, b: basic(a.key, a.secret),
    "client": lambda a, b: bearer(a.token("alice")),
    "capability": lambda a, b: bearer(capability(a)),
    "caller": lambda a, b: bearer(a.token("alice", incoming=False)),
    "reader": lambda a, b: bearer(reader(a, "presence:read:account", "events:subscribe")),
    "publisher": lambda a, b: bearer(reader(a, "presence:publish")),
    "bob": lambda a, b: bearer(a.token("bob")),
    "foreigner": lambda a, b: bearer(b.token("alice")),
}
OURS = {"service"}
SERVERS = {"service", "account", "key"}
CLIENTS = {"client", "capability", "caller", "reader", "publisher", "bob"}
ROUTES: list[tuple[str, str, Any, set[str]]] = [
    ("POST", "Clients/alice/Registrations", {"endpoint_id": "e"}, {"client", "capability", "publisher"}),
    ("GET", "Clients/alice/Registrations", None, SERVERS | {"client", "capability", "publisher"}),
    ("PUT", "Clients/alice/Status", {"status": None}, SERVERS | {"client", "capability", "publisher"}),
    ("GET", "Presence/zoe", None, SERVERS | {"reader", "capability"}),
    ("GET", "Presence?clients=zoe", None, SERVERS | {"reader", "capability"}),
    ("POST", "Presence/query", {"clients": ["zoe"]}, SERVERS | {"reader", "capability"}),
    ("GET", "Reach/zoe", None, OURS),
    ("GET", "Statuses", None, SERVERS | CLIENTS),
    ("POST", "Statuses", {}, SERVERS),
    ("GET", "ContactLists", None, SERVERS | {"reader", "capability"}),
    ("POST", "ContactLists", {}, SERVERS),
    ("GET", "Destinations", None, SERVERS),
    ("GET", "Subscriptions", None, SERVERS),
    ("POST", "Subscriptions", {}, SERVERS),
    ("GET", "Revocations", None, SERVERS),
    ("POST", "Revocations", {"identity": "nobody"}, SERVERS),
    ("POST", "Invites", {}, OURS),
    ("DELETE", "Invites/CA" + "1" * 32, None, OURS),
    ("POST", "Calls/CA" + "1" * 32 + "/frames", {}, OURS),
    ("POST", "Calls/leases", {}, OURS),
]


@pytest.mark.parametrize(
    ("method", "path", "body", "allowed"), ROUTES, ids=[f"{one[0]} {one[1][:24]}" for one in ROUTES]
)
def test_pr9_every_kind_of_credentials_at_every_kind_of_address(
    tenant: Tenant, method: str, path: str, body: Any, allowed: set[str]
) -> None:
    other = tenant.world.tenant()

    def ask(authorization: str) -> int:
        answer = requests.request(
            method,
            f"{tenant.world.settings.presence_base()}/v1/Accounts/{tenant.account}/{path}",
            json=body,
            headers={"Authorization": authorization},
            timeout=SECONDS,
        )
        if answer.status_code in (401, 403):
            assert set(answer.json()) == {"code", "message", "more_info", "status"}
        return answer.status_code

    assert {name: ask(make(tenant, other)) for name, make in NO_GOOD.items()} == dict.fromkeys(NO_GOOD, 401)
    found = {name: ask(make(tenant, other)) for name, make in GOOD.items()}
    assert {name for name, status in found.items() if status not in (401, 403)} == allowed
    assert not [status for status in found.values() if status >= 500]


def test_pr9_a_stream_is_for_those_who_may_see_and_subscribe(tenant: Tenant) -> None:
    other = tenant.world.tenant()
    found = {}
    for name, make in (NO_GOOD | GOOD).items():
        with requests.get(
            f"{tenant.world.settings.presence_base()}/v1/Accounts/{tenant.account}/PresenceStream",
            headers={"Authorization": make(tenant, other)},
            stream=True,
            timeout=SECONDS,
        ) as answer:
            found[name] = answer.status_code
    assert {name for name, status in found.items() if status == 200} == SERVERS | {"reader", "capability"}
    assert {status for name, status in found.items() if name in NO_GOOD} == {401}
    assert {found[name] for name in ("client", "bob", "foreigner")} == {403}


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """Every method and address of the app, with names and SIDs of the right form."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("routes"), secret_keys=(MASTER,))
    tables.make(settings.database_url("presence"), "presence")
    database = Database(settings.database_url("presence"))
    keys, store = Keys([MASTER]), Store(database)
    app = create_app(settings, keys, store, Directory(database, keys, store), door=None)  # type: ignore[arg-type]
    database.close()
    forms = {"account_sid": "{A}", "call_sid": sid("CA"), "key_sid": sid("SK"), "subscription_sid": sid("PS")}
    found = []
    for rule in app.url_map.iter_rules():
        names = {name: forms.get(name, "alice") for name in rule.arguments}
        if "Registrations" in rule.rule and "sid" in names:
            names["sid"] = sid("RG")
        path = rule.rule
        for name, value in names.items():
            path = path.replace(f"<{name}>", value)
        found += [(method, path) for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}]
    return found


@pytest.mark.parametrize("who", ["nothing", "foreigner", "another account", "caller"])
def test_pr9_no_address_is_left_open(tenant: Tenant, addresses: list[tuple[str, str]], who: str) -> None:
    """Asked of the app itself, so that a new address can't be forgotten. `caller` may do nothing with presence."""
    assert len(addresses) > 30
    other = tenant.world.tenant()
    authorization = (NO_GOOD | GOOD)[who](tenant, other)
    let_in = set()
    for method, path in addresses:
        answer = requests.request(
            method,
            tenant.world.settings.presence_base() + path.format(A=tenant.account),
            json={} if method in ("POST", "PUT") else None,
            headers={"Authorization": authorization},
            timeout=SECONDS,
        )
        if answer.status_code not in (401, 403):
            let_in.add((method, path))
    let_in = {one for one in let_in if one[1] not in OPEN}
    account = "/v1/Accounts/{A}"
    harmless = {
        ("GET", f"{account}/Statuses"),
        ("GET", f"{account}/Statuses/alice"),
        ("GET", f"{account}/Clients/alice/Status"),  # its own
        ("POST", f"{account}/Presence/query"),  # told that the question is none
    }
    assert let_in == (harmless if who == "caller" else set())


# Access by itself


class Doorstep:
    """Access to one account, with the time in our hands."""

    def __init__(self, folder: Path) -> None:
        url = f"sqlite:///{folder}/access.sqlite3"
        tables.make(url, "presence")
        self.database, self.keys = Database(url), Keys([MASTER])
        self.directory = Directory(self.database, self.keys, Store(self.database))
        self.account, self.key = sid("AC"), sid("SK")
        self.directory.put_account(self.account, "active", ["new", "old"], 1, time.time()).result(10)
        self.directory.put_key(self.account, self.key, "secret", 1).result(10)
        limit = RefusalLimit(rate=1, clock=lambda: 0.0)
        self.access = Access(self.keys, self.directory, time.time, limit, capability_tokens=True)


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Doorstep]:
    made = Doorstep(tmp_path)
    yield made
    made.database.close()


def test_pr7_both_auth_tokens_open_while_one_is_replaced(door: Doorstep) -> None:
    for secret in ("new", "old"):
        caller = door.access.caller(basic(door.account, secret), door.account)
        assert (caller.kind, caller.key_sid) == (Kind.ACCOUNT, signer(secret))
        assert caller.calls_out
    assert door.access.caller(basic(door.key, "secret"), door.account).key_sid == door.key


def test_pr4_refusals_are_limited_but_not_of_service_tokens(door: Doorstep) -> None:
    def refusal(authorization: str) -> Refusal:
        with pytest.raises(AccessRefused) as refused:
            door.access.caller(authorization, door.account, "192.0.2.1")
        return refused.value.refusal

    known = basic(door.account, "new")
    door.access.caller(known, door.account, "192.0.2.1")
    for _ in range(4):
        assert refusal("Bearer x") is Refusal.MALFORMED
    assert refusal("Bearer x") is refusal(basic(door.account, "old")) is Refusal.RATE
    service = bearer(service_token(door.keys, "presence", "router"))
    assert door.access.caller(service, door.account, "192.0.2.1").kind is Kind.SERVICE
    assert door.access.caller(known, door.account, "192.0.2.1").kind is Kind.ACCOUNT
    assert door.access.caller(basic(door.account, "old"), door.account, "192.0.2.2")


def test_sids_of_a_wrong_form_never_reach_the_database(door: Doorstep) -> None:
    door.database.close()
    for text in ("", "AC", "AC\0", "\ud800", "SK" + "0" * 32 + "\n", "x" * 9999):
        assert door.directory.auth_tokens(text) is None
        assert door.directory.key_secret(door.account, text) is None
