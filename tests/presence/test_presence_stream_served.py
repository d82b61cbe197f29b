"""Streams of the whole server: to pages of other origins, on both listeners (PR-40)."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from presence_world import SECONDS, PresenceGrant, Tenant
from streams_world import Node
from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import VoiceGrant

from tests.support import tables

ORIGIN = "https://app.example"
READ = ("presence:read:account", "events:subscribe")


@pytest.mark.parametrize(
    ("origins", "allowed"), [((), True), ((ORIGIN,), True), (("https://b.example",), False)]
)
def test_pages_of_allowed_origins_may_read_it(
    tmp_path: object, origins: tuple[str, ...], allowed: bool
) -> None:
    url = f"sqlite:///{tmp_path}/presence.sqlite3"
    tables.make(url, "presence")
    node = Node(url, origins=origins)
    try:
        account = node.presence.account()
        path = f"http://{node.address}/v1/Accounts/{account.sid}/PresenceStream"
        asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "GET"}
        preflight = requests.options(path, headers=asked, timeout=SECONDS)
        stream = node.server(account, Origin=ORIGIN)
        for answer in (preflight, stream.response):
            assert (answer.headers.get("Access-Control-Allow-Origin") == ORIGIN) is allowed
            assert "Origin" in answer.headers["Vary"]
            assert "Access-Control-Allow-Credentials" not in answer.headers
        assert preflight.status_code == (204 if allowed else 403)
        assert ("Authorization" in preflight.headers.get("Access-Control-Allow-Headers", "")) is allowed
    finally:
        node.close()


def served(tenant: Tenant, token: str, base: str = "", **options: Any) -> requests.Response:
    base = base or tenant.world.settings.presence_base()
    return requests.get(
        f"{base}/v1/Accounts/{tenant.account}/PresenceStream",
        headers={"Authorization": f"Bearer {token}", "Origin": ORIGIN},
        stream=True,
        timeout=SECONDS,
        **options,
    )


def events(response: requests.Response) -> Iterator[tuple[str, str]]:
    lines = response.iter_lines(chunk_size=1, decode_unicode=True)
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, line.removeprefix("data: ")


def test_pr7_pr40_both_listeners_stream_until_the_identity_is_revoked(tenant: Tenant) -> None:
    made = AccessToken(tenant.account, tenant.key, tenant.secret, identity="zoe", grants=[VoiceGrant()])
    made.add_grant(PresenceGrant(*READ))
    token = str(made.to_jwt())
    settings = tenant.world.settings
    plain = served(tenant, token)
    ca = str(settings.data_dir / "tls" / "ca.pem")
    secure = served(tenant, token, f"https://localhost:{settings.signal_bind.split(':')[1]}", verify=ca)
    reading = [events(one) for one in (plain, secure)]
    assert [next(one)[0] for one in reading] == ["presence", "presence"]
    tenant.register("alice")
    assert ["alice" in next(one)[1] for one in reading] == [True, True]
    revoked = requests.post(
        f"{settings.presence_base()}/v1/Accounts/{tenant.account}/Revocations",
        json={"identity": "zoe"},
        auth=(tenant.account, tenant.auth_token),
        timeout=SECONDS,
    )
    assert revoked.status_code == 201, revoked.text
    assert [next(one)[0] for one in reading] == ["ended", "ended"]
    assert [next(one, None) for one in reading] == [None, None]
    assert plain.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert served(tenant, token).status_code == 401
    for one in (plain, secure):
        one.close()


def test_pages_may_ask_for_everything_that_clients_use(tenant: Tenant) -> None:
    base = f"{tenant.world.settings.presence_base()}/v1/Accounts/{tenant.account}"
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "PUT"}
    for path in (
        "Clients/alice/Status",
        "Clients/alice/Registrations",
        "Presence",
        "Statuses",
        "Presence/alice",
    ):
        answer = requests.options(f"{base}/{path}", headers=asked, timeout=SECONDS)
        assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (204, ORIGIN)
    for path in ("Invites", "Calls/leases"):
        answer = requests.options(f"{base}/{path}", headers=asked, timeout=SECONDS)
        assert "Access-Control-Allow-Origin" not in answer.headers
