"""The main job, on every database: a call in, a call out, and a restart in the middle of a call."""

import asyncio

from scene import CALLEE_HZ, CALLER, CALLER_HZ, Scene, soon, until_hears

from callrouter.audio.sources import Tone
from callrouter.calls.parameters import API_VERSION
from callrouter.directory import places


async def test_inbound_call_reaches_a_client_and_both_hear_each_other(any_scene: Scene) -> None:
    """The design's main job; callbacks 0 to 3 and the action's parameters (twilio-surface 2.2, 9.4 row 17)."""
    scene = any_scene
    scene.app.answers["/done"] = "<Response><Hangup/></Response>"
    number = scene.number(f"<Response><Dial action='/done'>{scene.client('alice')}</Dial></Response>")
    async with scene.carrier() as carrier, scene.phone("alice") as phone:
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        ringing = await soon(phone.incoming())
        assert ringing.parameters["From"] == CALLER
        assert ringing.parameters["To"] == "client:alice"
        await ringing.answer()
        await soon(call.answered)
        await until_hears(ringing, CALLER_HZ)
        await until_hears(call, CALLEE_HZ)
        await ringing.hangup()
        done = await scene.form("/done")
        assert (await soon(call.ended)).by == "router"
    first = scene.app.forms("/voice")[0]
    assert first == {
        "CallSid": call.call_sid,
        "AccountSid": scene.tenant.sid,
        "From": CALLER,
        "To": number,
        "Caller": CALLER,
        "Called": number,
        **places.parameters("From", CALLER),
        **places.parameters("To", number),
        **places.parameters("Caller", CALLER),
        **places.parameters("Called", number),
        "CallStatus": "ringing",
        "ApiVersion": API_VERSION,
        "Direction": "inbound",
    }
    assert done["DialCallStatus"] == "completed"
    assert done["CallStatus"] == "in-progress"
    assert done["DialCallSid"] == ringing.parameters["CallSid"]
    assert done["DialBridged"] == "true"
    assert done["DialCallDuration"] in ("0", "1", "2")
    await scene.over()
    await scene.form("/status/parent")
    await scene.form("/status/alice", 3)
    assert scene.callbacks("/status/alice") == ["initiated", "ringing", "in-progress", "completed"]
    assert scene.callbacks("/status/parent") == ["completed"]
    assert {form["ParentCallSid"] for form in scene.app.forms("/status/alice")} == {call.call_sid}
    assert scene.codes() == []


async def test_outgoing_call_of_a_client_runs_its_application(any_scene: Scene) -> None:
    """PR-65, PR-66, PR-68: the app named by the token decides; a client's words overwrite nothing of ours."""
    scene = any_scene
    app = scene.application("<Response><Dial><Client>bob</Client></Dial></Response>")
    async with scene.phone("bob") as bob, scene.phone("alice", app=app, source=Tone(hz=CALLER_HZ)) as alice:
        call = await alice.call({"To": "bob", "colour": "green", "CallStatus": "completed", "From": "+1999"})
        ringing = await soon(bob.incoming())
        await soon(call.ringing)
        assert ringing.parameters["From"] == "client:alice"
        await ringing.answer()
        await soon(call.answered)
        await until_hears(ringing, CALLER_HZ)
        await until_hears(call, CALLEE_HZ)
        await call.hangup()
        assert (await soon(ringing.ended)).how == "hangup"
        await scene.over()
    first = scene.app.forms("/app")[0]
    assert (first["From"], first["To"], first["Direction"]) == ("client:alice", "bob", "inbound")
    assert (first["CallStatus"], first["colour"]) == ("ringing", "green")
    assert first["ApplicationSid"] == app
    assert set(scene.statuses().values()) == {"completed"}


async def test_a_call_in_progress_survives_a_restart_of_the_router(any_scene: Scene) -> None:
    """TS-12, design 5: a call is a row; `kill -9` of the router neither ends nor silences it."""
    scene = any_scene
    scene.app.answers["/done"] = "<Response/>"
    number = scene.number(f"<Response><Dial action='/done'>{scene.client('alice')}</Dial></Response>")
    async with scene.carrier() as carrier, scene.phone("alice") as phone:
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        ringing = await soon(phone.incoming())
        await ringing.answer()
        await until_hears(ringing, CALLER_HZ)
        scene.deployment.kill("router")
        assert await ringing.heard(0.5) == CALLER_HZ
        await asyncio.to_thread(scene.deployment.start, "router")
        assert await asyncio.gather(ringing.heard(0.5), call.heard(0.5)) == [CALLER_HZ, CALLEE_HZ]
        await call.hangup()
        assert (await scene.form("/done"))["DialCallStatus"] == "completed"
        assert (await soon(ringing.ended)).how == "hangup"
        await scene.over()
    assert set(scene.statuses().values()) == {"completed"}
    assert len(scene.app.forms("/voice")) == 1
