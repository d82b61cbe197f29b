"""What is said to have become of a message: its status and the evidence (MR-2 to MR-4, MR-8, MR-11, I5, F24, F25)."""

import asyncio
from collections import Counter
from collections.abc import Callable
from itertools import permutations
from random import Random

import pytest
from sqlalchemy import Connection, select

from callrouter import models
from callrouter.messages import states
from callrouter.messages.queue import entering
from callrouter.messages.queue.claims import QUEUE, Claimed
from callrouter.messages.routing import evidence, reports, rounds
from callrouter.messages.routing.fate import Feedback, Outcome, fate
from callrouter.messages.routing.operator import wishes
from callrouter.messages.status import Status, may_move
from foundation.db import Database
from foundation.sids import MESSAGE, new_sid
from foundation.webserver.errors import ApiError
from tests.messages.routes_world import NUMBER, PHONE, World, routes_database, world

__all__ = ["routes_database", "world"]
CALLBACK = "https://app.test/status"


@pytest.fixture
def two(world: World) -> World:
    """Carriers a and b."""
    world.carrier("a")
    world.carrier("b")
    return world


def callbacks(world: World, sid: str) -> list[str]:
    """Statuses that the app is told."""
    outbox = models.Outbox.__table__.c
    query = select(outbox.payload).where(outbox.call_sid == sid, outbox.kind == "callback")
    return [row.payload["parameters"]["MessageStatus"] for row in world.all(query.order_by(outbox.position))]


def waits(world: World, sid: str) -> bool:
    return bool(world.all(select(QUEUE.c.position).where(QUEUE.c.message_sid == sid)))


def silence(world: World) -> None:
    asyncio.run(rounds.silence(world.database, world.now))


def move(world: World, sid: str, to: str) -> None:
    """The message leaves its queue for that of another carrier, as one that may have been taken."""

    def unit(connection: Connection) -> None:
        queued = connection.execute(select(QUEUE).where(QUEUE.c.message_sid == sid)).one()
        message = states.found(connection, world.account, sid)
        assert entering.move(connection, queued, message, world.now, lambda: 0.0, possible_duplicate=True)

    world.write(unit)
    assert [row.carrier for row in world.all(select(QUEUE.c.carrier))] == [to]


def test_a_report_ends_a_message(two: World) -> None:
    """MR-3: the carrier's webhook; its answer to the send counts as sent and nothing more."""
    sid = two.sent("a", status_callback=CALLBACK)
    assert two.counts("a") == (1, 0, 0, 0)
    two.now += 3
    assert two.report("a", sid, "delivered") is Status.DELIVERED
    row = two.message(sid)
    assert (row.status, row.error_code, row.reported_at, row.due_at) == ("delivered", None, two.now, None)
    assert two.counts("a") == (1, 1, 0, 0)
    assert two.report("a", sid, "read") is Status.READ
    assert two.counts("a") == (1, 1, 0, 0)
    assert callbacks(two, sid) == ["sent", "delivered", "read"]


@pytest.mark.parametrize(
    ("code", "stored"), [(30003, 30003), (None, 30008), (1, 30008), (-30003, 30008), (10**12, 30008)]
)
def test_a_loss_has_one_of_twilios_codes(two: World, code: int | None, stored: int) -> None:
    sid = two.sent("a")
    assert two.report("a", sid, "failed", code) is Status.UNDELIVERED
    assert two.message(sid).error_code == stored
    assert two.counts("a") == (1, 0, 1, 0)


def test_every_order_of_contradicting_reports_ends_once(two: World) -> None:
    """F25, I5: the first of those that contradict each other stands, the status never moves back, the app hears of one
    end, and what changed nothing is history."""
    for order in sorted(set(permutations(("delivered", "undelivered", "delivered", "read")))):
        sid = two.sent("a", status_callback=CALLBACK)
        before = two.counts("a")
        seen = [two.report("a", sid, status) for status in order]
        arrived = order[0] in ("delivered", "read")
        end = Status.UNDELIVERED if not arrived else Status.READ
        assert seen[-1] is end
        assert callbacks(two, sid)[1] == (order[0] if arrived else "undelivered")
        assert ("undelivered" in callbacks(two, sid)) is not arrived
        change = tuple(after - old for after, old in zip(two.counts("a"), before, strict=True))
        assert change == ((0, 1, 0, 0) if arrived else (0, 0, 1, 0))
        timeline = models.TimelineEntry.__table__.c
        history = two.all(select(timeline.summary).where(timeline.call_sid == sid))
        assert len(history) >= (1 if arrived else 2)
        assert all("changes nothing" in row.summary for row in history)


def test_history_is_bounded(two: World) -> None:
    """I14."""
    sid = two.sent("a")
    two.report("a", sid, "delivered")
    for _ in range(5):
        two.report("a", sid, "failed")
    timeline = models.TimelineEntry.__table__.c
    assert len(two.all(select(timeline.position).where(timeline.call_sid == sid))) == 1


def test_unknown_and_foreign_messages_are_refused_alike(two: World) -> None:
    """MR-8: a carrier learns nothing about messages that it was never given."""
    sid, unknown = two.sent("a"), new_sid(MESSAGE)
    arrived = two.sent("a", direction="inbound")
    for carrier, its in (("b", sid), ("a", unknown), ("a", arrived), ("nobody", sid), ("presence", sid)):
        with pytest.raises(ApiError) as refusal:
            two.report(carrier, its, "delivered")
        assert refusal.value.status == 404
        assert refusal.value.message == f"Carrier {carrier!r} has no message {its!r} here."
    with pytest.raises(ApiError) as refusal:
        two.report("a", sid, "lost")
    assert (refusal.value.status, two.message(sid).status) == (400, "sent")
    assert two.counts("a") == (2, 0, 0, 0)


@pytest.mark.parametrize("status", ["delivered", "undelivered", "read"])
def test_a_report_may_overtake_the_answer_to_the_hand_off(two: World, status: str) -> None:
    """OM9 before OM8: it counts, the message is not sent again, and the answer changes nothing any more."""
    sid = two.queued("a")
    claimed = two.claimed(sid)
    end = two.report("a", sid, status)
    assert end is (Status.UNDELIVERED if status == "undelivered" else Status.DELIVERED)
    assert not waits(two, sid)
    counts = two.counts("a")
    assert counts == ((1, 0, 1, 0) if status == "undelivered" else (1, 1, 0, 0))
    two.taken(claimed)
    assert (two.message(sid).status, two.counts("a")) == (end, counts)


def test_a_report_from_where_it_was_before_stops_the_next_carrier(two: World) -> None:
    """MR-11: a took it and fell silent, it went over to b; a's word that it arrived takes it out of b's queue, a's
    word that it did not leaves it there."""
    lost = two.queued("a")
    two.claimed(lost)
    move(two, lost, "b")
    assert two.report("a", lost, "undelivered") is Status.SENDING
    assert waits(two, lost)
    two.taken(two.claimed(lost))
    assert two.message(lost).carrier == "b"
    arrived = two.queued("a")
    two.claimed(arrived)
    move(two, arrived, "b")
    claimed = two.claimed(arrived)
    assert two.report("a", arrived, "delivered") is Status.DELIVERED
    assert not waits(two, arrived)
    two.taken(claimed)
    assert (two.message(arrived).status, two.message(arrived).carrier) == ("delivered", "a")
    assert (two.counts("a"), two.counts("b")) == ((1, 1, 0, 0), (1, 0, 0, 0))
    assert two.report("a", lost, "delivered") is Status.DELIVERED, "b has it, but a had delivered it"
    assert (two.counts("a"), two.counts("b")) == ((2, 2, 0, 0), (1, 0, 0, 0))


def test_silence_counts_as_lost_until_somebody_speaks(two: World) -> None:
    """MR-4: no report in time is a loss for the ranking, and no more; a late report corrects it where it stands."""
    sid = two.sent("a")
    two.now += wishes.report_seconds - 1
    silence(two)
    assert two.counts("a") == (1, 0, 0, 0)
    two.now += 1
    silence(two)
    assert two.counts("a") == (1, 0, 0, 1)
    assert two.message(sid).status == "sent", "nobody knows"
    silence(two)
    assert two.counts("a") == (1, 0, 0, 1)
    two.now += 3 * 3600
    assert two.report("a", sid, "delivered") is Status.DELIVERED
    assert two.counts("a") == (1, 1, 0, 0)


def test_an_app_that_is_asked_is_believed_more_than_the_carrier(two: World) -> None:
    """MR-2, MR-4: with ProvideFeedback a carrier's `delivered` does not do; a lying one is found out."""
    lied, true, undelivered = (two.sent("a", feedback=Feedback.UNCONFIRMED) for _ in range(3))
    for sid in (lied, true):
        assert two.report("a", sid, "delivered") is Status.DELIVERED
    assert two.report("a", undelivered, "undelivered") is Status.UNDELIVERED
    assert two.counts("a") == (3, 0, 1, 0)
    assert two.feedback(true).feedback == "confirmed"
    assert two.counts("a") == (3, 1, 1, 0)
    two.now += wishes.report_seconds
    silence(two)
    assert two.counts("a") == (3, 1, 1, 1)
    assert (two.message(lied).feedback, two.message(lied).status) == ("undelivered", "delivered")
    two.now += 4_000
    assert two.feedback(lied).feedback == "confirmed"
    assert two.feedback(undelivered).feedback == "confirmed"
    assert two.message(undelivered).status == "undelivered"
    assert two.counts("a") == (3, 3, 0, 0)


def test_feedback_is_the_accounts_own(two: World) -> None:
    """MR-8: another account's message, one that came in, one that has not left, and an outcome that is none."""
    sid, inbound, waiting = two.sent("a"), two.sent("a", direction="inbound"), two.queued("b")
    for its, account, outcome, status in (
        (sid, two.new_account(), "confirmed", 404),
        (new_sid(MESSAGE), two.account, "confirmed", 404),
        (inbound, two.account, "confirmed", 404),
        (waiting, two.account, "confirmed", 409),
        (sid, two.account, "undelivered", 400),
        (sid, two.account, "", 400),
    ):
        with pytest.raises(ApiError) as refusal:
            two.feedback(its, outcome, account)
        assert refusal.value.status == status
    assert two.counts("a") == (2, 0, 0, 0)
    assert two.feedback(sid, "unconfirmed").feedback == "unconfirmed"
    assert two.feedback(sid).feedback == "confirmed"
    assert two.feedback(sid, "unconfirmed").feedback == "confirmed", "what was seen stays seen"
    assert two.feedback(sid).feedback == "confirmed"
    assert two.counts("a") == (2, 1, 0, 0)


def test_feedback_overtakes_the_answer_to_the_hand_off(two: World) -> None:
    """MR-11: who has read it needs no second one."""
    sid = two.queued("a", feedback=Feedback.UNCONFIRMED)
    claimed = two.claimed(sid)
    two.feedback(sid)
    assert not waits(two, sid)
    two.taken(claimed)
    assert (two.message(sid).status, two.message(sid).feedback) == ("delivered", "confirmed")
    assert two.counts("a") == (1, 1, 0, 0)


def test_a_reply_proves_that_the_message_arrived(two: World) -> None:
    """MR-3 (c): seen by the platform; only the last one from there, and not one that is known to be lost."""
    first = two.sent("a")
    two.now += 1
    second = two.sent("a")

    def answered(number: str, phone: str, account: str = "") -> None:
        two.write(lambda c: reports.answered(c, account or two.account, number, phone, two.now))

    answered(NUMBER, "+447700900124")
    answered("+14152000000", PHONE)
    answered(NUMBER, PHONE, two.new_account())
    assert two.counts("a") == (2, 0, 0, 0)
    answered(NUMBER, PHONE)
    assert (two.message(first).feedback, two.message(second).feedback) == (None, "confirmed")
    answered(NUMBER, PHONE)
    assert two.counts("a") == (2, 1, 0, 0)
    two.now += 1
    lost = two.sent("a")
    two.report("a", lost, "undelivered")
    answered(NUMBER, PHONE)
    assert two.counts("a") == (3, 1, 1, 0)
    two.now += reports.REPLY_SECONDS + 1
    answered(NUMBER, PHONE)
    assert two.counts("a") == (3, 1, 1, 0)


def _outcomes(world: World) -> float:
    """Those of a that count."""
    return next(float(one["outcomes"]) for one in world.choose().considered if one["carrier"] == "a")


def test_old_evidence_is_folded_and_forgotten(two: World) -> None:
    """MR-5: sums stay until they are too old to count, corrections find their place before and after."""
    early, late = two.sent("a"), None
    two.report("a", early, "delivered")
    for _ in range(5):
        two.now += 30
        late = two.sent("a")
    assert late is not None
    two.now += wishes.report_seconds
    silence(two)
    assert two.counts("a") == (6, 1, 0, 5)
    rows = select(models.RouteCount.__table__)
    before = len(two.all(rows))
    two.now += 2 * evidence.FOLDED
    asyncio.run(rounds.fold(two.database, two.now))
    assert len(two.all(rows)) < before
    assert two.counts("a") == (6, 1, 0, 5)
    two.report("a", late, "delivered")
    asyncio.run(rounds.fold(two.database, two.now))
    assert two.counts("a") == (6, 2, 0, 4)
    assert _outcomes(two) == pytest.approx(6, abs=0.5)
    two.now += evidence.WINDOW + 2 * evidence.FOLDED
    assert _outcomes(two) == 0
    asyncio.run(rounds.fold(two.database, two.now))
    assert two.counts("a") == (0, 0, 0, 0)


def test_messages_to_clients_are_no_evidence(two: World) -> None:
    """No route is ranked by the presence server."""
    sid = two.queued("a")
    two.write(lambda c: c.execute(QUEUE.update().values(carrier="presence")))
    two.taken(two.claimed(sid), Status.DELIVERED)
    assert two.message(sid).status == "delivered"
    assert two.all(select(models.RouteCount.__table__)) == []


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_said_in_whatever_order_the_counts_are_those_of_the_messages(
    two: World, seed: int
) -> None:
    """I5, MR-4, MR-8: reports of both carriers, apps, replies, silence and folding, early, late, twice and against each
    other. Each message ends once, no status goes back, and the sums are what the messages came to."""
    lots = Random(seed)
    sids: list[str] = []
    given: dict[str, Claimed] = {}
    seen: dict[str, list[str]] = {}

    def act(what: str, sid: str) -> None:
        if what == "queue":
            asked = lots.choice((None, Feedback.UNCONFIRMED))
            to = f"+4477009{len(sids):05}"
            sids.append(two.queued("a", to=to, feedback=asked, valid_until=two.now + 10**7))
            seen[sids[-1]] = ["queued"]
        elif what == "give":
            given.update(two.claim("a"))
        elif what == "take" and sid in given:
            two.taken(given[sid])
        elif what == "report":
            two.report("a", sid, lots.choice(tuple(reports.MEANING)))
        elif what == "feedback" and two.message(sid).date_sent is not None:
            two.feedback(sid, lots.choice(("confirmed", "unconfirmed")))
        elif what == "reply":
            two.write(lambda c: reports.answered(c, two.account, NUMBER, two.message(sid).to, two.now))
        elif what == "silence":
            silence(two)
        elif what == "fold":
            asyncio.run(rounds.fold(two.database, two.now))

    act("queue", "")
    deeds = ("queue", "give", "take", "take", "report", "report", "feedback", "reply", "silence", "fold")
    for _ in range(80):
        two.now += lots.choice((1, 40, wishes.report_seconds, 4_000))
        act(lots.choice(deeds), lots.choice(sids))
        rows = [two.message(sid) for sid in sids]
        for row in rows:
            if row.status != seen[row.sid][-1]:
                assert may_move(Status(seen[row.sid][-1]), Status(row.status))
                seen[row.sid].append(row.status)
        fates = [fate(row) for row in rows]
        ended = Counter(one.outcome for one in fates if one.outcome)
        assert two.counts("a") == (sum(one.handed for one in fates), *(ended[which] for which in Outcome))
    reached = {status for statuses in seen.values() for status in statuses}
    assert {"sent", "delivered", "undelivered"} <= reached


def test_one_of_many_reports_in_the_same_moment_counts(two: World) -> None:
    """F23, I4: to two routers, delivered and undelivered, of two messages at once: one end and one callback each."""
    sids = [two.sent("a", to=f"+4477009{number:05}", status_callback=CALLBACK) for number in range(2)]
    other = Database(two.database.url, writers=3)

    def unit(sid: str, status: str) -> Callable[[Connection], Status]:
        return lambda c: reports.apply(c, "a", sid, status, None, two.now, "here")[0]

    try:
        said = [(sid, status) for _ in range(6) for status in ("delivered", "undelivered") for sid in sids]
        twice = [each for each in said for _ in range(2)]
        waiting = [
            router.write(unit(*each), f"key {number}")
            for number, each in enumerate(said)
            for router in (two.database, other)
        ]
        ends = {(sid, future.result(30)) for (sid, _), future in zip(twice, waiting, strict=True)}
    finally:
        other.close()
    assert len(ends) == 2, "every report is answered with the one end"
    assert [len(callbacks(two, sid)) for sid in sids] == [2, 2]
    sent, delivered, undelivered, unreported = two.counts("a")
    assert (sent, delivered + undelivered, unreported) == (2, 2, 0)


def test_a_carrier_that_reports_nothing_is_left(two: World) -> None:
    """MR-4, acceptance: silence alone takes the lead from a route, and speech gives it back."""
    sids = [two.sent("a", to=f"+4477009{number:05}") for number in range(20)]
    for sid in sids[:12]:
        two.report("a", sid, "delivered")
    assert two.choose(at=0).carrier == "a"
    two.now += wishes.report_seconds
    assert two.choose(at=0).carrier == "a"
    silence(two)
    assert two.counts("a") == (20, 12, 0, 8)
    silent = [two.sent("a", to=f"+4477008{number:05}") for number in range(20)]
    two.now += wishes.report_seconds
    silence(two)
    assert two.counts("a") == (40, 12, 0, 28)
    assert (two.choose(at=0).carrier, two.choose(at=0).reason) == ("b", "best")
    for sid in (*sids, *silent):
        two.report("a", sid, "delivered")
    assert two.counts("a") == (40, 40, 0, 0)
    assert two.choose(at=0).carrier == "a"
