"""Which points the ordinary kill tests try."""

from hypothesis import given
from hypothesis import strategies as st
from killing import Point, one_commit_of_each_step, one_of_each_step

WHERE = ["before", "after", "before-commit", "after-commit"]
POINTS = st.dictionaries(
    st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(WHERE)), st.integers(1, 5), min_size=1
).map(
    lambda passes: [(".".join(name), turn) for name, turns in passes.items() for turn in range(1, turns + 1)]
)


def steps(points: list[Point]) -> list[str]:
    return [name.rpartition(".")[0] for name, _turn in points]


@given(POINTS, st.randoms())
def test_one_point_of_each_step_whatever_their_order(points: list[Point], chance: object) -> None:
    chosen = one_of_each_step(points)
    assert set(chosen) <= set(points)
    assert sorted(steps(chosen)) == sorted(set(steps(points)))
    chance.shuffle(points)  # type: ignore[attr-defined]
    assert one_of_each_step(points) == chosen


def test_before_and_after_and_first_and_last_by_turns() -> None:
    passes = [
        (f"{step}.{where}", turn) for step in "abcd" for where in ("after", "before") for turn in (1, 2, 3)
    ]
    assert one_of_each_step(passes) == [("a.after", 1), ("b.before", 1), ("c.after", 3), ("d.before", 3)]


def test_of_commits_alone() -> None:
    passes = [("a.before-commit", 1), ("a.after-commit", 1), ("b.before", 1), ("b.after", 1)]
    assert one_commit_of_each_step(passes) == [("a.after-commit", 1)]
