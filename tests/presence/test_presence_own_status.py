"""What a client says of itself, for all its devices now and later (PR-20 to PR-24)."""

from collections.abc import Iterator
from typing import Any

import pytest
from presence_asking import NOW, A, B, Stores, account, client, service
from presence_world import Tenant

from presence.faults import Absent
from presence.registration import StaleVersion

PATH = "/Clients/alice/Status"


@pytest.fixture
def db(database_url: str) -> Iterator[Stores]:
    stores = Stores(database_url)
    yield stores
    stores.database.close()


def choose(db: Stores, status: str, note: str = "", now: float = NOW, **more: Any) -> int:
    return db.store.choose(A, "alice", status, note, now, **more).result()


def test_pr20_it_is_said_for_all_devices_now_and_later(db: Stores) -> None:
    db.register(endpoint_id="desk", status="available", note="here")
    db.register(endpoint_id="phone", status="dnd")
    assert choose(db, "away", "lunch") == 3
    db.register(endpoint_id="tablet")
    found = db.sees("alice")
    assert [(one.endpoint_id, one.status, one.note) for one in found.endpoints] == [
        (name, "away", "lunch") for name in ("desk", "phone", "tablet")
    ]
    assert found.told == ("away", False, ("voice",), "lunch")
    assert [one[1] for one in db.log()] == ["registered", "registered", "chose", "registered"]


def test_pr20_said_by_nobodys_device_it_is_kept_for_the_first_one(db: Stores) -> None:
    assert choose(db, "dnd", "writing") == 1
    assert db.sees("alice").status == "offline"
    assert db.log() == [("alice", "chose", "", False)]
    db.register()
    assert db.sees("alice").told == ("dnd", False, ("voice",), "writing")
    db.store.unregister(A, "alice", NOW, endpoint_id="e").result()
    db.register(now=NOW + 9)
    assert db.sees("alice", NOW + 9).status == "dnd"


def test_pr20_a_device_may_say_otherwise_and_clearing_frees_all(db: Stores) -> None:
    choose(db, "dnd")
    db.register(endpoint_id="desk")
    db.register(endpoint_id="phone", status="available")
    assert db.sees("alice").status == "available"
    choose(db, "")
    assert [one.status for one in db.sees("alice").endpoints] == ["available", "available"]
    db.register(endpoint_id="tablet")
    assert db.sees("alice").told[:2] == ("available", True)


def test_pr16_every_choice_raises_the_version_and_no_other(db: Stores) -> None:
    """Two who choose on the same ground never both succeed, also while no device is there."""
    assert choose(db, "away", based_on=0) == 1
    with pytest.raises(StaleVersion):
        choose(db, "dnd", based_on=0)
    assert choose(db, "away") == 1
    assert choose(db, "away", "a note", based_on=1) == 2
    assert len(db.log()) == 2


def test_pr24_a_device_on_a_call_stays_busy(db: Stores) -> None:
    db.register(endpoint_id="desk")
    db.database.write(
        lambda connection: db.store.engage_in(connection, A, "alice", "desk", NOW + 60, NOW), A
    ).result()
    choose(db, "away")
    assert db.sees("alice").status == "busy"
    assert db.sees("alice", NOW + 60).status == "away"


def test_i12_accounts_choose_for_themselves(db: Stores) -> None:
    choose(db, "away")
    assert db.store.registrations(B, "alice").client.version == 0
    with pytest.raises(Absent):
        db.store.choose("AC" + "9" * 32, "alice", "away", "", NOW).result()


# Over HTTP


def test_pr20_own_status_is_a_resource(tenant: Tenant) -> None:
    alice = client(tenant, "alice")
    uri = f"/v1/Accounts/{tenant.account}{PATH}"
    nothing = {
        "account_sid": tenant.account,
        "client": "alice",
        "status": None,
        "chosen": False,
        "note": "",
        "version": 0,
        "uri": uri,
    }
    assert alice.get(PATH) == nothing
    said = alice.ask("PUT", PATH, {"status": "away", "note": "<lunch> \U0001f35c"})
    assert said.status_code == 200
    wanted = {**nothing, "status": "away", "chosen": True, "note": "<lunch> \U0001f35c", "version": 1}
    assert said.json() == wanted
    for caller in (alice, account(tenant), service(tenant)):
        assert caller.get(PATH) == wanted
    assert tenant.register("alice").json()["status"] == "away"
    assert account(tenant).ask("PUT", PATH, {"status": "dnd", "version": 2}).json()["version"] == 3
    assert service(tenant).ask("PUT", PATH, {"status": None}).json() == {**nothing, "version": 4}
    assert account(tenant).get("/Clients/alice/Registrations")["registrations"][0]["status"] == "available"


@pytest.mark.parametrize(
    ("body", "outcome", "named"),
    [
        ({}, (400, 20001), "status"),
        ({"status": ""}, (400, 20001), "status"),
        ({"status": 1}, (400, 20001), "status"),
        ({"status": "offline"}, (400, 20001), "offline"),
        ({"status": "asleep"}, (400, 20001), "asleep"),
        ({"status": "away", "note": "x" * 257}, (400, 20001), "256"),
        ({"status": "away", "note": None}, (400, 20001), "note"),
        ({"status": "away", "version": "0"}, (400, 20001), "version"),
        ({"status": "away", "version": 7}, (409, 20409), "version 0"),
    ],
)
def test_pr16_pr20_what_cant_be_chosen(
    tenant: Tenant, body: dict[str, Any], outcome: tuple[int, int], named: str
) -> None:
    answer = client(tenant, "alice").ask("PUT", PATH, body)
    assert (answer.status_code, answer.json()["code"]) == outcome
    assert named in answer.json()["message"]
    assert account(tenant).get(PATH)["version"] == 0


def test_pr9_nobody_else_chooses(tenant: Tenant) -> None:
    bob = client(tenant, "bob", "presence:publish", "presence:read:account")
    mute = client(tenant, "alice", incoming=False)
    for caller in (bob, mute):
        assert caller.does("PUT", PATH, {"status": "away"}) == (403, 20403)
    assert bob.does("GET", PATH) == (403, 20403)
    assert mute.get(PATH)["chosen"] is False
    publisher = client(tenant, "alice", "presence:publish", incoming=False)
    assert publisher.does("PUT", PATH, {"status": "away"}) == (200, 0)
    assert account(tenant).does("PUT", "/Clients/a%20b/Status", {"status": "away"}) == (400, 31105)
