"""The official SDK places calls: its token's TwiML App decides what becomes of them (PR-60 to PR-66)."""

from __future__ import annotations

import asyncio

import pytest

from callrouter.audio.sources import Tone
from callrouter.carriers.simulator.script import DialScript
from tests.browser.chromium import PATIENCE, Browser, PageFault
from tests.browser.world import ALICE_HZ, BOB_HZ, CALLER_HZ, Play, World, hears

DIAL_BOB = '<Dial action="/done"><Client>bob</Client></Dial>'


def test_the_app_dials_a_second_browser(play: Play, bobs_browser: Browser) -> None:
    async def scenario(world: World) -> None:
        bob = await world.registered("bob", browser=bobs_browser)
        alice = await world.tab("alice", app=world.application(DIAL_BOB))
        out = await alice.connect(params={"To": "bob", "note": "a+b & c"})
        call = await bob.incoming()
        assert (await call.state())["parameters"]["From"] == "client:alice"
        await call.do("accept")
        await out.wait("accept")
        await out.hears(BOB_HZ)
        await call.hears(ALICE_HZ)
        asked = await world.asked("/voice0")
        assert (asked["From"], asked["To"], asked["note"]) == ("client:alice", "bob", "a+b & c")
        assert asked["CallSid"] == (await out.state())["parameters"]["CallSid"]
        await call.do("disconnect")
        await out.wait("disconnect")

    play(scenario)


def test_a_second_browser_rejects(play: Play, bobs_browser: Browser) -> None:
    async def scenario(world: World) -> None:
        bob = await world.registered("bob", browser=bobs_browser)
        dial = '<Dial action="/done" answerOnBridge="true"><Client>bob</Client></Dial>'
        alice = await world.tab("alice", app=world.application(dial))
        out = await alice.connect()
        call = await bob.incoming()
        await out.wait("ringing")
        await call.do("reject")
        assert (await world.asked("/done"))["DialCallStatus"] == "busy"
        await out.wait("disconnect")

    play(scenario)


def test_the_app_dials_a_phone(play: Play) -> None:
    async def scenario(world: World) -> None:
        own = world.number()
        dial = f'<Dial callerId="{own}" action="/done"><Number>+14155550199</Number></Dial>'
        world.carrier.script = DialScript(source=Tone(hz=CALLER_HZ), answer_after=0.3)
        alice = await world.tab("alice", app=world.application(dial))
        out = await alice.connect()
        phone = await asyncio.wait_for(world.carrier.dialled(), PATIENCE)
        assert (phone.from_, phone.to) == (own, "+14155550199")
        await asyncio.wait_for(phone.answered, PATIENCE)
        await out.hears(CALLER_HZ)
        await hears(phone, ALICE_HZ)
        await out.do("press", "5")
        await world.until(lambda: "5" in phone.report().digits_received, "the phone gets the digit")
        await out.do("disconnect")
        await asyncio.wait_for(phone.ended, PATIENCE)

    play(scenario)


def test_nobody_is_there_to_be_dialled(play: Play) -> None:
    async def scenario(world: World) -> None:
        alice = await world.tab("alice", app=world.application(DIAL_BOB))
        out = await alice.connect()
        assert (await world.asked("/done"))["DialCallStatus"] == "no-answer"
        await out.wait("disconnect")

    play(scenario)


def test_an_app_that_fails_ends_the_call(play: Play) -> None:
    async def scenario(world: World) -> None:
        alice = await world.tab("alice", app=world.application("<no such verb"))
        out = await alice.connect()
        assert (await out.wait("error"))["code"] == 31005
        await out.wait("disconnect")
        await world.over()
        assert (await alice.do("device"))["busy"] is False

    play(scenario)


def test_without_permission_no_call_is_made(play: Play) -> None:
    async def scenario(world: World) -> None:
        alice = await world.registered()
        try:
            out = await alice.connect()
        except PageFault:
            pass
        else:
            assert (await out.wait("error"))["code"]
            await out.wait("disconnect")
        assert world.calls() == {}
        assert (await alice.do("device"))["busy"] is False

    play(scenario)


def test_a_client_that_leaves_before_the_answer_cancels_the_call(play: Play, bobs_browser: Browser) -> None:
    async def scenario(world: World) -> None:
        bob = await world.registered("bob", browser=bobs_browser)
        alice = await world.tab("alice", app=world.application(DIAL_BOB))
        out = await alice.connect()
        call = await bob.incoming()
        await out.do("disconnect")
        await call.wait("cancel")

    play(scenario)


@pytest.mark.parametrize("content", [{"note": "hello", "of": [1, 2]}, "hello"])
def test_a_message_in_a_call_is_acknowledged_and_noted(play: Play, content: object) -> None:
    async def scenario(world: World) -> None:
        alice = await world.registered()
        _, call = await world.talking(alice)
        sid = await call.do("send", content)
        assert (await call.wait("messageSent"))["sid"] == sid
        await world.until(lambda: "message" in world.timeline(), "the message in the timeline")

    play(scenario)
