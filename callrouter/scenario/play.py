"""Plays a scenario in a world, step by step, and tells each as it happens."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callrouter import models
from callrouter.scenario import expectations
from callrouter.scenario.app import ServedApp, documents_app
from callrouter.scenario.clients import ClientEnd
from callrouter.scenario.deployment import LocalDeployment
from callrouter.scenario.ends import PATIENCE, End, PhoneEnd
from callrouter.scenario.faults import Differs
from callrouter.scenario.grammar import EXPECT
from callrouter.scenario.ladders import ladders
from callrouter.scenario.language import CALLER, Scenario, Step
from callrouter.scenario.values import NUMBER
from callrouter.scenario.world import World

VOICE, TEXTS, STATUS, OUTGOING = "/voice", "/sms", "/status", "/outgoing"
ROWS_EVERY = 0.1


@dataclass(frozen=True, kw_only=True)
class Done:
    """One step that was tried. `fault` is what differed; `seconds` is what it took, None for one left out."""

    step: Step
    seconds: float | None
    fault: str = ""

    @property
    def shown(self) -> str:
        """A line, and the fault below it."""
        mark = "·" if self.seconds is None else "✘" if self.fault else "✔"
        return f"  {mark} {self.step.text}" + (f"\n      {self.fault}" if self.fault else "")


@dataclass(frozen=True, kw_only=True)
class Played:
    """A whole scenario. `ladders` are what callrouter.ladders shows of its calls, then of its messages."""

    scenario: Scenario
    steps: tuple[Done, ...]
    ladders: tuple[dict[str, Any], ...]

    @property
    def faults(self) -> tuple[Done, ...]:
        return tuple(done for done in self.steps if done.fault)

    @property
    def good(self) -> bool:
        return not self.faults


Tell = Callable[[Done], None]
TellRow = Callable[[Any], None]
"""Of a row of the ladder (models.TimelineEntry)."""


async def play(
    scenario: Scenario,
    deployment: LocalDeployment,
    *,
    folder: Path,
    tell: Tell,
    row: TellRow | None = None,
) -> Played:
    """Plays it in an account of its own; `folder` is where the sound files that it names are.

    After a step that differs, the rest is left out; of expectations all are judged. CannotPlay when it can't be tried.
    """
    closing = threading.Event()
    app = None if scenario.app else ServedApp(documents_app(scenario.documents, closing))
    try:
        async with World(deployment, scenario.app or (app.url if app else "")) as world:
            _furnish(world, scenario)
            telling = asyncio.create_task(_tell_rows(world, row)) if row else None
            try:
                steps = await Player(world, scenario, folder).play(tell)
                closing.set()
                await world.finish()
            finally:
                if telling:
                    telling.cancel()
                    await asyncio.gather(telling, return_exceptions=True)
            return Played(scenario=scenario, steps=tuple(steps), ladders=tuple(ladders(world)))
    finally:
        closing.set()
        if app:
            await asyncio.to_thread(app.close)


async def _tell_rows(world: World, tell: TellRow) -> None:
    """Each row once, soon after it was written."""
    told: set[tuple[str, int]] = set()
    while True:
        for row in world.rows(models.TimelineEntry, order="at"):
            if (row.call_sid, row.position) not in told:
                told.add((row.call_sid, row.position))
                tell(row)
        await asyncio.sleep(ROWS_EVERY)


def play_alone(scenario: Scenario, deployment: LocalDeployment, folder: Path) -> Played:
    """Plays it without telling, on an event loop of its own."""
    return asyncio.run(play(scenario, deployment, folder=folder, tell=lambda _done: None))


def _furnish(world: World, scenario: Scenario) -> None:
    """The numbers and the application that the file names, or speaks of without naming them."""
    usual = {"voice": VOICE, "texts": TEXTS}
    told = any(one.path == STATUS for one in scenario.documents) or any(
        step.does == "expect_callback" and step.values["PATH"] == STATUS for step in scenario.steps
    )
    if told:
        usual["status"] = STATUS
    for number, paths in scenario.numbers.items():
        world.number(number, **{**usual, **paths})
    for step in scenario.steps:
        if "NUMBER" in step.values and not (step.kind == "client" and step.does == "text"):
            world.number(step.values["NUMBER"], **usual)
    world.clients_run(scenario.clients_run or OUTGOING)
    for name in scenario.clients:
        world.client(name, texting=name in scenario.texting)


class Player:
    """A method for each sentence of the grammar, by the name that it has there."""

    def __init__(self, world: World, scenario: Scenario, folder: Path) -> None:
        self._world, self._scenario, self._folder = world, scenario, folder

    async def play(self, tell: Tell) -> list[Done]:
        done: list[Done] = []
        stopped = False
        for step in self._scenario.steps:
            began = time.monotonic()
            fault = ""
            if not stopped:
                try:
                    await getattr(self, step.does)(step)
                except Differs as differs:
                    fault = str(differs)
            seconds = None if stopped else round(time.monotonic() - began, 3)
            done.append(Done(step=step, seconds=seconds, fault=fault))
            tell(done[-1])
            stopped = stopped or (bool(fault) and step.kind != EXPECT)
        return done

    # -- calls

    async def call(self, step: Step) -> None:
        end = self._end(step)
        self._world.caller = end
        if isinstance(end, PhoneEnd):
            await end.calls(step.values["NUMBER"])
        elif isinstance(end, ClientEnd):
            to = step.values["END"]
            await end.calls(self._named(to).name if to == CALLER else to)

    async def app_calls(self, step: Step) -> None:
        to = self._named(step.values["END"])
        await self._world.app_calls(to.face, step.values["NUMBER"], step.values.get("with", VOICE))

    async def register(self, step: Step) -> None:
        await self._client(step).register()

    async def nothing(self, step: Step) -> None:
        """Only says who there is."""

    async def leave(self, step: Step) -> None:
        await self._client(step).leave()

    async def set_status(self, step: Step) -> None:
        await self._client(step).set_status(step.values["WORD"])

    async def rings(self, step: Step) -> None:
        await self._end(step).rings(_within(step))

    async def rings_for(self, step: Step) -> None:
        await self._end(step).rings_for(step.values["TIME"])

    async def does_not_ring(self, step: Step) -> None:
        await self._end(step).does_not_ring(step.values.get("for", 2.0))

    async def stops_ringing(self, step: Step) -> None:
        await self._end(step).stops_ringing(_within(step))

    async def answer(self, step: Step) -> None:
        await self._end(step).answer()

    async def reject(self, step: Step) -> None:
        await self._end(step).reject()

    async def busy(self, step: Step) -> None:
        await self._phone(step).busy()

    async def ignore(self, step: Step) -> None:
        await self._client(step).ignore()

    async def nobody_answers(self, step: Step) -> None:
        before = {end.name for end in self._world.ends.values() if end.talks}

        def somebody() -> list[str]:
            return [end.name for end in self._world.ends.values() if end.talks and end.name not in before]

        try:
            names = await self._world.until(somebody, step.values["TIME"])
        except TimeoutError:
            return
        raise Differs(f"the call of {names[0]} was answered")

    async def connected(self, step: Step) -> None:
        await self._end(step).connected(_within(step))

    # -- sound and keys

    async def hears(self, step: Step) -> None:
        await self._end(step).hears(step.values["TEXT"], _within(step))

    async def hears_end(self, step: Step) -> None:
        await self._end(step).hears_end(self._named(step.values["END"]), _within(step))

    async def does_not_hear(self, step: Step) -> None:
        await self._end(step).does_not_hear(self._named(step.values["END"]))

    async def hears_hertz(self, step: Step) -> None:
        await self._end(step).hears_hertz(step.values["HZ"], _within(step))

    async def hears_sound(self, step: Step) -> None:
        await self._end(step).hears_sound(_within(step))

    async def hears_silence(self, step: Step) -> None:
        await self._end(step).hears_silence(_within(step))

    async def press(self, step: Step) -> None:
        await self._end(step).press(step.values["KEYS"])

    async def say(self, step: Step) -> None:
        await self._end(step).say(step.values["TEXT"])

    async def play_file(self, step: Step) -> None:
        await self._end(step).play(self._folder / step.values["TEXT"])

    async def wait(self, step: Step) -> None:
        await asyncio.sleep(step.values["TIME"])

    async def hang_up(self, step: Step) -> None:
        await self._end(step).hang_up()

    async def hung_up(self, step: Step) -> None:
        await self._end(step).hung_up(_within(step))

    async def gets_busy(self, step: Step) -> None:
        await self._phone(step).gets_busy(_within(step))

    async def gets_rejected(self, step: Step) -> None:
        await self._phone(step).gets_rejected(_within(step))

    # -- messages

    async def text(self, step: Step) -> None:
        end = self._end(step)
        if isinstance(end, PhoneEnd | ClientEnd):
            await end.texts(step.values.get("NUMBER", ""), step.values["TEXT"])

    async def app_texts(self, step: Step) -> None:
        to = self._named(step.values["END"])
        await self._world.app_texts(to.face, step.values["NUMBER"], step.values["TEXT"])

    async def gets_text(self, step: Step) -> None:
        sender = step.values.get("from")
        whose = sender and self._named(sender).face if sender and self._known(sender) else sender
        await self._end(step).gets_text(step.values["TEXT"], whose, _within(step))

    async def gets_no_text(self, step: Step) -> None:
        await self._end(step).gets_no_text(step.values.get("for", 2.0))

    # -- expectations

    async def expect_status(self, step: Step) -> None:
        await expectations.call_status(self._world, step.values["STATUS"])

    async def expect_dial(self, step: Step) -> None:
        await expectations.dial_status(self._world, step.values["STATUS"])

    async def expect_message(self, step: Step) -> None:
        await expectations.message_status(self._world, step.values["DELIVERY"])

    async def expect_alert(self, step: Step) -> None:
        await expectations.alert(self._world, step.values["CODE"])

    async def expect_no_alerts(self, _step: Step) -> None:
        await expectations.no_alerts(self._world)

    async def expect_callback(self, step: Step) -> None:
        await expectations.callback(self._world, step.values["PATH"], step.values["CALLBACK"])

    async def expect_request(self, step: Step) -> None:
        await expectations.request(self._world, step.values["PATH"], step.values.get("with", {}))

    async def expect_no_request(self, step: Step) -> None:
        await expectations.no_request(self._world, step.values["PATH"])

    async def expect_row(self, step: Step) -> None:
        await expectations.row(self._world, step.values["TEXT"])

    # -- who

    def _end(self, step: Step) -> End:
        return self._named(step.by)

    def _phone(self, step: Step) -> PhoneEnd:
        return self._world.phone(step.by)

    def _client(self, step: Step) -> ClientEnd:
        return self._world.client(step.by)

    def _known(self, name: str) -> bool:
        return name == CALLER or name in self._world.ends

    def _named(self, name: str) -> End:
        if name == CALLER:
            if self._world.caller is None:
                raise Differs("nobody has called yet")
            return self._world.caller
        return self._world.phone(name) if NUMBER.fullmatch(name) else self._world.client(name)


def _within(step: Step) -> float:
    return float(step.values.get("within", PATIENCE))
