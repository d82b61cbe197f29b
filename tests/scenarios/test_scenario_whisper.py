"""Screening: a document of the callee's own before the two sides meet (PR-60, twilio-surface 2.3, 9.4 row 23)."""

from scene import CALLEE_HZ, CALLER, CALLER_HZ, Scene, soon, until_hears

from callrouter.audio.sources import Tone


def _screened(scene: Scene, whisper: str) -> str:
    """A number whose client is asked by this document first."""
    scene.app.answers["/whisper"] = whisper
    scene.app.answers["/done"] = "<Response/>"
    client = scene.client("alice", attributes="url='/whisper'")
    return scene.number(f"<Response><Dial action='/done'>{client}</Dial></Response>")


async def test_callee_who_stays_through_the_whisper_is_put_through(scene: Scene) -> None:
    number = _screened(scene, "<Response><Pause length='1'/></Response>")
    async with scene.carrier() as carrier, scene.phone("alice") as phone:
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        ringing = await soon(phone.incoming())
        await ringing.answer()
        whisper = await scene.form("/whisper")
        assert whisper["CallSid"] == ringing.parameters["CallSid"]
        assert whisper["ParentCallSid"] == call.call_sid
        await scene.until(lambda: "connected" in scene.story(), "the two are put through")
        await until_hears(ringing, CALLER_HZ)
        await until_hears(call, CALLEE_HZ)
        await call.hangup()
        assert (await scene.form("/done"))["DialCallStatus"] == "completed"
        await scene.over()


async def test_hangup_in_the_whisper_declines(scene: Scene) -> None:
    number = _screened(scene, "<Response><Hangup/></Response>")
    async with scene.carrier() as carrier, scene.phone("alice") as phone:
        await carrier.call(CALLER, number)
        ringing = await soon(phone.incoming())
        await ringing.answer()
        assert (await soon(ringing.ended)).how == "hangup"
        done = await scene.form("/done")
        await scene.over()
    assert (done["DialCallStatus"], done["DialBridged"]) == ("no-answer", "false")
    await scene.form("/status/alice", 3)
    assert scene.callbacks("/status/alice") == ["initiated", "ringing", "in-progress", "completed"]


async def test_broken_whisper_does_not_put_anybody_through(scene: Scene) -> None:
    number = _screened(scene, "<Response><Dial>+14155550199</Dial></Response>")
    async with scene.carrier() as carrier, scene.phone("alice") as phone:
        await carrier.call(CALLER, number)
        ringing = await soon(phone.incoming())
        await ringing.answer()
        assert (await soon(ringing.ended)).by == "server"
        assert (await scene.form("/done"))["DialBridged"] == "false"
        await scene.over()
    assert scene.codes() == ["13201"]


async def test_callee_hangs_up_during_the_whisper(scene: Scene) -> None:
    number = _screened(scene, "<Response><Pause length='20'/></Response>")
    async with scene.carrier() as carrier, scene.phone("alice") as phone:
        await carrier.call(CALLER, number)
        ringing = await soon(phone.incoming())
        await ringing.answer()
        await scene.form("/whisper")
        await ringing.hangup()
        assert (await scene.form("/done"))["DialCallStatus"] == "no-answer"
        await scene.over()


async def test_caller_hangs_up_during_the_whisper(scene: Scene) -> None:
    number = _screened(scene, "<Response><Pause length='20'/></Response>")
    async with scene.carrier() as carrier, scene.phone("alice") as phone:
        call = await carrier.call(CALLER, number)
        ringing = await soon(phone.incoming())
        await ringing.answer()
        await scene.form("/whisper")
        await call.hangup()
        assert (await soon(ringing.ended)).by == "server"
        await scene.over()
