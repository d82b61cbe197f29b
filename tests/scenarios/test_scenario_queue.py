"""Queues, whole: callers wait, agents take them, and each is told how it ended (twilio-surface 2.8, 5.10)."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from scene import Scene, soon, until_hears
from test_scenario_sound import sound

from callrouter import models
from callrouter.audio.sources import Tone
from callrouter.carriers.simulator.call import SimulatedCall
from callrouter.carriers.simulator.gateway import SimulatedCarrier

ANN, BOB, AGENT = "+14155550311", "+14155550312", "+14155550313"
HZ = {ANN: 500.0, BOB: 800.0, AGENT: 1200.0}
WAIT_HZ, AFTER_HZ, WHISPER_HZ = 2000.0, 1700.0, 2300.0


class Desk:
    """A number for callers, a number for agents, and the documents between."""

    def __init__(
        self, scene: Scene, *, noun: str = "<Queue>support</Queue>", dial: str = "timeout='20'"
    ) -> None:
        self.scene = scene
        sound(scene, "/wait.wav", WAIT_HZ, 20)
        sound(scene, "/after.wav", AFTER_HZ, 20)
        app = scene.app
        app.answers["/wait"] = "<Response><Play>/wait.wav</Play></Response>"
        app.answers["/queued"] = "<Response><Play>/after.wav</Play></Response>"
        app.answers["/agent"] = f"<Response><Dial {dial} action='/dialled'>{noun}</Dial></Response>"
        app.answers["/dialled"] = "<Response><Play>/after.wav</Play></Response>"
        self.callers = scene.number(
            "<Response><Enqueue action='/queued' waitUrl='/wait'>support</Enqueue></Response>"
        )
        self.agents = scene.tenant.number(app.url("/agent"))

    async def call(self, carrier: SimulatedCarrier, who: str) -> SimulatedCall:
        number = self.agents if who == AGENT else self.callers
        made = await carrier.call(who, number, source=Tone(hz=HZ[who]))
        await soon(made.answered)
        return made

    def nobody_is_left(self) -> None:
        assert self.scene.rows(models.QueueMember) == []
        assert len(self.scene.rows(models.Queue)) == 1


async def rest(work: Callable[[], Any]) -> Any:
    return await asyncio.to_thread(work)


async def test_agents_take_callers_in_their_order(scene: Scene) -> None:
    """First come, first served; the wait document is told how the queue stands, and each action how it ended."""
    desk = Desk(scene)
    async with scene.carrier() as carrier:
        ann = await desk.call(carrier, ANN)
        await until_hears(ann, WAIT_HZ)
        bob = await desk.call(carrier, BOB)
        await until_hears(bob, WAIT_HZ)
        agent = await desk.call(carrier, AGENT)
        await until_hears(agent, HZ[ANN])
        await until_hears(ann, HZ[AGENT])
        (queue,) = await rest(scene.tenant.rest.queues.list)
        assert (queue.friendly_name, queue.current_size) == ("support", 1)
        await agent.hangup()
        await until_hears(ann, AFTER_HZ)
        again = await desk.call(carrier, AGENT)
        await until_hears(again, HZ[BOB])
        await bob.hangup()
        await until_hears(again, AFTER_HZ)
        await ann.hangup()
        await again.hangup()
        await scene.over()
    asked = scene.app.forms("/wait")
    assert [form["QueuePosition"] for form in asked] == ["1", "2"]
    assert (asked[1]["CurrentQueueSize"], asked[1]["MaxQueueSize"]) == ("2", "1000")
    done = {form["CallSid"]: form for form in scene.app.forms("/queued")}
    assert done[ann.call_sid]["QueueResult"] == "bridged"
    assert done[ann.call_sid]["QueueSid"] == queue.sid
    assert done[bob.call_sid]["QueueResult"] in ("bridged", "hangup")
    assert {form["DialCallStatus"] for form in scene.app.forms("/dialled")} <= {"answered", "completed"}
    desk.nobody_is_left()


async def test_agent_waits_for_a_caller_who_hears_a_document_first(scene: Scene) -> None:
    sound(scene, "/whisper.wav", WHISPER_HZ, 1.0)
    desk = Desk(scene, noun="<Queue url='/whisper'>support</Queue>")
    scene.app.answers["/whisper"] = "<Response><Play>/whisper.wav</Play></Response>"
    await rest(lambda: scene.tenant.rest.queues.create(friendly_name="support", max_size=5))
    async with scene.carrier() as carrier:
        agent = await desk.call(carrier, AGENT)
        ann = await desk.call(carrier, ANN)
        await until_hears(ann, WHISPER_HZ)
        await until_hears(ann, HZ[AGENT])
        await until_hears(agent, HZ[ANN])
        await ann.hangup()
        await agent.hangup()
        await scene.over()
    (form,) = scene.app.forms("/whisper")
    assert (form["CallSid"], form["DequeingCallSid"]) == (ann.call_sid, agent.call_sid)
    desk.nobody_is_left()


async def test_agent_for_whom_nobody_comes_goes_on(scene: Scene) -> None:
    desk = Desk(scene, dial="timeout='5'")
    await rest(lambda: scene.tenant.rest.queues.create(friendly_name="support"))
    async with scene.carrier() as carrier:
        agent = await desk.call(carrier, AGENT)
        form = await scene.form("/dialled")
        await agent.hangup()
        await scene.over()
    assert form["DialCallStatus"] == "no-answer"
    desk.nobody_is_left()


async def test_agent_who_gives_up_during_the_document_leaves_the_caller_waiting(scene: Scene) -> None:
    sound(scene, "/whisper.wav", WHISPER_HZ, 20)
    desk = Desk(scene, noun="<Queue url='/whisper'>support</Queue>")
    scene.app.answers["/whisper"] = "<Response><Play>/whisper.wav</Play></Response>"
    async with scene.carrier() as carrier:
        ann = await desk.call(carrier, ANN)
        await until_hears(ann, WAIT_HZ)
        agent = await desk.call(carrier, AGENT)
        await until_hears(ann, WHISPER_HZ)
        await agent.hangup()
        await until_hears(ann, WAIT_HZ)
        await ann.hangup()
        await scene.over()
    assert scene.app.forms("/queued")[0]["QueueResult"] == "hangup"
    desk.nobody_is_left()


async def test_rest_takes_the_front_out_of_the_queue(scene: Scene) -> None:
    """POST on Members/Front: the caller who came first leaves for another document."""
    desk = Desk(scene)
    scene.app.answers["/elsewhere"] = "<Response><Play>/after.wav</Play></Response>"
    async with scene.carrier() as carrier:
        ann = await desk.call(carrier, ANN)
        await until_hears(ann, WAIT_HZ)
        bob = await desk.call(carrier, BOB)
        await until_hears(bob, WAIT_HZ)
        (queue,) = await rest(scene.tenant.rest.queues.list)
        members = await rest(scene.tenant.rest.queues(queue.sid).members.list)
        assert [(one.call_sid, one.position) for one in members] == [(ann.call_sid, 1), (bob.call_sid, 2)]
        front = scene.tenant.rest.queues(queue.sid).members("Front")
        taken = await rest(lambda: front.update(url=scene.app.url("/elsewhere")))
        assert taken.call_sid == ann.call_sid
        await until_hears(ann, AFTER_HZ)
        assert (await rest(front.fetch)).call_sid == bob.call_sid
        await ann.hangup()
        await bob.hangup()
        await scene.over()
    desk.nobody_is_left()
    await rest(queue.delete)
    assert scene.rows(models.Queue) == []


async def test_leave_in_the_wait_document_takes_the_caller_out(scene: Scene) -> None:
    desk = Desk(scene)
    scene.app.answers["/wait"] = (
        "<Response><Gather numDigits='1' action='/key'><Play>/wait.wav</Play></Gather></Response>"
    )
    scene.app.answers["/key"] = "<Response><Leave/></Response>"
    async with scene.carrier() as carrier:
        ann = await desk.call(carrier, ANN)
        await until_hears(ann, WAIT_HZ)
        await ann.press("5")
        await until_hears(ann, AFTER_HZ)
        await ann.hangup()
        await scene.over()
    assert scene.app.forms("/key")[0]["Digits"] == "5"
    assert scene.app.forms("/queued")[0]["QueueResult"] == "leave"
    desk.nobody_is_left()


@pytest.mark.kill
async def test_router_that_is_killed_goes_on_with_the_queue(broken: Scene) -> None:
    """F16: who waited waits after a SIGKILL, is taken, and leaves nothing behind."""
    scene = broken
    desk = Desk(scene)
    async with scene.carrier() as carrier:
        ann = await desk.call(carrier, ANN)
        await until_hears(ann, WAIT_HZ)
        await rest(lambda: scene.deployment.kill("router"))
        await rest(lambda: scene.deployment.start("router"))
        agent = await desk.call(carrier, AGENT)
        await until_hears(agent, HZ[ANN])
        await until_hears(ann, HZ[AGENT])
        await rest(lambda: scene.deployment.kill("router"))
        await rest(lambda: scene.deployment.start("router"))
        await agent.hangup()
        await until_hears(ann, AFTER_HZ)
        await ann.hangup()
        await scene.over()
    desk.nobody_is_left()
