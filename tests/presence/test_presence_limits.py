"""Refusals are limited for each address, before anything is computed, and nobody else notices."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from presence_world import App, Tenant, World

from presence.access import limits
from presence.access.limits import RefusalLimit, network
from presence.access.refusals import AccessRefused, Refusal


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Door:
    """A limit of 5 a second and 20 at once, whose verifier counts what reaches it."""

    def __init__(self, rate: float = 5.0) -> None:
        self.clock = Clock()
        self.limit = RefusalLimit(rate, self.clock)
        self.verified = 0

    def come(self, credentials: str, address: str = "192.0.2.1", refusal: Refusal | None = None) -> None:
        with self.limit.watching(address, credentials):
            self.verified += 1
            if refusal is not None:
                raise AccessRefused(refusal)

    def refused(self, credentials: str = "bad", address: str = "192.0.2.1") -> AccessRefused:
        with pytest.raises(AccessRefused) as refused:
            self.come(credentials, address, Refusal.SIGNATURE)
        return refused.value


def test_pr4_after_a_burst_an_address_is_refused_before_anything_is_computed() -> None:
    door = Door()
    assert {door.refused().refusal for _ in range(20)} == {Refusal.SIGNATURE}
    late = door.refused()
    assert (late.refusal, late.codes.rest, late.codes.signal, late.retry_after) == (
        Refusal.RATE,
        20429,
        31206,
        1,
    )
    assert door.verified == 20
    door.clock.now += 0.2
    assert door.refused().refusal is Refusal.SIGNATURE
    assert door.refused().refusal is Refusal.RATE


def test_a_slow_limit_says_how_long_to_wait() -> None:
    door = Door(rate=0.25)
    assert door.refused().refusal is Refusal.SIGNATURE
    assert door.refused().retry_after == 4
    door.clock.now += 1.5
    assert door.refused().retry_after == 3


def test_other_addresses_are_not_disturbed() -> None:
    door = Door()
    for _ in range(100):
        door.refused()
    door.come("good", "192.0.2.2")
    assert door.refused(address="192.0.2.2").refusal is Refusal.SIGNATURE


def test_credentials_that_were_good_pass_a_flood_from_their_own_address() -> None:
    door = Door()
    door.come("good")
    for _ in range(100):
        door.refused()
    door.come("good")
    with pytest.raises(AccessRefused):
        door.come("good too, but new")
    door.clock.now += 1
    door.come("good too, but new")


def test_credentials_that_are_good_no_more_are_counted_and_then_held_back() -> None:
    door = Door()
    door.come("good")
    assert [door.refused("good").refusal for _ in range(21)][-2:] == [Refusal.SIGNATURE, Refusal.RATE]


def test_success_and_permission_failures_cost_nothing() -> None:
    door = Door()
    for _ in range(100):
        door.come("good")
        with pytest.raises(AccessRefused) as refused:
            door.come("good", refusal=Refusal.FOREIGN)
        assert refused.value.refusal is Refusal.FOREIGN


def test_a_fault_of_ours_is_no_refusal() -> None:
    door = Door()
    for _ in range(100):
        with pytest.raises(OSError, match="away"), door.limit.watching("192.0.2.1", "x"):
            raise OSError("the database is away")
    assert door.refused().refusal is Refusal.SIGNATURE


def test_it_can_be_switched_off_and_unknown_addresses_pass() -> None:
    for door, address in ((Door(rate=0), "192.0.2.1"), (Door(), "")):
        assert {door.refused(address=address).refusal for _ in range(100)} == {Refusal.SIGNATURE}


def test_a_flood_from_many_addresses_does_not_grow_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ADDRESSES", 50)
    monkeypatch.setattr(limits, "GOOD", 50)
    door = Door()
    for n in range(500):
        door.refused(address=f"198.51.100.{n}")
        door.come(f"good {n}")
    assert len(door.limit._buckets) == len(door.limit._good) == 50


@given(st.lists(st.tuples(st.floats(0, 5), st.sampled_from(["a", "b"])), max_size=80))
def test_no_address_ever_has_more_than_its_rate_and_burst(steps: list[tuple[float, str]]) -> None:
    door = Door()
    let = {"a": 0, "b": 0}
    for wait, address in steps:
        door.clock.now += wait
        let[address] += door.refused(address=address).refusal is Refusal.SIGNATURE
    assert max(let.values()) <= 20 + 5 * (door.clock.now - 1000.0)


@pytest.mark.parametrize(
    ("address", "same", "other"),
    [
        ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
        ("::ffff:192.0.2.1", "192.0.2.1", "192.0.2.2"),
        ("2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1"),
        ("fe80::1%eth0", "fe80::2", "fe81::1"),
        ("unix", "unix", "unix2"),
    ],
)
def test_an_ipv6_customer_is_one_client(address: str, same: str, other: str) -> None:
    assert network(address) == network(same) != network(other)


# Over real connections: by default, the limit is on


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    running = World(tmp_path_factory.mktemp("limited"), refusals_per_second=0.1).start()
    yield running
    running.close()


def flood(tenant: Tenant) -> requests.Response:
    for _ in range(3):
        answer = tenant.register("mallory", token="a.b.c")
        if answer.status_code == 429:
            return answer
        assert answer.status_code == 401
    raise AssertionError("nothing limits refusals")


def test_a_flood_over_http_gets_429_and_valid_clients_do_not_notice(limited: World) -> None:
    tenant = limited.tenant()
    mine = tenant.token("alice")
    assert tenant.register("alice", token=mine).status_code == 201
    answer = flood(tenant)
    assert answer.json()["code"] == 20429
    assert 1 <= int(answer.headers["Retry-After"]) <= 10
    assert tenant.register("alice", token=mine).status_code == 200
    assert tenant.register("bob").status_code == 429  # not seen before: it comes again
    assert limited.client.presence(tenant.account, "alice").available  # our router: never limited


def test_a_flood_over_sockets_gets_31206_and_is_closed(limited: World) -> None:
    tenant = limited.tenant()
    with suppress(AssertionError):
        flood(tenant)
    app = limited.app()
    app.send("listen", token="a.b.c", browserinfo={"p": "browser"})
    assert app.expect("error")["error"]["code"] == 31206
    assert app.closed() == 1000


def test_a_client_that_is_in_may_renew_its_token_during_a_flood(tmp_path: Path) -> None:
    world = World(tmp_path, refusals_per_second=0.1).start()
    try:
        tenant = world.tenant()
        app: App = tenant.app("alice")
        assert flood(tenant).status_code == 429
        app.listen(tenant.token("alice", ttl=1800))
        assert app.expect("ready") == {}  # the registration has the new token
    finally:
        world.close()
