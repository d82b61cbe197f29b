"""Live calls under a storm of REST: whatever is asked, in whatever order and at once, they are sound afterwards.

Four callers confer, queue, dial and play while the official library redirects, records, streams, mutes, holds and puts
them out by chance. Then those who live meet in one conference, and each hears all the others; then everything is ended
and nothing is left. A seed replays the choices, not the timing.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

import numpy as np
import pytest
from scene import Scene, soon
from stream_app import stream_app
from test_scenario_sound import sound
from twilio.base.exceptions import TwilioRestException

from callrouter import models
from callrouter.audio.sources import Tone
from callrouter.calls.status import Status
from callrouter.carriers.simulator.call import SimulatedCall
from callrouter.carriers.simulator.script import DialScript
from callrouter.phone.call import CallOver
from callrouter.phone.phone import Phone

FRIEND = "+14155550314"
HZ = (500.0, 600.0, 700.0, 800.0)
"""What the callers say."""
STEPS = 40
RECORDING, STREAM = "Twilio.CURRENT", "tap"
DOCUMENTS = {
    "/play": "<Play loop='0'>/long.wav</Play>",
    "/confer": "<Dial action='/play'><Conference waitUrl='/play' statusCallback='/status/room' "
    "statusCallbackEvent='start end join leave mute hold'>team</Conference></Dial>",
    "/wait": "<Enqueue action='/confer' waitUrl='/play'>support</Enqueue>",
    "/agent": "<Dial action='/confer' timeout='30'><Queue url='/short'>support</Queue></Dial>",
    "/client": "<Dial action='/wait' timeout='5'><Client url='/short'>alice</Client></Dial>",
    "/number": f"<Dial action='/confer' record='record-from-answer-dual'><Number>{FRIEND}</Number></Dial>",
    "/application": "<Dial action='/confer'><Application>{application}</Application></Dial>",
}
SHORT = "<Play>/short.wav</Play>"
slow = pytest.mark.slow
seeds = pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=slow) for seed in range(2, 12))])


class Storm:
    def __init__(self, scene: Scene, chance: Random, stream_url: str) -> None:
        self.scene, self.chance, self.stream_url = scene, chance, stream_url
        self.rest, self.url = scene.tenant.rest, scene.app.url
        self.done: list[str] = []
        scene.app.answers["/final"] = document("<Dial><Conference beep='false'>final</Conference></Dial>")
        scene.app.answers["/short"] = document(SHORT)
        sound(scene, "/long.wav", 2000, 10)
        sound(scene, "/short.wav", 900, 1)
        application = scene.tenant.application(self.url("/play"))
        for path, verbs in DOCUMENTS.items():
            scene.app.answers[path] = document(verbs.format(application=application))
        self.number = scene.tenant.number(self.url("/confer"))

    def ask(self) -> None:
        """Asks for one thing; a refusal is an answer too, a fault of the server's is not."""
        of_call, of_participant, of_account = self._of_call(), self._of_participant(), self._of_account()
        name, ask = self.chance.choice(
            [*of_call, *of_participant, *of_account] or [("nothing", lambda: None)]
        )
        try:
            ask()
            self.done.append(name)
        except TwilioRestException as refused:
            self.done.append(f"{name}: {refused.code}")
            if refused.status >= 500 and refused.status != 503:
                raise
        except OSError:  # the router is down just now
            self.done.append(f"{name}: no answer")

    def live(self) -> list[str]:
        return [row.sid for row in self.scene.rows(models.Call) if row.status == "in-progress"]

    def _of_call(self) -> list[tuple[str, Callable[[], Any]]]:
        if not (sids := self.live()):
            return []
        sid, path = self.chance.choice(sids), self.chance.choice(list(DOCUMENTS))
        call, skip = self.rest.calls(sid), self.chance.choice(["skip", "silence"])
        sent = [(f"{sid} to {path}", lambda: call.update(url=self.url(path)))] * 6
        return [
            *sent,
            (f"{sid} inline", lambda: call.update(twiml=document("<Echo/>"))),
            (f"{sid} recorded", lambda: call.recordings.create(recording_channels="dual")),
            (
                f"{sid} paused",
                lambda: call.recordings(RECORDING).update(status="paused", pause_behavior=skip),
            ),
            (f"{sid} resumed", lambda: call.recordings(RECORDING).update(status="in-progress")),
            (f"{sid} not recorded", lambda: call.recordings(RECORDING).update(status="stopped")),
            (f"{sid} streamed", lambda: call.streams.create(url=self.stream_url, name=STREAM)),
            (f"{sid} not streamed", lambda: call.streams(STREAM).update(status="stopped")),
        ]

    def _of_participant(self) -> list[tuple[str, Callable[[], Any]]]:
        if not (rows := self.scene.rows(models.Participant)):
            return []
        row, path = self.chance.choice(rows), self.chance.choice(["/play", "/short"])
        one = self.rest.conferences(row.conference_sid).participants(row.call_sid)
        return [
            (f"{row.call_sid} muted", lambda: one.update(muted=True)),
            (f"{row.call_sid} unmuted", lambda: one.update(muted=False)),
            (f"{row.call_sid} held", lambda: one.update(hold=True, hold_url=self.url(path))),
            (f"{row.call_sid} back", lambda: one.update(hold=False)),
            (f"{row.call_sid} told", lambda: one.update(announce_url=self.url("/short"))),
            (f"{row.call_sid} put out", one.delete),
        ]

    def _of_account(self) -> list[tuple[str, Callable[[], Any]]]:
        people, to = self.rest.conferences("team").participants, self.chance.choice(["client:alice", FRIEND])
        found = [(f"{to} brought in", lambda: people.create(from_=self.number, to=to))]
        for queue in self.scene.rows(models.Queue):
            front = self.rest.queues(queue.sid).members("Front")
            found.append(("the front taken", lambda front=front: front.update(url=self.url("/play"))))
        return found


def document(verbs: str) -> str:
    return f"<Response>{verbs}</Response>"


@seeds
async def test_calls_are_sound_after_a_storm_of_rest(scene: Scene, seed: int) -> None:
    await rage(scene, seed)


@slow
@pytest.mark.kill
@pytest.mark.parametrize("seed", range(1, 6))
async def test_calls_are_sound_after_a_storm_in_which_the_router_is_killed(broken: Scene, seed: int) -> None:
    """F16: SIGKILL in the midst of three requests, five times."""
    await rage(broken, seed, killing=True)


async def rage(scene: Scene, seed: int, *, killing: bool = False) -> None:
    chance = Random(seed)
    script = DialScript(answer_after=0.1, source=Tone(hz=1400))
    async with stream_app() as app, scene.carrier(script=script) as carrier, scene.phone("alice") as alice:
        storm = Storm(scene, chance, app.url())
        answering = asyncio.create_task(answer_all(alice))
        starts = [
            scene.tenant.number(scene.app.url(path)) for path in ("/confer", "/wait", "/agent", "/confer")
        ]
        calls = {
            hz: await carrier.call(f"+1415555{int(hz):04}", number, source=Tone(hz=hz))
            for hz, number in zip(HZ, starts, strict=True)
        }
        await asyncio.gather(*(soon(call.answered) for call in calls.values()))
        for step in range(STEPS):
            asked = [asyncio.to_thread(storm.ask) for _ in range(chance.choice([1, 1, 2, 3]))]
            if killing and step % 8 == 7:
                asked.append(asyncio.to_thread(scene.deployment.kill, "router"))
            await asyncio.gather(*asked)
            if killing and step % 8 == 7:
                await asyncio.to_thread(scene.deployment.start, "router")
            await asyncio.sleep(chance.choice([0, 0.01, 0.05, 0.2, 0.5]))
        print(*storm.done, sep="\n")  # shown when the test fails
        await meet(storm, calls)
        answering.cancel()
        await end(storm)
        await scene.over()
    assert scene.rows(models.QueueMember) + scene.rows(models.Participant) == []
    assert {row.status for row in scene.rows(models.Conference)} <= {"completed"}
    assert {row.status for row in scene.rows(models.Stream)} <= {"stopped"}
    assert {row.status for row in scene.rows(models.Recording)} <= {"completed", "absent"}
    told: dict[str, list[int]] = {}
    for form in scene.app.forms("/status/room"):
        told.setdefault(form["ConferenceSid"], []).append(int(form["SequenceNumber"]))
    for numbers in told.values():  # after a SIGKILL one may come twice
        assert sorted(set(numbers)) == list(range(1, max(numbers) + 1))
        assert killing or len(numbers) == len(set(numbers))
    assert scene.codes() == []


async def answer_all(phone: Phone) -> None:
    while True:
        with suppress(TimeoutError, CallOver):  # hung up meanwhile
            await (await phone.incoming()).answer()


async def meet(storm: Storm, calls: dict[float, SimulatedCall]) -> None:
    """All who live go into a new conference, whatever they do, and each hears all the others."""
    met: dict[float, SimulatedCall] = {}
    for hz, call in calls.items():
        with suppress(TwilioRestException):  # it has ended
            await asyncio.to_thread(storm.rest.calls(call.call_sid).update, url=storm.url("/final"))
            met[hz] = call
    await asyncio.gather(*(hears(storm, call, set(met) - {own}) for own, call in met.items()))


async def hears(storm: Storm, call: SimulatedCall, others: set[float]) -> None:
    heard: set[float] = set()
    try:
        async with asyncio.timeout(15):
            while heard != others:
                await call.heard(0.4)
                heard = {hz for hz in HZ if loudness(call.rtp.ear.last(0.4), hz) > 800}
    except TimeoutError as late:
        late.add_note(f"{call.call_sid} hears {heard} and not {others}\n{storm.scene.story()}")
        raise


async def end(storm: Storm) -> None:
    """Ends all calls; those that ring too: a phone that is on a call lets another one ring, a minute long."""
    while sids := [row.sid for row in storm.scene.rows(models.Call) if not Status(row.status).final]:
        for sid in sids:
            with suppress(TwilioRestException):  # it has just ended
                await asyncio.to_thread(storm.rest.calls(sid).update, status="completed")


def loudness(samples: Any, hz: float) -> float:
    """The amplitude of one tone in it."""
    turns = np.exp(-2j * np.pi * hz * np.arange(len(samples)) / 8000) * np.hanning(len(samples))
    return float(abs(turns @ samples.astype(np.float64))) * 4 / len(samples)
