"""One client, several devices: ringing, declining, giving up (PR-48, PR-51, PR-55, PR-57)."""

import asyncio

from scene import CALLER, CALLER_HZ, Scene, soon, until_hears

from callrouter.audio.sources import Tone


async def test_first_device_that_answers_wins_and_the_other_is_cancelled(scene: Scene) -> None:
    """PR-51: both devices ring for one child leg."""
    number = scene.number(f"<Response><Dial>{scene.client('alice')}</Dial></Response>")
    async with scene.carrier() as carrier, scene.phone("alice") as one, scene.phone("alice") as two:
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        first, second = await soon(asyncio.gather(one.incoming(), two.incoming()))
        assert first.parameters["CallSid"] == second.parameters["CallSid"]
        await second.answer()
        assert (await soon(first.ended)).how == "cancel"
        await until_hears(second, CALLER_HZ)
        await call.hangup()
        await soon(second.ended)
        await scene.over()
    assert scene.statuses() == {number: "completed", "client:alice": "completed"}


async def test_one_device_declines_and_the_other_still_rings(scene: Scene) -> None:
    number = scene.number(f"<Response><Dial>{scene.client('alice')}</Dial></Response>")
    async with scene.carrier() as carrier, scene.phone("alice") as one, scene.phone("alice") as two:
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        first, second = await soon(asyncio.gather(one.incoming(), two.incoming()))
        await first.reject()
        await second.answer()
        await until_hears(second, CALLER_HZ)
        await call.hangup()
        await scene.over()
    assert scene.statuses()["client:alice"] == "completed"


async def test_both_devices_decline_and_the_dial_is_busy(scene: Scene) -> None:
    """PR-55: busy means that every device declined."""
    scene.app.answers["/done"] = "<Response/>"
    number = scene.number(f"<Response><Dial action='/done'>{scene.client('alice')}</Dial></Response>")
    async with scene.carrier() as carrier, scene.phone("alice") as one, scene.phone("alice") as two:
        await carrier.call(CALLER, number)
        first, second = await soon(asyncio.gather(one.incoming(), two.incoming()))
        await first.reject()
        await second.reject()
        done = await scene.form("/done")
        await scene.over()
    assert done["DialCallStatus"] == "busy"
    await scene.form("/status/alice", 2)
    assert scene.callbacks("/status/alice") == ["initiated", "ringing", "busy"]


async def test_caller_hangs_up_while_it_rings(scene: Scene) -> None:
    """PR-57: every device stops ringing; the action hears of it and its answer has no effect."""
    scene.app.answers["/done"] = "<Response><Dial><Client>alice</Client></Dial></Response>"
    number = scene.number(f"<Response><Dial action='/done'>{scene.client('alice')}</Dial></Response>")
    async with scene.carrier() as carrier, scene.phone("alice") as one, scene.phone("alice") as two:
        call = await carrier.call(CALLER, number)
        both = await soon(asyncio.gather(one.incoming(), two.incoming()))
        await call.hangup()
        assert [(await soon(ringing.ended)).how for ringing in both] == ["cancel", "cancel"]
        done = await scene.form("/done")
        await scene.over()
    assert (done["DialCallStatus"], done["CallStatus"]) == ("canceled", "completed")
    assert scene.statuses() == {number: "completed", "client:alice": "canceled"}


async def test_ring_timeout_is_no_answer_and_stops_the_ringing(scene: Scene) -> None:
    """PR-55, PR-57: 5 s of the Dial and Twilio's 5 s on top of them (twilio-surface 2.2)."""
    scene.app.answers["/done"] = "<Response/>"
    number = scene.number(
        f"<Response><Dial timeout='5' action='/done'>{scene.client('alice')}</Dial></Response>"
    )
    async with scene.carrier() as carrier, scene.phone("alice") as phone:
        await carrier.call(CALLER, number)
        ringing = await soon(phone.incoming())
        assert (await soon(ringing.ended)).how == "cancel"
        assert (await scene.form("/done"))["DialCallStatus"] == "no-answer"
        await scene.over()
    await scene.form("/status/alice", 2)
    assert scene.callbacks("/status/alice") == ["initiated", "ringing", "no-answer"]


async def test_message_in_a_call_is_acknowledged_and_changes_nothing(scene: Scene) -> None:
    number = scene.number(f"<Response><Dial>{scene.client('alice')}</Dial></Response>")
    async with scene.carrier() as carrier, scene.phone("alice") as phone:
        call = await carrier.call(CALLER, number)
        ringing = await soon(phone.incoming())
        await ringing.answer()
        await scene.until(lambda: scene.statuses()["client:alice"] == "in-progress", "alice took it")
        await ringing.press("12#")
        await scene.until(lambda: "presses 12#" in scene.story(), "the keys are in the ladder")
        await call.hangup()
        await scene.over()


async def test_registered_token_of_another_account_is_never_rung(scene: Scene) -> None:
    """I12, PR-9: identities belong to their account."""
    other = Scene(scene.deployment, scene.app)
    number = scene.number(f"<Response><Dial>{scene.client('alice')}</Dial></Response>")
    async with scene.carrier() as carrier, other.phone("alice") as stranger:
        call = await carrier.call(CALLER, number)
        await soon(call.ended)
        await scene.over()
        assert stranger.calls == []
    assert scene.statuses()["client:alice"] == "no-answer"
