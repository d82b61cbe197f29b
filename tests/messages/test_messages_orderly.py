"""What a queue does when a process stops, when many accounts wait, and when an operator raises a rate."""

import asyncio
import time
from collections.abc import Iterator

import pytest
from queue_world import ENGINES, QueueWorld, ScriptedTransport, databases, until

from callrouter.directory import carriers
from callrouter.messages.media import PIECES
from callrouter.messages.queue import claims
from callrouter.messages.queue.rounds import _DUE, Rounds
from callrouter.messages.queue.sender import Sender
from callrouter.messages.transport import Outgoing, Taken
from callrouter.models import MessageMedia
from foundation.db import Database


@pytest.fixture(scope="module", params=ENGINES)
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    yield from databases(request, tmp_path_factory.mktemp("orderly"))


@pytest.fixture
def world(database: Database) -> QueueWorld:
    return QueueWorld(database)


async def test_an_orderly_stop_waits_for_answers_and_leaves_nothing_in_doubt(world: QueueWorld) -> None:
    """What is under way is answered; what has only been claimed, for a slot that comes, goes back unmarked."""
    world.now = time.time  # type: ignore[method-assign]
    world.at = world.now()
    account = world.account()
    number, carrier = world.number(account), world.carrier("paced", rate=20.0)
    answers = asyncio.Event()

    async def answer(_message: Outgoing) -> Taken:
        await answers.wait()
        return Taken()

    sids = [world.send(account, number, f"+4477009{n:05}") for n in range(3)]
    transport = ScriptedTransport(answer)
    sender = Sender(carrier, transport, world.desk)
    await until(lambda: transport.under_way >= 1)
    stopping = asyncio.create_task(sender.stop())
    await asyncio.sleep(0)
    answers.set()
    await stopping
    handed = {each.sid for each in transport.handed}
    assert {sid: world.status(sid) for sid in sids} == {
        sid: "sent" if sid in handed else "queued" for sid in sids
    }
    assert not any(world.message(sid).possible_duplicate for sid in sids)


def test_pq9_accounts_behind_many_that_only_wait_are_served(
    world: QueueWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "ACCOUNTS", 3)
    monkeypatch.setattr(claims, "_NEXT_ACCOUNTS", claims._next_accounts())
    carrier = world.carrier("slow")
    accounts = sorted(world.account() for _ in range(8))
    sids = [world.send(account, world.number(account)) for account in accounts]
    for claimed in world.claim(carrier).messages:
        world.settle("put_back", claimed, world.at + 60, maybe_taken=False)
    for claimed in [each for _ in range(4) for each in world.claim(carrier).messages]:
        world.settle("put_back", claimed, world.at + 60, maybe_taken=False)
    last = world.send(accounts[-1], world.number(accounts[-1]), "+447700900002")
    found = [sid for _ in range(4) for sid in world.claimed(carrier)]
    assert found == [last]
    assert {world.status(sid) for sid in sids} == {"queued"}


def test_pq3_a_raised_rate_counts_within_a_second(world: QueueWorld) -> None:
    account = world.account()
    number, carrier = world.number(account), world.carrier("crawl", rate=0.01)
    first, second = (world.send(account, number, f"+44770090000{n}") for n in range(2))
    assert world.claimed(carrier) == [first]
    assert world.claim(carrier).messages == ()
    world.write(lambda c: carriers.change(c, carrier, now=world.at, message_rate=100.0))
    world.at += carriers.RATE_SECONDS
    assert world.claimed(carrier) == [second]


async def test_media_that_is_waited_for_holds_up_nobody_elses_messages(world: QueueWorld) -> None:
    """Messages whose media are missing are not even looked at."""
    world.carrier("one")
    waiting, other = world.account(), world.account()
    number = world.number(waiting)
    url = "https://media.test/picture"
    held = world.send(waiting, number, send_at=world.at + 1, media_urls=(url,))
    sid = world.send(other, world.number(other), send_at=world.at + 2)
    rounds = Rounds(world.desk, lambda: None)
    world.at += 5
    await rounds.release()
    assert [world.status(one) for one in (held, sid)] == ["scheduled", "queued"]
    had = MessageMedia.__table__.update().where(PIECES.message_sid == held)
    world.write(lambda c: c.execute(had.values(size=3, content_type="image/png")))
    await rounds.release()
    assert world.status(held) == "queued"


async def test_one_accounts_trouble_hides_no_others_messages(
    world: QueueWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.carrier("one")
    broken, other = world.account(), world.account()
    first = world.send(broken, world.number(broken), send_at=world.at + 1)
    second = world.send(other, world.number(other), send_at=world.at + 2)
    rounds = Rounds(world.desk, lambda: None)
    persist = world.persist

    async def fails(unit: object, key: str) -> object:
        if key == broken:
            raise RuntimeError("a bug")
        return await persist(unit, key)  # type: ignore[arg-type]

    monkeypatch.setattr(world, "persist", fails)
    monkeypatch.setattr("callrouter.messages.queue.rounds.BATCH", 1)
    monkeypatch.setattr("callrouter.messages.queue.rounds._DUE", _DUE.limit(1))
    world.at += 5
    await rounds.release()
    assert [world.status(sid) for sid in (first, second)] == ["scheduled", "queued"]
