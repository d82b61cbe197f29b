"""The pure rules of registration, with literal times."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.registration import (
    Change,
    Endpoint,
    Seen,
    StaleVersion,
    consolidate,
    expiry,
    register,
)
from presence.statuses import BUILT_IN, NAME, Status, StatusKind

NOW = 1000.0


def endpoint(endpoint_id: str = "a", **more: object) -> Endpoint:
    values = {
        "account_sid": "AC",
        "client": "alice",
        "endpoint_id": endpoint_id,
        "sid": f"RG-{endpoint_id}",
        "token_expires_at": NOW + 3600,
        "refreshed_at": NOW,
        "expires_at": NOW + 90,
        **more,
    }
    return Endpoint(**values)  # type: ignore[arg-type]


KINDS = {
    **BUILT_IN,
    "training": StatusKind(name="training", available=True, rank=300, voice=False, messages=True),
    "lunch": StatusKind(name="lunch", available=False, rank=150, voice=False, messages=True),
}
"""The built-in statuses and two of an account's own; `training` has the rank of `away`."""


def status_of(name: str) -> dict[str, object]:
    made = endpoint().of_kind(KINDS[name])
    return {field: getattr(made, field) for field in ("status", "rank", "available", "voice", "messages")}


def seen(endpoint_id: str = "a", **more: object) -> Seen:
    whole = vars(endpoint(endpoint_id)) | more
    return Seen(**{name: whole[name] for name in Seen._fields})


def test_pr10_first_registration_is_created() -> None:
    done = register(endpoint(), [], NOW)
    assert (done.created, done.change, done.evicted) == (True, Change.REGISTERED, ())


def test_pr10_again_keeps_the_sid() -> None:
    done = register(endpoint(sid="RG-new"), [endpoint()], NOW)
    assert (done.created, done.endpoint.sid) == (False, "RG-a")


def test_pr13_a_heartbeat_is_published_to_nobody() -> None:
    later = endpoint(refreshed_at=NOW + 30, expires_at=NOW + 120)
    done = register(later, [endpoint()], NOW + 30)
    assert done.change is None
    assert done.endpoint.expires_at == NOW + 120


@pytest.mark.parametrize(
    "change", [{"status": "busy"}, {"capabilities": ("sms",)}, {"priority": 1}, {"note": "lunch"}]
)
def test_a_visible_change_is_published(change: dict[str, object]) -> None:
    assert register(endpoint(**change), [endpoint()], NOW).change is Change.UPDATED


def test_an_expired_endpoint_that_returns_is_new() -> None:
    done = register(endpoint(sid="RG-new"), [endpoint(expires_at=NOW)], NOW)
    assert (done.created, done.endpoint.sid) == (True, "RG-new")


def test_pr12_the_longest_unrefreshed_goes() -> None:
    known = [endpoint(f"e{n}", refreshed_at=NOW - n) for n in range(10)]
    done = register(endpoint("new"), known, NOW)
    assert [one.endpoint_id for one in done.evicted] == ["e9"]


def test_pr12_expired_ones_take_no_place() -> None:
    known = [endpoint(f"e{n}", expires_at=NOW) for n in range(30)]
    assert register(endpoint("new"), known, NOW).evicted == ()


def test_pr16_a_stale_version_is_refused() -> None:
    with pytest.raises(StaleVersion):
        register(endpoint(), [], NOW, version=8, based_on=7)
    assert register(endpoint(), [], NOW, version=8, based_on=8).created


def test_pr8_a_registration_never_outlives_its_token() -> None:
    assert expiry(NOW, 90, NOW + 60) == NOW + 60
    assert expiry(NOW, 90, NOW + 600) == NOW + 90


def test_nobody_is_offline() -> None:
    nobody = consolidate([], NOW)
    assert (nobody.status, nobody.available, nobody.expires_at) == (Status.OFFLINE, False, None)


def test_pr14_expiry_is_decided_when_read() -> None:
    one = seen()
    assert consolidate([one], NOW + 89.9).available
    assert consolidate([one], NOW + 90).status == "offline"


@pytest.mark.parametrize(
    ("statuses", "whole", "available"),
    [
        (["available"], "available", True),
        (["away"], "away", False),
        (["busy"], "busy", False),
        (["dnd"], "dnd", False),
        (["available", "away", "busy", "dnd"], "available", True),
        (["dnd", "busy", "away"], "away", False),
        (["dnd", "busy"], "busy", False),
        (["dnd", "lunch"], "lunch", False),
        (["lunch", "busy"], "busy", False),
        (["training", "away"], "away", True),
        (["training"], "training", True),
    ],
)
def test_pr20_pr23_the_highest_rank_wins_ties_by_name(
    statuses: list[str], whole: str, available: bool
) -> None:
    """Available when one device is: `training` loses the tie to `away`, and still somebody is there."""
    known = [seen(str(n), **status_of(status)) for n, status in enumerate(statuses)]
    for order in (known, known[::-1]):
        found = consolidate(order, NOW)
        assert (found.status, found.available) == (whole, available)


def test_pr20_offline_is_no_status_that_anybody_has() -> None:
    assert Status.OFFLINE not in BUILT_IN
    assert set(BUILT_IN) == set(Status) - {Status.OFFLINE}
    assert all(NAME.match(name) for name in BUILT_IN)


@pytest.mark.parametrize("status", KINDS)
@pytest.mark.parametrize("on_a_call", [False, True])
@pytest.mark.parametrize("incoming", [False, True])
def test_pr24_pr27_what_comes_through(status: str, on_a_call: bool, incoming: bool) -> None:
    """Calls: when the status lets them and the device is on none. Messages: on a call too. Neither without the
    permission, nor what the device can't do."""
    until = NOW + 1 if on_a_call else NOW
    one = seen(**status_of(status), capabilities=("voice", "sms"), busy_until=until, incoming=incoming)
    voice = status == "available"
    messages = status in ("available", "training", "lunch")
    takes = {mode: consolidate([one], NOW, capability=mode).available for mode in ("voice", "sms", "mms")}
    assert takes == {
        "voice": voice and incoming and not on_a_call,
        "sms": messages and incoming,
        "mms": False,
    }
    whole = consolidate([one], NOW)
    assert whole.status == ("busy" if on_a_call else status)
    assert whole.available == (status in ("available", "training") and not on_a_call)


def test_pr24_afterwards_a_device_is_what_it_was() -> None:
    one = seen(**status_of("away"), busy_until=NOW + 10, expires_at=NOW + 90)
    assert [consolidate([one], now).status for now in (NOW, NOW + 9.9, NOW + 10, NOW + 90)] == [
        "busy",
        "busy",
        "away",
        "offline",
    ]


@pytest.mark.parametrize(
    ("other", "whole", "available"),
    [("available", "available", True), ("away", "away", False), ("dnd", "busy", False)],
)
def test_pr24_another_device_speaks_for_a_busy_one(other: str, whole: str, available: bool) -> None:
    found = consolidate([seen("a", busy_until=NOW + 1), seen("b", **status_of(other))], NOW)
    assert (found.status, found.available) == (whole, available)


def test_pr24_a_refresh_does_not_end_a_call() -> None:
    before = endpoint(busy_until=NOW + 60)
    assert register(endpoint(status="away"), [before], NOW).endpoint.busy_until == NOW + 60
    assert register(endpoint(), [endpoint(busy_until=NOW + 60, expires_at=NOW)], NOW).endpoint.busy_until == 0


def test_pr22_the_note_is_of_a_device_that_has_the_clients_status() -> None:
    away, free = status_of("away"), status_of("available")
    known = [
        seen("a", **away, note="lunch", priority=9),
        seen("b", **free),
        seen("c", **free, note="desk 4"),
        seen("d", **free, note="desk 5", priority=-1),
    ]
    assert consolidate(known, NOW).note == "desk 4"
    assert consolidate(known[:2], NOW).note == ""
    assert consolidate(known[:1], NOW).note == "lunch"


def test_pr51_devices_are_ordered_by_priority_rank_activity_and_id() -> None:
    known = [
        seen("e", refreshed_at=NOW - 9),
        seen("d", refreshed_at=NOW - 5),
        seen("c", refreshed_at=NOW - 5),
        seen("b", **status_of("away"), refreshed_at=NOW),
        seen("a", busy_until=NOW + 1, refreshed_at=NOW),
        seen("f", priority=1, **status_of("dnd")),
    ]
    assert [one.endpoint_id for one in consolidate(known, NOW).endpoints] == list("fcdeba")


def test_pr25_who_opted_out_is_rung_and_not_seen() -> None:
    known = [seen("a", hidden=True), seen("b", **status_of("away"), capabilities=("sms",))]
    ours, theirs = consolidate(known, NOW), consolidate(known, NOW, hidden=False)
    assert (ours.told, len(ours.endpoints)) == (("available", True, ("voice", "sms"), ""), 2)
    assert (theirs.told, len(theirs.endpoints)) == (("away", False, ("sms",), ""), 1)
    assert consolidate(known[:1], NOW, hidden=False) == consolidate([], NOW)


ENDPOINTS = st.builds(
    endpoint,
    st.sampled_from("abcdefghijklmnop"),
    capabilities=st.sets(st.sampled_from(["voice", "sms", "mms"])).map(tuple),
    priority=st.integers(-2, 2),
    hidden=st.booleans(),
    note=st.sampled_from(["", "x", "y"]),
    refreshed_at=st.floats(NOW - 100, NOW),
    expires_at=st.floats(NOW - 50, NOW + 50),
    busy_until=st.sampled_from([0.0, NOW - 1, NOW + 1]),
)
ENDPOINTS = st.builds(Endpoint.of_kind, ENDPOINTS, st.sampled_from(list(KINDS.values())))


SEEN = ENDPOINTS.map(lambda one: seen(**{name: getattr(one, name) for name in Seen._fields}))


@given(st.lists(SEEN, unique_by=lambda one: one.endpoint_id), st.randoms(use_true_random=False))
def test_pr23_consolidation_does_not_depend_on_order(known: list[Seen], random: object) -> None:
    shuffled = list(known)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    found = consolidate(known, NOW)
    assert consolidate(shuffled, NOW) == found
    live = [one for one in known if one.expires_at > NOW]
    assert set(found.endpoints) == set(live)
    assert found.status == min((-one.shown(NOW)[0], one.shown(NOW)[1]) for one in live or [NOT_THERE])[1]


NOT_THERE = seen(status="offline", rank=-10_000)
DEVICES = st.lists(SEEN, unique_by=lambda one: one.endpoint_id)
MODE = st.sampled_from([None, "voice", "sms", "mms"])


@given(DEVICES, MODE)
def test_pr14_pr25_who_is_not_seen_has_no_influence(known: list[Seen], mode: str | None) -> None:
    """Expired devices count for nobody, hidden ones not for watchers."""
    live = [one for one in known if one.expires_at > NOW]
    assert consolidate(known, NOW, capability=mode) == consolidate(live, NOW, capability=mode)
    listed = [one for one in live if not one.hidden]
    assert consolidate(known, NOW, capability=mode, hidden=False) == consolidate(listed, NOW, capability=mode)


@given(DEVICES, MODE)
def test_pr23_pr27_available_is_that_one_device_is(known: list[Seen], mode: str | None) -> None:
    """The whole says nothing that no device says: also where it takes a short cut for one device."""
    found = consolidate(known, NOW, capability=mode)
    alone = [consolidate([one], NOW, capability=mode) for one in known]
    assert found.available == any(one.available for one in alone)
    assert set(found.capabilities) == {name for one in alone for name in one.capabilities}
    assert found.expires_at == max((one.expires_at for one in alone if one.expires_at), default=None)
    assert (found.status, found.note) in {(one.status, note) for one in alone for note in (one.note, "")} | {
        ("offline", "")
    }


@given(DEVICES, SEEN, MODE)
def test_pr23_another_device_takes_nothing_away(known: list[Seen], more: Seen, mode: str | None) -> None:
    others = [one for one in known if one.endpoint_id != more.endpoint_id]
    before, after = (consolidate(one, NOW, capability=mode) for one in (others, [*others, more]))
    assert after.available >= before.available
    assert set(after.capabilities) >= set(before.capabilities)
    assert (after.expires_at or 0) >= (before.expires_at or 0)


@given(st.lists(ENDPOINTS, max_size=60), st.integers(1, 10))
def test_pr12_pr36_a_fold_over_registrations_keeps_cap_and_latest(asked: list[Endpoint], cap: int) -> None:
    """However they arrive: one row per endpoint id, never more than the cap alive, the latest word wins."""
    held: dict[str, Endpoint] = {}
    for one in asked:
        done = register(one, list(held.values()), NOW, cap=cap)
        for gone in done.evicted:
            del held[gone.endpoint_id]
        held[one.endpoint_id] = done.endpoint
        assert held[one.endpoint_id].status == one.status
        assert not one.live(NOW) or sum(each.live(NOW) for each in held.values()) <= cap
        assert one.endpoint_id not in {gone.endpoint_id for gone in done.evicted}
