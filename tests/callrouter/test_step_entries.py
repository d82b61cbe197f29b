"""Entries of the outbox that can't be carried out: the call hears of it and the queue goes on (F43, I6)."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import select

from callrouter.calls import dispatch
from callrouter.calls.dispatch import Dispatcher, Done
from callrouter.calls.engine import Engine, Receipt
from callrouter.calls.incoming import inbound_call
from callrouter.calls.routing import Target
from callrouter.calls.store import OutboxRow
from callrouter.models import Base, Call, Notification, Outbox
from foundation.clock import utc_now
from foundation.db import Database

URL = "https://app.test/voice"
TARGET = Target(
    account_sid="AC" + "1" * 32,
    account_status="active",
    phone_number_sid=None,
    application_sid=None,
    voice_url=URL,
    voice_method="POST",
    voice_fallback_url="",
    voice_fallback_method="POST",
    status_callback="",
    status_callback_method="POST",
)


@pytest.mark.parametrize("kind", ["fetch", "carrier"])
def test_entry_whose_executor_always_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A fetch that can't be made is a document that is missing; without the others a leg is over."""
    monkeypatch.setattr(dispatch, "CRASHES", 1)
    database = Database(f"sqlite:///{tmp_path}/router.sqlite3")
    Base.metadata.create_all(database.writer_engine)

    async def broken(row: OutboxRow) -> Done:
        raise LookupError("a bug")

    async def fine(row: OutboxRow) -> Done:
        return Done()

    async def run() -> str:
        engine = Engine(database, utc_now, "router-1")
        executors = {"fetch": broken, "carrier": broken if kind == "carrier" else fine, "close": fine}
        dispatcher = Dispatcher(engine, database, executors)
        engine.carry_out = dispatcher.submit
        await engine.start()
        session = inbound_call(
            TARGET, from_="+1415", to="+1416", sdp="v=0", carrier="a", carrier_call_id="1", caller_name=""
        )
        call_sid = await engine.create(session, Receipt(source="carrier:a", event_id="call 1"))
        async with asyncio.timeout(10):
            while engine.session(call_sid) or dispatcher.waiting:
                await asyncio.sleep(0.01)
        await dispatcher.stop()
        await engine.stop()
        return call_sid

    call_sid = asyncio.run(run())
    database.close()  # writes what was struck off
    with Database(database.url).read() as connection:
        status = connection.execute(select(Call.status).where(Call.sid == call_sid)).scalar()
        codes = connection.execute(select(Notification.error_code)).scalars().all()
        left = connection.execute(select(Outbox.id)).all()
    assert (status, codes, left) == ("failed", ["12400"], [])
