"""The presence server dies by SIGKILL in every phase of a call, and is started again.

Audio does not pass through it, calls are the router's, invites are rows: so nothing is lost but sockets, and clients
come back by themselves (PR-81, F15, F19).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from callrouter import models
from callrouter.audio.sources import Tone
from callrouter.carriers.simulator.call import SimulatedCall
from callrouter.carriers.simulator.gateway import SimulatedCarrier
from callrouter.phone.call import PhoneCall
from callrouter.phone.phone import Phone
from tests.support.deployment import PATIENCE, Deployment, Tenant
from tests.support.origin import Origin, reply

pytestmark = [pytest.mark.kill, pytest.mark.timeout(300)]

ALICE = b"<Response><Dial timeout='60'><Client>alice</Client></Dial></Response>"


class Stage:
    """A registered phone, a carrier, and a number that rings the phone."""

    def __init__(
        self, deployment: Deployment, tenant: Tenant, carrier: SimulatedCarrier, phone: Phone, to: str
    ) -> None:
        self.deployment, self.tenant, self.carrier, self.phone, self.to = (
            deployment,
            tenant,
            carrier,
            phone,
            to,
        )

    async def call(self) -> SimulatedCall:
        return await self.carrier.call("+14155550100", self.to, source=Tone(hz=600))

    async def kill(self) -> None:
        await asyncio.to_thread(self.deployment.kill, "presence")

    async def restart(self) -> None:
        await asyncio.to_thread(self.deployment.start, "presence")

    async def talk(self) -> tuple[SimulatedCall, PhoneCall]:
        """A call that was answered, in which each side hears the other."""
        call = await self.call()
        ringing = await self.phone.incoming()
        await ringing.answer()
        await self.hear_each_other(call, ringing)
        return call, ringing

    async def hear_each_other(self, call: SimulatedCall, ringing: PhoneCall) -> None:
        assert await ringing.heard(0.5) == pytest.approx(600, abs=10)
        assert await call.heard(0.5) == pytest.approx(1000, abs=10)


def on_stage(deployment: Deployment, act: Callable[[Stage], Awaitable[None]]) -> None:
    """Plays an act within bounds, then checks that everything ended once."""
    tenant = deployment.tenant()

    async def run() -> None:
        with Origin({"/voice": reply(body=ALICE)}) as app:
            number = tenant.number(app.url("/voice"))
            async with deployment.carrier() as carrier, tenant.phone("alice", source=Tone(hz=1000)) as phone:
                deployment.adopt(carrier)
                await phone.register()
                async with asyncio.timeout(3 * PATIENCE):
                    await act(Stage(deployment, tenant, carrier, phone, number))

    try:
        asyncio.run(run())
    finally:
        if "presence" not in deployment.processes:
            deployment.start("presence")
    deployment.wait_until(lambda: deployment.nothing_live(tenant), "the call is over", PATIENCE)
    statuses = [call.status for call in deployment.rows(models.Call, models.Call.account_sid == tenant.sid)]
    assert set(statuses) == {"completed"}


def test_killed_before_the_call(deployment: Deployment) -> None:
    async def act(stage: Stage) -> None:
        await stage.kill()
        await stage.restart()
        call, ringing = await stage.talk()
        await call.hangup()
        await ringing.ended

    on_stage(deployment, act)


def test_killed_while_ringing(deployment: Deployment) -> None:
    """The invite is a row: the device is rung again when it is back."""

    async def act(stage: Stage) -> None:
        call = await stage.call()
        await stage.phone.incoming()
        await stage.kill()
        await stage.restart()
        ringing = await stage.phone.incoming()
        await ringing.answer()
        await stage.hear_each_other(call, ringing)
        await ringing.hangup()
        await call.ended

    on_stage(deployment, act)


def test_killed_in_the_call_and_the_client_hangs_up_afterwards(deployment: Deployment) -> None:
    async def act(stage: Stage) -> None:
        call, ringing = await stage.talk()
        await stage.kill()
        await stage.hear_each_other(call, ringing)  # the audio never stopped
        await stage.restart()
        await ringing.reattached()
        await stage.hear_each_other(call, ringing)
        await ringing.hangup()
        await call.ended

    on_stage(deployment, act)


def test_the_client_hangs_up_while_it_is_dead(deployment: Deployment) -> None:
    """The client's hang-up waits in the client, and arrives with its next socket."""

    async def act(stage: Stage) -> None:
        call, ringing = await stage.talk()
        await stage.kill()
        await ringing.hangup()
        await stage.restart()
        await call.ended

    on_stage(deployment, act)


def test_the_caller_hangs_up_while_it_is_dead(deployment: Deployment) -> None:
    """The router's hang-up is repeated until the presence server is back; or the client learns it by attaching."""

    async def act(stage: Stage) -> None:
        call, ringing = await stage.talk()
        await stage.kill()
        await call.hangup()
        await stage.restart()
        await ringing.ended

    on_stage(deployment, act)
