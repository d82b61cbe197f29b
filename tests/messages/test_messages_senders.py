"""The senders of carriers' queues as they run, in one process, and the front before them."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from queue_world import ENGINES, SECONDS, QueueWorld, ScriptedTransport, databases, until

from callrouter import models
from callrouter.messages.front import Messages
from callrouter.messages.queue import sender as sending
from callrouter.messages.status import Status
from callrouter.messages.transport import (
    PRESENCE,
    NotNow,
    Outgoing,
    Refused,
    Taken,
    Transport,
    Unavailable,
)
from foundation.db import Database
from foundation.webserver.errors import ApiError

Answers = Callable[[Outgoing], Taken | Exception]


@pytest.fixture(scope="module", params=ENGINES)
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    yield from databases(request, tmp_path_factory.mktemp("senders"))


@pytest.fixture
def world(database: Database, monkeypatch: pytest.MonkeyPatch) -> QueueWorld:
    """Its clock is the machine's: senders sleep by it. Those that stop do not wait long for carriers that hang."""
    monkeypatch.setattr(sending, "STOP_SECONDS", 0.1)
    world = QueueWorld(database)
    world.now = time.time  # type: ignore[method-assign]
    world.at = world.now()
    return world


def scripted(*answers: Taken | Exception | None) -> ScriptedTransport:
    """Answers in this order, the last one again and again; None never answers."""
    left = list(answers)

    async def answer(_message: Outgoing) -> Taken:
        found = left.pop(0) if len(left) > 1 else left[0]
        if found is None:
            await asyncio.sleep(3600)
        if isinstance(found, Exception):
            raise found
        assert found is not None
        return found

    return ScriptedTransport(answer)


@asynccontextmanager
async def running(world: QueueWorld, **transports: Transport) -> AsyncIterator[Messages]:
    """A process that sends; `rest` is the transport of carriers that are not named."""
    named = {"" if name == "rest" else name: transport for name, transport in transports.items()}
    loop = asyncio.get_running_loop()
    messages = Messages(
        world, world.database, loop, named, base_url="https://router.test", random=lambda: 0.5
    )
    await messages.start()
    try:
        yield messages
    finally:
        await messages.stop()


def one_number(world: QueueWorld, *carriers: str, **settings: Any) -> tuple[str, str]:
    account = world.account()
    for name in carriers:
        world.carrier(name, **settings)
    return account, world.number(account, carrier=carriers[0])


async def test_what_is_submitted_leaves_at_once(world: QueueWorld) -> None:
    account, number = one_number(world, "fast")
    transport = scripted(Taken())
    async with running(world, rest=transport) as messages:
        submission = world.submission(account, number, status_callback="https://app.test/s")
        sid = await asyncio.to_thread(messages.submit, submission)
        await until(lambda: world.status(sid) == "sent")
        await until(lambda: bool(world.told))
    assert [each.sid for each in transport.handed] == [sid]
    assert [row["payload"]["parameters"]["MessageStatus"] for row in world.told] == ["sent"]
    assert world.all(models.RouteCount)[0].sent == 1


async def test_what_other_processes_queue_is_found(world: QueueWorld) -> None:
    account, number = one_number(world, "fast")
    async with running(world, rest=scripted(Taken())):
        sid = await asyncio.to_thread(world.send, account, number)
        await until(lambda: world.status(sid) == "sent")


async def test_pq1_a_carrier_that_hangs_holds_nobody_up(world: QueueWorld) -> None:
    account = world.account()
    hanging, quick = scripted(None), scripted(Taken())
    for name in ("hanging", "quick"):
        world.carrier(name, window=2)
    stuck, free = world.number(account, carrier="hanging"), world.number(account, carrier="quick")
    for n in range(5):
        world.send(account, stuck, f"+44770090000{n}")
    async with running(world, hanging=hanging, quick=quick):
        await until(lambda: hanging.under_way == 2)
        sids = [
            await asyncio.to_thread(world.send, account, free, f"+44770090000{n}", body=f"{n}")
            for n in range(5)
        ]
        await until(lambda: all(world.status(sid) == "sent" for sid in sids))
    assert hanging.most_under_way == 2


async def test_pq5_a_pairs_messages_arrive_in_order_while_others_pass(world: QueueWorld) -> None:
    account, number = one_number(world, "fast", window=4)

    async def slow_for_some(message: Outgoing) -> Taken:
        await asyncio.sleep(0.01 if message.to.endswith("0") else 0.001)
        return Taken()

    transport = ScriptedTransport(slow_for_some)
    for n in range(30):
        world.send(account, number, f"+44770090000{n % 3}", body=f"{n:02}")
    async with running(world, rest=transport):
        await until(lambda: not world.all(models.QueuedMessage))
    for end in range(3):
        bodies = [each.body for each in transport.handed if each.to.endswith(str(end))]
        assert bodies == sorted(bodies)
        assert len(bodies) == 10
    assert transport.most_under_way == 3


async def test_pq3_a_carrier_that_asks_for_a_pause_gets_it(world: QueueWorld) -> None:
    """Its message goes out after that, and never counts as possibly sent twice."""
    account, number = one_number(world, "busy")
    transport = scripted(NotNow(0.3), Taken())
    async with running(world, rest=transport):
        began = world.now()
        sid = await asyncio.to_thread(world.send, account, number)
        await until(lambda: world.status(sid) == "sent")
    assert world.now() - began >= 0.3
    assert [each.again for each in transport.handed] == [False, False]
    assert world.health("busy").failures == 0


async def test_om5_an_unanswered_message_is_tried_again_and_says_so(world: QueueWorld) -> None:
    account, number = one_number(world, "flaky")
    transport = scripted(Unavailable("no answer", maybe_taken=True), Taken())
    async with running(world, rest=transport):
        sid = await asyncio.to_thread(world.send, account, number)
        await until(lambda: world.status(sid) == "sent")
        await until(lambda: world.health("flaky").failures == 0)
    assert [each.again for each in transport.handed] == [False, True]
    assert world.message(sid).possible_duplicate


async def test_a_carrier_that_never_answers_is_given_up(
    world: QueueWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I6: each hand-off has an end of its own."""
    monkeypatch.setattr(sending, "SEND_SECONDS", 0.1)
    account, number = one_number(world, "mute")
    transport = scripted(None, Taken())
    async with running(world, rest=transport):
        sid = await asyncio.to_thread(world.send, account, number)
        await until(lambda: world.status(sid) == "sent")
    assert [each.again for each in transport.handed] == [False, True]


async def test_pq8_a_carrier_that_is_down_is_probed_and_recovers(world: QueueWorld) -> None:
    account, number = one_number(world, "sick")
    down = Unavailable("refused", maybe_taken=False)
    transport = scripted(*[down] * 6, Taken())
    sids = [world.send(account, number, f"+4477009{n:05}") for n in range(5)]
    async with running(world, rest=transport):
        await until(lambda: bool(world.all(models.CarrierHealth, breaker="open")))
        sids += [await asyncio.to_thread(world.send, account, number, f"+4477009{n:05}") for n in range(5, 8)]
        await until(lambda: all(world.status(sid) == "sent" for sid in sids), 20)
        await until(lambda: world.health("sick").breaker == "closed")
    assert max(transport.accepted.values()) == 1
    assert not any(world.message(sid).possible_duplicate for sid in sids)


async def test_mr11_a_refusal_goes_elsewhere(world: QueueWorld) -> None:
    account, number = one_number(world, "picky", "open")
    picky, other = scripted(Refused(30007, "filtered", elsewhere=True)), scripted(Taken())
    async with running(world, picky=picky, open=other):
        sid = await asyncio.to_thread(world.send, account, number)
        await until(lambda: world.status(sid) == "sent")
    assert (len(picky.handed), len(other.handed), world.message(sid).carrier) == (1, 1, "open")


async def test_f43_a_message_that_always_breaks_our_code_ends_and_the_queue_goes_on(
    world: QueueWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "TRIES", 2)
    monkeypatch.setattr(sending, "SHORTEST_RETRY", 0.01)
    account, number = one_number(world, "fast")

    async def answer(message: Outgoing) -> Taken:
        if message.body == "poison":
            raise RuntimeError("a bug")
        return Taken()

    async with running(world, rest=ScriptedTransport(answer)):
        poison = await asyncio.to_thread(world.send, account, number, body="poison")
        sid = await asyncio.to_thread(world.send, account, number)
        await until(lambda: world.status(poison) == "failed" and world.status(sid) == "sent")
    assert world.message(poison).error_code == 30008


async def test_clients_messages_have_their_own_transport(world: QueueWorld) -> None:
    account, number = one_number(world, "fast")
    presence = scripted(Taken(status=Status.DELIVERED))
    async with running(world, rest=scripted(Taken()), presence=presence):
        sid = await asyncio.to_thread(world.send, account, number, "client:alice")
        await until(lambda: world.status(sid) == "delivered")
    assert (len(presence.handed), world.message(sid).carrier) == (1, PRESENCE)
    assert world.all(models.RouteCount) == []


async def test_a_suspended_accounts_message_fails(world: QueueWorld) -> None:
    account, number = one_number(world, "fast")
    transport = scripted(Taken())
    sid = world.send(account, number)
    world.write(lambda c: c.execute(models.Account.__table__.update().values(status="suspended")))
    async with running(world, rest=transport):
        await until(lambda: world.status(sid) == "failed")
    assert (world.message(sid).error_code, transport.handed) == (30002, [])


async def test_pq4_what_an_earlier_life_had_under_way_is_sent_again_at_once(world: QueueWorld) -> None:
    """A kill between claim and settlement: one lease of a router by this name, one of another that lives."""
    account, number = one_number(world, "fast")
    mine, its = world.send(account, number), world.send(account, number, "+447700900002")
    world.claim("fast", "here earlier")
    lease = models.QueuedMessage.__table__
    world.write(
        lambda c: c.execute(
            lease.update().where(lease.c.message_sid == its).values(lease_owner="heretic life")
        )
    )
    transport = scripted(Taken())
    async with running(world, rest=transport):
        await until(lambda: world.status(mine) == "sent")
    assert [(each.sid, each.again) for each in transport.handed] == [(mine, True)]
    assert world.message(mine).possible_duplicate
    assert world.status(its) == "sending"


async def test_stopping_leaves_what_waits_to_the_next_life(world: QueueWorld) -> None:
    account, number = one_number(world, "mute", window=1)
    sids = [world.send(account, number, f"+44770090000{n}") for n in range(3)]
    mute = scripted(None)
    async with running(world, rest=mute):
        await until(lambda: mute.under_way == 1)
    transport = scripted(Taken())
    async with running(world, rest=transport):
        await until(lambda: all(world.status(sid) == "sent" for sid in sids))
    assert sorted(each.sid for each in transport.handed) == sorted(sids)


# -- the front


async def test_om2_one_key_in_many_threads_is_one_message(world: QueueWorld) -> None:
    account, number = one_number(world, "fast")
    transport = scripted(Taken())
    async with running(world, rest=transport) as messages:
        together = threading.Barrier(8)

        def submit() -> str:
            submission = world.submission(account, number, idempotency_key="k", idempotency_digest="d")
            together.wait(SECONDS)
            return messages.submit(submission)

        with ThreadPoolExecutor(8) as threads:
            loop = asyncio.get_running_loop()
            found = await asyncio.gather(*(loop.run_in_executor(threads, submit) for _ in range(8)))
        await until(lambda: world.status(found[0]) == "sent")
    assert len(set(found)) == len(world.all(models.Message)) == len(transport.handed) == 1


async def test_a_refused_submission_says_why_and_stores_nothing(world: QueueWorld) -> None:
    account, _ = one_number(world, "fast")
    async with running(world, rest=scripted(Taken())) as messages:
        with pytest.raises(ApiError) as refusal:
            await asyncio.to_thread(messages.submit, world.submission(account, "+14155559999"))
    assert refusal.value.code == 21606
    assert world.all(models.Message) == []


async def test_pq12_a_queued_message_can_be_canceled_a_leased_one_not(world: QueueWorld) -> None:
    account, number = one_number(world, "mute", window=1)
    mute = scripted(None)
    async with running(world, rest=mute) as messages:
        first = await asyncio.to_thread(world.send, account, number)
        second = await asyncio.to_thread(
            world.send, account, number, "+447700900002", status_callback="https://app.test/s"
        )
        await until(lambda: mute.under_way == 1)
        with pytest.raises(ApiError) as late:
            await asyncio.to_thread(messages.cancel, account, first)
        await asyncio.to_thread(messages.cancel, account, second)
        with pytest.raises(ApiError) as again:
            await asyncio.to_thread(messages.cancel, account, second)
        with pytest.raises(ApiError) as foreign:
            await asyncio.to_thread(messages.cancel, world.account(), first)
        await until(lambda: bool(world.told))
    assert [error.value.code for error in (late, again, foreign)] == [30409, 30409, 20404]
    assert [world.status(sid) for sid in (first, second)] == ["sending", "canceled"]
    assert world.queued(second) is None
    assert [row["payload"]["parameters"]["MessageStatus"] for row in world.told] == ["canceled"]


async def test_pq12_cancel_and_claim_race_and_one_of_them_wins(world: QueueWorld) -> None:
    """Never both: a message that was canceled is not handed over."""
    account, number = one_number(world, "fast", window=100)
    transport = scripted(Taken())
    async with running(world, rest=transport) as messages:
        for n in range(25):
            submission = world.submission(account, number, f"+4477009{n:05}")
            sid = await asyncio.to_thread(messages.submit, submission)
            with suppress(ApiError):
                await asyncio.to_thread(messages.cancel, account, sid)
        await until(lambda: not world.all(models.QueuedMessage))
    sent = {each.sid for each in transport.handed}
    ends = {row.sid: row.status for row in world.all(models.Message)}
    assert len(ends) == 25
    assert {sid for sid, status in ends.items() if status == "canceled"} == set(ends) - sent


async def test_settled_work_goes_out_and_wakes_the_senders(world: QueueWorld) -> None:
    account, number = one_number(world, "fast")
    transport = scripted(Taken())
    async with running(world, rest=transport) as messages:
        row = {"id": "x"}
        found = await asyncio.to_thread(messages.settle, account, lambda connection: ("done", [row]))
        sid = await asyncio.to_thread(world.send, account, number)
        messages.poke()
        await until(lambda: world.status(sid) == "sent")
    assert (found, world.told) == ("done", [row])
