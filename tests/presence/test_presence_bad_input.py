"""Whatever strangers and customers send: a definite answer that says why, nothing written, and nobody else disturbed.

Over real HTTP and real sockets. The limits themselves are tested beside the rules; here a server meets them.
"""

import base64
import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import jwt
import pytest
import requests
from presence_asking import account, client, dump, grants, service, signed
from presence_world import SECONDS, Tenant
from websockets.exceptions import ConnectionClosed

from foundation.keys import Keys
from foundation.webserver.service import service_token
from presence.access.refusals import Refusal

# Tokens


def suspended(tenant: Tenant) -> str:
    other = tenant.world.tenant()
    given = signed(other)
    other.world.client.put_account(other.account, "suspended", [other.auth_token], 2)
    return given


def unsigned(tenant: Tenant) -> str:
    return jwt.encode(jwt.decode(signed(tenant), options={"verify_signature": False}), None, "none")


def longer(given: str) -> str:
    """The same token, by its own account of it good for a minute more."""
    head, claims, signature = given.split(".")
    changed = {**jwt.decode(given, options={"verify_signature": False}), "exp": int(time.time()) + 660}
    claims = base64.urlsafe_b64encode(json.dumps(changed).encode()).decode().rstrip("=")
    return f"{head}.{claims}.{signature}"


def revoked(tenant: Tenant) -> str:
    given = signed(tenant)
    assert account(tenant).does("POST", "/Revocations", {"token": given})[0] == 201
    return given


BAD: dict[str, tuple[Callable[[Tenant], str], Refusal]] = {
    "no JWT": (lambda t: "not-a-token", Refusal.MALFORMED),
    "two parts": (lambda t: signed(t).rpartition(".")[0], Refusal.MALFORMED),
    "another part": (lambda t: signed(t) + ".e30", Refusal.MALFORMED),
    "huge": (lambda t: signed(t, padding="x" * 20_000), Refusal.MALFORMED),
    "content type": (lambda t: signed(t, header={"cty": "other"}), Refusal.HEADER),
    "signed by nobody": (unsigned, Refusal.HEADER),
    "unknown key": (lambda t: signed(t, iss="SK" + "0" * 32), Refusal.ISSUER),
    "key of another account": (lambda t: signed(t, iss=t.world.tenant().key), Refusal.ISSUER),
    "expired": (lambda t: signed(t, exp=int(time.time()) - 120), Refusal.EXPIRED),
    "not yet": (lambda t: signed(t, nbf=int(time.time()) + 500), Refusal.NOT_YET),
    "a week long": (lambda t: signed(t, exp=int(time.time()) + 604_800), Refusal.TOO_LONG),
    "no grants": (lambda t: signed(t, grants=None), Refusal.GRANTS),
    "no identity": (lambda t: signed(t, grants={"voice": {}}), Refusal.GRANTS),
    "unknown permission": (
        lambda t: signed(t, grants=grants(callrouter={"permissions": ["presence:everything"]})),
        Refusal.GRANTS,
    ),
    "too many permissions": (
        lambda t: signed(t, grants=grants(callrouter={"permissions": ["messages:send"] * 65})),
        Refusal.GRANTS,
    ),
    "bad identity": (lambda t: signed(t, grants=grants("a b")), Refusal.IDENTITY),
    "long identity": (lambda t: signed(t, grants=grants("a" * 257)), Refusal.IDENTITY),
    "wrong secret": (lambda t: signed(t, key="w" * 32), Refusal.SIGNATURE),
    "a changed claim": (lambda t: longer(signed(t)), Refusal.SIGNATURE),
    "a changed signature": (lambda t: signed(t)[:-8] + "AAAAAAAA", Refusal.SIGNATURE),
    "unknown account": (lambda t: signed(t, sub="AC" + "0" * 32), Refusal.ACCOUNT),
    "suspended account": (suspended, Refusal.ACCOUNT),
    "revoked": (revoked, Refusal.REVOKED),
    "another client's": (lambda t: signed(t, grants=grants("bob")), Refusal.FOREIGN),
    "another account's": (lambda t: signed(t.world.tenant()), Refusal.FOREIGN),
    "no incoming calls": (lambda t: signed(t, grants={"identity": "alice", "voice": {}}), Refusal.INCOMING),
    "a server's": (
        lambda t: service_token(Keys(list(t.world.settings.secret_keys)), "presence", "t"),
        Refusal.KIND,
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_pr1_pr3_pr4_a_bad_token_has_its_own_code_and_writes_nothing(tenant: Tenant, kind: str) -> None:
    make, refusal = BAD[kind]
    given = make(tenant)
    before = dump(tenant)
    answer = tenant.register("alice", token=given)
    codes = refusal.value
    assert (answer.status_code, answer.json()["code"]) == (codes.status, codes.rest), answer.text
    assert f"({codes.signal})" in answer.json()["message"]
    assert dump(tenant) == before


def test_pr4_no_token_at_all_is_31102(tenant: Tenant) -> None:
    before = dump(tenant)
    url = f"{tenant.world.settings.presence_base()}/v1/Accounts/{tenant.account}/Clients/alice/Registrations"
    for headers in ({}, {"Authorization": ""}, {"Authorization": "Bearer"}, {"Authorization": "Digest x"}):
        answer = requests.post(url, json={"endpoint_id": "desk"}, headers=headers, timeout=SECONDS)
        assert (answer.status_code, answer.json()["code"]) == (401, 20003), headers
        assert "(31102)" in answer.json()["message"]
    app = tenant.world.app()
    app.send("listen")
    assert app.expect("error")["error"]["code"] == 31102
    assert dump(tenant) == before


def test_pr4_reasons_are_told_apart() -> None:
    """By code, or by what the Voice SDK is told; those of permissions say in words which is missing."""
    identity = [one.value for one in Refusal if one.value.status == 401 and one is not Refusal.REVOKED]
    assert len({(one.rest, one.signal) for one in identity}) == len(identity)
    assert len({one.value.message for one in Refusal}) == len(Refusal)


# Bodies

BODIES: dict[str, tuple[Any, int, str]] = {
    "no JSON": (b"{", 400, "JSON object"),
    "a list": (b"[]", 400, "JSON object"),
    "no text": (b"\xff\xfe", 400, "JSON object"),
    "deep": (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, 400, "JSON object"),
    "no endpoint id": ({}, 400, "endpoint_id"),
    "an empty endpoint id": ({"endpoint_id": ""}, 400, "endpoint_id"),
    "an endpoint id that is too long": ({"endpoint_id": "e" * 65}, 400, "64"),
    "an endpoint id with a blank": ({"endpoint_id": "my desk"}, 400, "endpoint_id"),
    "a note that is too long": ({"note": "n" * 257}, 400, "256"),
    "a note with a NUL": ({"note": "a\0b"}, 400, "note"),
    "a note with half a character": (b'{"endpoint_id":"desk","note":"\\ud800"}', 400, "note"),
    "a note that is a number": ({"note": 7}, 400, "note"),
    "an unknown status": ({"status": "sleeping"}, 400, "sleeping"),
    "a status that is offline": ({"status": "offline"}, 400, "offline"),
    "an unknown capability": ({"capabilities": ["fax"]}, 400, "voice, sms, mms"),
    "capabilities that are text": ({"capabilities": "voice"}, 400, "capabilities"),
    "a ttl that is short": ({"ttl": 9}, 400, "10 to 3600"),
    "a ttl that is long": ({"ttl": 3601}, 400, "10 to 3600"),
    "a ttl that is true": ({"ttl": True}, 400, "ttl"),
    "a ttl that is text": ({"ttl": "60"}, 400, "ttl"),
    "a priority beyond": ({"priority": 1001}, 400, "-1000 to 1000"),
    "a version before all": ({"version": -1}, 400, "version"),
    "a delivery that is large": ({"delivery": {"x": "y" * 2048}}, 400, "2048"),
    "a hidden that is text": ({"hidden": "yes"}, 400, "hidden"),
    "more than a megabyte": (b" " * (1024 * 1024 + 1), 413, "1048576"),
}


@pytest.mark.parametrize("kind", BODIES)
def test_pr22_a_bad_body_is_told_its_field_and_writes_nothing(tenant: Tenant, kind: str) -> None:
    content, status, said = BODIES[kind]
    if isinstance(content, dict):
        content = json.dumps({"endpoint_id": "desk", **content} if content else {}).encode()
    before = dump(tenant)
    answer = requests.post(
        f"{tenant.world.settings.presence_base()}/v1/Accounts/{tenant.account}/Clients/alice/Registrations",
        data=content,
        headers={"Authorization": f"Bearer {tenant.token('alice')}"},
        timeout=SECONDS,
    )
    assert (answer.status_code, answer.json()["code"]) == (status, {400: 20001, 413: 20413}[status]), (
        answer.text
    )
    assert said in answer.json()["message"]
    assert dump(tenant) == before


@pytest.mark.parametrize(
    "name", ["a b", "a\tb", "a:b", "a?b", "a#b", "a;b", "a<b", "a\u200bb", "a\u202eb", "\ufffd", "a" * 257]
)
@pytest.mark.parametrize("where", ["Presence/{}", "Clients/{}/Status", "Reach/{}"])
def test_pr6_a_bad_name_is_31105_wherever_it_stands(tenant: Tenant, where: str, name: str) -> None:
    path = where.format(requests.utils.quote(name, safe=""))
    answer = service(tenant).ask("GET", f"/{path}")
    assert (answer.status_code, answer.json()["code"]) == (400, 31105)


def test_pr6_names_that_differ_in_anything_are_different_clients(tenant: Tenant) -> None:
    """Compared exactly: neither case, nor width, nor composition is folded."""
    names = [
        "alice",
        "Alice",
        "\uff41lice",
        "al\u00efce",
        "ali\u0308ce",
        "alice_",
        "alice@example.com",
        "_" * 256,
    ]
    for name in names:
        quoted = requests.utils.quote(name, safe="")
        answer = tenant.register(quoted, token=tenant.token(name), note=name)
        assert answer.status_code == 201, answer.text
    found = service(tenant).ask("POST", "/Presence/query", {"clients": names}).json()["clients"]
    assert [(one["client"], one["note"]) for one in found] == [(name, name) for name in names]


def test_pr12_of_eleven_endpoints_ten_stay(tenant: Tenant) -> None:
    for n in range(11):
        assert tenant.register("alice", endpoint_id=f"device-{n:02}").status_code == 201
    assert sorted(tenant.endpoints("alice")) == [f"device-{n:02}" for n in range(1, 11)]


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/Presence/query", {"clients": ["a"] * 1001}, "1000"),
        ("/Presence/query", {"everyone": True, "page_size": 1001}, "1000"),
        ("/Presence/query", {"everyone": True, "page_size": 0}, "page_size"),
        ("/Presence/query", {"everyone": True, "prefix": "a"}, "exactly one"),
        ("/Presence/query", {}, "exactly one"),
        ("/Presence/query", {"clients": ["a"], "capability": "fax"}, "voice, sms, mms"),
        ("/Presence/query", {"clients": ["a"], "view": "all"}, "connectable"),
        ("/Presence/query", {"clients": ["a"], "since": -1}, "since"),
        ("/Presence/query", {"everyone": True, "page_token": "forged"}, "page_token"),
        ("/ContactLists", {"name": "team", "clients": [f"c{n}" for n in range(1001)]}, "1000"),
        ("/ContactLists", {"name": "a b"}, "name"),
        ("/ContactLists", {"name": "n" * 65}, "64"),
        ("/Statuses", {"name": "Lunch", "available": True, "rank": 1}, "lowercase"),
        ("/Statuses", {"name": "lunch", "rank": 1}, "available"),
        ("/Statuses", {"name": "lunch", "available": True, "rank": 1001}, "-1000 to 1000"),
        ("/Revocations", {}, "exactly one"),
        ("/Revocations", {"account": "yes"}, "true"),
    ],
)
def test_pr37_a_bad_question_is_told_its_limit(tenant: Tenant, path: str, body: Any, said: str) -> None:
    before = dump(tenant)
    answer = account(tenant).ask("POST", path, body)
    assert (answer.status_code, answer.json()["code"]) == (400, 20001), answer.text
    assert said in answer.json()["message"]
    assert dump(tenant) == before


def test_pr28_a_destination_has_fifty_targets_at_most(tenant: Tenant) -> None:
    for count, status in ((0, 400), (50, 201), (51, 400)):
        targets = [{"client": f"c{n}"} for n in range(count)]
        assert account(tenant).ask("PUT", "/Destinations/desk", {"targets": targets}).status_code == status


@pytest.mark.parametrize(
    ("size", "code"),
    [(64 * 1024 - 100, None), (64 * 1024 + 1, 1009), (1024 * 1024, 1009)],
)
def test_a_frame_is_64_kilobytes_at_most(tenant: Tenant, size: int, code: int | None) -> None:
    app = tenant.app("alice")
    app.socket.send(json.dumps({"type": "unknown", "payload": {"x": "y" * (size - 40)}}))
    if code is None:
        app.silent()
    else:
        assert app.closed() == code


@pytest.mark.parametrize("kind", [kind for kind in BAD if BAD[kind][1].value.status == 401])
def test_pr3_pr4_a_bad_token_on_a_socket_has_its_code_and_writes_nothing(tenant: Tenant, kind: str) -> None:
    make, refusal = BAD[kind]
    given = make(tenant)
    before = dump(tenant)
    app = tenant.world.app()
    app.send("listen", token=given)
    with suppress(ConnectionClosed):  # the answer may have come already, and the end with it
        app.send("register", media={"audio": True})
    assert app.expect("error")["error"]["code"] == refusal.value.signal
    assert app.closed() == 1000
    assert dump(tenant) == before


def test_pr9_what_one_client_sends_changes_no_other(tenant: Tenant) -> None:
    """Its token opens its own registration, and nothing that belongs to the account or to others."""
    tenant.register("alice")
    (sid,) = [one["sid"] for one in service(tenant).get("/Clients/alice/Registrations")["registrations"]]
    mallory = client(tenant, "mallory", "presence:publish", "presence:read:account")
    before = dump(tenant)
    for method, path, body in [
        ("POST", "/Clients/alice/Registrations", {"endpoint_id": "desk"}),
        ("POST", f"/Clients/alice/Registrations/{sid}", {"note": "mine"}),
        ("DELETE", f"/Clients/alice/Registrations/{sid}", None),
        ("PUT", "/Clients/alice/Status", {"status": "dnd"}),
        ("POST", "/Statuses", {"name": "lunch", "available": True, "rank": 1}),
        ("POST", "/ContactLists", {"name": "team"}),
        ("PUT", "/Destinations/desk", {"targets": [{"client": "mallory"}]}),
        ("POST", "/Revocations", {"identity": "alice"}),
        ("GET", "/Reach/alice", None),
        ("GET", "/Destinations", None),
    ]:
        assert mallory.does(method, path, body) == (403, 20403), (method, path)
    assert dump(tenant) == before
