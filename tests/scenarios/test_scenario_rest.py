"""A live call changed through the official library (TS-9; twilio-surface 9.4 rows 5, 6 and 42)."""

import asyncio
from typing import Any

import pytest
from scene import CALLEE_HZ, CALLER, CALLER_HZ, Scene, soon, until_hears
from twilio.base.exceptions import TwilioRestException

from callrouter.audio.sources import Tone


async def _update(scene: Scene, call_sid: str, **change: Any) -> Any:
    return await asyncio.to_thread(scene.tenant.rest.calls(call_sid).update, **change)


async def test_completed_ends_a_call_in_progress_and_everybody_in_it(scene: Scene) -> None:
    number = scene.number(f"<Response><Dial>{scene.client('alice')}</Dial></Response>")
    async with scene.carrier() as carrier, scene.phone("alice") as phone:
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        ringing = await soon(phone.incoming())
        await ringing.answer()
        await until_hears(ringing, CALLER_HZ)
        with pytest.raises(TwilioRestException) as refused:
            await _update(scene, call.call_sid, status="canceled")
        assert refused.value.code == 21220
        assert (await _update(scene, call.call_sid, status="completed")).status == "completed"
        assert (await soon(call.ended)).by == "router"
        assert (await soon(ringing.ended)).how == "hangup"
        await scene.over()
    with pytest.raises(TwilioRestException) as late:
        await _update(scene, call.call_sid, status="completed")
    assert late.value.code == 21220
    assert set(scene.statuses().values()) == {"completed"}


async def test_canceled_ends_a_call_that_was_not_answered(scene: Scene) -> None:
    number = scene.number(f"<Response><Dial answerOnBridge='true'>{scene.client('alice')}</Dial></Response>")
    async with scene.carrier() as carrier, scene.phone("alice") as phone:
        call = await carrier.call(CALLER, number)
        ringing = await soon(phone.incoming())
        await _update(scene, call.call_sid, status="canceled")
        assert (await soon(ringing.ended)).how == "cancel"
        assert (await soon(call.ended)).by == "router"
        await scene.over()
    assert set(scene.statuses().values()) == {"canceled"}


async def test_new_url_takes_the_caller_out_of_its_dial(scene: Scene) -> None:
    """9.4 row 42: the caller goes on with the new document, the callee is hung up."""
    number = scene.number(f"<Response><Dial action='/never'>{scene.client('alice')}</Dial></Response>")
    scene.app.answers["/new"] = "<Response><Pause length='1'/></Response>"
    async with scene.carrier() as carrier, scene.phone("alice") as phone:
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        ringing = await soon(phone.incoming())
        await ringing.answer()
        await until_hears(ringing, CALLER_HZ)
        await _update(scene, call.call_sid, url=scene.app.url("/new"), method="POST")
        assert (await scene.form("/new"))["CallStatus"] == "in-progress"
        assert (await soon(ringing.ended)).how == "hangup"
        assert (await soon(call.ended)).by == "router"
        await scene.over()
    assert scene.app.forms("/never") == []


async def test_new_twiml_connects_the_caller_elsewhere(scene: Scene) -> None:
    number = scene.number("<Response><Dial><Client>alice</Client></Dial></Response>")
    async with (
        scene.carrier() as carrier,
        scene.phone("alice") as alice,
        scene.phone("bob", source=Tone(hz=1400)) as bob,
    ):
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        first = await soon(alice.incoming())
        await first.answer()
        await until_hears(first, CALLER_HZ)
        await _update(scene, call.call_sid, twiml="<Response><Dial><Client>bob</Client></Dial></Response>")
        second = await soon(bob.incoming())
        assert (await soon(first.ended)).how == "hangup"
        await second.answer()
        await scene.until(lambda: scene.statuses()["client:bob"] == "in-progress", "bob took it")
        await until_hears(second, CALLER_HZ)
        await until_hears(call, 1400)
        await call.hangup()
        await scene.over()
    assert set(scene.statuses().values()) == {"completed"}


async def test_new_twiml_for_the_callee_takes_it_out_of_the_dial(scene: Scene) -> None:
    """A dialled leg leaves its Dial for a document of its own; the caller goes on at `action`."""
    number = scene.number(f"<Response><Dial action='/done'>{scene.client('alice')}</Dial></Response>")
    scene.app.answers["/done"] = "<Response><Pause length='1'/></Response>"
    async with scene.carrier() as carrier, scene.phone("alice") as phone:
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        ringing = await soon(phone.incoming())
        await ringing.answer()
        await until_hears(ringing, CALLER_HZ)
        await _update(scene, ringing.parameters["CallSid"], twiml="<Response><Pause length='3'/></Response>")
        await scene.form("/done")
        assert (await soon(call.ended)).by == "router"
        assert not ringing.over
        assert (await soon(ringing.ended)).how == "hangup"
        await scene.over()
    assert set(scene.statuses().values()) == {"completed"}


async def test_callee_moved_by_rest_may_dial_somebody_itself(scene: Scene) -> None:
    """A second Dial in one session: its legs are the callee's children, and the first caller is let go."""
    number = scene.number("<Response><Dial><Client>alice</Client></Dial></Response>")
    bob_dial = f"<Response><Dial>{scene.client('bob')}</Dial></Response>"
    async with (
        scene.carrier() as carrier,
        scene.phone("alice") as alice,
        scene.phone("bob", source=Tone(hz=1400)) as bob,
    ):
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        ringing = await soon(alice.incoming())
        with pytest.raises(TwilioRestException) as early:
            await _update(scene, ringing.parameters["CallSid"], twiml=bob_dial)
        assert early.value.code == 21220
        await ringing.answer()
        await until_hears(ringing, CALLER_HZ)
        await _update(scene, ringing.parameters["CallSid"], twiml=bob_dial)
        second = await soon(bob.incoming())
        await soon(call.ended)
        await second.answer()
        await scene.until(lambda: scene.statuses()["client:bob"] == "in-progress", "bob took it")
        await until_hears(second, CALLEE_HZ)
        await until_hears(ringing, 1400)
        await second.hangup()
        assert (await soon(ringing.ended)).how == "hangup"
        await scene.over()
    await scene.form("/status/bob", 3)
    assert scene.app.forms("/status/bob")[0]["ParentCallSid"] == ringing.parameters["CallSid"]
    assert set(scene.statuses().values()) == {"completed"}


async def test_another_account_can_not_touch_the_call(scene: Scene) -> None:
    """I12."""
    other = scene.deployment.tenant()
    number = scene.number("<Response><Pause length='2'/></Response>")
    async with scene.carrier() as carrier:
        call = await carrier.call(CALLER, number)
        with pytest.raises(TwilioRestException) as refused:
            await asyncio.to_thread(other.rest.calls(call.call_sid).update, status="completed")
        assert refused.value.status == 404
        assert not call.ended.done()
        await call.hangup()
        await scene.over()
