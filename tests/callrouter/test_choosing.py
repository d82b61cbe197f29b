"""Whom a <Client> rings, by tables and by properties (PR-50, PR-51, PR-55, PR-56, PR-61, PR-79)."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callrouter.calls.choosing import Choice, Mode, Outcome, Skipped, choose
from presence.client import Endpoint, Presence, Reach

DEVICE = Endpoint(
    endpoint_id="desk",
    status="available",
    available=True,
    capabilities=("voice", "sms"),
    takes=("voice", "sms"),
    priority=0,
    note="",
    hidden=False,
    incoming=True,
    last_seen="2026-01-01T00:00:00Z",
    expires_at="2026-01-01T00:01:30Z",
    node="a",
)
BUSY = replace(DEVICE, status="busy", available=False, takes=("sms",))
AWAY = replace(DEVICE, status="away", available=False, takes=())
MUTE = replace(DEVICE, capabilities=("sms",), takes=("sms",))
SHY = replace(DEVICE, incoming=False)


def client(name: str, *devices: Endpoint, account_sid: str = "AC1") -> Presence:
    return Presence(
        account_sid=account_sid,
        client=name,
        status="available",
        available=True,
        capabilities=("voice",),
        note="",
        version=3,
        updated_at=None,
        expires_at=None,
        uri="",
        endpoints=devices,
    )


def reach(*targets: Presence) -> Reach:
    return Reach(name="support", shared=len(targets) > 1, as_of=7, targets=targets)


def reasons(choice: Choice) -> dict[tuple[str, str], str]:
    return {(one.client, one.endpoint_id): one.reason for one in choice.skipped}


@pytest.mark.parametrize(
    ("devices", "outcome", "why"),
    [
        ((), Outcome.NOT_REGISTERED, {}),
        ((DEVICE,), Outcome.RING, {}),
        ((BUSY,), Outcome.BUSY, {"desk": "busy"}),
        ((AWAY,), Outcome.NOT_AVAILABLE, {"desk": "away"}),
        ((replace(AWAY, status="dnd"),), Outcome.NOT_AVAILABLE, {"desk": "dnd"}),
        ((replace(AWAY, status="lunch"),), Outcome.NOT_AVAILABLE, {"desk": "lunch"}),
        ((MUTE,), Outcome.NOT_AVAILABLE, {"desk": "no-capability"}),
        ((SHY,), Outcome.NOT_AVAILABLE, {"desk": "not-permitted"}),
        ((replace(BUSY, incoming=False),), Outcome.NOT_AVAILABLE, {"desk": "not-permitted"}),
        ((replace(AWAY, endpoint_id="b"), BUSY), Outcome.BUSY, {"b": "away", "desk": "busy"}),
        ((replace(BUSY, endpoint_id="b"), DEVICE), Outcome.RING, {"b": "busy"}),
    ],
)
def test_pr55_pr56_pr79_what_becomes_of_a_client(
    devices: tuple[Endpoint, ...], outcome: Outcome, why: dict[str, str]
) -> None:
    choice = choose(reach(client("alice", *devices)), Mode.ALL)
    assert choice.outcome is outcome
    assert reasons(choice) == {("alice", endpoint): reason for endpoint, reason in why.items()}
    assert choice.waves == ((("desk",),) if outcome is Outcome.RING else ())


DEVICES = (
    replace(DEVICE, endpoint_id="tab", priority=0, last_seen="2026-01-01T00:00:30Z"),
    replace(DEVICE, endpoint_id="desk", priority=5, last_seen="2026-01-01T00:00:10Z"),
    replace(DEVICE, endpoint_id="mobile", priority=0, last_seen="2026-01-01T00:00:40Z"),
)


@pytest.mark.parametrize(
    ("mode", "waves"),
    [
        (Mode.ALL, (("tab", "desk", "mobile"),)),
        (Mode.PRIORITY, (("desk",), ("tab", "mobile"))),
        (Mode.RECENT, (("mobile",), ("tab",), ("desk",))),
    ],
)
def test_pr51_ring_modes(mode: Mode, waves: tuple[tuple[str, ...], ...]) -> None:
    assert choose(reach(client("alice", *DEVICES)), mode).waves == waves


@pytest.mark.parametrize(
    ("targets", "outcome", "chosen"),
    [
        ((client("a", DEVICE), client("b", DEVICE)), Outcome.RING, "a"),
        ((client("a", AWAY), client("b", DEVICE)), Outcome.RING, "b"),
        ((client("a", BUSY), client("b", DEVICE)), Outcome.RING, "b"),
        ((client("a"), client("b", BUSY)), Outcome.BUSY, "b"),
        ((client("a", AWAY), client("b", BUSY), client("c", BUSY)), Outcome.BUSY, "b"),
        ((client("a", AWAY), client("b")), Outcome.NOT_AVAILABLE, None),
        ((client("a"), client("b")), Outcome.NOT_REGISTERED, None),
        ((), Outcome.NOT_REGISTERED, None),
    ],
)
def test_pr61_first_available_target_of_a_destination(
    targets: tuple[Presence, ...], outcome: Outcome, chosen: str | None
) -> None:
    choice = choose(reach(*targets), Mode.ALL)
    assert (choice.outcome, choice.target and choice.target.client) == (outcome, chosen)


def test_pr79_devices_of_other_targets_say_so() -> None:
    """Also when another account's client has a device of the same name."""
    choice = choose(reach(client("a", DEVICE), client("a", DEVICE, AWAY, account_sid="AC2")), Mode.ALL)
    other = {"account_sid": "AC2", "client": "a", "endpoint_id": "desk"}
    assert choice.skipped == (Skipped(**other, reason="other-target"), Skipped(**other, reason="away"))


devices = st.builds(
    lambda base, endpoint, priority, seen: replace(
        base, endpoint_id=endpoint, priority=priority, last_seen=seen
    ),
    st.sampled_from([DEVICE, BUSY, AWAY, MUTE, SHY]),
    st.sampled_from("abcdefgh"),
    st.integers(-2, 2),
    st.sampled_from(["2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z", "2026-01-01T00:00:02Z"]),
)
clients = st.builds(
    lambda name, each: client(name, *each),
    st.sampled_from("xyz"),
    st.lists(devices, max_size=5, unique_by=lambda device: device.endpoint_id),
)
destinations = st.lists(clients, max_size=4, unique_by=lambda one: one.client)


@given(destinations, st.sampled_from(Mode))
def test_pr79_every_device_is_in_one_wave_or_skipped(targets: list[Presence], mode: Mode) -> None:
    choice = choose(reach(*targets), mode)
    rung = [(choice.target.client, each) for wave in choice.waves for each in wave] if choice.target else []
    skipped = [(one.client, one.endpoint_id) for one in choice.skipped]
    there = [(one.client, device.endpoint_id) for one in targets for device in one.endpoints]
    assert Counter(rung + skipped) == Counter(there)
    assert all(choice.waves)
    assert bool(rung) == (choice.outcome is Outcome.RING)


@given(destinations, st.sampled_from(Mode))
def test_pr51_every_mode_rings_the_same_devices(targets: list[Presence], mode: Mode) -> None:
    """And a destination's later targets change nothing once one can be rung."""
    everybody, some = choose(reach(*targets), Mode.ALL), choose(reach(*targets), mode)
    assert sorted(each for wave in some.waves for each in wave) == sorted(
        each for wave in everybody.waves for each in wave
    )
    assert (some.outcome, some.target, some.skipped) == (
        everybody.outcome,
        everybody.target,
        everybody.skipped,
    )
    if some.outcome is Outcome.RING and some.target:
        until = targets[: targets.index(some.target) + 1]
        assert choose(reach(*until), mode).waves == some.waves
