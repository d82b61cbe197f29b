"""Carriers that refuse, go down, keep silent, are slow, or say what is not so: real processes (F24 to F26)."""

import asyncio
from typing import Any

import pytest
from scene import CALLER, Scene, within

from callrouter import models
from callrouter.carriers.simulator import Faults, Line, Receipts, SimulatedCarrier, TextScript
from tests.support.deployment import PATIENCE


async def send(scene: Scene, *bodies: str, **options: Any) -> list[str]:
    """SIDs of messages by REST, in their order, from a new number to the same phone."""
    messages, from_ = scene.tenant.rest.messages, scene.tenant.number()
    created = []
    for body in bodies:
        options = {"to": CALLER, "from_": from_, "body": body, **options}
        created.append((await asyncio.to_thread(lambda given=options: messages.create(**given))).sid)
    return created


def row(scene: Scene, sid: str) -> Any:
    return next(row for row in scene.rows(models.Message) if row.sid == sid)


async def ends(scene: Scene, sid: str, status: str, code: int | None = None) -> None:
    patience = 2 * PATIENCE
    await scene.until(lambda: row(scene, sid).status == status, f"the message is {status}", patience)
    assert row(scene, sid).error_code == code


async def taken(carrier: SimulatedCarrier) -> str:
    return (await within(2 * PATIENCE, carrier.inbox())).id


@pytest.mark.parametrize(
    ("script", "status", "code"),
    [
        (TextScript(), "delivered", None),
        (TextScript(delivered=0, error_code=30005), "undelivered", 30005),
        (TextScript(receipts=Receipts.LYING), "undelivered", 30008),
        (TextScript(receipts=Receipts.CONTRADICTING), "delivered", None),
        (TextScript(receipts=Receipts.CONTRADICTING, delivered=0), "undelivered", 30008),
        (TextScript(early=True), "delivered", None),
        (TextScript(receipts=Receipts.NONE), "sent", None),
    ],
    ids=["true", "lost", "lying", "contradicting", "contradicting a loss", "early", "silent"],
)
async def test_what_a_carrier_reports_is_the_status_once(
    scene: Scene, script: TextScript, status: str, code: int | None
) -> None:
    """I5, F25: the first word counts, never backwards, and each status is told once, also when all comes thrice."""
    async with scene.carrier(texting=script) as carrier:
        carrier.faults = Faults(duplicates=2)
        (sid,) = await send(scene, "Hello", status_callback=scene.app.url("/status/text"))
        await ends(scene, sid, status, code)
        await scene.over()
        assert [text.id for text in carrier.messages] == [sid]
        assert (carrier.handed(sid), row(scene, sid).possible_duplicate) == (1, False)
    told = [form["MessageStatus"] for form in scene.app.forms("/status/text")]
    assert told.count(status) == 1
    assert set(told) <= {"sending", "sent", status}


async def test_a_final_refusal_is_the_messages_end(scene: Scene) -> None:
    async with scene.carrier(texting=TextScript(refused=1.0, refusal=30007, final=True)) as carrier:
        (sid,) = await send(scene, "No")
        await ends(scene, sid, "failed", 30007)
        assert carrier.messages == []


async def test_a_carrier_that_comes_back_gets_what_waited_in_order(scene: Scene) -> None:
    """PQ-5, PQ-8: nothing is lost, nothing is sent twice."""
    async with scene.carrier(texting=TextScript(line=Line.DOWN)) as carrier:
        sids = await send(scene, *"12345")
        await scene.until(lambda: row(scene, sids[0]).status == "queued", "it waits")
        carrier.texting = TextScript()
        assert [await taken(carrier) for _ in sids] == sids
        for sid in sids:
            await ends(scene, sid, "delivered")
        assert {carrier.handed(sid) for sid in sids} == {1}
        assert not any(row(scene, sid).possible_duplicate for sid in sids)


async def test_a_carrier_that_keeps_silent_is_asked_again_and_the_window_is_marked(scene: Scene) -> None:
    """OM5 to OM8, PQ-4: handed over twice under one id, which the carrier knows; taken once, marked."""
    script = TextScript(line=Line.MUTE, receipts=Receipts.NONE)
    async with scene.carrier(texting=script) as carrier:
        (sid,) = await send(scene, "Anybody there?")
        assert await taken(carrier) == sid
        carrier.texting = TextScript()
        await scene.until(lambda: carrier.handed(sid) == 2, "it is handed over again", 3 * PATIENCE)
        await ends(scene, sid, "sent")
        assert [text.id for text in carrier.messages] == [sid]
        assert row(scene, sid).possible_duplicate


async def test_a_report_says_that_a_silent_carrier_has_it(scene: Scene) -> None:
    """OM9 before OM8: then there is no reason to hand it over again."""
    async with scene.carrier(texting=TextScript(line=Line.MUTE)) as carrier:
        (sid,) = await send(scene, "Anybody there?")
        await ends(scene, sid, "delivered")
        carrier.texting = TextScript()
        await scene.until(lambda: not scene.rows(models.QueuedMessage), "no queue has it")
        assert carrier.handed(sid) == 1


async def test_a_carrier_that_is_slow_gets_no_more_than_it_takes(scene: Scene) -> None:
    """PQ-3: 429 with Retry-After loses nothing, and the order stays."""
    async with scene.carrier(texting=TextScript(rate=4)) as carrier:
        sids = await send(scene, *"abcdefgh")
        assert [await taken(carrier) for _ in sids] == sids
        for sid in sids:
            await ends(scene, sid, "delivered")
