"""What one scenario needs: an account of its own in a real deployment, and a customer's app that is scripted."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import pytest
from twilio.request_validator import RequestValidator

from callrouter import models
from callrouter.audio.sources import Tone
from callrouter.carriers.simulator.call import SimulatedCall
from callrouter.carriers.simulator.gateway import SimulatedCarrier
from callrouter.phone.call import PhoneCall
from callrouter.phone.phone import Phone
from callrouter.voice.client import VoiceClient
from callrouter.voice.settings import VOICE_PURPOSE
from foundation.settings import address
from tests.support.deployment import PATIENCE, Deployment
from tests.support.origin import Answer, Origin, Received, Script, reply

T = TypeVar("T")

CALLER = "+14155550100"
CALLER_HZ, CALLEE_HZ = 600.0, 1000.0
"""What each side of a call says, so that the other can prove that it hears it."""
EVENTS = "statusCallbackEvent='initiated ringing answered completed'"


async def within(seconds: float, what: Awaitable[T]) -> T:
    """For a bound that the test is about; see `soon`."""
    return await asyncio.wait_for(what, seconds)


async def soon(what: Awaitable[T]) -> T:
    """For what must happen, however busy the machine is."""
    return await within(PATIENCE, what)


async def until_hears(side: SimulatedCall | PhoneCall, hz: float) -> None:
    """The two sides are joined some moments after an answer, which busy machines make longer."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(TimeoutError):  # no audio yet
                if await side.heard(0.2) == pytest.approx(hz, abs=20):
                    return


async def until_silent(side: SimulatedCall) -> None:
    async with asyncio.timeout(PATIENCE):
        while await side.heard(0.3) is not None:
            pass


class App:
    """The customer's app. A path's answer is TwiML, an origin's script, or a function of the request."""

    def __init__(self) -> None:
        self.answers: dict[str, str | Answer] = {}
        self._origin = Origin(self._answer)
        self.close = self._origin.close

    def url(self, path: str) -> str:
        return self._origin.url(path)

    @property
    def received(self) -> list[Received]:
        return list(self._origin.received)

    def forms(self, path: str) -> list[dict[str, str]]:
        return [request.form for request in self.received if request.path == path]

    def _answer(self, request: Received) -> Script:
        answer = self.answers.get(request.path)
        if answer is None:
            return reply(204 if request.path.startswith("/status") else 404)
        if isinstance(answer, str):
            return reply(body=answer.encode())
        return answer(request) if callable(answer) else answer


class Scene:
    """One account's calls, from every side."""

    def __init__(self, deployment: Deployment, app: App) -> None:
        self.deployment, self.app = deployment, app
        self.tenant = deployment.tenant()

    # -- what there is

    def number(self, document: str | Answer = "", **settings: Any) -> str:
        """A number whose calls run this document, with the app's status callback."""
        self.app.answers["/voice"] = document
        url = self.app.url("/voice")
        return self.tenant.number(url, **{"status_callback": self.app.url("/status/parent"), **settings})

    def application(self, document: str | Answer, **settings: Any) -> str:
        self.app.answers["/app"] = document
        return self.tenant.application(self.app.url("/app"), **settings)

    def client(self, identity: str, more: str = "", *, attributes: str = "") -> str:
        """A `<Client>` with every status callback."""
        callback = f"statusCallback='{self.app.url(f'/status/{identity}')}' {EVENTS}"
        return f"<Client {callback} {attributes}>{more or identity}</Client>"

    @asynccontextmanager
    async def carrier(self, **options: Any) -> AsyncIterator[SimulatedCarrier]:
        async with self.deployment.carrier(**options) as carrier:
            self.deployment.adopt(carrier)
            yield carrier

    @asynccontextmanager
    async def phone(self, identity: str, **options: Any) -> AsyncIterator[Phone]:
        """A registered phone that says a tone."""
        async with self.tenant.phone(identity, **{"source": Tone(hz=CALLEE_HZ), **options}) as phone:
            await phone.register()
            yield phone

    # -- what happened

    async def until(self, true: Callable[[], T], what: str, patience: float = PATIENCE) -> T:
        """Polls without stopping the phones that live on this loop."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + patience
        while not (value := true()):
            if loop.time() > ends:
                raise AssertionError(f"not within {patience} s: {what}\n{self.story()}")
            await asyncio.sleep(0.02)
        return value

    async def form(self, path: str, number: int = 0) -> dict[str, str]:
        """The parameters of the app's request at this path, once it has come."""
        await self.until(lambda: len(self.app.forms(path)) > number, f"request {number} of {path}")
        return self.app.forms(path)[number]

    async def over(self) -> None:
        """Waits until no call of the account is live and everybody knows it."""
        await self.until(lambda: self.deployment.nothing_live(self.tenant), "all calls are over")
        await self.until(lambda: not self.outbox(), "the outbox is empty")

    def rows(self, model: Any) -> list[Any]:
        return self.deployment.rows(model, model.account_sid == self.tenant.sid)

    def statuses(self) -> dict[str, str]:
        """Each leg's status by whom it goes to."""
        return {row.to: row.status for row in self.rows(models.Call)}

    def causes(self) -> dict[str, str]:
        return {row.to: row.ended_because for row in self.rows(models.Call)}

    def codes(self) -> list[str]:
        """Error codes of the account's notifications, oldest first."""
        rows = sorted(self.rows(models.Notification), key=lambda row: row.message_date)
        return [row.error_code for row in rows]

    def callbacks(self, path: str) -> list[str]:
        """The statuses that a status callback path was told, by sequence number."""
        forms = sorted(self.app.forms(path), key=lambda form: int(form["SequenceNumber"]))
        return [form["CallStatus"] for form in forms]

    def story(self) -> str:
        """Everything that helps to understand a failure."""
        waits = [f"{row.kind} {row.attempts} {row.payload}" for row in self.outbox()]
        lines = [f"{row.call_sid[-4:]} {row.source} -> {row.target}: {row.summary}" for row in self._ladder()]
        legs = [f"{row.to} {row.status} because {row.ended_because}" for row in self.rows(models.Call)]
        app = [f"{request.method} {request.target}" for request in self.app.received]
        logs = [
            f"--- {name}\n{self.deployment.log(name)[-2500:]}" for name in ("router", "presence", "voice")
        ]
        return "\n".join(["ladder:", *lines, "legs:", *legs, "app:", *app, "outbox:", *waits, *logs])

    def _ladder(self) -> list[Any]:
        return sorted(self.rows(models.TimelineEntry), key=lambda row: (row.call_sid, row.position))

    # -- what must be true after every scenario

    async def settled(self) -> None:
        """Nothing live is left anywhere (I6), every leg ended once and said so once (I4), with a reason (I17)."""
        await self.over()
        await self.until(
            lambda: not self.deployment.held_by_presence(self.tenant),
            "no invite or call is left at the presence server",
        )
        if "voice" in self.deployment.processes:
            await self._node_is_empty()
        for call in self.rows(models.Call):
            assert call.status in ("completed", "busy", "no-answer", "failed", "canceled"), self.story()
            assert call.ended_because, f"{call.to} ended without a reason"
            assert call.end_time >= call.start_time >= call.date_created - 1
        self._callbacks_are_whole()

    def outbox(self) -> list[Any]:
        """Outbox entries, but for callbacks that an app would not take: those are tried for days."""
        return [row for row in self.rows(models.Outbox) if not (row.kind == "callback" and row.attempts)]

    async def _node_is_empty(self) -> None:
        async def nothing(_event: object) -> None: ...

        where = address(self.deployment.environment["CALLROUTER_VOICE_CONTROL"])
        node = VoiceClient(where, self.deployment.keys.derive(VOICE_PURPOSE), nothing, owner="scenario")
        await node.start()
        try:
            async with asyncio.timeout(PATIENCE):
                while legs := (await node.request("node.legs"))["legs"]:
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"the voice node still has {legs}\n{self.story()}") from None
        finally:
            await node.close()

    def _callbacks_are_whole(self) -> None:
        told: dict[str, dict[str, Mapping[str, str]]] = {}
        for request in self.app.received:
            if "CallbackSource" in request.form:
                by_token = told.setdefault(request.form["CallSid"], {})
                by_token[request.headers["i-twilio-idempotency-token"]] = request.form
        for call_sid, forms in told.items():
            numbers = sorted(int(form["SequenceNumber"]) for form in forms.values())
            assert numbers == list(range(len(numbers))), f"{call_sid}: {numbers}\n{self.story()}"
            ends = [form for form in forms.values() if "CallDuration" in form]
            assert len(ends) == 1, f"{call_sid} ended {len(ends)} times\n{self.story()}"

    def every_request_is_signed(self) -> None:
        """The official validator takes every request that the app got (twilio-surface 9.4, 16), sound files apart."""
        validator = RequestValidator(self.tenant.auth_token)
        for request in self.app.received:
            if request.path.endswith(".wav"):
                continue
            url = f"http://{request.headers['host']}{request.target}"
            form = {} if request.method == "GET" else request.form
            signature = request.headers.get("x-twilio-signature", "")
            assert validator.validate(url, form, signature), f"{request.method} {url} is not signed by us"


def scenes(deployment: Deployment) -> Iterator[Scene]:
    """A scenario, and after it what every scenario must leave behind: nothing."""
    app = App()
    try:
        scene = Scene(deployment, app)
        yield scene
        asyncio.run(scene.settled())
        scene.every_request_is_signed()
    finally:
        app.close()
