"""The router dies at named points of a call that REST places, and is started again (I1, I4, I7)."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests
from killing import CALLEE, Choice, Scene, Told, at_points, on_sqlite, until_hears, until_registered
from twilio.base.exceptions import TwilioRestException

from callrouter import models
from callrouter.carriers.simulator.call import SimulatedCall
from callrouter.phone.call import CallOver, PhoneCall
from callrouter.phone.phone import Phone
from tests.support.deployment import PATIENCE, Deployment

pytestmark = [pytest.mark.kill, pytest.mark.timeout(2400)]


def place(scene: Scene) -> Any:
    """Places it as a careful app does: without an answer it looks whether the call is there, before it tries again."""
    calls = scene.tenant.rest.calls
    wanted = {
        "to": CALLEE,
        "from_": scene.number,
        "url": scene.app.url("/voice"),
        "status_callback": scene.app.url("/status"),
        "status_callback_event": ["initiated", "ringing", "answered", "completed"],
    }
    while True:
        with suppress(requests.ConnectionError, TwilioRestException):
            found = calls.list(to=CALLEE, limit=1)
            return found[0] if found else calls.create(**wanted)


async def hears(side: PhoneCall | SimulatedCall, hz: float) -> None:
    """However long the line is dead while the router is away."""
    while True:
        with suppress(TimeoutError):
            return await until_hears(side, hz)


async def talk(phone: Phone) -> None:
    """A device whose line drops while the router is away is rung again when it is back."""
    while True:
        ringing = await phone.incoming()
        with suppress(CallOver):
            await ringing.answer()
            return await hears(ringing, 600)


async def placed(scene: Scene) -> bool:
    """A phone is called and answers, its document dials alice, they talk, the phone hangs up."""
    await until_registered(scene.phone)
    made = await asyncio.to_thread(place, scene)
    talked = False
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            callee = await scene.carrier.dialled()
            assert callee.call_sid == made.sid
            await talk(scene.phone)
            await hears(callee, 1000)
            talked = True
    for one in list(scene.carrier.calls.values()):
        await one.hangup()
    async with asyncio.timeout(PATIENCE):
        for client in list(scene.phone.calls):
            await client.ended
    mine = (models.Call.account_sid == scene.tenant.sid, models.Call.to == CALLEE)
    assert len(scene.deployment.rows(models.Call, *mine)) == 1
    return talked


@on_sqlite
def test_a_placed_call_survives(
    deployment: Deployment, choose: Choice, tmp_path: Path, record_property: Told
) -> None:
    record_property("killed", at_points(deployment, "router", placed, tmp_path / "points", choose))
