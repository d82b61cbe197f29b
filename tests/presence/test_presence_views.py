"""One client's presence: its shape, who sees what of it, and what caches may do (PR-26 to PR-32)."""

from typing import Any

import pytest
from presence_asking import NOW, A, B
from presence_sight import Sight

from presence.changes import LOCK
from presence.server import PUBLIC


def engage(sight: Sight, client: str, until: float) -> None:
    def work(connection: Any) -> None:
        connection.execute(LOCK, {"account": A})
        sight.store.engage_in(connection, A, client, "e", until, sight.now)

    sight.database.write(work, A).result(10)


def test_pr26_our_own_servers_and_the_accounts_see_the_devices(sight: Sight) -> None:
    sight.register("alice", status="away", note="<b>at lunch</b>", capabilities=("voice", "sms"), priority=3)
    for caller in ("service", "account", ["presence:read:account", "presence:read:detail"]):
        found = sight.get("/Presence/alice", caller)
        (device,) = found.pop("endpoints")
        assert found == {
            "account_sid": A,
            "client": "alice",
            "status": "away",
            "available": False,
            "capabilities": ["voice", "sms"],
            "note": "<b>at lunch</b>",
            "version": 1,
            "updated_at": "2027-01-15T08:00:00Z",
            "expires_at": "2027-01-15T08:01:30Z",
            "uri": f"/v1/Accounts/{A}/Presence/alice",
        }
        assert device == {
            "endpoint_id": "e",
            "status": "away",
            "available": False,
            "capabilities": ["voice", "sms"],
            "takes": [],
            "priority": 3,
            "note": "<b>at lunch</b>",
            "hidden": False,
            "incoming": True,
            "last_seen": "2027-01-15T08:00:00Z",
            "expires_at": "2027-01-15T08:01:30Z",
            "node": "",
        }


def test_pr26_a_client_without_the_permission_for_detail_sees_the_consolidated_part_only(
    sight: Sight,
) -> None:
    sight.register("alice")
    found = sight.get("/Presence/alice", ["presence:read:account"])
    assert (found["status"], found["available"]) == ("available", True)
    assert "endpoints" not in found


def test_pr27_availability_is_for_the_capability_that_was_asked_for(sight: Sight) -> None:
    sight.register("alice", capabilities=("sms",))
    engage(sight, "alice", NOW + 60)
    asked = {
        mode: sight.get("/Presence/alice", capability=mode)["available"] for mode in ("voice", "sms", "mms")
    }
    assert asked == {"voice": False, "sms": True, "mms": False}
    assert sight.get("/Presence/alice")["available"] is False
    assert sight.fault("/Presence/alice", capability="fax")[:2] == (400, 20001)


def test_pr14_what_ends_by_itself_has_ended_for_every_reader(sight: Sight) -> None:
    sight.register("alice", expires_at=NOW + 90)
    engage(sight, "alice", NOW + 60)
    shown = []
    for sight.now in (NOW, NOW + 59.9, NOW + 60, NOW + 89.9, NOW + 90, NOW):
        found = sight.get("/Presence/alice")
        shown.append((found["status"], found["available"], len(found["endpoints"])))
    busy, free, gone = ("busy", False, 1), ("available", True, 1), ("offline", False, 0)
    assert shown == [busy, busy, free, free, gone, busy]


def test_pr25_a_hidden_device_is_flagged_for_servers_and_absent_for_clients(sight: Sight) -> None:
    sight.register("alice", hidden=True)
    sight.register("bob")
    sight.register("bob", "h", hidden=True, status="dnd")
    everything = ["presence:read:account", "presence:read:detail"]
    assert sight.get("/Presence/alice", "account")["endpoints"][0]["hidden"] is True
    assert sight.get("/Presence/alice", everything)["status"] == "offline"
    assert len(sight.get("/Presence/bob")["endpoints"]) == 2
    assert [one["endpoint_id"] for one in sight.get("/Presence/bob", everything)["endpoints"]] == ["e"]


@pytest.mark.parametrize(
    ("permission", "seen"),
    [
        ("presence:read:account", True),
        ("presence:read:self", False),
        ("presence:read:prefix:al", True),
        ("presence:read:prefix:AL", False),
        ("presence:read:prefix:alicee", False),
        ("presence:read:list:team", True),
        ("presence:read:list:other", False),
    ],
)
def test_pr30_pr31_out_of_scope_is_as_if_it_did_not_exist(sight: Sight, permission: str, seen: bool) -> None:
    sight.register("alice")
    sight.lists.create(A, "team", ["alice"], NOW).result(10)
    sight.lists.create(A, "other", [], NOW).result(10)
    with sight.statements() as ran:
        found = sight.ask("/Presence/alice", [permission])
        first = list(ran)
        ran.clear()
        nobody = sight.ask("/Presence/nobody", [permission])
    expected = found.text.replace("alice", "nobody")
    assert (found.json["status"] == "available") is seen
    if not seen:
        assert nobody.text == expected
        assert {**nobody.headers, "ETag": ""}.keys() == {**found.headers, "ETag": ""}.keys()
    assert [one for one in first if "endpoints" in one] == [one for one in ran if "endpoints" in one]


def test_pr2_a_client_without_the_permission_to_read_is_refused(sight: Sight) -> None:
    for path in ("/Presence/alice", "/Presence", "/Presence?list=team"):
        assert sight.fault(path, [])[:2] == (403, 20403)
    assert sight.fault("/Presence/query", [], {"everyone": True})[:2] == (403, 20403)


def test_pr9_a_token_of_one_account_reads_nothing_of_another(sight: Sight) -> None:
    mine = sight.bearer("presence:read:account")
    for path in ("/Presence/alice", "/Presence", "/Reach/alice"):
        assert sight.ask(path, mine, account=B).status_code == 403
    assert sight.fault("/Presence/alice", {"Authorization": "Bearer x"})[:2] == (401, 20101)
    assert sight.fault("/Presence/alice", {})[0] == 401


def test_pr29_who_has_the_bytes_gets_a_304(sight: Sight) -> None:
    sight.register("alice")
    first = sight.ask("/Presence/alice")
    tag = first.headers["ETag"]
    for given in (tag, f'"other", {tag}', "*"):
        again = sight.ask("/Presence/alice", headers={"If-None-Match": given})
        assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag)
        assert again.headers["Cache-Control"] == first.headers["Cache-Control"]
    sight.register("alice", status="dnd")
    changed = sight.ask("/Presence/alice", headers={"If-None-Match": tag})
    assert (changed.status_code, changed.json["status"]) == (200, "dnd")
    sight.now = NOW + 90
    assert sight.ask("/Presence/alice", headers={"If-None-Match": changed.headers["ETag"]}).status_code == 200


def test_pr29_each_caller_has_its_own_tag_and_copy(sight: Sight) -> None:
    sight.register("alice")
    tags = {
        sight.ask("/Presence/alice", caller).headers["ETag"]
        for caller in ("service", ["presence:read:account"], ["presence:read:self"])
    }
    assert len(tags) == 3
    assert sight.ask("/Presence/alice").headers["Vary"] == "Authorization"


@pytest.mark.parametrize("left", [0.5, 1.5, 80.0])
def test_pr29_no_copy_outlives_what_it_says(sight: Sight, left: float) -> None:
    sight.register("alice", expires_at=NOW + 90)
    sight.register("alice", "f", expires_at=NOW + left)
    engage(sight, "alice", NOW + 70)
    kept = sight.ask("/Presence/alice").headers["Cache-Control"]
    assert kept.startswith("private, max-age=")
    assert int(kept.rpartition("=")[2]) <= left
    assert sight.ask("/Presence/nobody").headers["Cache-Control"] == "private, max-age=0"


def test_a_name_that_no_client_can_have_is_a_400(sight: Sight) -> None:
    assert sight.fault("/Presence/a%20b")[:2] == (400, 31105)
    assert sight.fault("/Presence/" + "a" * 257)[:2] == (400, 31105)
    assert sight.get("/Presence/j%C3%BCrgen@example.com")["client"] == "jürgen@example.com"


def test_pr9_the_clients_listener_serves_presence_and_not_whom_the_router_rings() -> None:
    account = f"/v1/Accounts/{A}"
    assert all(PUBLIC.match(account + path) for path in ("/Presence", "/Presence/query", "/Presence/alice"))
    assert not PUBLIC.match(f"{account}/Reach/alice")
