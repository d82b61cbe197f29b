"""The Python client against a real presence server."""

import threading
from collections.abc import Iterator

import pytest
from presence_world import SECONDS, Tenant
from twilio.jwt.access_token import AccessToken, AccessTokenGrant

from presence.client import AccountPresence, PresenceRefused


@pytest.fixture
def real(tenant: Tenant) -> Iterator[AccountPresence]:
    """The account's own server, over TLS as from elsewhere."""
    settings = tenant.world.settings
    url = f"https://localhost:{settings.signal_bind.rpartition(':')[2]}"
    authority = str(settings.data_dir / "tls" / "ca.pem")
    with AccountPresence(
        url, tenant.account, (tenant.account, tenant.auth_token), verify=authority
    ) as presence:
        yield presence


def test_pr40_pr43_a_real_server_is_watched_and_resumed(tenant: Tenant, real: AccountPresence) -> None:
    real.create_contact_list("sales", ["ann", "bob"])
    seen: list[dict[str, str]] = []
    with real.watch(contact_list="sales", patience=SECONDS) as watch:
        for number, _ in enumerate(watch):
            seen.append({name: one.status for name, one in watch.view.items()})
            if number == 0:
                tenant.register("ann")
            elif number == 1:
                real.set_status("ann", "away", "lunch")
            else:
                break
        cursor = watch.cursor
    assert seen == [
        {"ann": "offline", "bob": "offline"},
        {"ann": "available", "bob": "offline"},
        {"ann": "away", "bob": "offline"},
    ]
    real.remove_contact("sales", "bob")
    real.add_contact("sales", "zoe")
    with real.watch(contact_list="sales", cursor=cursor, patience=SECONDS) as again:
        missed = next(message for message in again if message.clients or message.removed)
    assert ([one.client for one in missed.clients], missed.removed) == (["zoe"], ("bob",))
    asked = real.query(contact_list="sales", since=cursor)
    assert ([one.client for one in asked.clients], asked.removed) == (["zoe"], ("bob",))


def test_pr7_pr47_a_watch_ends_when_its_token_is_revoked(tenant: Tenant, real: AccountPresence) -> None:
    token = AccessToken(tenant.account, tenant.key, tenant.secret, identity="bob")
    token.add_grant(PresenceGrant())
    with AccountPresence(tenant.world.settings.presence_base(), tenant.account, str(token.to_jwt())) as his:
        watch = iter(his.watch(["bob", "ann"], patience=SECONDS))
        assert [one.client for one in next(watch).clients] == ["bob"], "ann is not for him to see"
        real.revoke(token=str(token.to_jwt()))
        with pytest.raises(PresenceRefused) as refused:
            next(watch)
        assert (refused.value.status, refused.value.code) == (401, 20104)


class PresenceGrant(AccessTokenGrant):
    key = "callrouter"

    def to_payload(self) -> dict[str, list[str]]:
        return {"permissions": ["presence:read:self", "events:subscribe"]}


def test_a_real_stream_is_closed_from_another_thread(real: AccountPresence) -> None:
    watch, opened = real.watch(), threading.Event()

    def read() -> None:
        for _ in watch:
            opened.set()

    reader = threading.Thread(target=read)
    reader.start()
    assert opened.wait(SECONDS)
    watch.close()
    reader.join(SECONDS)
    assert not reader.is_alive()


def test_pr12_pr13_a_device_is_kept_registered(tenant: Tenant) -> None:
    url = tenant.world.settings.presence_base()
    with AccountPresence(url, tenant.account, tenant.token("ann")) as mine:
        with mine.keep_registered("ann", "desk", capabilities=["sms"], note="here"):
            (device,) = tenant.world.client.presence(tenant.account, "ann").endpoints
            assert (device.endpoint_id, device.capabilities, device.note) == ("desk", ("sms",), "here")
            (own,) = mine.registrations("ann")
            changed = mine.change_registration("ann", own["sid"], priority=4, version=own["version"])
            assert changed["priority"] == 4
            with pytest.raises(PresenceRefused) as stale:
                mine.change_registration("ann", own["sid"], note="late", version=own["version"])
            assert stale.value.status == 409
        assert tenant.world.client.presence(tenant.account, "ann").status == "offline"
        with pytest.raises(PresenceRefused) as foreign:
            mine.set_status("bob", "away")
        assert foreign.value.status == 403


def test_pr21_pr33_pr61_pr7_what_an_account_sets(tenant: Tenant, real: AccountPresence) -> None:
    real.create_status("lunch", available=False, rank=150, messages=True)
    assert real.change_status("lunch", rank=160)["rank"] == 160
    assert "lunch" in [one["name"] for one in real.statuses()]
    real.delete_status("lunch")
    real.create_contact_list("a", [f"client-{n:04}" for n in range(1000)])
    assert len(real.contacts("a")) == 1000
    assert len(real.query(contact_list="a").clients) == 1000
    assert real.rename_contact_list("a", "b")["name"] == "b"
    assert [one["name"] for one in real.contact_lists()] == ["b"]
    real.delete_contact_list("b")
    real.put_destination("front", ["ann", "bob"])
    assert [one["client"] for one in real.destination("front")["targets"]] == ["ann", "bob"]
    assert [one["name"] for one in real.destinations()] == ["front"]
    real.delete_destination("front")
    tenant.register("ann")
    assert real.status("ann")["status"] is None
    assert real.revoke(identity="ann")["ended"] == 1
    assert len(real.revocations()) == 1
    assert real.presence("ann").status == "offline"
    assert real.subscriptions() == []
    with pytest.raises(PresenceRefused, match="url"):  # an address of our own network
        real.subscribe("http://127.0.0.1:9/presence", prefix="a", detail=True)
