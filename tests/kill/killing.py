"""Whole calls with a process that is armed to die at a named point, and is started again.

Pass 0 records the points that a call passes; then, for each that was chosen of them, a new call is made while the
process is armed to die there (reliability-security 3.2 and 3.4). However it goes: what was acknowledged is kept, each
call ends once, and nothing is left live (I1, I2, I4, I6, I7, I8).
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
from tests.support.deployment import PATIENCE, Deployment, DialScript, Tenant
from tests.support.origin import Origin, Received, Script, reply
from tests.support.sound import served, tone
from tests.support.stalls import Watch

FINAL = {"completed", "busy", "no-answer", "failed", "canceled"}
EVENTS = "statusCallbackEvent='initiated ringing answered completed'"
PAGES = {
    "/menu": b"<Response><Gather action='/chosen' numDigits='1' timeout='60'>"
    b"<Play loop='0'>/prompt.wav</Play></Gather></Response>",
    "/chosen": b"<Response><Record action='/recorded' timeout='60'/></Response>",
    "/recorded": b"<Response><Play>/prompt.wav</Play></Response>",
}
CALLER, CALLEE = "+14155550100", "+14155550123"

ATTEMPTS, STARVED = 2, 5.0
"""A process must be back before carriers and clients give up, which takes a machine that runs it: an act that took too
long is played again when the machine kept the test waiting for so many seconds meanwhile (tests/support/stalls.py)."""

Act = Callable[["Scene"], Awaitable[bool]]
Point = tuple[str, int]
"""A named place in the code, and which of its passes."""
Choice = Callable[[list[Point]], list[Point]]
Told = Callable[[str, object], None]
"""pytest's `record_property`: what is told by it under "killed" is shown at the end of the run."""


def every(points: list[Point]) -> list[Point]:
    return points


def one_of_each_step(points: list[Point]) -> list[Point]:
    """The sample of ordinary runs: no step is left out, and by turns it is killed before and after what it does.

    A step is what a name says before its last dot: an event that is stored, or a command that is sent. The n-th of
    them, in alphabetical order, gives its n-th name, round and round, at the first pass or the last: every run kills
    at the same ones.
    """
    steps: dict[str, dict[str, int]] = {}
    for name, turn in sorted(points):
        steps.setdefault(name.rpartition(".")[0], {})[name] = turn
    chosen = []
    for number, passes in enumerate(steps.values()):
        name, last = list(passes.items())[number % len(passes)]
        chosen.append((name, last if number % 4 > 1 else 1))
    return chosen


def one_commit_of_each_step(points: list[Point]) -> list[Point]:
    """The same of those points only that differ by the database."""
    return one_of_each_step([point for point in points if point[0].endswith("-commit")])


SQLITE = pytest.param("sqlite", one_of_each_step, id="sqlite")
POSTGRESQL = pytest.param(
    "postgresql", one_commit_of_each_step, id="postgresql", marks=pytest.mark.postgresql
)
EVERY = [
    pytest.param("sqlite", every, id="sqlite-every", marks=pytest.mark.slow),
    pytest.param(
        "postgresql", every, id="postgresql-every", marks=[pytest.mark.slow, pytest.mark.postgresql]
    ),
]
on_sqlite = pytest.mark.parametrize(("deployment", "choose"), [SQLITE, *EVERY], indirect=["deployment"])
on_both = pytest.mark.parametrize(
    ("deployment", "choose"), [SQLITE, POSTGRESQL, *EVERY], indirect=["deployment"]
)
"""A sample of the points on one database or on both; the slow tests try every point on both."""


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


def at_points(
    deployment: Deployment,
    process: str,
    act: Act,
    log: Path,
    choose: Choice,
    *,
    excused: Collection[str] = (),
    stage: type[Scene] = Scene,
    anew: bool = False,
) -> str:
    """Plays the act once for each chosen point of those that it passes; answers with how many those were.

    `excused` are points where a call may not come about. `anew`: the process is started for each, when phones are
    registered already, so that their coming back to it is tried, too.
    """
    first = stage(deployment, process, act)
    assert asyncio.run(first.play(environment={"FAILPOINT_LOG": str(log)}))
    assert not first.died
    passes = Counter(log.read_text().split())
    points = [(name, turn) for name, turns in passes.items() for turn in range(1, turns + 1)]
    chosen = choose(points)
    faults = []
    died = again = 0
    file = None if anew else log.with_name("armed")
    deployment.stop(process)
    deployment.start(process, environment={"FAILPOINT": f"@{file}"} if file else None)
    for name, turn in chosen:
        for _attempt in range(ATTEMPTS):
            scene = stage(deployment, process, act)
            scene.armed = file
            with Watch() as watch:
                fault = _fault(scene, f"{name}:{turn}", anew=anew, silent=name in excused)
            if not isinstance(fault, TimeoutError) or watch.total < STARVED:
                break
            again += 1
        died += scene.died
        if fault:
            faults.append(f"{name}:{turn}: {type(fault).__name__} {fault}")
    told = f"{process}, {act.__name__}: {died} deaths at {len(chosen)} of {len(points)} points"
    told += f", {again} failures on a machine that stood still" if again else ""
    assert not faults, "\n".join([told, *faults])
    assert died >= len(chosen) * 0.8, f"most points must really have been passed: {told}"
    return told


def _fault(scene: Scene, point: str, *, anew: bool, silent: bool) -> Exception | None:
    """What goes wrong when the act is played with a death at the point. `silent`: they need not hear each other."""
    try:
        talked = asyncio.run(scene.play(point, environment={"FAILPOINT": point} if anew else None))
    except Exception as fault:
        return fault
    return None if talked or silent else TimeoutError("they did not hear each other")


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
