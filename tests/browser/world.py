"""What a scenario is played in: an account of its own, the app behind its webhooks, a carrier, and tabs."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any, Self, TypeVar

from callrouter import models
from callrouter.audio.sources import Tone
from callrouter.carriers.simulator.call import SimulatedCall
from presence.client import Presence, PresenceClient
from tests.browser.chromium import PATIENCE, Browser, Tab, TabCall
from tests.support.deployment import Deployment
from tests.support.origin import Origin, Received, Script, reply

T = TypeVar("T")

CALLER, CALLER_HZ = "+14155550100", 600
ALICE_HZ, BOB_HZ = 1000, 700
"""What the caller, and the microphones of the two browsers, say."""
DIAL_ALICE = '<Dial action="/done" timeout="60"><Client>alice</Client></Dial>'


Launch = Callable[[int], Browser]
"""Starts a browser whose microphone plays a tone of so many Hz."""
Play = Callable[[Callable[["World"], Coroutine[Any, Any, None]]], None]
"""Plays a scenario in a world of its own."""


class World:
    """An async context manager. At its end all hang up, and nothing of any call may be left."""

    def __init__(self, deployment: Deployment, browser: Browser) -> None:
        self.deployment, self.browser = deployment, browser
        self.tenant = deployment.tenant()
        self.carrier = deployment.carrier()
        self.app = Origin(self._answer)
        self.documents: dict[str, str | Script] = {"/done": "", "/status": ""}
        """What the app answers: the verbs of a document, or a whole answer."""
        self.presence = PresenceClient(deployment.presence_url, deployment.keys)
        self._paths = (f"/voice{number}" for number in itertools.count())
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._stack.enter_context(self.app)
        await self._stack.enter_async_context(self.carrier)
        await asyncio.to_thread(self.deployment.adopt, self.carrier)
        return self

    async def __aexit__(self, fault: type[BaseException] | None, *_: object) -> None:
        if fault is None:
            for call in list(self.carrier.calls.values()):
                await call.hangup()
        await self._stack.aclose()
        if fault is None:
            await self.over()

    # -- what there is before a call

    def number(self, twiml: str = DIAL_ALICE) -> str:
        """A phone number whose app answers with this document."""
        url = self._serve(twiml)
        return self.tenant.number(url, status_callback=self.app.url("/status"))

    def application(self, twiml: str) -> str:
        return self.tenant.application(self._serve(twiml), status_callback=self.app.url("/status"))

    async def tab(
        self, identity: str, *, browser: Browser | None = None, options: Any = None, **token: Any
    ) -> Tab:
        """A tab whose `Device` has a token for this identity, and no socket yet."""
        tab = await (browser or self.browser).tab()
        self._stack.push_async_callback(tab.close)
        await tab.open(self.tenant.token(identity, **token), self.deployment.signal, **(options or {}))
        return tab

    async def registered(self, identity: str = "alice", **more: Any) -> Tab:
        tab = await self.tab(identity, **more)
        await tab.do("register")
        return tab

    # -- calls

    async def caller(self, to: str) -> SimulatedCall:
        """A phone calls; it says 600 Hz."""
        return await self.carrier.call(CALLER, to, source=Tone(hz=CALLER_HZ))

    async def talking(self, tab: Tab) -> tuple[SimulatedCall, TabCall]:
        """A phone's call to a number that dials alice, taken in this tab: each hears the other."""
        caller = await self.caller(self.number())
        call = await tab.incoming()
        await call.do("accept")
        await call.wait("accept")
        await call.hears(CALLER_HZ)
        await hears(caller, ALICE_HZ)
        return caller, call

    # -- what became of it

    async def until(self, true: Callable[[], T], what: str) -> T:
        return await asyncio.to_thread(self.deployment.wait_until, true, what)

    async def over(self) -> None:
        """Nothing of any call is left (reliability-security I6)."""
        await self.until(lambda: self.deployment.nothing_live(self.tenant), "the calls are over")

    async def asked(self, path: str, **having: str) -> dict[str, str]:
        """The parameters of the first request at this path with these values."""

        def found() -> dict[str, str]:
            forms = (request.form for request in self.app.received if request.path == path)
            return next((form for form in forms if having.items() <= form.items()), {})

        return await self.until(found, f"a request at {path} with {having}")

    def asked_times(self, path: str, **having: str) -> int:
        return sum(
            request.path == path and having.items() <= request.form.items() for request in self.app.received
        )

    def calls(self) -> dict[str, tuple[str, str | None]]:
        """Each leg's address with its status and why it ended."""
        return {
            row.to: (row.status, row.ended_because)
            for row in self.deployment.rows(models.Call, models.Call.account_sid == self.tenant.sid)
        }

    def timeline(self) -> list[str]:
        mine = models.TimelineEntry.account_sid == self.tenant.sid
        return [entry.summary for entry in self.deployment.rows(models.TimelineEntry, mine)]

    def alice(self) -> Presence:
        return self.presence.presence(self.tenant.sid, "alice")

    def _serve(self, twiml: str) -> str:
        path = next(self._paths)
        self.documents[path] = twiml
        return self.app.url(path)

    def _answer(self, request: Received) -> Script:
        answer = self.documents.get(request.path)
        if answer is None:
            return reply(404)
        return reply(body=f"<Response>{answer}</Response>".encode()) if isinstance(answer, str) else answer


async def eventually(true: Callable[[], Awaitable[bool]], what: str) -> None:
    """Asks until it is so; TimeoutError after some seconds, with a note of what it was."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not await true():
                await asyncio.sleep(0.05)
    except TimeoutError as late:
        late.add_note(what)
        raise


async def hears(call: SimulatedCall, hz: float, patience: float = PATIENCE) -> None:
    """The far end listens until this is the strongest frequency; TimeoutError notes what it heard last."""
    heard: float | None = None
    try:
        async with asyncio.timeout(patience):
            while heard is None or abs(heard - hz) > 20:
                heard = await call.heard(0.5)
    except TimeoutError as late:
        late.add_note(f"heard {heard} and not {hz} Hz")
        raise
