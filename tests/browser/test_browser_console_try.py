"""The console's phone: the first three minutes, the playground, the softphone; and the presence board beside them."""

from __future__ import annotations

import asyncio

from tests.browser.chromium import PATIENCE, Site
from tests.browser.console_sample import sign_in
from tests.browser.world import ALICE_HZ, Play, World, eventually, hears

TONE_HZ = 440
"""What phone.js sends without a microphone."""
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"


async def _level(site: Site, meter: str) -> None:
    """Until the meter shows that something is heard."""

    async def heard() -> bool:
        return float(await site.attribute(meter, "value") or 0) > 0.02

    await eventually(heard, f"{meter} moves")


def test_the_first_three_minutes(play: Play) -> None:
    """Press a button, answer in the page, talk, hang up, read the ladder; the board follows."""

    async def scenario(world: World) -> None:
        world.number()
        site = await world.browser.visit(sign_in(world, "/console/try?client=alice"))
        await site.shows("#incoming")
        board = await world.browser.visit(f"{world.deployment.router_url}/console/presence")
        await site.click("text='Call alice'")
        await site.shows("#phone-answer")
        await board.shows("[data-client=alice] td:text-is('rings')")
        await site.press("#phone-answer", "Enter")  # it has the focus
        await site.shows(f"#caller-state >> text=/hears you, at {ALICE_HZ} Hz/")
        await _level(site, "#phone-heard")
        await board.shows("[data-client=alice] >> text='busy: it is on a call'")
        await site.shows("#ladder-rows >> text='connected'")
        await site.click("#phone-hangup")
        await site.shows("#ladder-facts >> text='completed' >> nth=0")
        await site.shows("#caller-state >> text='The call is over (normal).'")
        told = " ".join(await site.texts("#ladder-rows .what"))
        order = ["call arrives", "document", "dial", "ringing", "connected", "ended: normal"]
        assert [told.find(word) for word in order] == sorted(told.find(word) for word in order), told
        assert (await site.attribute("#ladder-more a", "href")).startswith("/console/calls/CA")
        await board.shows("[data-client=alice] >> text='available'")
        await site.click("#phone-toggle")
        await board.shows("[data-client=alice] >> text='offline'")
        assert await site.complaints() == []
        assert await board.complaints() == []
        await site.close()
        await board.close()

    play(scenario)


def test_the_playground(play: Play) -> None:
    """Faults at their lines while one types; keys in a menu; hostile text is text; a link holds the text."""

    async def scenario(world: World) -> None:
        site = await world.browser.visit(sign_in(world, "/console/playground"))
        await site.shows("#verdict >> text='No errors, no warnings.'")
        await site.fill("#text", f"<Response>\n<Say voise='{HOSTILE[:8]}'/>\n</Response>")
        await site.shows("#faults >> text=/Line 2 error 12100/")
        await site.fill("#text", "<Response>\n\n  <Dail/>\n</Response>")
        await site.shows("#faults >> text=/Line 3 warning .*did you mean Dial/")
        assert await site.texts("#lines .warning") == ["3"]
        menu = (
            'document /voice\n<Response><Gather action="/menu" numDigits="1" timeout="30"/></Response>\n'
            "document /menu when Digits=5\n"
            f"<Response><Say><![CDATA[{HOSTILE}]]></Say><Redirect>/gone</Redirect></Response>"
        )
        await site.fill("#text", menu)
        await site.shows("#verdict >> text='No errors, no warnings.'")
        await site.click("#play")
        await site.shows("#phone-phase >> text='talking'")
        await site.click("#phone-keys >> text='5'")
        await site.shows("#ladder-rows >> text='presses 5'")
        await site.shows("#ladder-rows li.error >> nth=0")
        assert HOSTILE in " ".join(await site.texts("#ladder-rows .what"))
        await site.shows("#ladder-facts >> text='completed' >> nth=0")
        await site.click("#share")
        await site.shows("#shared a")
        link = await site.attribute("#shared a", "href")
        other = await world.browser.visit(link)
        await other.shows("#text")
        assert await other.value("#text") == menu
        await other.go(link[:-3])
        await other.shows("[role=alert] >> text=/not whole/")
        assert await site.complaints() == []
        await site.close()
        await other.close()

    play(scenario)


def test_the_softphone(play: Play) -> None:
    """It calls a phone without any application, is muted and hangs up by key; who may not call is told why."""

    async def scenario(world: World) -> None:
        world.number()
        site = await world.browser.visit(sign_in(world, "/console/softphone?identity=bob"))
        await site.click("#phone-toggle")
        await site.shows("#phone-status >> text='Registered as bob'")
        await site.choose("#phone-app", "dialling it, without an application")
        await site.click("text='Microphone and speaker'")
        await site.choose("#phone-microphone", "none: send a tone")
        await site.fill("#phone-to", "not a name")
        await site.press("#phone-to", "Enter")
        await site.shows("#phone-log >> text=/Call a client by its name/")
        await site.fill("#phone-to", "+14155550123")
        await site.press("#phone-to", "Enter")
        far = await asyncio.wait_for(world.carrier.dialled(), PATIENCE)
        await site.shows("#phone-phase >> text='talking'")
        await hears(far, TONE_HZ)
        await site.click("#phone-mute")

        async def silent() -> bool:
            return await far.heard(0.3) is None

        await eventually(silent, "a muted phone says nothing")
        await site.press("#phone-mute", "Escape")
        await asyncio.wait_for(far.ended, PATIENCE)
        await site.shows("#phone-log >> text=/: hung up/")
        await site.look(390, 844, "dark")
        refused = [
            one for one in await site.complaints() if "status of 400" not in one
        ]  # the name that is none
        assert refused == []
        await site.close()

    play(scenario)
