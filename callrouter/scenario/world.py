"""Where a scenario plays: an account of a local callrouter, an app, a carrier, and the ends that take part."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar

import requests
from sqlalchemy import Connection

from callrouter import models
from callrouter.carriers.simulator.gateway import SimulatedCarrier
from callrouter.carriers.simulator.link import RouterUnreachable
from callrouter.carriers.simulator.script import DialScript, Outcome
from callrouter.directory import applications, numbers
from callrouter.directory.errors import Refused
from callrouter.scenario.clients import ClientEnd
from callrouter.scenario.deployment import CARRIER_NAME, LocalDeployment
from callrouter.scenario.ends import PATIENCE, End, PhoneEnd
from callrouter.scenario.faults import CannotPlay, Differs
from foundation.sids import APPLICATION, PHONE_NUMBER, new_sid
from foundation.webserver.serve import AddressTaken

T = TypeVar("T")

TONES = (600.0, 1000.0, 820.0, 1400.0, 1080.0, 1540.0, 650.0, 890.0, 1130.0, 1270.0)
"""Hz; each end of a scenario has its own, apart from one another, from keys and from the tones of a ringing phone."""
SETTINGS = {
    "voice": "voice_url",
    "texts": "sms_url",
    "status": "status_callback",
    "fallback": "voice_fallback_url",
}
LIVE = ("queued", "initiated", "ringing", "in-progress")
GLANCE = 0.04
SAY = "say "


class World:
    """An account of its own. An async context manager; one at a time in a deployment.

    `app_url` is what paths such as /voice are relative to.
    """

    def __init__(self, deployment: LocalDeployment, app_url: str) -> None:
        self.deployment, self.app_url = deployment, app_url.rstrip("/")
        self.tenant = deployment.tenant()
        self.application_sid: str | None = None
        self.carrier = SimulatedCarrier(
            CARRIER_NAME,
            deployment.carrier_secret,
            deployment.router_url,
            listen=deployment.carrier_address,
            script=self._script,
        )
        self.ends: dict[str, End] = {}
        self.caller: End | None = None
        """Who placed the latest call."""
        self._numbers: dict[str, str] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        try:
            await self.carrier.start()
        except AddressTaken as taken:
            raise CannotPlay(str(taken)) from taken
        self._tasks = [asyncio.create_task(self._take_calls()), asyncio.create_task(self._take_texts())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await self.finish()
        finally:
            await asyncio.gather(*(end.close() for end in self.ends.values()), return_exceptions=True)
            await self.carrier.close()
            self._write(self._give_numbers_back)

    async def finish(self, seconds: float = PATIENCE) -> None:
        """Hangs up all ends, and waits until the router has nothing more to do for the account's calls."""
        with suppress(RouterUnreachable):
            for call in list(self.carrier.calls.values()):
                await call.hangup()
        for end in self.ends.values():
            if isinstance(end, ClientEnd):
                await end.hang_up_all()
        with suppress(TimeoutError):
            await self.until(lambda: not self.rows(models.Session), seconds)
            pending = models.Outbox.attempts == 0
            await self.until(lambda: not self.rows(models.Outbox, pending), seconds)

    # -- what there is

    def url(self, path: str) -> str:
        return path if path.startswith(("http://", "https://")) else f"{self.app_url}{path}"

    def number(self, number: str, **paths: str) -> None:
        """A number of the account; `paths` by the names of SETTINGS. Once is enough: the first time counts."""
        if number in self._numbers:
            return
        sid = new_sid(PHONE_NUMBER)
        settings = {SETTINGS[name]: self.url(path) for name, path in paths.items()}
        self._write(
            lambda connection: numbers.create(
                connection,
                account_sid=self.tenant.sid,
                sid=sid,
                phone_number=number,
                settings=settings,
                now=time.time(),
            )
        )
        self._numbers[number] = sid

    def some_number(self) -> str:
        """A number of the account, to send from."""
        return next(iter(self._numbers), "")

    def clients_run(self, path: str) -> None:
        """Calls that clients place run the document there."""
        self.application_sid = sid = new_sid(APPLICATION)
        settings = {"friendly_name": "Clients", "voice_url": self.url(path)}
        self._write(
            lambda connection: applications.create(
                connection, account_sid=self.tenant.sid, sid=sid, settings=settings, now=time.time()
            )
        )

    def phone(self, number: str) -> PhoneEnd:
        end = self.ends.get(number)
        if not isinstance(end, PhoneEnd):
            end = self.ends[number] = PhoneEnd(self, number, self._tone())
        return end

    def client(self, name: str, *, texting: bool = False) -> ClientEnd:
        end = self.ends.get(name)
        if not isinstance(end, ClientEnd):
            end = self.ends[name] = ClientEnd(self, name, self._tone(), texting=texting)
        return end

    def _script(self, _from: str, to: str) -> DialScript:
        return DialScript(outcome=Outcome.ASK, source=self.phone(to).mouth)

    def _tone(self) -> float:
        return TONES[len(self.ends) % len(TONES)]

    # -- what the app does by REST

    async def app_calls(self, to: str, sender: str, path: str) -> str:
        """The new call's SID. Differs with the router's words when it refuses."""
        said = {"To": to, "From": sender, "Url": self.url(path)}
        return await self._post("Calls", said)

    async def app_texts(self, to: str, sender: str, body: str) -> str:
        return await self._post("Messages", {"To": to, "From": sender, "Body": body})

    async def _post(self, resource: str, said: Mapping[str, str]) -> str:
        account = self.tenant.sid
        url = f"{self.deployment.router_url}/2010-04-01/Accounts/{account}/{resource}.json"

        def post() -> requests.Response:
            with requests.Session() as http:
                http.trust_env = False
                return http.post(
                    url, data=dict(said), auth=(account, self.tenant.auth_token), timeout=PATIENCE
                )

        try:
            answer = await asyncio.to_thread(post)
        except requests.RequestException as fault:
            raise CannotPlay(f"the router does not answer: {fault}\n{self.deployment.logs()}") from fault
        if not answer.ok:
            raise Differs(f"REST answered {answer.status_code}: {answer.json().get('message', '')}")
        return str(answer.json()["sid"])

    # -- what happened

    async def until(self, true: Callable[[], T], seconds: float = PATIENCE) -> T:
        """Polls without stopping the ends that live on this loop; TimeoutError."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + seconds
        while not (value := true()):
            if loop.time() > ends:
                raise TimeoutError
            await asyncio.sleep(GLANCE)
        return value

    async def answered(self, call_sid: str) -> None:
        """Waits until the router knows that a leg was answered, or that it is over."""
        with suppress(TimeoutError):
            sid = models.Call.sid == call_sid
            await self.until(lambda: [r for r in self.rows(models.Call, sid) if r.status not in LIVE[:3]])

    def rows(self, model: Any, *where: Any, order: str | None = None) -> list[Any]:
        return self.deployment.rows(model, model.account_sid == self.tenant.sid, *where, order=order)

    def spoken(self, face: str) -> list[str]:
        """What was spoken to that end, in all calls, oldest first."""
        rows = self.rows(models.TimelineEntry, models.TimelineEntry.target == face)
        rows.sort(key=lambda row: (row.at, row.call_sid, row.position))
        said = [row for row in rows if row.summary.startswith(SAY)]
        return [row.detail.get("text") or row.summary.removeprefix(SAY) for row in said]

    def calls(self) -> list[Any]:
        """The account's calls without those that they dialled, oldest first."""
        return self.rows(models.Call, models.Call.parent_call_sid.is_(None), order="date_created")

    def messages(self) -> list[Any]:
        return self.rows(models.Message, order="date_created")

    # -- inside

    def _give_numbers_back(self, connection: Connection) -> None:
        """Another world may have them now."""
        for sid in self._numbers.values():
            numbers.remove(connection, self.tenant.sid, sid)

    async def _take_calls(self) -> None:
        while True:
            call = await self.carrier.dialled()
            self.phone(call.to).offered(call)

    async def _take_texts(self) -> None:
        while True:
            text = await self.carrier.inbox()
            self.phone(text.to).got_text(text)

    def _write(self, unit: Callable[[Any], object]) -> None:
        try:
            self.deployment.write(unit)
        except Refused as refused:
            raise CannotPlay(str(refused)) from refused
