"""Calls to SIP addresses, through a carrier that takes them (docs/protocols/carrier.md)."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from scene import CALLEE_HZ, CALLER, CALLER_HZ, Scene, soon, until_hears

from callrouter.audio.sources import Tone
from callrouter.carriers.simulator.gateway import Scripts, SimulatedCarrier
from callrouter.carriers.simulator.script import DialScript, Outcome
from callrouter.directory import carriers

BOB = "sip:bob@pbx.example;transport=tcp"
DIAL = (
    "<Response><Dial action='/done'><Sip username='u' password='secret' "
    f"statusCallback='/status/sip'>{BOB}?X-Colour=green</Sip></Dial></Response>"
)

ANSWERED = DialScript(answer_after=0.1, source=Tone(hz=CALLEE_HZ))


@asynccontextmanager
async def sip_carrier(scene: Scene, script: Scripts = ANSWERED) -> AsyncIterator[SimulatedCarrier]:
    async with scene.carrier(script=script) as carrier:
        scene.deployment.write(lambda c: carriers.change(c, carrier.name, now=time.time(), sip=True))
        yield carrier


async def test_sip_address_is_dialled_and_both_hear_each_other(scene: Scene) -> None:
    scene.app.answers["/done"] = "<Response><Hangup/></Response>"
    async with sip_carrier(scene) as carrier:
        call = await carrier.call(CALLER, scene.number(DIAL), source=Tone(hz=CALLER_HZ))
        bob = await soon(carrier.dialled())
        assert (bob.from_, bob.to) == (CALLER, BOB)
        await soon(bob.answered)
        await until_hears(bob, CALLER_HZ)
        await until_hears(call, CALLEE_HZ)
        await bob.hangup()
        form = await scene.form("/done")
        await soon(call.ended)
        await scene.over()
    assert (form["DialCallStatus"], form["DialCallSid"]) == ("completed", bob.call_sid)
    assert scene.statuses()[BOB] == "completed"
    assert "secret" not in scene.story()
    assert scene.codes() == []


async def test_addresses_of_one_callee_are_tried_one_after_another(scene: Scene) -> None:
    """The lowest priority first, of equals the greatest weight; the headers go with each."""
    number = scene.number(
        "<Response><Dial><Sip><Headers><Header name='X-Colour' value='green'/></Headers>"
        "<Uri priority='2'>sip:third@pbx.example</Uri>"
        "<Uri priority='1' weight='1' username='u' password='p'>sip:second@pbx.example</Uri>"
        "<Uri priority='1' weight='9'>sip:first@pbx.example</Uri></Sip></Dial></Response>"
    )

    def script(_from: str, to: str) -> DialScript:
        busy = to == "sip:first@pbx.example"
        return DialScript(answer_after=0.1, outcome=Outcome.BUSY if busy else Outcome.ANSWER)

    async with sip_carrier(scene, script) as carrier:
        call = await carrier.call(CALLER, number)
        called = [await soon(carrier.dialled()) for _ in range(2)]
        await soon(called[1].answered)
        await call.hangup()
        await scene.over()
    assert [one.to for one in called] == ["sip:first@pbx.example", "sip:second@pbx.example"]
    assert "sip:third@pbx.example" not in scene.statuses()


async def test_sip_address_is_called_by_rest(scene: Scene) -> None:
    async with sip_carrier(scene) as carrier:
        made = await asyncio.to_thread(
            lambda: scene.tenant.rest.calls.create(
                to=BOB, from_="front.desk", twiml="<Response><Pause length='20'/></Response>"
            )
        )
        bob = await soon(carrier.dialled())
        assert (bob.call_sid, bob.from_, bob.to) == (made.sid, "front.desk", BOB)
        await soon(bob.answered)
        await bob.hangup()
        await scene.over()
    assert scene.statuses() == {BOB: "completed"}


async def test_without_such_a_carrier_the_dial_fails_and_says_why(scene: Scene) -> None:
    """13246."""
    scene.app.answers["/done"] = "<Response><Hangup/></Response>"
    async with scene.carrier() as carrier:
        call = await carrier.call(CALLER, scene.number(DIAL))
        form = await scene.form("/done")
        await soon(call.ended)
        await scene.over()
    assert form["DialCallStatus"] == "failed"
    assert scene.codes() == ["13246"]
