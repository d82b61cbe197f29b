"""Whose turn it is to ring (PR-51)."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.signalling.waves import turn

DESK_THEN_OTHERS = (("desk",), ("mobile", "tablet"), ("kitchen",))


@pytest.mark.parametrize(
    ("now", "out", "wave", "asked", "ends"),
    [
        (100, {}, 0, {"desk"}, 115),
        (114.9, {}, 0, {"desk"}, 115),
        (115, {}, 1, {"mobile", "tablet"}, 130),
        (130, {}, 2, {"kitchen"}, inf),
        (9_999, {}, 2, {"kitchen"}, inf),
        (105, {"desk": 104}, 1, {"mobile", "tablet"}, 119),
        (105, {"desk": 104, "mobile": 105}, 1, {"tablet"}, 119),
        (106, {"desk": 104, "mobile": 105, "tablet": 106}, 2, {"kitchen"}, inf),
        (100, {"desk": 99, "mobile": 99, "tablet": 99}, 2, {"kitchen"}, inf),
        (116, {"desk": 115.5}, 1, {"mobile", "tablet"}, 130),
        (131, {"kitchen": 101}, 2, set(), inf),
    ],
)
def test_pr51_the_next_wave_comes_when_time_or_its_endpoints_run_out(
    now: float, out: dict[str, float], wave: int, asked: set[str], ends: float
) -> None:
    found = turn(DESK_THEN_OTHERS, 15, 100, now, out)
    assert (found.wave, found.asked, found.ends) == (wave, asked, ends)


def test_one_wave_rings_to_the_end() -> None:
    assert turn([["a", "b"]], 0.0, 100, 5_000, {"b": 200}).asked == {"a"}


def test_no_wave_rings_nobody() -> None:
    assert turn([], 0.0, 100, 100, {}).asked == frozenset()


NAMES = st.sampled_from("abcdef")
WAVES = st.lists(st.lists(NAMES, min_size=1, max_size=3, unique=True), min_size=1, max_size=4)
MOMENTS = st.floats(0, 200)


@given(WAVES, st.floats(1, 60), MOMENTS, MOMENTS, st.dictionaries(NAMES, MOMENTS))
def test_pr51_turns_never_go_back_and_never_ask_who_is_out(
    waves: list[list[str]], every: float, one: float, other: float, out: dict[str, float]
) -> None:
    """What is known later of `out` lies after the moment that is asked about, as in life."""
    early, late = sorted((one, other))
    before = turn(waves, every, 0.0, early, {who: at for who, at in out.items() if at <= early})
    after = turn(waves, every, 0.0, late, {who: at for who, at in out.items() if at <= late})
    assert before.wave <= after.wave < len(waves)
    assert after.ends > late
    assert not after.asked & {who for who, at in out.items() if at <= late}
    assert after.asked <= set(waves[after.wave])


@given(WAVES, st.floats(1, 60), MOMENTS, st.dictionaries(NAMES, MOMENTS))
def test_pr51_at_the_end_of_a_turn_the_next_one_begins(
    waves: list[list[str]], every: float, now: float, out: dict[str, float]
) -> None:
    present = turn(waves, every, 0.0, now, out)
    if present.ends < inf:
        assert turn(waves, every, 0.0, present.ends, out).wave > present.wave
