"""Conferences, whole: who hears whom, who is told, and what REST does to them (twilio-surface 2.4, 5.10)."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from scene import Scene, soon, until_hears, until_silent
from test_scenario_sound import sound

from callrouter import models
from callrouter.audio.sources import Tone
from callrouter.carriers.simulator.call import SimulatedCall
from callrouter.carriers.simulator.gateway import SimulatedCarrier
from callrouter.carriers.simulator.script import DialScript

ANN, BOB, CARLA = "+14155550301", "+14155550302", "+14155550303"
HZ = {ANN: 500.0, BOB: 800.0, CARLA: 1200.0}
WAIT_HZ = 2000.0
ALL = "start end join leave mute hold modify announcement"


def room(scene: Scene, attributes: str = "", *, dial: str = "") -> str:
    """A number whose callers come into one conference; what they wait to is a tone."""
    sound(scene, "/wait.wav", WAIT_HZ, 20)
    scene.app.answers["/wait"] = "<Response><Play>/wait.wav</Play></Response>"
    callback = f"statusCallback='/status/room' statusCallbackEvent='{ALL}'"
    return scene.number(
        f"<Response><Dial {dial}><Conference waitUrl='/wait' {callback} {attributes}>team</Conference></Dial>"
        "<Play>/wait.wav</Play></Response>"
    )


async def call(carrier: SimulatedCarrier, caller: str, number: str) -> SimulatedCall:
    made = await carrier.call(caller, number, source=Tone(hz=HZ[caller]))
    await soon(made.answered)
    return made


def news(scene: Scene) -> list[str]:
    """The conference's events in the order of their numbers, which have no gap."""
    forms = sorted(scene.app.forms("/status/room"), key=lambda form: int(form["SequenceNumber"]))
    assert [int(form["SequenceNumber"]) for form in forms] == list(range(1, len(forms) + 1))
    return [form["StatusCallbackEvent"] for form in forms]


async def rest(work: Callable[[], Any]) -> Any:
    return await asyncio.to_thread(work)


def nobody_is_left(scene: Scene) -> None:
    assert scene.rows(models.Participant) == []
    assert {row.status for row in scene.rows(models.Conference)} == {"completed"}


async def test_two_callers_hear_each_other_and_the_last_one_ends_it(scene: Scene) -> None:
    number = room(scene)
    async with scene.carrier() as carrier:
        ann = await call(carrier, ANN, number)
        await until_hears(ann, WAIT_HZ)
        bob = await call(carrier, BOB, number)
        await until_hears(ann, HZ[BOB])
        await until_hears(bob, HZ[ANN])
        await ann.hangup()
        await bob.hangup()
        await scene.over()
    await scene.until(lambda: len(scene.app.forms("/status/room")) == 6, "all callbacks")
    assert news(scene) == [
        "participant-join",
        "participant-join",
        "conference-start",
        "participant-leave",
        "participant-leave",
        "conference-end",
    ]
    end = scene.app.forms("/status/room")[-1]
    assert end["ReasonConferenceEnded"] == "last-participant-left"
    assert end["CallSidEndingConference"] == bob.call_sid
    nobody_is_left(scene)


async def test_rest_mutes_holds_and_puts_out(scene: Scene) -> None:
    """The official library: muted, held with a document, back, and out; the call then goes on with its document."""
    number = room(scene)
    sound(scene, "/hold.wav", 1500, 20)
    scene.app.answers["/hold"] = "<Response><Play>/hold.wav</Play></Response>"
    async with scene.carrier() as carrier:
        ann, bob = await call(carrier, ANN, number), await call(carrier, BOB, number)
        await until_hears(ann, HZ[BOB])
        client = scene.tenant.rest
        (conference,) = await rest(lambda: client.conferences.list(friendly_name="team"))
        assert conference.status == "in-progress"
        mine = client.conferences(conference.sid).participants(bob.call_sid)
        assert (await rest(lambda: mine.update(muted=True))).muted
        await until_silent(ann)
        await rest(lambda: mine.update(muted=False, hold=True, hold_url=scene.app.url("/hold")))
        await until_hears(bob, 1500)
        await rest(lambda: mine.update(hold=False))
        await until_hears(bob, HZ[ANN])
        await until_hears(ann, HZ[BOB])
        await rest(mine.delete)
        await until_hears(bob, WAIT_HZ)  # what follows its <Dial>
        await until_silent(ann)
        await rest(lambda: client.conferences(conference.sid).update(status="completed"))
        await until_hears(ann, WAIT_HZ)
        await ann.hangup()
        await bob.hangup()
        await scene.over()
    assert (await rest(conference.fetch)).reason_conference_ended == "conference-ended-via-api"
    await scene.until(lambda: "conference-end" in news(scene), "the end is told")
    assert news(scene)[3:] == [
        "participant-mute",
        "participant-unmute",
        "participant-hold",
        "participant-unhold",
        "participant-leave",
        "participant-leave",
        "conference-end",
    ]
    nobody_is_left(scene)


async def test_who_ends_it_on_exit_sends_everybody_on(scene: Scene) -> None:
    number = room(scene, "endConferenceOnExit='true'")
    async with scene.carrier() as carrier:
        ann, bob = await call(carrier, ANN, number), await call(carrier, BOB, number)
        await until_hears(ann, HZ[BOB])
        await ann.hangup()
        await until_hears(bob, WAIT_HZ)
        await bob.hangup()
        await scene.over()
    (conference,) = scene.rows(models.Conference)
    assert conference.reason_ended == "participant-with-end-conference-on-exit-left"
    assert conference.call_sid_ending == ann.call_sid
    nobody_is_left(scene)


async def test_rest_brings_a_participant_in(scene: Scene) -> None:
    """POST on Participants places a call; once it is answered, its far end is in."""
    number = room(scene)
    script = DialScript(answer_after=0.1, source=Tone(hz=HZ[CARLA]))
    async with scene.carrier(script=script) as carrier:
        ann = await call(carrier, ANN, number)
        await until_hears(ann, WAIT_HZ)
        client = scene.tenant.rest
        made = await rest(
            lambda: client.conferences("team").participants.create(from_=number, to=CARLA, label="carla")
        )
        assert (made.label, made.status) == ("carla", "queued")
        carla = await soon(carrier.dialled())
        await until_hears(ann, HZ[CARLA])
        await until_hears(carla, HZ[ANN])
        fetched = await rest(client.conferences(made.conference_sid).participants("carla").fetch)
        assert (fetched.status, fetched.call_sid) == ("connected", carla.call_sid)
        await rest(client.conferences(made.conference_sid).participants("carla").delete)
        await soon(carla.ended)
        await ann.hangup()
        await scene.over()
    nobody_is_left(scene)


async def test_guest_who_does_not_answer_is_no_participant_any_more(scene: Scene) -> None:
    number = room(scene)
    async with scene.carrier(script=DialScript(outcome="busy")) as carrier:
        made = await rest(
            lambda: scene.tenant.rest.conferences("team").participants.create(from_=number, to=CARLA)
        )
        await soon(carrier.dialled())
        await scene.over()
    assert made.status == "queued"
    nobody_is_left(scene)


async def test_redirected_participant_is_out(scene: Scene) -> None:
    """A REST redirect of the call takes it out of the conference (twilio-surface 11)."""
    number = room(scene)
    async with scene.carrier() as carrier:
        ann, bob = await call(carrier, ANN, number), await call(carrier, BOB, number)
        await until_hears(ann, HZ[BOB])
        document = f"<Response><Play>{scene.app.url('/wait.wav')}</Play></Response>"
        await rest(lambda: scene.tenant.rest.calls(bob.call_sid).update(twiml=document))
        await until_hears(bob, WAIT_HZ)
        await until_silent(ann)
        await ann.hangup()
        await bob.hangup()
        await scene.over()
    forms = scene.app.forms("/status/room")
    left = next(form for form in forms if form["StatusCallbackEvent"] == "participant-leave")
    assert left["ReasonParticipantLeft"] == "participant_updated_via_api"
    nobody_is_left(scene)


async def test_conference_is_recorded_from_its_start(scene: Scene) -> None:
    number = room(scene, "record='record-from-start' recordingStatusCallback='/status/recording'")
    async with scene.carrier() as carrier:
        ann, bob = await call(carrier, ANN, number), await call(carrier, BOB, number)
        await until_hears(ann, HZ[BOB])
        await asyncio.sleep(1)  # what is recorded needs a length
        await ann.hangup()
        await bob.hangup()
        told = await scene.form("/status/recording")
        await scene.over()
    (conference,) = scene.rows(models.Conference)
    assert (told["ConferenceSid"], told["RecordingSource"]) == (conference.sid, "Conference")
    assert told["RecordingStatus"] == "completed"
    listed = await rest(lambda: scene.tenant.rest.conferences(conference.sid).recordings.list())
    assert [one.sid for one in listed] == [told["RecordingSid"]]


@pytest.mark.kill
async def test_router_that_is_killed_goes_on_with_the_conference(broken: Scene) -> None:
    """F16: participants stay in through a SIGKILL, and leave when they hang up after it."""
    scene = broken
    number = room(scene)
    async with scene.carrier() as carrier:
        ann, bob = await call(carrier, ANN, number), await call(carrier, BOB, number)
        await until_hears(ann, HZ[BOB])
        await rest(lambda: scene.deployment.kill("router"))
        await rest(lambda: scene.deployment.start("router"))
        assert await ann.heard(0.5) == pytest.approx(HZ[BOB], abs=20)
        await ann.hangup()
        await bob.hangup()
        await scene.over()
    nobody_is_left(scene)
