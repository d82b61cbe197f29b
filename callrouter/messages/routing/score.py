"""The rule by which a route is chosen: arithmetic over what got delivered, how long it would wait, and what it costs.

1. **Rate.** Of `n` outcomes `d` were deliveries: the rate is (d + 7) / (n + 10), as if ten messages had gone before,
   seven of which arrived. So a route with few outcomes stands in the middle, neither first nor last (MR-6).
2. **Bound.** The rate less one standard deviation of it.
3. **Score.** The bound, times 300 / (300 + expected wait in seconds): waiting five minutes halves it (PQ-2).
4. **Leading** are the routes within 5 % of the best score; of these the cheapest; of these the quickest to be
   delivered, where a quarter and a second more are no difference. What is equal then shares by weight.
5. **Exploration.** 5 % of the messages, or a quarter of what the leading route loses if that is more, go to the
   others, by weight and by how little is known of them, so that one that got better is found out (MR-7).

Outcomes fade: they count half after twelve hours, and only the newest 200 of an account count (MR-5). No other
account makes up more than a fifth of the evidence that an account is served by (MR-9); a subaccount is its owner.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import exp, sqrt

PRIOR, PRIOR_RATE = 10.0, 0.7
PATIENCE = 300.0
EQUAL = 0.05
SLOWER, SLOWER_SECONDS = 1.25, 1.0
EXPLORED, EXPLORED_OF_LOSS = 0.05, 0.25
HALF_LIFE = 12 * 3600.0
NEWEST = 200
SHARE = 0.2
MEASURED = 30.0
SLOWEST = 0.1
"""messages in a second: what a queue that stands still is taken to do"""


@dataclass(frozen=True, kw_only=True)
class Count:
    """What became of an account's messages by a route, at an age in seconds. `latency`: seconds, of the delivered."""

    account: str
    age: float
    delivered: int
    lost: int
    latency: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Counts, faded and capped. `latency`: mean seconds from hand-off to report; None when none is known."""

    outcomes: float = 0.0
    delivered: float = 0.0
    latency: float | None = None

    @property
    def rate(self) -> float:
        return (self.delivered + PRIOR * PRIOR_RATE) / (self.outcomes + PRIOR)

    @property
    def doubt(self) -> float:
        """The standard deviation of the rate."""
        return sqrt(self.rate * (1 - self.rate) / (self.outcomes + PRIOR + 1))


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """`route`: the operator's prefix. `wait`: seconds. `probing`: its carrier failed just now, and is only tried."""

    carrier: str
    route: str = "+"
    cost: float = 0.0
    weight: float = 1.0
    evidence: Evidence = Evidence()
    wait: float = 0.0
    probing: bool = False

    @property
    def score(self) -> float:
        return (self.evidence.rate - self.evidence.doubt) * PATIENCE / (PATIENCE + self.wait)


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """`share`: how likely it is chosen. `leading`: for what it is, and not to explore."""

    candidate: Candidate
    share: float
    leading: bool


def rank(candidates: Sequence[Candidate], *, explore: bool = True, least: float = EXPLORED) -> list[Ranked]:
    """All of them, best first; their shares add up to 1. `least` is explored, or more when the best is not good."""
    leading = _leading([one for one in candidates if not one.probing] or candidates)
    others = [one for one in candidates if one not in leading and one.wait <= PATIENCE and explore]
    loss = 1 - max((one.evidence.rate for one in leading), default=1.0)
    explored = max(least, EXPLORED_OF_LOSS * loss) if others else 0.0
    total = sum(one.weight for one in leading)
    doubts = sum(one.weight * one.evidence.doubt for one in others)

    def share(one: Candidate) -> float:
        if one in leading:
            return (1 - explored) * one.weight / total
        return explored * one.weight * one.evidence.doubt / doubts if one in others else 0.0

    ranked = [Ranked(candidate=one, share=share(one), leading=one in leading) for one in candidates]
    return sorted(ranked, key=lambda one: (not one.leading, -one.candidate.score, one.candidate.carrier))


def draw(ranked: Sequence[Ranked], random: Callable[[], float]) -> Ranked:
    """One of them, by its share. `random` answers with a number from 0 up to 1."""
    left = random()
    for one in ranked:
        left -= one.share
        if left < 0:
            return one
    return ranked[0]


def _leading(candidates: Sequence[Candidate]) -> list[Candidate]:
    if not candidates:
        return []
    best = max(one.score for one in candidates)
    good = [one for one in candidates if one.score >= best * (1 - EQUAL)]
    cheapest = min(one.cost for one in good)
    cheap = [one for one in good if one.cost == cheapest]
    known = [one.evidence.latency for one in cheap if one.evidence.latency is not None]
    longest = min(known, default=0.0) * SLOWER + SLOWER_SECONDS
    return [one for one in cheap if one.evidence.latency is None or one.evidence.latency <= longest]


def weigh(counts: Iterable[Count], own: str) -> Evidence:
    """The evidence for messages of the account `own`: all of its own, and of others no more than their share."""
    ordered = sorted(counts, key=lambda count: (count.account, count.age))
    faded = {account: _faded(list(its)) for account, its in groupby(ordered, key=lambda one: one.account)}
    mine = faded.pop(own, (0.0, 0.0, 0.0))
    limit = _limit(mine[0] + PRIOR, [outcomes for outcomes, _, _ in faded.values()])
    parts = [mine]
    for outcomes, delivered, latency in faded.values():
        part = min(1.0, limit / outcomes) if outcomes else 0.0
        parts.append((outcomes * part, delivered * part, latency * part))
    outcomes, delivered, latency = (sum(column) for column in zip(*parts, strict=True))
    return Evidence(
        outcomes=outcomes, delivered=delivered, latency=latency / delivered if delivered > 0 else None
    )


def _faded(newest_first: Sequence[Count]) -> tuple[float, float, float]:
    """Outcomes, delivered and summed latency, as far as they still count."""
    outcomes = delivered = latency = 0.0
    room = float(NEWEST)
    for count in newest_first:
        # A correction may stand apart from what it corrects, until old periods are folded.
        all_of_it = max(0, count.delivered) + max(0, count.lost)
        if all_of_it and room > 0:
            part = min(1.0, room / all_of_it)
            room -= all_of_it * part
            weight = part * 0.5 ** (max(0.0, count.age) / HALF_LIFE)
            outcomes += all_of_it * weight
            delivered += max(0, count.delivered) * weight
            latency += max(0.0, count.latency) * weight
    return outcomes, delivered, latency


def _limit(base: float, others: Iterable[float]) -> float:
    """How many outcomes of another account count at most: SHARE of the total that this makes."""
    descending = sorted(others, reverse=True)
    for capped in range(len(descending) + 1):
        rest = descending[capped:]
        total = (base + sum(rest)) / (1 - SHARE * capped)
        if not rest or rest[0] <= SHARE * total:
            return SHARE * total
    return 0.0


def expected_wait(backlog: int, *, taken: float, assumed: float, busy: float) -> float:
    """Seconds until a message that comes now has left (PQ-2).

    `taken`: messages in a second, as measured over MEASURED seconds. `busy`: for so long there has been a backlog; what
    the measurement has not seen of that time yet is filled with the `assumed` speed.
    """
    return backlog / max(taken + assumed * exp(-busy / MEASURED), SLOWEST)
