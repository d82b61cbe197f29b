"""What is done for messages that wait (callrouter.messages.queue.rounds, moving, health), in both engines."""

from collections.abc import Iterator

import pytest
from queue_world import ENGINES, QueueWorld, databases
from sqlalchemy import insert, update

from callrouter import models
from callrouter.messages.queue import health
from callrouter.messages.queue.claims import LEASE_SECONDS
from callrouter.messages.queue.moving import Moving
from callrouter.messages.queue.rounds import KEY_SECONDS, Rounds
from callrouter.messages.status import Status
from foundation.db import Database
from foundation.sids import MESSAGING_SERVICE, new_sid

QUEUE, MESSAGES = models.QueuedMessage.__table__, models.Message.__table__


@pytest.fixture(scope="module", params=ENGINES)
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    yield from databases(request, tmp_path_factory.mktemp("rounds"))


@pytest.fixture
def world(database: Database) -> QueueWorld:
    return QueueWorld(database)


@pytest.fixture
def pokes() -> list[None]:
    return []


@pytest.fixture
def rounds(world: QueueWorld, pokes: list[None]) -> Rounds:
    return Rounds(world.desk, lambda: pokes.append(None))


@pytest.fixture
def moving(world: QueueWorld, pokes: list[None]) -> Moving:
    return Moving(world.desk, lambda: pokes.append(None))


def fail(world: QueueWorld, carrier: str, times: int = 6) -> None:
    """So many hand-offs without an answer, each when the breaker lets it through."""
    for _ in range(times):
        breaker = world.write(lambda c: health.note(c, carrier, worked=False, now=world.at))
        world.at = max(world.at, breaker.until if breaker.state == "open" else 0.0)


# -- validity


async def test_pq6_a_message_past_its_validity_fails_unsent(world: QueueWorld, rounds: Rounds) -> None:
    account = world.account()
    world.carrier("one")
    number = world.number(account)
    short = world.send(account, number, validity=60, status_callback="https://app.test/s")
    behind = world.send(account, number)
    world.at += 60
    assert world.claimed("one") == []
    await rounds.expire()
    row = world.message(short)
    assert (row.status, row.error_code, row.date_sent, world.queued(short)) == ("failed", 30036, None, None)
    assert [each["payload"]["parameters"]["ErrorCode"] for each in world.told] == ["30036"]
    assert world.claimed("one") == [behind]


async def test_pq6_what_is_being_handed_over_does_not_expire_under_it(
    world: QueueWorld, rounds: Rounds
) -> None:
    account = world.account()
    world.carrier("one")
    sid = world.send(account, world.number(account), validity=60)
    (claimed,) = world.claim("one").messages
    world.at += 60
    await rounds.expire()
    world.settle("taken", claimed, Status.SENT)
    assert world.status(sid) == "sent"


async def test_pq6_nobody_claims_that_an_unanswered_message_was_not_sent(
    world: QueueWorld, rounds: Rounds
) -> None:
    account = world.account()
    world.carrier("one")
    sid = world.send(account, world.number(account), validity=60)
    (claimed,) = world.claim("one").messages
    world.settle("put_back", claimed, world.at, maybe_taken=True)
    world.at += 60
    await rounds.expire()
    assert (world.status(sid), world.message(sid).error_code) == ("failed", 30008)


# -- time has come


async def test_i6_scheduled_and_accepted_messages_are_queued_in_their_order(
    world: QueueWorld, rounds: Rounds, pokes: list[None]
) -> None:
    account = world.account()
    world.carrier("one")
    number = world.number(account)
    later = world.send(account, number, send_at=world.at + 100, body="later")
    sooner = world.send(account, number, send_at=world.at + 50, body="sooner")
    await rounds.release()
    assert (world.status(later), pokes) == ("scheduled", [])
    world.at += 100
    await rounds.release()
    assert [world.status(sid) for sid in (later, sooner)] == ["queued", "queued"]
    assert (world.taken("one"), world.taken("one")) == ([sooner], [later])
    assert pokes == [None]


async def test_a_message_of_a_service_is_queued_by_the_next_round(world: QueueWorld, rounds: Rounds) -> None:
    account = world.account()
    world.carrier("one")
    number, sid = world.number(account), new_sid(MESSAGING_SERVICE)
    dates = {"account_sid": account, "date_created": 1.0, "date_updated": 1.0}
    urls = {"inbound_request_url": "", "fallback_url": "", "status_callback": ""}
    row = {**dates, **urls, "sid": sid, "friendly_name": "s"}
    world.write(lambda c: c.execute(insert(models.MessagingService).values(row)))
    (own,) = world.all(models.PhoneNumber)
    member = {**dates, "service_sid": sid, "sender_sid": own.sid, "sender": number}
    world.write(lambda c: c.execute(insert(models.MessagingSender).values(member)))
    message = world.send(account, "", messaging_service_sid=sid)
    await rounds.release()
    assert world.message(message)._mapping["from"] == number
    assert world.taken("one") == [message]


# -- leases


async def test_pq4_a_lease_that_ended_frees_its_message(
    world: QueueWorld, rounds: Rounds, pokes: list[None]
) -> None:
    account = world.account()
    world.carrier("one")
    sid = world.send(account, world.number(account))
    world.claim("one", "another process")
    world.at += LEASE_SECONDS - 1
    await rounds.free()
    assert (world.claimed("one"), pokes) == ([], [])
    world.at += 2
    await rounds.free()
    (claimed,) = world.claim("one").messages
    assert (claimed.sid, claimed.outgoing.again, world.message(sid).possible_duplicate) == (sid, True, True)


# -- moving


async def test_pq7_what_waits_for_a_carrier_that_is_down_goes_elsewhere_in_order(
    world: QueueWorld, moving: Moving, pokes: list[None]
) -> None:
    account = world.account()
    world.carrier("sick")
    number = world.number(account, carrier="sick")
    sids = [world.send(account, number, body=f"{n}") for n in range(60)]
    world.carrier("well")
    fail(world, "sick", 5)
    world.at -= 1.0  # its breaker has just opened
    await moving.move()
    assert {row.carrier for row in world.all(models.QueuedMessage)} == {"sick"}
    world.at += 1.0
    fail(world, "sick", 1)
    await moving.move()
    assert {(row.carrier, row.moves) for row in world.all(models.QueuedMessage)} == {("well", 1)}
    assert pokes == [None]
    assert [world.taken("well") for _ in range(3)] == [[sid] for sid in sids[:3]]
    reasons = {row.reason for row in world.all(models.MessageDecision, attempt=2)}
    assert reasons == {"moved"}


@pytest.mark.parametrize("change", [{"status": "disabled"}, {"messages": False}])
async def test_pq7_a_carrier_that_was_switched_off_is_left(
    world: QueueWorld, moving: Moving, change: dict[str, object]
) -> None:
    account = world.account()
    world.carrier("off")
    sid = world.send(account, world.number(account))
    world.carrier("on")
    world.change_carrier("off", **change)
    await moving.move()
    assert world.taken("on") == [sid]


async def test_pq7_moves_are_bounded_and_a_message_with_no_other_way_stays(
    world: QueueWorld, moving: Moving
) -> None:
    account = world.account()
    world.carrier("a")
    sid = world.send(account, world.number(account))
    world.change_carrier("a", status="disabled")
    await moving.move()
    assert world.queued(sid).carrier == "a"
    for name in "bcdef":
        world.carrier(name)
        await moving.move()
        world.change_carrier(world.queued(sid).carrier, status="disabled")
    assert world.queued(sid).moves == 3
    assert world.status(sid) == "queued"


async def test_pq7_what_a_carrier_may_have_moves_last_and_is_marked(
    world: QueueWorld, moving: Moving
) -> None:
    """Never after a hand-off that was acknowledged; unsure for a minute: then it goes out twice rather than never."""
    account = world.account()
    world.carrier("sick")
    sid = world.send(account, world.number(account))
    (claimed,) = world.claim("sick").messages
    world.settle("put_back", claimed, world.at, maybe_taken=True)
    world.carrier("well")
    fail(world, "sick")
    await moving.move()
    assert world.queued(sid).carrier == "sick"
    world.at += 60
    await moving.move()
    assert world.queued(sid).carrier == "well"
    (claimed,) = world.claim("well").messages
    assert claimed.outgoing.again
    assert world.message(sid).possible_duplicate


async def test_pq7_what_is_under_way_is_not_moved(world: QueueWorld, moving: Moving) -> None:
    account = world.account()
    world.carrier("sick")
    sid = world.send(account, world.number(account))
    world.claim("sick")
    world.carrier("well")
    fail(world, "sick")
    world.at += 3_600
    await moving.move()
    assert world.queued(sid).carrier == "sick"


async def test_pq7_what_would_come_too_late_goes_elsewhere(world: QueueWorld, moving: Moving) -> None:
    """A slow carrier keeps what it can send in time."""
    account = world.account()
    world.carrier("slow")
    number = world.number(account)
    for n in range(150):
        world.send(account, number, f"+4477009{n:05}", validity=100)
    world.write(lambda c: health.measure(c, {"slow": 30}, world.at + 1))
    world.write(lambda c: c.execute(update(models.CarrierHealth).values(taken=1.0)))
    world.carrier("quick")
    await moving.move()
    kept = [row for row in world.all(models.QueuedMessage) if row.carrier == "slow"]
    assert len(kept) == 100
    assert max(row.position for row in kept) < min(
        row.position for row in world.all(models.QueuedMessage) if row.carrier == "quick"
    )


async def test_clients_messages_stay_with_the_presence_server(world: QueueWorld, moving: Moving) -> None:
    account = world.account()
    world.carrier("one")
    sid = world.send(account, world.number(account), "client:alice")
    fail(world, "presence")
    await moving.move()
    assert world.queued(sid).carrier == "presence"


# -- speed


async def test_pq11_speeds_and_depth_add_up_over_processes(world: QueueWorld, rounds: Rounds) -> None:
    account = world.account()
    world.carrier("one", window=100)
    number = world.number(account)
    world.write(lambda c: health.measure(c, {"one": 0}, world.at))
    for second in range(1, 121):  # two processes take one each, and three come
        world.at += 1
        row = _queued(world, account, number, second)
        world.write(lambda c, row=row: c.execute(insert(models.QueuedMessage).values(row)))
        world.desk.taken["one"] = 1
        await rounds.measure()
        world.write(lambda c: health.measure(c, {"one": 1}, world.at))
    row = world.health("one")
    assert row.depth == 120
    assert row.taken == pytest.approx(2.0, rel=0.05)
    assert row.offered == pytest.approx(3.0, rel=0.05)
    assert not world.desk.taken


async def test_a_quiet_queue_is_not_written_to(world: QueueWorld, rounds: Rounds) -> None:
    world.carrier("one")
    await rounds.measure()
    assert world.all(models.CarrierHealth) == []


async def test_idempotency_keys_are_forgotten_after_a_day(world: QueueWorld, rounds: Rounds) -> None:
    account = world.account()
    world.carrier("one")
    world.send(account, world.number(account), idempotency_key="k", idempotency_digest="d")
    world.at += KEY_SECONDS
    await rounds.forget()
    assert len(world.all(models.IdempotencyKey)) == 1
    world.at += 1
    await rounds.forget()
    assert world.all(models.IdempotencyKey) == []


def _queued(world: QueueWorld, account: str, number: str, n: int) -> dict[str, object]:
    return {
        "account_sid": account,
        "message_sid": f"SM{n:032}",
        "carrier": "one",
        "lane": f"{n}",
        "prefix": "+44",
        "kind": "sms",
        "segments": 1,
        "priority": 0,
        "state": "waiting",
        "due_at": world.at,
        "valid_until": world.at + 36_000,
        "enqueued_at": world.at,
    }
