"""The pure rules of carriers' queues: the breaker (PQ-8), the pace (PQ-3) and the lane (PQ-5)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callrouter.messages.queue.breaker import FAILURES, LONGEST, Breaker, State
from callrouter.messages.queue.entering import lane
from callrouter.messages.queue.pace import AHEAD, slots


def failed(breaker: Breaker, times: int, now: float) -> Breaker:
    for _ in range(times):
        breaker = breaker.failed(now)
    return breaker


def test_pq8_failures_in_a_row_open_it_and_a_success_starts_the_count_anew() -> None:
    almost = failed(Breaker(), FAILURES - 1, 10.0)
    assert almost.state is State.CLOSED
    assert failed(almost.succeeded(), FAILURES - 1, 10.0).state is State.CLOSED
    assert almost.failed(11.0) == Breaker(state=State.OPEN, failures=FAILURES, opened_at=11.0)


def test_pq8_after_its_pause_one_message_probes_and_decides() -> None:
    open_ = failed(Breaker(), FAILURES, 10.0)
    assert [open_.room(7), open_.at(10.5).room(7), open_.at(11.0).room(7)] == [0, 0, 1]
    probing = open_.at(11.0)
    assert probing.state is State.HALF_OPEN
    assert probing.succeeded() == Breaker()
    again = probing.failed(12.0)
    assert (again.state, again.opened_at, again.until) == (State.OPEN, 12.0, 14.0)


def test_pq8_what_was_under_way_when_it_opened_makes_no_pause_longer() -> None:
    open_ = failed(Breaker(), FAILURES, 10.0)
    assert failed(open_, 50, 10.4) == open_


@given(st.integers(min_value=0, max_value=10_000))
def test_pq8_pauses_are_bounded(probes: int) -> None:
    breaker = Breaker(state=State.OPEN, failures=FAILURES + probes, opened_at=0.0)
    assert 0 < breaker.until <= LONGEST


@given(
    segments=st.lists(st.integers(min_value=1, max_value=11), max_size=60),
    rate=st.floats(min_value=0.1, max_value=500),
    gaps=st.lists(st.floats(min_value=0, max_value=3), min_size=1, max_size=20),
)
def test_pq3_slots_never_overlap_however_late_they_are_claimed(
    segments: list[int], rate: float, gaps: list[float]
) -> None:
    now, next_at, end, left = 100.0, 0.0, 0.0, segments
    for gap in gaps:
        now += gap
        given_ = slots(left, rate=rate, next_at=next_at, now=now)
        for start, count in zip(given_.leave_at, left, strict=False):
            assert now <= start <= now + AHEAD
            assert start >= end - 1e-9
            end = start + count / rate
        next_at, left = given_.next_at, left[len(given_.leave_at) :]


def test_pq3_without_a_rate_all_leave_at_once_unless_a_pause_was_asked_for() -> None:
    assert slots([1, 5, 9], rate=0, next_at=0.0, now=7.0).leave_at == (7.0, 7.0, 7.0)
    assert slots([1, 5, 9], rate=0, next_at=8.0, now=7.0).leave_at == ()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("AC1", "+1", "+2"), ("AC2", "+1", "+2")),
        (("AC1", "+1", "+2"), ("AC1", "+2", "+1")),
        (("AC1", "+1", "+23"), ("AC1", "+12", "+3")),
    ],
)
def test_pq5_other_pairs_are_other_lanes(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    assert lane(*one) == lane(*one) != lane(*other)
