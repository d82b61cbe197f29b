"""The rule by which a route is chosen, as arithmetic (MR-5 to MR-9, PQ-2)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callrouter.messages.routing.score import (
    EXPLORED,
    HALF_LIFE,
    NEWEST,
    PRIOR,
    SHARE,
    Candidate,
    Count,
    Evidence,
    draw,
    expected_wait,
    rank,
    weigh,
)


def evidence(delivered: float, outcomes: float, latency: float | None = None) -> Evidence:
    return Evidence(outcomes=outcomes, delivered=delivered, latency=latency)


def best(*candidates: Candidate) -> list[str]:
    """The carriers that lead."""
    return [one.candidate.carrier for one in rank(candidates) if one.leading]


def order(**known: Evidence) -> list[str]:
    ranked = rank([Candidate(carrier=name, evidence=its) for name, its in known.items()])
    return [one.candidate.carrier for one in ranked]


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({"a": evidence(95, 100), "b": evidence(60, 100), "c": evidence(10, 100)}, ["a", "b", "c"]),
        ({"a": evidence(95, 100), "b": evidence(1, 1), "c": evidence(10, 100)}, ["a", "b", "c"]),
        ({"a": evidence(95, 100), "b": evidence(0, 1), "c": evidence(10, 100)}, ["a", "b", "c"]),
        ({"a": evidence(95, 100), "b": evidence(3, 3), "c": evidence(30, 100)}, ["a", "b", "c"]),
        ({"a": evidence(180, 200), "b": evidence(0, 0), "c": evidence(0, 20)}, ["a", "b", "c"]),
    ],
)
def test_few_outcomes_stand_in_the_middle(known: dict[str, Evidence], expected: list[str]) -> None:
    """MR-6: neither one delivery nor one loss makes a route first or last."""
    assert order(**known) == expected


def test_what_is_equally_good_goes_by_cost_then_latency_then_weight() -> None:
    """MR-6, MR-1."""
    a = Candidate(carrier="a", evidence=evidence(190, 200, 2.0), cost=0.02)
    b = Candidate(carrier="b", evidence=evidence(188, 200, 9.0), cost=0.01)
    c = Candidate(carrier="c", evidence=evidence(100, 200, 0.1), cost=0.0)
    d = Candidate(carrier="d", evidence=evidence(188, 200, 2.5), cost=0.01, weight=3)
    e = Candidate(carrier="e", evidence=evidence(188, 200, 2.0), cost=0.01, weight=1)
    assert best(a, c) == ["a"], "a cheap route that loses half is no bargain"
    assert best(a, b, c) == ["b"], "as good and cheaper"
    assert best(a, b, c, d) == ["d"], "as good, as cheap, quicker"
    shares = {one.candidate.carrier: one.share for one in rank([a, b, c, d, e], explore=False)}
    assert shares == {"a": 0, "b": 0, "c": 0, "d": 0.75, "e": 0.25}


def test_a_long_queue_costs_a_route_its_lead() -> None:
    """PQ-2: what a queue makes wait counts against its route, in proportion to what it delivers."""
    good, fair = evidence(190, 200), evidence(120, 200)
    for wait, expected in ((0, "good"), (120, "good"), (300, "fair")):
        ranked = best(
            Candidate(carrier="good", evidence=good, wait=wait), Candidate(carrier="fair", evidence=fair)
        )
        assert ranked == [expected]


@pytest.mark.parametrize(
    ("backlog", "taken", "assumed", "busy", "expected"),
    [
        (0, 0.0, 10, 0, 0.0),
        (100, 0.0, 10, 0, 10.0),  # nothing measured: what is assumed
        (100, 2.0, 10, 300, 50.0),  # measured for long
        (100, 0.0, 10, 3_000, 1_000.0),  # it stands still
        (100, 10 * (1 - 0.3679), 10, 30, 10.0),  # measured in part, at the assumed speed
    ],
)
def test_expected_wait(backlog: int, taken: float, assumed: float, busy: float, expected: float) -> None:
    """PQ-2: backlog over rate."""
    wait = expected_wait(backlog, taken=taken, assumed=assumed, busy=busy)
    assert wait == pytest.approx(expected, rel=0.01)


def test_a_sick_carrier_is_only_tried() -> None:
    """PQ-8: without messages its breaker could never close."""
    sick = Candidate(carrier="sick", evidence=evidence(200, 200), probing=True)
    fair = Candidate(carrier="fair", evidence=evidence(120, 200))
    shares = {one.candidate.carrier: one.share for one in rank([sick, fair])}
    assert 0 < shares["sick"] < 0.15
    assert best(sick, fair) == ["fair"]
    assert best(sick) == ["sick"], "when there is no other"


a_count = st.builds(
    Count,
    account=st.sampled_from(["me", "b", "c", "d", "e", "f", "g", "h"]),
    age=st.floats(0, 200_000),
    delivered=st.integers(-3, 10_000),
    lost=st.integers(-3, 10_000),
    latency=st.floats(0, 1e6),
)
a_candidate = st.builds(
    Candidate,
    carrier=st.uuids().map(str),
    cost=st.floats(0, 10),
    weight=st.floats(0.01, 1_000),
    wait=st.floats(0, 100_000),
    probing=st.booleans(),
    evidence=st.lists(a_count, max_size=8).map(lambda counts: weigh(counts, "me")),
)


@given(st.lists(a_candidate, min_size=1, max_size=6), st.booleans(), st.floats(0, 1, exclude_max=True))
def test_shares_make_one(candidates: list[Candidate], explore: bool, at: float) -> None:
    """Every route has its place; the leading one keeps most; what is drawn has a share."""
    ranked = rank(candidates, explore=explore)
    assert len(ranked) == len(candidates)
    assert sum(one.share for one in ranked) == pytest.approx(1)
    explored = sum(one.share for one in ranked if not one.leading)
    assert explored == 0 or EXPLORED - 1e-9 <= explored <= 0.25 + 1e-9
    assert explored == 0 or explore
    chosen = draw(ranked, lambda: at)
    assert chosen.share > 0 or chosen is ranked[0]


@given(st.lists(a_count, max_size=20))
def test_evidence_is_never_absurd(counts: list[Count]) -> None:
    known = weigh(counts, "me")
    assert 0 <= known.delivered <= known.outcomes + 1e-6
    assert 0 < known.rate < 1
    assert 0 < known.doubt < 0.5


@given(
    st.lists(a_count, max_size=12),
    st.integers(0, 100_000),
    st.integers(0, 100_000),
)
def test_no_account_moves_anothers_ranking_beyond_its_share(
    others: list[Count], delivered: int, lost: int
) -> None:
    """MR-9: however much one account reports, it makes up its share of the evidence at most: a lie about all of its
    messages moves the rate that others are served by no further."""
    honest = [replace(count, delivered=0) for count in others if count.account != "h"]
    true = weigh([*honest, Count(account="h", age=0, delivered=delivered, lost=lost)], "me")
    false = weigh([*honest, Count(account="h", age=0, delivered=lost, lost=delivered)], "me")
    assert true.delivered <= SHARE * (true.outcomes + PRIOR) + 1e-6
    assert abs(true.rate - false.rate) <= SHARE + 1e-9


def test_an_accounts_own_evidence_counts_in_full() -> None:
    own, other = (
        Count(account="me", age=0, delivered=10, lost=90),
        Count(account="b", age=0, delivered=100, lost=0),
    )
    assert weigh([own], "me").outcomes == pytest.approx(100)
    mixed = weigh([own, other], "me")
    assert mixed.outcomes - 100 == pytest.approx(SHARE * (mixed.outcomes + 10))


def test_evidence_fades() -> None:
    """MR-5: half after the half-life; and of a busy route only the newest outcomes count."""
    fresh = weigh([Count(account="me", age=0, delivered=8, lost=2)], "me")
    old = weigh([Count(account="me", age=HALF_LIFE, delivered=8, lost=2)], "me")
    assert (fresh.outcomes, old.outcomes, old.delivered) == pytest.approx((10, 5, 4))
    before, since = (
        Count(account="me", age=600, delivered=9_500, lost=500),
        Count(account="me", age=0, delivered=0, lost=NEWEST),
    )
    assert weigh([before], "me").outcomes == pytest.approx(NEWEST, rel=0.02)
    assert weigh([before, since], "me").delivered == 0


@dataclass
class Gateways:
    """Messages through routes with hidden rates; a report comes at once, or never and counts 40 messages later."""

    random: Random
    rates: dict[str, float]
    mute: str = ""
    at: int = 0
    counts: Counter[tuple[str, int, bool]] = field(default_factory=Counter)

    def send(self, messages: int) -> Counter[str]:
        chosen = Counter[str]()
        for _ in range(messages):
            self.at += 1
            carrier = draw(rank(self._candidates()), self.random.random).candidate.carrier
            arrived = carrier != self.mute and self.random.random() < self.rates[carrier]
            known_at = self.at if arrived else self.at + 40
            self.counts[carrier, known_at // 10 * 10, arrived] += 1
            chosen[carrier] += 1
        return chosen

    def _candidates(self) -> Sequence[Candidate]:
        known: dict[str, list[Count]] = {name: [] for name in self.rates}
        for (carrier, at, arrived), number in self.counts.items():
            if self.at - 600 < at <= self.at:
                told, lost = (number, 0) if arrived else (0, number)
                known[carrier].append(Count(account="me", age=self.at - at, delivered=told, lost=lost))
        return [Candidate(carrier=name, evidence=weigh(counts, "me")) for name, counts in known.items()]


@pytest.mark.parametrize("seed", range(4))
def test_messages_find_the_route_that_delivers_and_follow_it(seed: int) -> None:
    """MR, acceptance: three gateways with hidden rates; most messages go by the best; swapped, they move there; one
    whose reports fall silent is left."""
    gateways = Gateways(Random(seed), {"a": 0.95, "b": 0.60, "c": 0.10})
    assert gateways.send(300)["a"] > 150
    assert gateways.send(200)["a"] > 170
    gateways.rates = {"a": 0.10, "b": 0.60, "c": 0.95}
    gateways.send(900)
    assert gateways.send(200)["c"] > 140
    gateways.mute = "c"
    gateways.send(300)
    assert gateways.send(200)["c"] < 40
