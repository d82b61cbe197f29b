"""Whole calls with a process that is armed to die at a named point, and is started again.

Pass 0 records the points that a call passes; then, for each of them, a new call is made while the process is armed to
die there (reliability-security 3.2 and 3.4). However it goes: what was acknowledged is kept, each call ends once, and
nothing is left live (I1, I2, I4, I6, I7, I8).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from callrouter import models
from callrouter.audio.sources import Tone
from callrouter.carriers.simulator.call import SimulatedCall
from callrouter.phone.call import CallOver, PhoneCall
from callrouter.phone.phone import Phone
from tests.support.deployment import Deployment, DialScript, Tenant
from tests.support.origin import Origin, Received, Script, reply
from tests.support.sound import served, tone

PATIENCE = 20.0
FINAL = {"completed", "busy", "no-answer", "failed", "canceled"}
EVENTS = "statusCallbackEvent='initiated ringing answered completed'"
PAGES = {
    "/menu": b"<Response><Gather action='/chosen' numDigits='1' timeout='60'>"
    b"<Play loop='0'>/prompt.wav</Play></Gather></Response>",
    "/chosen": b"<Response><Record action='/recorded' timeout='60'/></Response>",
    "/recorded": b"<Response><Play>/prompt.wav</Play></Response>",
}
CALLER, CALLEE = "+14155550100", "+14155550123"


Act = Callable[["Scene"], Awaitable[bool]]


class Scene:
    """One account whose app rings alice, lets her dial a phone, or has a menu; one carrier; one process that dies."""

    def __init__(self, deployment: Deployment, process: str, act: Act) -> None:
        self.deployment, self.process, self.act = deployment, process, act
        self.entrance = "/menu" if act is menu else "/voice"
        self.tenant: Tenant = deployment.tenant()
        self.died = False
        self.armed: Path | None = None

    def documents(self, request: Received) -> Script:
        status = f"statusCallback='{self.app.url('/status')}' {EVENTS}"
        nouns = {
            "/voice": f"<Client {status}>alice</Client>",
            "/outgoing": f"<Number {status}>{CALLEE}</Number>",
        }
        if request.path == "/prompt.wav":
            return served(tone(700, 0.5))
        if request.path in PAGES:
            return reply(body=PAGES[request.path])
        if request.path not in nouns:
            return reply(204)
        dial = f"<Dial callerId='{self.number}'>{nouns[request.path]}</Dial>"
        return reply(body=f"<Response>{dial}</Response>".encode())

    async def play(self, point: str = "", *, environment: dict[str, str] | None = None) -> bool:
        """The act with a process that dies at the point; whether both sides heard each other as they should.

        The process is started anew with the environment; or else, as it runs, it is armed by the file `armed`.
        """
        with Origin(self.documents) as self.app:
            async with self.cast():
                if environment is not None:
                    await asyncio.to_thread(self.deployment.stop, self.process)
                    await asyncio.to_thread(self.deployment.start, self.process, environment=environment)
                elif self.armed:
                    self.armed.write_text(f"{point}:{self.tenant.sid}")
                keeper = asyncio.create_task(self._keep_process())
                try:
                    talked = await self.act(self)
                finally:
                    await asyncio.to_thread(self._until_over)
                    keeper.cancel()
                    await asyncio.wait([keeper])
                    self._revive()
                    self._disarm()
            await asyncio.to_thread(self._check, self.app)
        return talked

    @asynccontextmanager
    async def cast(self) -> AsyncIterator[None]:
        """Who calls and who is called."""
        callback = self.app.url("/status")
        self.number = self.tenant.number(self.app.url(self.entrance), status_callback=callback)
        app = self.tenant.application(self.app.url("/outgoing"), status_callback=callback)
        script = DialScript(source=Tone(hz=600), answer_after=0.1)
        async with self.deployment.carrier(script=script) as self.carrier:
            self.deployment.adopt(self.carrier)
            async with self.tenant.phone("alice", app=app, source=Tone(hz=1000)) as self.phone:
                await self.phone.register()
                yield

    # -- what acts are made of

    async def call_in(self) -> SimulatedCall:
        return await self.carrier.call(CALLER, self.number, source=Tone(hz=600))

    async def _keep_process(self) -> None:
        """Starts it again, unarmed, whenever it died: what a supervisor does."""
        while True:
            await asyncio.to_thread(self._revive)
            await asyncio.sleep(0.02)

    def _revive(self) -> None:
        if self.deployment.processes[self.process].poll() is not None:
            self.died = True
            self.deployment.start(self.process, environment=self._disarm())

    def _disarm(self) -> dict[str, str]:
        """The environment of a process that the next scene can arm."""
        if self.armed is None:
            return {}
        self.armed.unlink(missing_ok=True)
        return {"FAILPOINT": f"@{self.armed}"}

    def _until_over(self) -> None:
        deployment, mine = self.deployment, self.tenant.sid
        deployment.wait_until(lambda: deployment.nothing_live(self.tenant), "the call is over", PATIENCE)
        sent = models.Outbox.account_sid == mine
        deployment.wait_until(
            lambda: not deployment.rows(models.Outbox, sent), "everything is sent", PATIENCE
        )
        deployment.wait_until(
            lambda: not deployment.held_by_presence(self.tenant), "no client's call is left", PATIENCE
        )

    def _check(self, app: Origin) -> None:
        calls = self.deployment.rows(models.Call, models.Call.account_sid == self.tenant.sid)
        assert {call.status for call in calls} <= FINAL
        ended: dict[str, set[str]] = {}
        for request in app.received:
            if request.form.get("CallStatus") in FINAL and request.path == "/status":
                token = request.headers["i-twilio-idempotency-token"]
                ended.setdefault(request.form["CallSid"], set()).add(token)
        assert set(ended) == {call.sid for call in calls}
        assert {len(tokens) for tokens in ended.values()} <= {1}, (
            f"one terminal callback per leg, got {ended}"
        )


async def until_hears(side: PhoneCall | SimulatedCall, hz: float) -> None:
    while True:
        with suppress(TimeoutError):  # no audio at all: the process that will bring it is away
            if await side.heard(0.3) == pytest.approx(hz, abs=10):
                return


async def until_registered(phone: Phone) -> None:
    while not phone.registered:
        await asyncio.sleep(0.02)


def at_every_point(
    deployment: Deployment,
    process: str,
    act: Act,
    log: Path,
    excused: Collection[str] = (),
    *,
    stage: type[Scene] = Scene,
    only: Callable[[str], bool] = lambda name: True,
    every_pass: bool = True,
    anew: bool = False,
) -> None:
    """Plays the act once for each pass of each named point, or for its last pass alone.

    `excused` are points where a call may not come about. `anew`: the process is started for each, when phones are
    registered already, so that their coming back to it is tried, too.
    """
    first = stage(deployment, process, act)
    assert asyncio.run(first.play(environment={"FAILPOINT_LOG": str(log)}))
    assert not first.died
    points = [
        (name, turn)
        for name, turns in Counter(log.read_text().split()).items()
        for turn in range(1 if every_pass else turns, turns + 1)
        if only(name)
    ]
    faults = []
    died = 0
    file = None if anew else log.with_name("armed")
    deployment.stop(process)
    deployment.start(process, environment={"FAILPOINT": f"@{file}"} if file else None)
    for name, turn in points:
        scene = stage(deployment, process, act)
        try:
            scene.armed, point = file, f"{name}:{turn}"
            talked = asyncio.run(scene.play(point, environment={"FAILPOINT": point} if anew else None))
            if not talked and name not in excused:
                faults.append(f"{name}:{turn}: they did not hear each other")
        except Exception as fault:
            faults.append(f"{name}:{turn}: {type(fault).__name__} {fault}")
        died += scene.died
    print(f"{len(points)} points, {died} deaths, {len(faults)} faults")
    assert not faults, "\n".join(faults)
    assert died >= len(points) * 0.8, "most points must really have been passed"


async def incoming(scene: Scene) -> bool:
    """A phone calls alice; she answers, they talk, a key is pressed, the caller hangs up."""
    await until_registered(scene.phone)
    call = await scene.call_in()
    talked = False
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            ringing = await _answered(scene.phone)
            await call.answered
            await until_hears(ringing, 600)  # a process that is away joins them when it is back
            await until_hears(call, 1000)
            await ringing.press("5")
            talked = True
    await call.hangup()
    async with asyncio.timeout(PATIENCE):
        for one in list(scene.phone.calls):
            await one.ended
    return talked


async def _answered(phone: Phone) -> PhoneCall:
    """A device whose line drops while it rings is rung again."""
    while True:
        ringing = await phone.incoming()
        with suppress(CallOver):
            await ringing.answer()
            return ringing


async def outgoing(scene: Scene) -> bool:
    """Alice calls a phone through her TwiML app; it answers, they talk, she hangs up."""
    await until_registered(scene.phone)
    talked = False
    call = await scene.phone.call({"To": CALLEE})
    with suppress(TimeoutError, CallOver):
        async with asyncio.timeout(PATIENCE):
            await call.answered
            await until_hears(call, 600)
            (callee,) = scene.carrier.calls.values()
            await until_hears(callee, 1000)
            talked = True
    await call.hangup()
    async with asyncio.timeout(PATIENCE):
        for one in list(scene.carrier.calls.values()):
            await one.ended
    return talked


async def menu(scene: Scene) -> bool:
    """A caller hears a prompt, chooses, is recorded, and hears the last prompt to its end."""
    call = await scene.call_in()
    async with asyncio.timeout(PATIENCE):
        await until_hears(call, 700)
        await call.press("1")
        await until_asked(scene, "/chosen")
        await until_hears(call, 1000)  # the beep: from here on it is recorded
        await call.heard(2.0)
        await call.press("#")
        await until_asked(scene, "/recorded")
        await call.ended
    forms = {request.path: request.form for request in scene.app.received}
    assert forms["/chosen"]["Digits"] == "1"
    assert forms["/recorded"]["Digits"] == "#"
    return True


async def until_asked(scene: Scene, path: str) -> None:
    while not any(request.path == path for request in scene.app.received):
        await asyncio.sleep(0.02)
