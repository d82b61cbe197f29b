"""Commits whose answer is lost, writers that are full, leases that are another's: no call is left behind."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from gathering_world import databases
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError
from test_step_entries import TARGET

from callrouter.calls import engine as engines
from callrouter.calls import happenings as h
from callrouter.calls.engine import Engine, Receipt
from callrouter.calls.incoming import inbound_call
from callrouter.calls.name_lock import NameLock, NameTaken
from callrouter.calls.recovery import LEASE_SECONDS, NameLost, renew_lease, take_lease
from callrouter.calls.session import OWN
from callrouter.calls.status import Cause, Status
from callrouter.calls.store import Owner
from callrouter.models import Call, Outbox, RouterNode, Session, Timer
from foundation.clock import utc_now
from foundation.db import Database, DatabaseOverloaded

NAME = "router-1"
LOST = OperationalError("COMMIT", {}, Exception("the connection was lost"))
Story = Callable[["Scene"], Awaitable[None]]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    yield from databases(request, tmp_path)


class Scene:
    """One call that has begun."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.engine = Engine(database, utc_now, NAME)
        self.sent: list[dict[str, Any]] = []
        self.engine.carry_out = self.sent.extend

    async def begin(self) -> None:
        await self.engine.start()
        self.call_sid = await self.create("call 1")

    async def create(self, event_id: str) -> str:
        session = inbound_call(
            TARGET,
            from_="+1415",
            to="+1416",
            sdp="v=0",
            carrier="a",
            carrier_call_id=event_id,
            caller_name="",
        )
        return await self.engine.create(session, Receipt(source="carrier:a", event_id=event_id))

    async def until(self, true: Callable[[], Any]) -> None:
        async with asyncio.timeout(20):
            while not true():
                await asyncio.sleep(0.01)

    def lose_answers(self, count: int = 1) -> None:
        """The next commits are stored, and then the connection breaks."""
        dialect, left = self.database.writer_engine.dialect, [count]
        commit = dialect.do_commit

        def lose(connection: Any) -> None:
            commit(connection)
            left[0] -= 1
            if not left[0]:
                dialect.do_commit = commit  # type: ignore[method-assign]
            raise LOST

        dialect.do_commit = lose  # type: ignore[method-assign]

    def row(self) -> Any:
        with self.database.read() as connection:
            return connection.execute(select(Session.version, Session.owner)).first()


def play(database: Database, story: Story) -> None:
    async def run() -> None:
        scene = Scene(database)
        try:
            await scene.begin()
            await story(scene)
        finally:
            await scene.engine.stop()

    asyncio.run(run())


def gone(at: float) -> h.Gone:
    return h.Gone(at=at, leg=OWN, cause=Cause.FAILED, code=0, detail="it is over", far=True)


@pytest.mark.parametrize(
    "receipt", [None, Receipt(source="carrier:a", event_id="event 1")], ids=["", "receipt"]
)
@pytest.mark.parametrize("durable", [False, True], ids=["waits not", "durable"])
def test_a_step_whose_commit_got_no_answer_is_found_stored(
    database: Database, receipt: Receipt | None, durable: bool
) -> None:
    """The writer tries again, and meets its own earlier try: the call goes on, with all its effects, once."""

    async def story(scene: Scene) -> None:
        scene.lose_answers()
        pressed = h.Pressed(at=scene.engine.now(), leg=OWN, digits="1")
        session = await scene.engine.happen(scene.call_sid, pressed, receipt, durable=durable)
        assert session is scene.engine.session(scene.call_sid)
        assert scene.row() == (2, NAME)
        await scene.engine.happen(scene.call_sid, gone(scene.engine.now()))
        assert scene.engine.session(scene.call_sid) is None
        with database.read() as connection:
            assert connection.execute(select(Call.status)).scalars().all() == [Status.FAILED]
            ids = connection.execute(select(Outbox.id)).scalars().all()
        assert sorted(ids) == sorted(row["id"] for row in scene.sent)

    play(database, story)


def test_the_last_step_of_a_call_whose_commit_got_no_answer(database: Database) -> None:
    async def story(scene: Scene) -> None:
        scene.lose_answers()
        await scene.engine.happen(scene.call_sid, gone(scene.engine.now()))
        assert scene.engine.session(scene.call_sid) is None
        with database.read() as connection:
            ids = connection.execute(select(Outbox.id)).scalars().all()
        assert sorted(ids) == sorted(row["id"] for row in scene.sent)

    play(database, story)


def test_a_step_that_stays_without_an_answer_is_settled_later(database: Database) -> None:
    """Who asked is told that the database failed; the call itself knows better as soon as that answers."""

    async def story(scene: Scene) -> None:
        stored, began = scene.engine._database.commit, []

        async def commit(unit: Any, key: str = "") -> Any:
            if began:
                return await stored(unit, key)
            began.append(await stored(unit, key))
            raise LOST

        scene.engine._database.commit = commit  # type: ignore[method-assign]
        with pytest.raises(OperationalError):
            await scene.engine.happen(scene.call_sid, h.Pressed(at=scene.engine.now(), leg=OWN, digits="1"))
        await scene.until(lambda: scene.engine._actors[scene.call_sid].version == 2)
        await scene.engine.happen(scene.call_sid, gone(scene.engine.now()))
        assert scene.row() is None

    play(database, story)


def test_a_call_that_was_stored_without_an_answer_goes_on_by_itself(database: Database) -> None:
    """The carrier is told 503, and may never come again; if it does, it gets the same call."""

    async def story(scene: Scene) -> None:
        stored = scene.engine._database.commit

        async def commit(unit: Any, key: str = "") -> Any:
            await stored(unit, key)
            raise LOST

        scene.engine._database.commit = commit  # type: ignore[method-assign]
        with pytest.raises(OperationalError):
            await scene.create("call 2")
        scene.engine._database.commit = stored  # type: ignore[method-assign]
        await scene.until(lambda: len(scene.engine.sessions()) == 2)
        assert await scene.create("call 2") in [one.call_sid for one in scene.engine.sessions()]
        assert len(scene.engine.sessions()) == 2

    play(database, story)


def test_another_owner_of_the_call_is_still_recognised(database: Database) -> None:
    """I3: what is not our own step is not taken for it."""

    async def story(scene: Scene) -> None:
        await database.commit(lambda c: c.execute(update(Session).values(owner="router-2", version=2)))
        with pytest.raises(engines.Overtaken):
            await scene.engine.happen(scene.call_sid, h.Pressed(at=scene.engine.now(), leg=OWN, digits="1"))
        assert scene.engine.session(scene.call_sid) is None

    play(database, story)


def test_a_timer_that_meets_a_full_writer_goes_off_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call's own limit must end it, however busy the database is when that falls due (I6, I14)."""
    monkeypatch.setattr(engines, "DATABASE_RETRY_SECONDS", 0.01)

    async def story(scene: Scene) -> None:
        with scene.database.read() as connection:
            timer = connection.execute(select(Timer.name)).scalars().first()
        assert timer
        stored, refused = scene.engine._database.commit, []

        async def commit(unit: Any, key: str = "") -> Any:
            if len(refused) < 3:
                refused.append(1)
                raise DatabaseOverloaded("full")
            return await stored(unit, key)

        scene.engine._database.commit = commit  # type: ignore[method-assign]
        scene.engine._disarm(scene.call_sid, timer)
        scene.engine._arm(scene.call_sid, timer, scene.engine.now())
        await scene.until(lambda: (scene.row() or (2,))[0] > 1)
        assert len(refused) == 3

    class Sqlite:
        param = "sqlite"

    for database in databases(Sqlite(), tmp_path):  # type: ignore[arg-type]
        play(database, story)


def test_a_clock_that_is_set_moves_no_timer(tmp_path: Path) -> None:
    """What falls due after a while does so after that while, also when the clock was put back by an hour."""

    async def story(scene: Scene) -> None:
        with scene.database.read() as connection:
            timer = connection.execute(select(Timer.name)).scalars().first()
        assert timer
        scene.engine._disarm(scene.call_sid, timer)
        scene.engine._arm(scene.call_sid, timer, scene.engine.now() + 0.2)
        scene.engine._clock = lambda: utc_now() - timedelta(hours=1)
        await scene.until(lambda: (scene.row() or (2,))[0] > 1)
        with scene.database.read() as connection:
            for row in connection.execute(select(Call.start_time, Call.end_time)):
                assert None in row or row.end_time - row.start_time < 1

    class Sqlite:
        param = "sqlite"

    for database in databases(Sqlite(), tmp_path):  # type: ignore[arg-type]
        play(database, story)


# -- names and leases


def lease(database: Database, work: Callable[[Any], Any]) -> Any:
    return database.write(work).result(10)


def test_a_name_whose_lease_runs_is_another_routers(database: Database) -> None:
    """Its calls are not touched before the lease ends; the line says what to do."""
    first = lease(database, lambda c: take_lease(c, NAME, 1_000.0)).owner
    with pytest.raises(NameTaken, match=r"another process is the router 'router-1'.*wait 20 s"):
        lease(database, lambda c: take_lease(c, NAME, 1_010.0))
    again = lease(database, lambda c: take_lease(c, NAME, 1_010.0, over=first.epoch)).owner
    assert again.epoch == first.epoch + 1
    assert lease(database, lambda c: take_lease(c, NAME, 1_041.0)).owner.epoch == again.epoch + 1
    with pytest.raises(NameLost):
        lease(database, lambda c: renew_lease(c, first, 1_042.0))


def test_a_router_whose_lease_others_ended_takes_it_again(database: Database) -> None:
    """It was away: its calls are the other's, and those that come are its own and can be adopted when it dies."""
    mine = lease(database, lambda c: take_lease(c, NAME, 1_000.0)).owner
    other = lease(database, lambda c: take_lease(c, "router-2", 1_000.0)).owner
    late = 1_001.0 + LEASE_SECONDS
    lease(database, lambda c: renew_lease(c, other, late))
    lease(database, lambda c: renew_lease(c, mine, late))
    with database.read() as connection:
        rows = connection.execute(select(RouterNode.name, RouterNode.lease_until)).all()
    assert {tuple(row) for row in rows} == {(NAME, late + LEASE_SECONDS), ("router-2", late + LEASE_SECONDS)}


def test_the_lock_knows_the_life_that_is_over(tmp_path: Path) -> None:
    """A router that was killed starts again at once: nobody else on this machine can be it."""
    with closing(NameLock(tmp_path, "a/b", "sqlite:///x")) as lock:
        assert lock.epoch is None
        lock.note(12)
        lock.note(7)
        with pytest.raises(NameTaken, match="another process on this machine is the router 'a/b'"):
            NameLock(tmp_path, "a/b", "sqlite:///x")
        NameLock(tmp_path, "another", "sqlite:///x").close()
    with closing(NameLock(tmp_path, "a/b", "sqlite:///x")) as lock:
        assert lock.epoch == 7
    with closing(NameLock(tmp_path, "a/b", "sqlite:///y")) as lock:
        assert lock.epoch is None


def test_a_started_engine_is_followed_by_one_of_the_same_lock_only(tmp_path: Path) -> None:
    class Sqlite:
        param = "sqlite"

    async def start(database: Database, folder: Path) -> Owner:
        with closing(NameLock(folder, NAME, database.url)) as lock:
            engine = Engine(database, utc_now, NAME, lock)
            await engine.start()
            await engine.stop()
            return engine._owner

    for database in databases(Sqlite(), tmp_path):  # type: ignore[arg-type]
        assert asyncio.run(start(database, tmp_path)).epoch == 1
        assert asyncio.run(start(database, tmp_path)).epoch == 2
        with pytest.raises(NameTaken):
            asyncio.run(start(database, tmp_path / "elsewhere"))
