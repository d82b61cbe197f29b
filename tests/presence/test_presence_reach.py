"""Whom the router may ring for a name (PR-28, PR-50, PR-61)."""

from presence_asking import NOW, A, B, device
from presence_sight import Sight

from presence.definitions.destinations import Destinations, Target
from presence.reading.reach import Wanted, reach


def test_pr50_a_client_is_its_own_target_with_all_its_devices(sight: Sight) -> None:
    sight.register("alice")
    sight.register("alice", "h", hidden=True)
    found = sight.get("/Reach/alice")
    assert (found["name"], found["shared"], found["as_of"]) == ("alice", False, 2)
    (target,) = found["targets"]
    assert target == sight.get("/Presence/alice")
    assert {one["endpoint_id"]: one["hidden"] for one in target["endpoints"]} == {"e": False, "h": True}


def test_pr56_nobody_is_one_target_that_is_offline(sight: Sight) -> None:
    found = sight.get("/Reach/nobody")
    assert [one["status"] for one in found["targets"]] == ["offline"]
    assert (found["shared"], found["as_of"]) == (False, 0)


def test_pr28_pr61_a_destination_is_its_targets_in_their_order_each_in_its_own_account(sight: Sight) -> None:
    sight.register("bob")
    other = device("carol", account_sid=B, key_sid=B)
    sight.store.register(other, NOW).result(10)
    targets = [Target(B, "carol"), Target(A, "nobody"), Target(A, "bob")]
    Destinations(sight.store).put(A, "sales", targets, NOW).result(10)
    found = sight.get("/Reach/sales")
    assert (found["name"], found["shared"], found["as_of"]) == ("sales", True, 1)
    assert [(one["account_sid"], one["client"], one["status"]) for one in found["targets"]] == [
        (B, "carol", "available"),
        (A, "nobody", "offline"),
        (A, "bob", "available"),
    ]
    assert sight.get("/Reach/sales", account=B)["shared"] is False
    assert sight.get("/Presence/sales")["status"] == "offline"  # a destination is no client


def test_pr9_only_our_own_servers_ask_whom_a_name_reaches(sight: Sight) -> None:
    for caller in ("account", ["presence:read:account", "presence:read:detail"]):
        assert sight.fault("/Reach/alice", caller)[:2] == (403, 20403)
    assert sight.fault("/Reach/a%20b")[:2] == (400, 31105)


def test_pr39_many_names_of_many_accounts_are_one_statement(sight: Sight) -> None:
    sight.register("alice")
    Destinations(sight.store).put(A, "sales", [Target(A, "alice"), Target(A, "bob")], NOW).result(10)
    asked = [
        Wanted(A, "alice", False),
        Wanted(A, "sales", True),
        Wanted(A, "sales", False),
        Wanted(B, "alice", True),
        Wanted(A, "alice", True),
        Wanted("AC" + "0" * 32, "alice", True),
    ]
    with sight.statements() as ran, sight.database.read() as connection:
        found = reach(connection, asked, NOW)
    assert len(ran) == 1
    assert [(one.as_of, one.shared, [target.name for target in one.targets]) for one in found] == [
        (1, False, ["alice"]),
        (1, True, ["alice", "bob"]),
        (1, False, ["sales"]),
        (0, False, ["alice"]),
        (1, False, ["alice"]),
        (0, False, ["alice"]),
    ]
    assert [len(one.targets[0].client.endpoints) for one in found] == [1, 1, 0, 0, 1, 0]
