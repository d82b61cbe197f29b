"""Agents of a contact centre with the official SDK: a queue's caller taken, and a conference that REST steers."""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import requests

from callrouter.audio.ear import dominant_hz
from callrouter.carriers.simulator.call import SimulatedCall
from tests.browser.chromium import PATIENCE, Browser, TabCall
from tests.browser.world import ALICE_HZ, BOB_HZ, CALLER_HZ, Play, World, eventually, hears
from tests.support.sound import served, tone

WAIT_HZ = 2000
"""What callers wait to."""
VOICES = (CALLER_HZ, ALICE_HZ, BOB_HZ)
CONFERENCE = (
    '<Dial action="/out"><Conference waitUrl="/wait" statusCallback="/status" participantLabel="{label}" '
    'statusCallbackEvent="join leave mute hold">team</Conference></Dial>'
)


async def rest(work: Callable[[], Any]) -> Any:
    """A call of the official library, which blocks."""
    return await asyncio.to_thread(work)


def waiting_tone(world: World) -> None:
    world.documents["/wait.wav"] = served(tone(WAIT_HZ, 10))
    world.documents["/wait"] = '<Play loop="0">/wait.wav</Play>'


async def hear(end: TabCall | SimulatedCall, *voices: int) -> None:
    """Until of all voices exactly these are heard, each as loud as a voice is."""
    heard: set[int] = set()

    async def only_these() -> bool:
        nonlocal heard
        heard = await voices_heard(end)
        return heard == set(voices)

    await eventually(only_these, f"{voices} are heard and not {heard}")


async def voices_heard(end: TabCall | SimulatedCall) -> set[int]:
    if isinstance(end, TabCall):
        tones = await end.tones()
        return {hz for hz in VOICES if any(abs(heard - hz) < 20 for heard in tones)}
    await end.heard(0.5)
    return {hz for hz in VOICES if loudness(end.rtp.ear.last(0.5), hz) > 1000}


def loudness(samples: Any, hz: float) -> float:
    """The amplitude of one tone in it."""
    turns = np.exp(-2j * np.pi * hz * np.arange(len(samples)) / 8000) * np.hanning(len(samples))
    return float(abs(turns @ samples.astype(np.float64))) * 4 / len(samples)


def test_agent_is_called_hears_who_waits_and_takes_the_caller_recorded_on_two_channels(play: Play) -> None:
    """<Enqueue>, a call placed to client:ann, <Say>, <Dial record><Queue url> (twilio-surface 2.4, 2.8)."""
    pytest.importorskip("espeakng_loader", reason="no speech engine: pip install callrouter[tts]")

    async def scenario(world: World) -> None:
        waiting_tone(world)
        world.documents |= {
            "/left": "<Say>Goodbye.</Say>",
            "/agent": '<Say>A caller for the sales team waits.</Say><Dial record="record-from-answer-dual" '
            'recordingStatusCallback="/recorded" action="/done"><Queue url="/connecting">sales</Queue></Dial>',
            "/connecting": "<Say>You are connected. This call is recorded.</Say>",
            "/recorded": "",
        }
        number = world.number('<Enqueue waitUrl="/wait" action="/left">sales</Enqueue>')
        ann = await world.registered("ann")
        caller = await world.caller(number)
        await hears(caller, WAIT_HZ)
        made = await rest(
            lambda: world.tenant.rest.calls.create(
                to="client:ann",
                from_=number,
                url=world.app.url("/agent"),
                status_callback=world.app.url("/status"),
            )
        )
        call = await ann.incoming()
        parameters = (await call.state())["parameters"]
        assert (parameters["From"], parameters["CallSid"]) == (number, made.sid)
        await call.do("accept")
        await call.wait("accept")
        await speech(call)
        await hears(caller, WAIT_HZ)  # who is announced still waits
        await call.hears(CALLER_HZ)
        await hears(caller, ALICE_HZ)
        (queue,) = await rest(world.tenant.rest.queues.list)
        assert (queue.friendly_name, queue.current_size) == ("sales", 0)
        asked = await world.asked("/connecting")
        assert (asked["CallSid"], asked["DequeingCallSid"]) == (caller.call_sid, made.sid)
        await caller.heard(1.5)  # what is recorded needs a length
        await call.do("disconnect")
        assert (await world.asked("/left"))["QueueResult"] == "bridged"
        recorded = await world.asked("/recorded", RecordingStatus="completed")
        assert (recorded["RecordingSource"], recorded["RecordingChannels"]) == ("DialVerb", "2")
        assert recorded["CallSid"] == made.sid
        channels = [dominant_hz(channel) for channel in audio(world, recorded["RecordingUrl"])]
        assert channels == [pytest.approx(ALICE_HZ, abs=10), pytest.approx(CALLER_HZ, abs=10)]
        await asyncio.wait_for(caller.ended, PATIENCE)
        ended = await world.asked("/status", CallSid=made.sid)
        assert (ended["CallStatus"], ended["To"]) == ("completed", "client:ann")

    play(scenario)


async def speech(call: TabCall) -> None:
    """Until something is heard that is neither silence nor a voice of these tests."""

    async def spoken() -> bool:
        return bool(await call.tones()) and not await voices_heard(call)

    await eventually(spoken, "somebody speaks")


def audio(world: World, url: str) -> list[Any]:
    """The channels of a recording, the caller of the call first."""
    answer = requests.get(f"{url}.wav", auth=(world.tenant.sid, world.tenant.auth_token), timeout=5)
    with wave.open(io.BytesIO(answer.content)) as reader:
        frames = np.frombuffer(reader.readframes(reader.getnframes()), "<i2")
        return [np.ascontiguousarray(channel) for channel in frames.reshape(-1, reader.getnchannels()).T]


def test_two_browsers_and_a_phone_confer_while_rest_mutes_holds_and_puts_out(
    play: Play, bobs_browser: Browser
) -> None:
    """Alice's browser places its call, bob's is brought in by REST, the phone calls in (twilio-surface 2.4, 5.10)."""

    async def scenario(world: World) -> None:
        waiting_tone(world)
        world.documents["/out"] = "<Hangup/>"
        number = world.number(CONFERENCE.format(label="phone"))
        alice = await world.tab("alice", app=world.application(CONFERENCE.format(label="alice")))
        bob = await world.registered("bob", browser=bobs_browser)
        hers = await alice.connect()
        await hers.wait("accept")
        await hers.hears(WAIT_HZ)
        phone = await world.caller(number)
        await hear(phone, ALICE_HZ)
        await hear(hers, CALLER_HZ)
        (conference,) = await rest(lambda: world.tenant.rest.conferences.list(status="in-progress"))
        people = world.tenant.rest.conferences(conference.sid).participants
        await rest(lambda: people.create(from_=number, to="client:bob", label="bob"))
        his = await bob.incoming()
        await his.do("accept")
        await his.wait("accept")
        await hear(his, CALLER_HZ, ALICE_HZ)
        await hear(hers, CALLER_HZ, BOB_HZ)
        await hear(phone, ALICE_HZ, BOB_HZ)
        assert {one.label for one in await rest(people.list)} == {"phone", "alice", "bob"}

        await rest(lambda: people("alice").update(muted=True))
        await hear(phone, BOB_HZ)
        await hear(his, CALLER_HZ)
        await hear(hers, CALLER_HZ, BOB_HZ)
        await rest(lambda: people("alice").update(muted=False))
        await hear(phone, ALICE_HZ, BOB_HZ)

        held = await rest(lambda: people(phone.call_sid).update(hold=True))  # to the deployment's own music
        assert held.hold
        await eventually(lambda: music(phone), "the phone hears music and nobody")
        await hear(hers, BOB_HZ)
        await hear(his, ALICE_HZ)
        await rest(lambda: people(phone.call_sid).update(hold=False))
        await hear(phone, ALICE_HZ, BOB_HZ)
        await hear(hers, CALLER_HZ, BOB_HZ)

        await rest(people("bob").delete)
        await his.wait("disconnect")  # nothing follows for a guest
        await hear(phone, ALICE_HZ)
        await hers.do("disconnect")
        left = await world.asked("/out", CallSid=(await hers.state())["parameters"]["CallSid"])
        assert left["From"] == "client:alice"
        await phone.hangup()
        await world.over()
        expected = ["join"] * 3 + ["mute", "unmute", "hold", "unhold"] + ["leave"] * 3
        await world.until(lambda: len(news(world)) >= len(expected), "all is told")
        assert news(world) == [f"participant-{event}" for event in expected]
        assert (await rest(conference.fetch)).status == "completed"

    play(scenario)


async def music(phone: SimulatedCall) -> bool:
    return await phone.heard(0.5) is not None and not await voices_heard(phone)


def news(world: World) -> list[str]:
    """The conference's events in the order of their numbers."""
    told = [request.form for request in world.app.received if "StatusCallbackEvent" in request.form]
    return [
        form["StatusCallbackEvent"] for form in sorted(told, key=lambda form: int(form["SequenceNumber"]))
    ]
