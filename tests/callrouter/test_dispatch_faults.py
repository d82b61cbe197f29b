"""One bad entry of the outbox harms nobody else, and callbacks that hang hold up no document (F43)."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select

from callrouter.calls import dispatch
from callrouter.calls.dispatch import Dispatcher, Done, Later
from callrouter.calls.engine import Engine
from callrouter.calls.executors.webhooks import Webhooks
from callrouter.models import Base, Outbox
from foundation.clock import utc_now
from foundation.db import Database


def entry(number: int, kind: str, **more: Any) -> dict[str, Any]:
    return {
        "id": f"CA1.{number}",
        "account_sid": "AC1",
        "call_sid": "CA1",
        "lane": "one lane",
        "position": number,
        "kind": kind,
        "payload": {},
        "attempts": 0,
        "due_at": utc_now().timestamp(),
        "owner": "",
        "created_at": 0.0,
        **more,
    }


def broken_unit(_connection: Any) -> None:
    raise ValueError("a bug")


class World:
    def __init__(self, folder: Path) -> None:
        self.done: list[str] = []
        self.database = Database(f"sqlite:///{folder}/router.sqlite3")
        Base.metadata.create_all(self.database.writer_engine)

    def left(self) -> list[str]:
        with self.database.read() as connection:
            return list(connection.execute(select(Outbox.id).order_by(Outbox.position)).scalars())

    async def run(self, until: Callable[[], bool]) -> None:
        engine = Engine(self.database, utc_now, "router-1")

        async def fine(row: dict[str, Any]) -> Done:
            self.done.append(row["id"])
            return Done()

        async def pauses(row: dict[str, Any]) -> Done:
            raise Later(0.01, also=broken_unit)

        async def spoils(row: dict[str, Any]) -> Done:
            return Done(also=broken_unit)

        executors = {"fine": fine, "pauses": pauses, "spoils": spoils}
        dispatcher = Dispatcher(engine, self.database, executors)
        engine.carry_out = dispatcher.submit
        await engine.start()
        dispatcher.start()
        async with asyncio.timeout(20):
            while not until():
                await asyncio.sleep(0.01)
        await dispatcher.stop()
        await engine.stop()


@pytest.mark.parametrize("kind", ["pauses", "spoils", "of another release"])
def test_what_stands_behind_a_poisoned_entry_is_carried_out(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "CRASHES", 1)
    world = World(tmp_path)
    rows = [entry(1, kind), entry(2, "fine"), entry(3, kind), entry(4, "fine")]
    world.database.write(lambda c: c.execute(Outbox.__table__.insert(), rows)).result(10)  # type: ignore[attr-defined]
    asyncio.run(world.run(lambda: world.done == ["CA1.2", "CA1.4"]))
    world.database.close()


def test_entries_whose_claim_got_no_answer_are_carried_out(tmp_path: Path) -> None:
    """They are ours when the claim is tried again, and nobody else would ever look at them."""
    world = World(tmp_path)
    rows = [entry(1, "fine"), entry(2, "fine")]
    world.database.write(lambda c: c.execute(Outbox.__table__.insert(), rows)).result(10)  # type: ignore[attr-defined]
    commit, lost = world.database.commit, []

    async def claimed(unit: Any, key: str = "") -> Any:
        if getattr(unit, "keywords", {}).get("ids") and not lost:
            lost.append(await commit(unit, key))  # stored; the writer then runs the unit again
        return await commit(unit, key)

    world.database.commit = claimed  # type: ignore[method-assign]
    asyncio.run(world.run(lambda: world.done == ["CA1.1", "CA1.2"]))
    assert lost
    world.database.close()


class Pool:
    """Notes what goes through it."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def fetch(self, account_sid: str, request: Any) -> Any:
        self.asked.append(request.url)
        return SimpleNamespace(
            status=200,
            ok=True,
            url=request.url,
            body=b"",
            headers=(),
            cookies=(),
            attempts=(),
            header=lambda _: "",
        )


def test_documents_and_callbacks_go_different_ways() -> None:
    """However many callbacks hang, a call's next document finds a thread."""
    documents, callbacks = Pool(), Pool()
    webhooks = Webhooks(None, None, documents, lambda: 0.0, "http://router", callbacks)  # type: ignore[arg-type]

    async def token(_account_sid: str) -> str:
        return "a token"

    webhooks.token = token  # type: ignore[method-assign]

    async def ask() -> None:
        for kind in ("document", "status-callback", "partial-result", "message"):
            payload = {
                "url": f"https://app.test/{kind}",
                "method": "POST",
                "parameters": {},
                "call_sid": "CA1",
            }
            await webhooks.ask(entry(1, "fetch", payload=payload), kind)

    asyncio.run(ask())
    assert documents.asked == ["https://app.test/document", "https://app.test/message"]
    assert callbacks.asked == ["https://app.test/status-callback", "https://app.test/partial-result"]
