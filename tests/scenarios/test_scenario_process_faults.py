"""Sockets, processes and databases that fail in the middle of a call (F1, F2, F15 to F19, PR-58, PR-59)."""

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from scene import CALLEE_HZ, CALLER, CALLER_HZ, Scene, scenes, soon, until_hears, within

from callrouter.audio.sources import Tone
from callrouter.phone.phone import Phone
from tests.support.deployment import Deployment, deployments

pytestmark = pytest.mark.kill


@pytest.fixture(scope="module")
def fragile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A deployment whose processes are killed; each test leaves it whole."""
    yield from deployments(tmp_path_factory.mktemp("fragile"))


@pytest.fixture
def broken(fragile: Deployment) -> Iterator[Scene]:
    yield from scenes(fragile)
    missing = [name for name in ("presence", "media", "voice", "router") if name not in fragile.processes]
    fragile.start(*missing)


def _dial_alice(scene: Scene) -> str:
    scene.app.answers["/done"] = "<Response/>"
    return scene.number(f"<Response><Dial action='/done'>{scene.client('alice')}</Dial></Response>")


async def _vanish(phone: Phone) -> None:
    """The device loses its network for good."""
    phone._line.url = "ws://127.0.0.1:1/signal"
    await phone.drop_line()


# -- the client's socket


async def test_socket_that_comes_back_while_it_rings_is_rung_again(scene: Scene) -> None:
    """F18: inside the grace the offer is repeated, and the call goes through."""
    number = _dial_alice(scene)
    async with scene.carrier() as carrier, scene.phone("alice") as phone:
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        first = await soon(phone.incoming())
        await phone.drop_line()
        again = await soon(phone.incoming())
        assert again.parameters["CallSid"] == first.parameters["CallSid"]
        await again.answer()
        await until_hears(again, CALLER_HZ)
        await call.hangup()
        await scene.over()
    assert set(scene.statuses().values()) == {"completed"}


async def test_socket_that_stays_away_while_it_rings_is_no_answer(scene: Scene) -> None:
    """F18, I10: long before the ring time ends."""
    number = _dial_alice(scene)
    async with scene.carrier() as carrier, scene.phone("alice", reconnect_timeout=0) as phone:
        await carrier.call(CALLER, number)
        await soon(phone.incoming())
        began = time.monotonic()
        await _vanish(phone)
        done = await scene.form("/done")
        assert time.monotonic() - began < 15
        await scene.over()
    assert done["DialCallStatus"] == "no-answer"


async def test_socket_that_comes_back_in_a_call_takes_it_on(scene: Scene) -> None:
    """F19: the audio goes on meanwhile, and the call is still the device's to end."""
    number = _dial_alice(scene)
    async with scene.carrier() as carrier, scene.phone("alice") as phone:
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        ringing = await soon(phone.incoming())
        await ringing.answer()
        await until_hears(ringing, CALLER_HZ)
        await phone.drop_line()
        assert await asyncio.gather(ringing.heard(0.5), call.heard(0.5)) == [CALLER_HZ, CALLEE_HZ]
        await soon(ringing.reattached())
        await ringing.hangup()
        assert (await scene.form("/done"))["DialCallStatus"] == "completed"
        await soon(call.ended)
        await scene.over()


async def test_socket_that_stays_away_in_a_call_ends_it_once(scene: Scene) -> None:
    number = _dial_alice(scene)
    async with scene.carrier() as carrier, scene.phone("alice", reconnect_timeout=0) as phone:
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        ringing = await soon(phone.incoming())
        await ringing.answer()
        await until_hears(ringing, CALLER_HZ)
        await _vanish(phone)
        assert (await scene.form("/done"))["DialCallStatus"] == "completed"
        await soon(call.ended)
        await scene.over()
    assert scene.causes()["client:alice"] == "socket-lost"


# -- processes


async def test_presence_server_down_when_a_client_is_dialled(broken: Scene) -> None:
    """PR-59: failed at once with a notification, the document goes on; recovery needs no restart."""
    scene = broken
    number = _dial_alice(scene)
    async with scene.carrier() as carrier:
        scene.deployment.kill("presence")
        began = time.monotonic()
        call = await carrier.call(CALLER, number)
        done = await scene.form("/done")
        assert time.monotonic() - began < 4
        await soon(call.ended)
        await asyncio.to_thread(scene.deployment.start, "presence")
        await scene.over()
        assert done["DialCallStatus"] == "failed"
        assert scene.codes() == ["20503"]
        assert scene.causes()["client:alice"] == "presence-unavailable"
        async with scene.phone("alice") as phone:
            call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
            ringing = await soon(phone.incoming())
            await ringing.answer()
            await until_hears(ringing, CALLER_HZ)
            await call.hangup()
            await scene.over()


async def test_voice_node_down_when_a_call_comes(broken: Scene) -> None:
    """The call ends in a bounded time as failed, with a reason; then the node is back and calls work."""
    scene = broken
    number = _dial_alice(scene)
    async with scene.carrier() as carrier, scene.phone("alice") as phone:
        scene.deployment.kill("voice")
        call = await carrier.call(CALLER, number)
        assert (await soon(call.ended)).by == "router"
        await asyncio.to_thread(scene.deployment.start, "voice")
        await scene.over()
        assert scene.statuses() == {number: "failed"}
        assert scene.codes() == ["12400"]
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        ringing = await soon(phone.incoming())
        await ringing.answer()
        await until_hears(ringing, CALLER_HZ)
        await call.hangup()
        await scene.over()


async def test_voice_node_killed_in_a_call(broken: Scene) -> None:
    """Both legs end, once each, both sides are told, and the notification says what happened."""
    scene = broken
    number = _dial_alice(scene)
    async with scene.carrier() as carrier, scene.phone("alice") as phone:
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        ringing = await soon(phone.incoming())
        await ringing.answer()
        await until_hears(ringing, CALLER_HZ)
        scene.deployment.kill("voice")
        await soon(call.ended)
        await soon(ringing.ended)
        await asyncio.to_thread(scene.deployment.start, "voice")
        await scene.over()
    assert set(scene.codes()) == {"12400"}
    assert set(scene.causes().values()) <= {"media-lost", "normal", "canceled"}


async def test_media_service_down_when_something_is_to_be_played(broken: Scene) -> None:
    """The sound is left out, our fault is noted, and the call goes on with the next verb."""
    scene = broken
    scene.app.answers["/next"] = "<Response><Hangup/></Response>"
    number = scene.number("<Response><Play>/hello.wav</Play><Redirect>/next</Redirect></Response>")
    async with scene.carrier() as carrier:
        scene.deployment.kill("media")
        call = await carrier.call(CALLER, number)
        await soon(call.ended)
        await asyncio.to_thread(scene.deployment.start, "media")
        await scene.over()
    assert len(scene.app.forms("/next")) == 1
    assert scene.codes() == ["12400"]
    assert scene.statuses() == {number: "completed"}


async def test_voice_node_killed_while_it_records(broken: Scene) -> None:
    """The recording is absent, and its callback says so; the call ends once."""
    scene = broken
    number = scene.number(
        "<Response><Record recordingStatusCallback='/status/recording' "
        "recordingStatusCallbackEvent='completed absent'/></Response>"
    )
    async with scene.carrier() as carrier:
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        await until_hears(call, 1000)  # the beep
        scene.deployment.kill("voice")
        await soon(call.ended)
        told = await scene.form("/status/recording")
        await asyncio.to_thread(scene.deployment.start, "voice")
        await scene.over()
    assert (told["RecordingStatus"], told["ErrorCode"]) == ("absent", "16102")


async def test_router_killed_while_a_client_rings(broken: Scene) -> None:
    """TS-12: after the restart the same call still rings, and is answered."""
    scene = broken
    number = _dial_alice(scene)
    async with scene.carrier() as carrier, scene.phone("alice") as phone:
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        ringing = await soon(phone.incoming())
        await scene.until(lambda: scene.statuses().get("client:alice") == "ringing", "alice rings")
        scene.deployment.kill("router")
        await asyncio.to_thread(scene.deployment.start, "router")
        await ringing.answer()
        await until_hears(ringing, CALLER_HZ)
        await until_hears(call, CALLEE_HZ)
        await call.hangup()
        await scene.over()
    assert set(scene.statuses().values()) == {"completed"}


async def test_presence_server_restarts_in_a_call(broken: Scene) -> None:
    """The audio does not notice; the device comes back to its call."""
    scene = broken
    number = _dial_alice(scene)
    async with scene.carrier() as carrier, scene.phone("alice") as phone:
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        ringing = await soon(phone.incoming())
        await ringing.answer()
        await until_hears(ringing, CALLER_HZ)
        scene.deployment.kill("presence")
        await asyncio.to_thread(scene.deployment.start, "presence")
        await soon(ringing.reattached())
        assert await asyncio.gather(ringing.heard(0.5), call.heard(0.5)) == [CALLER_HZ, CALLEE_HZ]
        await ringing.hangup()
        await soon(call.ended)
        await scene.over()
    assert set(scene.statuses().values()) == {"completed"}


# -- the database


async def test_busy_database_loses_nothing_that_was_acknowledged(scene: Scene) -> None:
    """F2, I1: somebody else locks the file for two seconds while calls arrive; all of them are taken, none twice."""
    number = scene.number("<Response><Reject reason='busy'/></Response>")
    path = scene.deployment.folder / "router.sqlite3"
    async with scene.carrier() as carrier:
        with closing(sqlite3.connect(path, isolation_level=None)) as intruder:
            intruder.execute("BEGIN EXCLUSIVE")
            asked = [asyncio.create_task(carrier.call(CALLER, number)) for _ in range(10)]
            done, _ = await asyncio.wait(asked, timeout=2.0)
            assert not done, "a call was acknowledged that can't have been stored"
            intruder.execute("ROLLBACK")
        calls = await soon(asyncio.gather(*asked))
        await soon(asyncio.gather(*(call.ended for call in calls)))
        await scene.over()
        assert all(sent.status == 201 for sent in carrier.sent if sent.path.endswith("/calls"))
    assert len({call.call_sid for call in calls}) == 10
    assert len(scene.app.forms("/voice")) == 10


@pytest.mark.slow
async def test_database_locked_for_longer_than_anybody_waits(scene: Scene) -> None:
    """F2: 503 after the router's patience; the carrier's repeats find the call, and it lives and ends."""
    number = scene.number("<Response><Reject reason='busy'/></Response>")
    path = scene.deployment.folder / "router.sqlite3"
    async with scene.carrier() as carrier:
        with closing(sqlite3.connect(path, isolation_level=None)) as intruder:
            intruder.execute("BEGIN EXCLUSIVE")
            asked = asyncio.create_task(carrier.call(CALLER, number))
            await asyncio.wait([asked], timeout=14.0)
            intruder.execute("ROLLBACK")
        call = await within(30, asked)
        await soon(call.ended)
        await scene.over()
        assert {sent.status for sent in carrier.sent} <= {200, 201, 503}
    assert len(scene.app.forms("/voice")) == 1
