"""Revocation over HTTP, against real servers: sockets, streams, registrations, reads, the command line (PR-7)."""

import base64
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner, Result
from presence_world import MASTER, SDP, SECONDS, App, PresenceGrant, Tenant, World, sid
from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import VoiceGrant
from twilio.jwt.client import ClientCapabilityToken

from callrouter.cli import main
from callrouter.scenario.ports import free_port


def revoke(tenant: Tenant, world: World | None = None, **body: Any) -> requests.Response:
    """Asked by the account's own server."""
    return requests.post(
        f"{(world or tenant.world).settings.presence_base()}/v1/Accounts/{tenant.account}/Revocations",
        json=body,
        auth=(tenant.account, tenant.auth_token),
        timeout=SECONDS,
    )


def revoked(tenant: Tenant, **body: Any) -> dict[str, Any]:
    answer = revoke(tenant, **body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def until(app: App, type: str) -> dict[str, Any]:
    """The next such frame; it may be said more than once that the device is offline."""
    while (frame := app.frame())["type"] == "offline" != type:
        pass
    assert frame["type"] == type, frame
    payload: dict[str, Any] = frame["payload"]
    return payload


def said_offline(app: App, code: int = 31205) -> None:
    """What a device is told: why, and that it is offline."""
    assert until(app, "error")["error"]["code"] == code
    until(app, "offline")


def later(tenant: Tenant, identity: str) -> str:
    """A token of a later second than now: clocks may differ by half a minute."""
    begins = int(time.time()) + 2
    token = AccessToken(tenant.account, tenant.key, tenant.secret, identity=identity, nbf=begins)
    token.add_grant(VoiceGrant(incoming_allow=True))
    return str(token.to_jwt())


def test_pr7_one_token_ends_one_device_and_no_other(tenant: Tenant) -> None:
    mine, other = tenant.token("alice"), tenant.token("alice", ttl=1800)
    assert tenant.register("alice", mine, endpoint_id="mine").status_code == 201
    assert tenant.register("alice", other, endpoint_id="other").status_code == 201
    answer = revoked(tenant, token=mine)
    assert answer["ended"] == 1
    assert answer["revoked"]["kind"] == "token"
    assert tenant.endpoints("alice") == ["other"]
    refused = tenant.register("alice", mine, endpoint_id="mine")
    assert (refused.status_code, refused.json()["code"]) == (401, 20104)
    assert tenant.register("alice", other, endpoint_id="other").status_code == 200


def test_pr7_a_token_id_names_what_the_account_put_into_it(tenant: Tenant) -> None:
    token = tenant.token("alice")
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    tenant.register("alice", token)
    assert revoked(tenant, token_id=claims["jti"])["ended"] == 1
    assert tenant.register("alice", token).status_code == 401


def test_pr7_an_identity_is_gone_until_a_later_token(tenant: Tenant) -> None:
    app = tenant.app("alice")
    bystander = tenant.app("bob")
    assert revoked(tenant, identity="alice")["ended"] == 1
    assert tenant.endpoints("alice") == []
    said_offline(app)
    app.send("listen", token=tenant.token("alice"), browserinfo={"p": "browser"})
    assert until(app, "error")["error"]["code"] == 31205
    app.send("listen", token=later(tenant, "alice"), browserinfo={"p": "browser"})
    until(app, "connected")
    app.register()
    bystander.silent()
    assert len(tenant.endpoints("alice")) == len(tenant.endpoints("bob")) == 1


def test_pr7_the_whole_account(tenant: Tenant) -> None:
    tenant.register("alice")
    tenant.register("bob")
    other = tenant.world.tenant()
    other.register("alice")
    assert revoked(tenant, account=True)["ended"] == 2
    assert tenant.register("carol").status_code == 401
    assert len(other.endpoints("alice")) == 1
    assert tenant.register("carol", later(tenant, "carol")).status_code == 201


def test_pr7_a_key_is_gone_for_ever_and_the_new_one_stays(tenant: Tenant) -> None:
    old, old_secret = tenant.key, tenant.secret
    tenant.register("alice", endpoint_id="old")
    tenant.key, tenant.secret = sid("SK"), "n" * 32
    tenant.world.client.put_key(tenant.account, tenant.key, tenant.secret, 1)
    tenant.register("alice", endpoint_id="new")
    assert sorted(tenant.endpoints("alice")) == ["new", "old"]
    assert revoked(tenant, key=old)["ended"] == 1
    assert tenant.endpoints("alice") == ["new"]
    tenant.key, tenant.secret = old, old_secret
    refused = tenant.register("alice", later(tenant, "alice"))
    assert refused.json()["code"] == 20103
    tenant.world.client.put_key(tenant.account, old, old_secret, 2)
    assert tenant.register("alice").json()["code"] == 20103


def test_pr7_an_auth_token_that_is_dropped_takes_its_capability_tokens_along(tenant: Tenant) -> None:
    def capability(auth_token: str, client: str) -> str:
        token = ClientCapabilityToken(tenant.account, auth_token)
        token.allow_client_incoming(client)
        return str(token.to_jwt())

    old, new = tenant.auth_token, "n" * 32
    tenant.world.client.put_account(tenant.account, "active", [new, old], 2)
    assert tenant.register("old", capability(old, "old")).status_code == 201
    assert tenant.register("new", capability(new, "new")).status_code == 201
    assert revoke(tenant, identity="nobody").status_code == 201
    tenant.world.client.put_account(tenant.account, "active", [new], 3)
    assert (tenant.endpoints("old"), tenant.endpoints("new")) == ([], ["desk"])
    assert tenant.register("old", capability(old, "old")).json()["code"] == 20107
    assert revoke(tenant, identity="nobody").status_code == 401


def test_pr7_a_call_goes_on_when_its_device_is_revoked(tenant: Tenant) -> None:
    call_sid = sid("CA")
    tenant.world.router.answers["call"] = lambda _event: (201, {"call_sid": call_sid})
    app = tenant.app("alice")
    app.send("invite", callsid="TJS7", sdp=SDP.format("abcd"), twilio={})
    tenant.world.router.wait(tenant.account, "call")
    assert tenant.frame(call_sid, "answer", sdp="v=0")
    assert app.expect("answer")["callsid"] == call_sid
    revoked(tenant, identity="alice")
    said_offline(app)
    app.send("dtmf", callsid=call_sid, dtmf="5")
    assert tenant.world.router.wait(tenant.account, "dtmf")["digits"] == "5"


def test_pr47_a_stream_ends_when_its_token_is_revoked(tenant: Tenant) -> None:
    token = permitted(tenant, "watcher")
    with requests.get(
        f"{tenant.world.settings.presence_base()}/v1/Accounts/{tenant.account}/PresenceStream",
        headers={"Authorization": f"Bearer {token}"},
        stream=True,
        timeout=SECONDS,
    ) as stream:
        assert stream.status_code == 200
        lines = stream.iter_lines(chunk_size=1, decode_unicode=True)
        assert any(line == "event: presence" for line in lines)
        revoked(tenant, identity="watcher")
        assert any(line == "event: ended" for line in lines)
        assert json.loads(next(lines).removeprefix("data: "))["code"] == 20104


@pytest.mark.parametrize("by", ["key", "suspension"])
def test_pr47_a_stream_of_an_accounts_server_ends_with_its_key_or_account(tenant: Tenant, by: str) -> None:
    with requests.get(
        f"{tenant.world.settings.presence_base()}/v1/Accounts/{tenant.account}/PresenceStream",
        auth=(tenant.key, tenant.secret),
        stream=True,
        timeout=SECONDS,
    ) as stream:
        lines = stream.iter_lines(chunk_size=1, decode_unicode=True)
        assert any(line == "event: presence" for line in lines)
        revoked(tenant, account=True)  # of tokens; this is none
        if by == "key":
            tenant.world.client.delete_key(tenant.key)
        else:
            tenant.world.client.put_account(tenant.account, "suspended", [tenant.auth_token], 2)
        assert any(line == "event: ended" for line in lines)
        assert (
            json.loads(next(lines).removeprefix("data: "))["code"] == {"key": 20103, "suspension": 20005}[by]
        )


def permitted(tenant: Tenant, identity: str) -> str:
    """A token that may see and follow everybody."""
    token = AccessToken(tenant.account, tenant.key, tenant.secret, identity=identity)
    token.add_grant(VoiceGrant())
    token.add_grant(PresenceGrant("presence:read:account", "events:subscribe"))
    return str(token.to_jwt())


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, 20001),
        ({"identity": "a", "account": True}, 400, 20001),
        ({"account": 1}, 400, 20001),
        ({"account": False}, 400, 20001),
        ({"identity": 7}, 400, 20001),
        ({"identity": "a b"}, 400, 31105),
        ({"identity": "a" * 257}, 400, 20001),
        ({"token_id": ""}, 400, 20001),
        ({"token": "x"}, 401, 20101),
        ({"key": "x"}, 404, 20404),
        ({"key": "SK" + "9" * 32}, 404, 20404),
    ],
)
def test_bad_revocations_say_what_is_wrong(
    tenant: Tenant, body: dict[str, Any], status: int, code: int
) -> None:
    answer = revoke(tenant, **body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_pr9_nobody_revokes_for_another_account(tenant: Tenant) -> None:
    other = tenant.world.tenant()
    other.register("alice")
    assert revoke(tenant, token=other.token("alice")).status_code == 403
    assert revoke(tenant, key=other.key).status_code == 404
    assert revoked(tenant, identity="alice")["ended"] == 0
    assert len(other.endpoints("alice")) == 1


def test_revocations_are_listed(tenant: Tenant) -> None:
    for name in ("bob", "alice"):
        revoked(tenant, identity=name)
    base = f"{tenant.world.settings.presence_base()}/v1/Accounts/{tenant.account}/Revocations"
    auth = (tenant.account, tenant.auth_token)
    first = requests.get(base, params={"page_size": 1}, auth=auth, timeout=SECONDS).json()
    page = {"page_size": "1", "page_token": first["next_page_token"]}
    second = requests.get(base, params=page, auth=auth, timeout=SECONDS).json()
    assert [one["value"] for one in (*first["revocations"], *second["revocations"])] == ["alice", "bob"]
    assert second["next_page_token"] is None
    assert set(first["revocations"][0]) == {"kind", "value", "at", "until"}


# Two processes on one PostgreSQL


def enlisted(world: World, token: str) -> App:
    app = world.app()
    app.listen(token)
    app.register()
    return app


@pytest.mark.postgresql
def test_pr7_the_other_process_ends_sockets_within_seconds(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("postgresql").database()
    here, there = (World(tmp_path / name, url) for name in ("here", "there"))
    try:
        here.start()
        there.start()
        tenant = here.tenant()
        account, auth_token = tenant.account, tenant.auth_token
        first = enlisted(there, tenant.token("alice"))
        here.client.delete_key(tenant.key)
        said_offline(first, 31202)
        tenant.key = sid("SK")
        here.client.put_key(account, tenant.key, tenant.secret, 1)
        token = tenant.token("alice")
        second = enlisted(there, token)
        here.client.put_account(account, "suspended", [auth_token], 2)
        said_offline(second, 31203)
        here.client.put_account(account, "active", [auth_token], 3)
        third = enlisted(there, token)  # a suspension revokes no token
        assert revoked(tenant, identity="alice")["ended"] == 1
        said_offline(third, 31205)
        assert there.client.presence(account, "alice").endpoints == ()
    finally:
        here.close()
        there.close()


# The command line


@pytest.fixture
def operator(tenant: Tenant) -> dict[str, str]:
    """An operator's environment, whose only account is the tenant's."""
    world = tenant.world
    env = {name: "" for name in os.environ if name.startswith("CALLROUTER_")} | {
        "CALLROUTER_DATA_DIR": str(world.settings.data_dir),
        "CALLROUTER_ROUTER_DATABASE_URL": f"sqlite:///{world.settings.data_dir}/{tenant.account}.sqlite3",
        "CALLROUTER_SECRET_KEYS": MASTER,
        "CALLROUTER_PRESENCE_BIND": world.settings.presence_bind,
    }
    assert run(env, "db", "upgrade").exit_code == 0
    made = json.loads(run(env, "account", "create", "Acme", "--json").stdout)
    tenant.account = made["account_sid"]
    world.client.put_account(tenant.account, "active", [tenant.auth_token], 1)
    tenant.key = sid("SK")
    world.client.put_key(tenant.account, tenant.key, tenant.secret, 1)
    return env


def run(env: dict[str, str], *command: str) -> Result:
    return CliRunner(env=env).invoke(main, command)


def test_pr7_an_operator_revokes_a_client_or_a_token(tenant: Tenant, operator: dict[str, str]) -> None:
    token = tenant.token("bob")
    tenant.register("alice")
    tenant.register("bob", token)
    done = run(operator, "client", "revoke", "alice", "--json")
    assert (done.exit_code, json.loads(done.stdout)["ended"]) == (0, 1)
    assert json.loads(run(operator, "client", "revoke", "--token", token, "--json").stdout)["ended"] == 1
    assert "identity" in run(operator, "client", "revoke", "carol").stdout
    assert tenant.endpoints("alice") == tenant.endpoints("bob") == []


def test_what_an_operator_gets_wrong_is_said(operator: dict[str, str]) -> None:
    assert run(operator, "client", "revoke").exit_code == 2
    assert run(operator, "client", "revoke", "a", "--token", "b").exit_code == 2
    bad = run(operator, "client", "revoke", "a b")
    assert (bad.exit_code, "client name" in bad.stderr, bad.stderr.count("\n")) == (1, True, 1)
    away = run({**operator, "CALLROUTER_PRESENCE_BIND": f"127.0.0.1:{free_port()}"}, "client", "revoke", "a")
    assert away.exit_code == 1
    assert "callrouter run presence" in away.stderr


def test_pr4_a_permission_that_is_none_is_refused_at_mint(tenant: Tenant, operator: dict[str, str]) -> None:
    made = json.loads(run(operator, "key", "create", "--json").stdout)
    tenant.world.client.put_key(tenant.account, made["sid"], made["secret"], 1)
    mint = ("token", "mint", "--identity", "alice", "--no-incoming", "--permission")
    bad = run(operator, *mint, "presence:reed:self")
    assert bad.exit_code == 1
    assert "presence:reed:self" in bad.stderr
    assert (
        tenant.register("alice", run(operator, *mint, "presence:read:self").stdout.strip()).status_code == 403
    )
    word = run(operator, *mint, "presence:publish", "--permission", "presence:hidden").stdout.strip()
    assert tenant.register("alice", word).json()["hidden"] is True
