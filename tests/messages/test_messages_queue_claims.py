"""Claims: which messages of a queue leave, when, in which order, and what becomes of them (PQ-1 to PQ-9)."""

from collections.abc import Iterator

import pytest
from queue_world import ENGINES, QueueWorld, databases

from callrouter import models
from callrouter.messages.queue import health
from callrouter.messages.queue.claims import LEASE_SECONDS, PRESENCE_WINDOW, SUSPENDED
from callrouter.messages.status import Status
from callrouter.messages.transport import PRESENCE
from foundation.db import Database


@pytest.fixture(scope="module", params=ENGINES)
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    yield from databases(request, tmp_path_factory.mktemp("queue"))


@pytest.fixture
def world(database: Database) -> QueueWorld:
    return QueueWorld(database)


def test_a_message_is_queued_claimed_taken_and_explained(world: QueueWorld) -> None:
    """OM2 to OM8: queue row, decision, lease, hand-off; PQ-2 and MR-10: why that carrier."""
    account = world.account()
    number, carrier = world.number(account), world.carrier("fast")
    sid = world.send(account, number, status_callback="https://app.test/status")
    assert (world.status(sid), world.queued(sid).carrier) == ("queued", carrier)
    (decision,) = world.all(models.MessageDecision, message_sid=sid)
    assert (decision.attempt, decision.carrier) == (1, carrier)
    assert [each["carrier"] for each in decision.considered] == [carrier]
    (claimed,) = world.claim(carrier).messages
    sent = claimed.outgoing
    assert (sent.sid, sent.from_, sent.to, sent.body) == (sid, number, "+447700900001", "hello")
    assert (sent.encoding, sent.segments, sent.again) == ("gsm-7", 1, False)
    assert sent.valid_until == world.at + 36_000
    assert world.status(sid) == "sending"
    rows = world.settle("taken", claimed, Status.SENT)
    assert [row["payload"]["parameters"]["MessageStatus"] for row in rows] == ["sent"]
    message = world.message(sid)
    assert (message.status, message.carrier, message.carrier_message_id) == ("sent", carrier, sid)
    assert not message.possible_duplicate
    assert world.queued(sid) is None


def test_pq4_a_leased_message_is_not_claimed_again(world: QueueWorld) -> None:
    account = world.account()
    number, carrier = world.number(account), world.carrier("fast")
    sid = world.send(account, number)
    assert world.claimed(carrier) == [sid]
    assert world.claimed(carrier) == []


def test_pq1_queues_do_not_wait_for_each_other(world: QueueWorld) -> None:
    account = world.account()
    world.carrier("dead", window=1)
    world.carrier("fast")
    stuck, other = world.number(account, carrier="dead"), world.number(account, carrier="fast")
    waiting = [world.send(account, stuck, f"+44770090000{n}") for n in range(3)]
    assert world.claimed("dead") == waiting[:1]
    assert world.claimed("dead") == []
    assert len(world.taken("fast")) == 0
    quick = [world.send(account, other, f"+44770090000{n}") for n in range(3)]
    assert world.taken("fast") == quick


def test_pq3_the_window_counts_what_every_process_has_under_way(world: QueueWorld) -> None:
    account = world.account()
    number, carrier = world.number(account), world.carrier("fast", window=3)
    for n in range(5):
        world.send(account, number, f"+44770090000{n}")
    first = world.claim(carrier, "here one").messages
    assert len(first) == 3
    assert world.claim(carrier, "there two").messages == ()
    world.settle("taken", first[0], Status.SENT)
    assert len(world.claim(carrier, "there two").messages) == 1


def test_pq3_the_rate_counts_segments_and_is_shared_by_all_processes(world: QueueWorld) -> None:
    account = world.account()
    number, carrier = world.number(account), world.carrier("slow", rate=2, window=99)
    bodies = ["x" * 161, "y", "z"]  # of two segments, one and one
    for n, body in enumerate(bodies):
        world.send(account, number, f"+44770090000{n}", body=body)
    left: list[float] = []
    for _ in range(40):
        found = world.claim(carrier, f"process {len(left)}")
        left += [each.leave_at for each in found.messages]
        assert found.messages or found.again_at is None or found.again_at > world.at
        world.at = found.again_at if found.again_at and found.again_at > world.at else world.at + 0.1
    assert left == pytest.approx([1_000.0, 1_001.0, 1_001.5])


def test_pq5_a_pairs_messages_leave_one_after_the_other_over_all_carriers(world: QueueWorld) -> None:
    account = world.account()
    number = world.number(account)
    world.carrier("one")
    first, second = world.send(account, number), world.send(account, number)
    other = world.send(account, number, "+447700900002")
    world.carrier("two")
    world.write(
        lambda c: c.execute(
            models.QueuedMessage.__table__.update()
            .where(models.QueuedMessage.message_sid == second)
            .values(carrier="two")
        )
    )
    assert world.claimed("two") == []
    found = world.claim("one").messages
    assert [each.sid for each in found] == [first, other]
    assert world.claimed("two") == []
    world.settle("taken", found[0], Status.SENT)
    assert world.claimed("two") == [second]


def test_pq5_a_message_that_is_tried_again_keeps_its_place(world: QueueWorld) -> None:
    account = world.account()
    number, carrier = world.number(account), world.carrier("fast")
    first, second = world.send(account, number), world.send(account, number)
    (claimed,) = world.claim(carrier).messages
    world.settle("put_back", claimed, world.at + 5, maybe_taken=False)
    assert world.claimed(carrier) == []
    world.at += 5
    assert world.taken(carrier) == [first]
    assert world.taken(carrier) == [second]


def test_pq9_accounts_take_turns_however_much_one_of_them_queued(world: QueueWorld) -> None:
    accounts = sorted(world.account() for _ in range(3))
    numbers = {account: world.number(account) for account in accounts}
    carrier = world.carrier("fast", window=2)
    flood = accounts[1]
    for n in range(40):
        world.send(flood, numbers[flood], f"+4477009{n:05}")
    few = {account for account in accounts if account != flood}
    for account in few:
        for n in range(3):
            world.send(account, numbers[account], f"+4477009{n:05}")
    served: list[str] = []
    for _ in range(6):
        found = world.claim(carrier).messages
        served += [each.account_sid for each in found]
        for each in found:
            world.settle("taken", each, Status.SENT)
    assert len(served) == 12
    assert [served[:9].count(account) for account in accounts] == [3, 3, 3]
    assert set(served[9:]) == {flood}


def test_pq9_turns_go_on_where_another_process_left_them(world: QueueWorld) -> None:
    accounts = sorted(world.account() for _ in range(3))
    carrier = world.carrier("slow", window=1)
    for account in accounts:
        number = world.number(account)
        for n in range(2):
            world.send(account, number, f"+4477009{n:05}")
    served = []
    for turn in range(6):
        (claimed,) = world.claim(carrier, f"process {turn}").messages
        served.append(claimed.account_sid)
        world.write(
            lambda c, s=claimed.sid: c.execute(
                models.QueuedMessage.__table__.delete().where(models.QueuedMessage.message_sid == s)
            )
        )
    assert served == accounts * 2


def test_pq9_an_account_that_can_send_nothing_now_costs_nobody_a_turn(world: QueueWorld) -> None:
    accounts = sorted(world.account() for _ in range(2))
    carrier = world.carrier("slow", window=2)
    blocked, other = world.number(accounts[0]), world.number(accounts[1])
    first = world.send(accounts[0], blocked)
    world.send(accounts[0], blocked)
    assert world.claimed(carrier) == [first]
    sid = world.send(accounts[1], other)
    assert world.claimed(carrier) == [sid]


def test_pq9_priority_is_the_accounts_own_and_bounded(world: QueueWorld) -> None:
    accounts = sorted(world.account() for _ in range(2))
    carrier = world.carrier("slow", window=1)
    calm, loud = world.number(accounts[0]), world.number(accounts[1])
    plain = world.send(accounts[1], loud, "+447700900001")
    urgent = world.send(accounts[1], loud, "+447700900002", priority=1_000_000)
    calm_one = world.send(accounts[0], calm)
    assert [world.taken(carrier) for _ in range(3)] == [[calm_one], [urgent], [plain]]
    assert world.all(models.QueuedMessage) == []


def test_pq8_an_open_breaker_lets_nothing_through_then_one(world: QueueWorld) -> None:
    account = world.account()
    number, carrier = world.number(account), world.carrier("sick")
    for n in range(3):
        world.send(account, number, f"+44770090000{n}")
    for _ in range(5):
        world.write(lambda c: health.note(c, carrier, worked=False, now=world.at))
    found = world.claim(carrier)
    assert (found.messages, found.again_at) == ((), world.at + 1.0)
    world.at += 1.0
    (probe,) = world.claim(carrier).messages
    assert world.claimed(carrier) == []
    assert world.health(carrier).breaker == "half-open"
    world.settle("taken", probe, Status.SENT)
    world.write(lambda c: health.note(c, carrier, worked=True, now=world.at))
    assert len(world.claimed(carrier)) == 2
    assert world.health(carrier).breaker == "closed"


def test_pq3_a_pause_that_the_carrier_asks_for_is_kept_and_bounded(world: QueueWorld) -> None:
    account = world.account()
    number, carrier = world.number(account), world.carrier("busy")
    sid = world.send(account, number)
    world.write(lambda c: health.pause(c, carrier, 1e9, world.at))
    assert world.claim(carrier).again_at == pytest.approx(world.at + 300, abs=0.2)
    world.at += 300
    assert world.claimed(carrier) == [sid]


@pytest.mark.parametrize("change", [{"status": "disabled"}, {"messages": False}])
def test_a_carrier_that_takes_no_messages_gets_none(world: QueueWorld, change: dict[str, object]) -> None:
    account = world.account()
    number, carrier = world.number(account), world.carrier("off")
    world.send(account, number)
    world.change_carrier(carrier, **change)
    assert world.claim(carrier).messages == ()


def test_a_suspended_accounts_messages_do_not_leave(world: QueueWorld) -> None:
    """30002; others are not held up."""
    accounts = sorted(world.account() for _ in range(2))
    carrier = world.carrier("fast", window=1)
    suspended = world.send(accounts[0], world.number(accounts[0]))
    sid = world.send(accounts[1], world.number(accounts[1]))
    world.write(
        lambda c: c.execute(
            models.Account.__table__.update()
            .where(models.Account.account_sid == accounts[0])
            .values(status="suspended")
        )
    )
    found = world.claim(carrier)
    assert found.suspended == [(accounts[0], suspended)]
    assert SUSPENDED == 30002
    world.write(
        lambda c: c.execute(
            models.QueuedMessage.__table__.delete().where(models.QueuedMessage.message_sid == suspended)
        )
    )
    assert world.claimed(carrier) == [sid]


def test_clients_have_a_queue_of_their_own(world: QueueWorld) -> None:
    """PR-70: no carrier is needed."""
    account = world.account()
    number = world.number(account)
    sids = [world.send(account, number, f"client:c{n}") for n in range(PRESENCE_WINDOW + 1)]
    assert world.queued(sids[0]).carrier == PRESENCE
    assert len(world.claimed(PRESENCE)) == PRESENCE_WINDOW


# -- what becomes of them


def test_om5_to_om8_an_answer_that_was_not_heard_is_marked_when_it_is_tried_again(world: QueueWorld) -> None:
    account = world.account()
    number, carrier = world.number(account), world.carrier("fast")
    sid = world.send(account, number)
    (claimed,) = world.claim(carrier).messages
    world.settle("put_back", claimed, world.at, maybe_taken=True)
    assert (world.status(sid), world.message(sid).possible_duplicate) == ("sending", False)
    (again,) = world.claim(carrier).messages
    assert again.outgoing.again
    assert world.message(sid).possible_duplicate
    world.settle("put_back", again, world.at, maybe_taken=False)  # says nothing about the first time
    assert world.status(sid) == "sending"
    (third,) = world.claim(carrier).messages
    world.settle("taken", third, Status.SENT)
    assert (world.status(sid), third.tries) == ("sent", 2)  # an outage is no try


def test_a_carrier_that_does_not_have_it_leaves_it_unmarked(world: QueueWorld) -> None:
    account = world.account()
    number, carrier = world.number(account), world.carrier("fast")
    sid = world.send(account, number)
    (claimed,) = world.claim(carrier).messages
    world.settle("put_back", claimed, world.at, maybe_taken=False)
    assert world.status(sid) == "queued"
    (again,) = world.claim(carrier).messages
    assert not again.outgoing.again
    assert not world.message(sid).possible_duplicate


def test_om9_a_report_that_overtook_the_answer_stands(world: QueueWorld) -> None:
    """I5: `sent` does not come after `delivered`, and the message leaves the queue."""
    account = world.account()
    number, carrier = world.number(account), world.carrier("fast")
    sid = world.send(account, number)
    (claimed,) = world.claim(carrier).messages
    assert (world.message(sid).carrier, world.message(sid).carrier_message_id) == (carrier, sid)
    world.write(lambda c: c.execute(models.Message.__table__.update().values(status="delivered")))
    assert world.settle("taken", claimed, Status.SENT) == []
    assert (world.status(sid), world.queued(sid)) == ("delivered", None)


def test_mr11_a_message_that_was_reported_is_not_sent_again(world: QueueWorld) -> None:
    account = world.account()
    number, carrier = world.number(account), world.carrier("fast")
    sid = world.send(account, number)
    (claimed,) = world.claim(carrier).messages
    world.settle("put_back", claimed, world.at, maybe_taken=True)
    world.write(lambda c: c.execute(models.Message.__table__.update().values(status="delivered")))
    assert world.claimed(carrier) == []
    assert (world.status(sid), world.queued(sid)) == ("delivered", None)


def test_f28_who_lost_its_lease_writes_nothing(world: QueueWorld) -> None:
    """F28 to F30: a process that slept past its lease is overtaken."""
    account = world.account()
    number, carrier = world.number(account), world.carrier("fast")
    sid = world.send(account, number)
    (sleeper,) = world.claim(carrier, "here one").messages
    world.write(lambda c: c.execute(models.QueuedMessage.__table__.update().values(state="waiting")))
    (winner,) = world.claim(carrier, "there two").messages
    assert world.settle("refused", sleeper, 30007, elsewhere=False) == []
    assert world.settle("taken", sleeper, Status.SENT) == []
    assert world.status(sid) == "sending"
    assert world.queued(sid).lease_until == world.at + LEASE_SECONDS
    assert winner.outgoing.again


def test_mr11_a_refusal_sends_it_to_the_next_carrier_and_the_last_one_decides(world: QueueWorld) -> None:
    account = world.account()
    number = world.number(account)
    world.carrier("one")
    world.carrier("two")
    sid = world.send(account, number, status_callback="https://app.test/status")
    first = world.queued(sid).carrier
    (claimed,) = world.claim(first).messages
    assert world.settle("refused", claimed, 30003, elsewhere=True) == []
    moved = world.queued(sid)
    second = moved.carrier
    assert (second, moved.moves, moved.avoided, world.status(sid)) == (
        {"one": "two", "two": "one"}[first],
        1,
        [first],
        "queued",
    )
    (claimed,) = world.claim(second).messages
    assert not claimed.outgoing.again
    rows = world.settle("refused", claimed, 30007, elsewhere=True)
    assert [row["payload"]["parameters"]["ErrorCode"] for row in rows] == ["30007"]
    assert (world.status(sid), world.message(sid).error_code, world.queued(sid)) == ("failed", 30007, None)
    decisions = sorted(world.all(models.MessageDecision), key=lambda row: row.attempt)
    assert [(row.carrier, row.reason == "moved") for row in decisions] == [(first, False), (second, True)]


def test_a_final_refusal_is_final(world: QueueWorld) -> None:
    account = world.account()
    number = world.number(account)
    world.carrier("one")
    world.carrier("two")
    sid = world.send(account, number)
    (claimed,) = world.claim(world.queued(sid).carrier).messages
    world.settle("refused", claimed, 30004, elsewhere=False)
    assert (world.status(sid), world.message(sid).error_code) == ("failed", 30004)
