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
from presence.statuses import BUILT_IN, Status

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


def status_of(name: str) -> dict[str, object]:
    made = endpoint().of_kind(BUILT_IN[name])
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
    ("statuses", "whole"),
    [
        (["busy", "away"], "away"),
        (["dnd", "busy"], "busy"),
        (["dnd", "available"], "available"),
        (["dnd"], "dnd"),
    ],
)
def test_pr23_the_highest_rank_wins(statuses: list[str], whole: str) -> None:
    known = [seen(str(n), **status_of(status)) for n, status in enumerate(statuses)]
    found = consolidate(known, NOW)
    assert found.status == whole
    assert found.available is (whole == "available")


ENDPOINTS = st.builds(
    endpoint,
    st.sampled_from("abcdefghijklmnop"),
    capabilities=st.sets(st.sampled_from(["voice", "sms", "mms"])).map(tuple),
    priority=st.integers(-2, 2),
    refreshed_at=st.floats(NOW - 100, NOW),
    expires_at=st.floats(NOW - 50, NOW + 50),
    busy_until=st.sampled_from([0.0, NOW - 1, NOW + 1]),
)
ENDPOINTS = st.builds(Endpoint.of_kind, ENDPOINTS, st.sampled_from(list(BUILT_IN.values())))


SEEN = ENDPOINTS.map(lambda one: seen(**{name: getattr(one, name) for name in Seen._fields}))


@given(st.lists(SEEN, unique_by=lambda one: one.endpoint_id), st.randoms(use_true_random=False))
def test_pr23_consolidation_does_not_depend_on_order(known: list[Seen], random: object) -> None:
    shuffled = list(known)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    found = consolidate(known, NOW)
    assert consolidate(shuffled, NOW) == found
    live = [one for one in known if one.expires_at > NOW]
    assert set(found.endpoints) == set(live)
    ranks = {kind.rank: name for name, kind in BUILT_IN.items()} | {0: "offline"}
    assert found.status == ranks[max((one.shown(NOW)[0] for one in live), default=0)]


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
