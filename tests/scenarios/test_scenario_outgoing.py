"""Calls that the customer places with the official library (twilio-surface 5.7; 9.4 rows 1 to 4)."""

import asyncio
import time
from typing import Any

import pytest
from scene import CALLEE_HZ, CALLER_HZ, Scene, soon, until_hears
from sqlalchemy import select, update
from twilio.base.exceptions import TwilioRestException

from callrouter import models
from callrouter.audio.sources import Tone
from callrouter.carriers.simulator.script import DialScript, Outcome

PHONE = "+14155550123"
EVENTS = ["initiated", "ringing", "answered", "completed"]
LADDER = ["initiated", "ringing", "in-progress", "completed"]


def answering(**options: Any) -> DialScript:
    return DialScript(**{"answer_after": 0.1, "source": Tone(hz=CALLER_HZ), **options})


async def place(scene: Scene, to: str = PHONE, **options: Any) -> Any:
    """A call by the official library, with every status callback."""
    callback = {"status_callback": scene.app.url("/status/call"), "status_callback_event": EVENTS}
    wanted = {"to": to, "from_": scene.tenant.number(), **callback, **options}
    return await asyncio.to_thread(lambda: scene.tenant.rest.calls.create(**wanted))


async def told(scene: Scene, *statuses: str) -> None:
    """The app was told these statuses of the call, each once."""
    await scene.form("/status/call", len(statuses) - 1)
    await scene.over()
    assert scene.callbacks("/status/call") == list(statuses)


async def test_a_placed_call_runs_its_document_and_reaches_a_client(any_scene: Scene) -> None:
    """A phone is called by POST, its document dials a client, and both hear each other."""
    scene = any_scene
    scene.app.answers["/outgoing"] = f"<Response><Dial>{scene.client('alice')}</Dial></Response>"
    async with scene.carrier(script=answering()) as carrier, scene.phone("alice") as alice:
        made = await place(scene, url=scene.app.url("/outgoing"))
        assert (made.status, made.direction, made.to) == ("queued", "outbound-api", PHONE)
        call = await soon(carrier.dialled())
        assert (call.call_sid, call.from_, call.to) == (made.sid, made._from, PHONE)
        ringing = await soon(alice.incoming())
        await ringing.answer()
        await until_hears(ringing, CALLER_HZ)
        await until_hears(call, CALLEE_HZ)
        assert (await asyncio.to_thread(scene.tenant.rest.calls(made.sid).fetch)).status == "in-progress"
        await call.hangup()
        await told(scene, *LADDER)
    first = scene.app.forms("/outgoing")[0]
    assert (first["CallSid"], first["Direction"]) == (made.sid, "outbound-api")
    assert (first["CallStatus"], first["From"], first["To"]) == ("in-progress", made._from, PHONE)
    done = await asyncio.to_thread(scene.tenant.rest.calls(made.sid).fetch)
    assert (done.status, done.phone_number_sid is not None) == ("completed", True)
    assert scene.codes() == []


async def test_a_placed_call_rings_a_client_with_its_parameters(scene: Scene) -> None:
    """To=client:alice?colour=green; the client's device gets the parameters, the document is given inline."""
    async with scene.carrier() as _, scene.phone("alice") as alice:
        made = await place(
            scene, "client:alice?colour=green", twiml="<Response><Pause length='9'/></Response>"
        )
        ringing = await soon(alice.incoming())
        assert ringing.parameters["CallSid"] == made.sid
        assert ringing.custom_parameters == {"colour": "green"}
        await ringing.answer()
        await scene.until(lambda: scene.statuses()["client:alice"] == "in-progress", "alice took it")
        await ringing.hangup()
        await told(scene, *LADDER)


@pytest.mark.parametrize(
    ("script", "ends"),
    [
        (DialScript(outcome=Outcome.BUSY), ["initiated", "busy"]),
        (DialScript(outcome=Outcome.FAIL), ["initiated", "failed"]),
        (DialScript(outcome=Outcome.UNREACHABLE), ["initiated", "no-answer"]),
    ],
)
async def test_a_call_that_nobody_takes_ends_once(scene: Scene, script: DialScript, ends: list[str]) -> None:
    """One terminal callback (I4), and no document is asked for."""
    async with scene.carrier(script=script):
        await place(scene, url=scene.app.url("/never"))
        await told(scene, *ends)
    assert scene.app.forms("/never") == []


async def test_a_call_rings_no_longer_than_its_timeout(scene: Scene) -> None:
    """Timeout, and Twilio's 5 s on top of it, are ours to keep: this carrier never says anything."""
    async with scene.carrier(script=DialScript(outcome=Outcome.MUTE)) as carrier:
        await place(scene, url=scene.app.url("/never"), timeout=1)
        call = await soon(carrier.dialled())
        assert (await soon(call.ended)).by == "router"
        await told(scene, "initiated", "no-answer")


async def test_a_client_that_is_not_there_does_not_answer(scene: Scene) -> None:
    """PR-56: no dead ring time."""
    async with scene.carrier():
        await place(scene, "client:nobody", url=scene.app.url("/never"))
        await told(scene, "initiated", "no-answer")


async def test_a_ringing_call_is_canceled(scene: Scene) -> None:
    """And it takes no other document before it is answered: 21220."""
    async with scene.carrier(script=answering(answer_after=60)) as carrier:
        made = await place(scene, url=scene.app.url("/never"))
        call = await soon(carrier.dialled())
        await scene.form("/status/call", 1)
        update = scene.tenant.rest.calls(made.sid).update
        with pytest.raises(TwilioRestException) as refused:
            await asyncio.to_thread(update, twiml="<Response/>")
        assert refused.value.code == 21220
        await asyncio.to_thread(update, status="canceled")
        assert (await soon(call.ended)).by == "router"
        await told(scene, "initiated", "ringing", "canceled")


async def test_calls_leave_the_queue_one_per_second_and_a_queued_one_is_canceled_in_silence(
    scene: Scene,
) -> None:
    """Twilio's calls per second; a call canceled in the queue calls nobody back (twilio-surface 4.3)."""
    async with scene.carrier(script=answering(hangup_after=0.1)) as carrier:
        rest = scene.tenant.rest
        document = {"twiml": "<Response><Pause length='5'/></Response>"}
        first = await place(scene, **document)
        second = await place(scene, **document)
        third = await place(scene, **document, status_callback=scene.app.url("/status/third"))
        assert [int(one.queue_time) // 500 for one in (first, second)] == [0, 1]
        await asyncio.to_thread(rest.calls(third.sid).update, status="canceled")
        assert [(await soon(carrier.dialled())).call_sid for _ in "12"] == [first.sid, second.sid]
        await scene.over()
    assert scene.app.forms("/status/third") == []
    canceled = next(row for row in scene.rows(models.Call) if row.sid == third.sid)
    assert (canceled.status, canceled.carrier) == ("canceled", None)
    dialled = {
        entry.call_sid: entry.at for entry in scene.rows(models.TimelineEntry) if entry.summary == "dial"
    }
    assert dialled[second.sid] - dialled[first.sid] > 0.8


async def test_queued_and_ringing_calls_outlive_the_router(broken: Scene) -> None:
    """Rows, not memory: the router is killed while one call rings and one waits for its turn."""
    scene = broken
    async with scene.carrier(script=answering(answer_after=4)) as carrier:
        document = {"url": scene.app.url("/outgoing")}
        scene.app.answers["/outgoing"] = "<Response><Hangup/></Response>"
        made = [await place(scene, **document), await place(scene, **document)]
        await soon(carrier.dialled())
        scene.deployment.kill("router")
        await asyncio.to_thread(scene.deployment.start, "router")
        assert (await soon(carrier.dialled())).call_sid == made[1].sid
        await scene.form("/outgoing", 1)
        await scene.over()
    assert {row.status for row in scene.rows(models.Call)} == {"completed"}


async def test_what_does_not_act_yet_is_said(scene: Scene) -> None:
    """MachineDetection: the call goes on without it, with a warning; AnsweredBy is absent."""
    async with scene.carrier(script=answering()):
        await place(scene, twiml="<Response><Hangup/></Response>", machine_detection="Enable")
        await told(scene, *LADDER)
    assert scene.codes() == ["13750"]
    assert all("AnsweredBy" not in form for form in scene.app.forms("/status/call"))


async def test_a_full_queue_refuses(scene: Scene) -> None:
    """It holds a day's worth of calls: 429, and nothing is stored."""
    mine = models.Account.account_sid == scene.tenant.sid
    full = update(models.Account).where(mine).values(next_call_at=time.time() + 25 * 3600)
    scene.deployment.write(lambda connection: connection.execute(full))
    with pytest.raises(TwilioRestException) as refused:
        await place(scene, url=scene.app.url("/never"))
    assert (refused.value.status, refused.value.code) == (429, 20429)
    assert scene.rows(models.Call) == []


async def test_a_refused_call_leaves_nothing(scene: Scene) -> None:
    with pytest.raises(TwilioRestException) as refused:
        await place(scene, from_="+14155559999", url=scene.app.url("/never"))
    assert refused.value.code == 21210
    assert scene.rows(models.Call) == []
    with scene.deployment.database.read() as connection:
        turn = select(models.Account.next_call_at).where(models.Account.account_sid == scene.tenant.sid)
        assert connection.execute(turn).scalar() == 0
