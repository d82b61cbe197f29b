"""What the documentation shows for web pages, pasted into one."""

from __future__ import annotations

import asyncio

from tests.browser.chromium import PATIENCE
from tests.browser.world import Play, World
from tests.support.pages import ROOT, blocks

PAGE = ROOT / "docs" / "how-to" / "point-your-app.md"


def test_the_three_lines_for_the_voice_sdk_place_a_call(play: Play) -> None:
    """With the unmodified SDK: they register, and call the phone that they name."""
    lines = next(block.text for block in blocks(PAGE) if "new Twilio.Device" in block.text)

    async def scenario(world: World) -> None:
        own = world.number()
        app = world.application(f'<Dial callerId="{own}"><Number>+14155550100</Number></Dial>')
        token = world.tenant.token("alice", app=app)
        tab = await world.tab("alice")  # a page that has the SDK
        here = lines.replace("localhost:8443", world.deployment.signal)
        told = "return new Promise(open => call.on('accept', () => open([device.state, call.status()])));"
        assert await tab.run(f"(async () => {{ const token = '{token}';\n{here}\n{told} }})()") == [
            "registered",
            "open",
        ]
        phone = await asyncio.wait_for(world.carrier.dialled(), PATIENCE)
        assert (phone.from_, phone.to) == (own, "+14155550100")
        await phone.hangup()
        await asyncio.wait_for(phone.ended, PATIENCE)

    play(scenario)
