"""A day in the life of an account, so that every page of the console has something to show."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from sqlalchemy import Connection, update

from callrouter import models
from callrouter.audio.sources import Tone
from callrouter.carriers.simulator.call import SimulatedCall
from callrouter.console.access import sign_in_link
from callrouter.phone.phone import Phone
from tests.browser.chromium import PATIENCE
from tests.browser.world import ALICE_HZ, CALLER, CALLER_HZ, World
from tests.support.origin import reply

HOSTILE = "<img src=x onerror=alert(1)>"
FAULTS = {
    "an answer of 500": reply(500, b"Internal Server Error"),
    "XML that is broken": reply(body=b"<Response>\n  <Say>Hello</Sai>\n</Response>"),
    "a noun that is wrong": reply(body=b"<Response>\n  <Dial><Klient>alice</Klient></Dial>\n</Response>"),
}
"""What the app of a broken number answers."""


def sign_in(world: World, page: str = "/console/", *, operator: bool = False) -> str:
    """A link into the console that works once."""
    account = None if operator else world.tenant.sid
    return sign_in_link(world.deployment.keys, world.deployment.router_url, account, page)


async def fill(world: World) -> None:
    """A call that was answered, calls to apps with faults, messages, an application, and a name that is no name."""
    _rename(world)
    number = world.number()
    world.documents["/sms"] = "<Message>We open at eight.</Message>"
    ours = world.tenant.number(sms_url=world.app.url("/sms"), friendly_name=HOSTILE)
    world.application("<Dial><Client>alice</Client></Dial>")
    async with world.tenant.phone("alice", source=Tone(hz=ALICE_HZ)) as alice:
        await alice.register()
        caller = await world.caller(number)
        await _talks(alice, caller)
    for answer in FAULTS.values():
        broken = world.number()
        path = list(world.documents)[-1]
        world.documents[path] = answer
        turned_away = await world.carrier.call(CALLER, broken, source=Tone(hz=CALLER_HZ))
        await asyncio.wait_for(turned_away.ended, PATIENCE)
    await world.carrier.text(CALLER, ours, f"Is it open? {HOSTILE}")
    await world.until(lambda: len(world.tenant.rest.messages.list()) == 2, "an answer goes out")
    await world.over()


def _rename(world: World) -> None:
    def unit(connection: Connection) -> Any:
        mine = models.Account.account_sid == world.tenant.sid
        return connection.execute(update(models.Account).where(mine).values(friendly_name="Corner shop"))

    world.deployment.write(unit)


async def _talks(phone: Phone, caller: SimulatedCall) -> None:
    """Until each has heard the other; then the caller hangs up."""
    call = await phone.incoming()
    await call.answer()
    ends = time.monotonic() + 20
    while await call.heard(0.3) is None and time.monotonic() < ends:
        pass
    await caller.hangup()
    await asyncio.wait_for(asyncio.gather(caller.ended, call.ended), PATIENCE)
