"""The router dies by SIGKILL at every named point of a call, and is started again (reliability-security 3.2, IC1-IC26).

Pass 0 records the points that a whole call passes. Then, for each of them, a new call is made while the router is
armed to die there. However it goes: what was acknowledged is kept, the call is answered, ends once, and nothing is
left live (I1, I2, I4, I6, I7, I8).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from callrouter import models
from callrouter.audio.sources import Tone
from callrouter.carriers.simulator.call import SimulatedCall
from callrouter.phone.call import PhoneCall
from tests.support.deployment import Deployment, Tenant
from tests.support.origin import Origin, Received, reply

pytestmark = [pytest.mark.kill, pytest.mark.timeout(2400)]

PATIENCE = 20.0
FINAL = {"completed", "busy", "no-answer", "failed", "canceled"}


class Scene:
    """One account, one app that rings alice, one carrier call: the same for every point."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.tenant: Tenant = deployment.tenant()

    def documents(self, request: Received) -> list[object]:
        if request.path != "/voice":
            return list(reply(204))
        status = self.app.url("/status")
        events = "initiated ringing answered completed"
        client = f'<Client statusCallback="{status}" statusCallbackEvent="{events}">alice</Client>'
        return list(reply(body=f"<Response><Dial>{client}</Dial></Response>".encode()))

    async def play(self, armed: dict[str, str]) -> bool:
        """A whole call, with a router that is armed; whether it died on the way."""
        deployment = self.deployment
        with Origin(self.documents) as self.app:  # type: ignore[arg-type]
            number = self.tenant.number(self.app.url("/voice"), status_callback=self.app.url("/status"))
            async with deployment.carrier() as carrier:
                deployment.adopt(carrier)
                async with self.tenant.phone("alice", source=Tone(hz=1000)) as phone:
                    await phone.register()
                    deployment.stop("router")
                    deployment.start("router", environment=armed)
                    keeper = asyncio.create_task(self._keep_router())
                    try:
                        async with asyncio.timeout(PATIENCE):
                            call = await carrier.call("+14155550100", number, source=Tone(hz=600))
                            ringing = await phone.incoming()
                            await ringing.answer()
                            await call.answered
                            await _until_hears(
                                ringing, 600
                            )  # a router that is away joins them when it is back
                            await _until_hears(call, 1000)
                            await call.hangup()
                            await ringing.ended
                    finally:
                        await asyncio.to_thread(self._until_over)
                        keeper.cancel()
                        with suppress(asyncio.CancelledError):
                            await keeper
            self._check(self.app)
        return self.died

    async def _keep_router(self) -> None:
        """Starts the router again, unarmed, whenever it died: what a supervisor does."""
        self.died = False
        while True:
            if self.deployment.processes["router"].poll() is not None:
                self.died = True
                await asyncio.to_thread(self.deployment.start, "router")
            await asyncio.sleep(0.02)

    def _until_over(self) -> None:
        deployment, mine = self.deployment, self.tenant.sid
        deployment.wait_until(lambda: deployment.nothing_live(self.tenant), "the call is over", PATIENCE)
        sent = models.Outbox.account_sid == mine
        deployment.wait_until(
            lambda: not deployment.rows(models.Outbox, sent), "everything is sent", PATIENCE
        )

    def _check(self, app: Origin) -> None:
        calls = self.deployment.rows(models.Call, models.Call.account_sid == self.tenant.sid)
        assert {call.status for call in calls} <= FINAL
        ended: dict[str, set[str]] = {}
        for request in app.received:
            if request.form.get("CallStatus") in FINAL and request.path == "/status":
                token = request.headers["i-twilio-idempotency-token"]
                ended.setdefault(request.form["CallSid"], set()).add(token)
        counts = Counter(len(tokens) for tokens in ended.values())
        assert counts == {1: 2}, f"one terminal callback for each of two legs, got {ended}"


async def _until_hears(side: PhoneCall | SimulatedCall, hz: float) -> None:
    while await side.heard(0.3) != pytest.approx(hz, abs=10):
        pass


def test_a_call_survives_the_death_of_the_router_at_every_point(
    deployment: Deployment, tmp_path: Path
) -> None:
    """Scenario R1 on SQLite: every pass of every named point, once."""
    log = tmp_path / "points"
    assert not asyncio.run(Scene(deployment).play({"FAILPOINT_LOG": str(log)}))
    points = [
        (name, turn)
        for name, turns in Counter(log.read_text().split()).items()
        for turn in range(1, turns + 1)
    ]
    assert len(points) > 20, points
    faults = []
    died = 0
    for name, turn in points:
        try:
            died += asyncio.run(Scene(deployment).play({"FAILPOINT": f"{name}:{turn}"}))
        except Exception as fault:
            faults.append(f"{name}:{turn}: {type(fault).__name__} {fault}")
    print(f"{len(points)} points, {died} deaths, {len(faults)} faults")
    assert not faults, "\n".join(faults)
    assert died >= len(points) * 0.8, "most points must really have been passed"
