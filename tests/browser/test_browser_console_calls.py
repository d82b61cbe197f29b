"""The console's calls, messages, requests and alerts in a real browser: live, by keyboard, and with apps that break."""

from __future__ import annotations

from callrouter.audio.sources import Tone
from tests.browser.console_sample import sign_in
from tests.browser.world import ALICE_HZ, CALLER, CALLER_HZ, DIAL_ALICE, Play, World
from tests.support.origin import HANG, reply

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"


def test_a_call_is_seen_as_it_happens(play: Play) -> None:
    """It appears in the list, its ladder grows row by row, and the page ends it."""

    async def scenario(world: World) -> None:
        site = await world.browser.visit(sign_in(world, "/console/calls"))
        await site.shows("#rows .empty")
        async with world.tenant.phone("alice", source=Tone(hz=ALICE_HZ)) as alice:
            await alice.register()
            await world.caller(world.number(DIAL_ALICE))
            await site.shows(f"#rows td:text-is('{CALLER}')")
            await site.click("#rows a >> nth=0")
            ringing = await alice.incoming()
            await site.shows("#ladder .what:text-is('ringing')")
            assert "connected" not in await site.texts("#ladder .what")
            await ringing.answer()
            await site.shows("#ladder .what:text-is('connected')")
            assert [one.lower() for one in await site.texts(".lane")] == [
                "caller",
                "router",
                "your server",
                "client",
            ]
            # by keyboard: down from the first row to the request, whose panel opens with what was answered
            await site.press(".rung >> nth=0", "ArrowDown")
            await site.press(".rung:focus", "Enter")
            await site.shows("#ladder .document li >> nth=0")
            assert "<Client>alice</Client>" in " ".join(await site.texts("#ladder .document"))
            await site.click(".rung:has-text('router → client:alice dial')")
            await site.shows("#ladder [data-presence] .status:text-is('rung')")
            hang_up = "#parts [data-hang-up] >> nth=0"
            await site.click(hang_up)
            await site.click("#parts [data-hang-up]:text-is('End this call now')")
            await site.shows("#ladder .what:text-is('ended: api') >> nth=0")
            await site.gone("#parts [data-hang-up]")
        assert await site.complaints() == []
        await site.close()

    play(scenario)


def test_apps_that_break_are_understood_from_the_console(play: Play) -> None:
    """500, broken XML, too slow, a wrong noun: the alert names code, cause and remedy; the request its line; a replay
    shows that it is mended."""

    async def scenario(world: World) -> None:
        broken = f"<Response>\n  <Say>{HOSTILE.replace('<', '&lt;')}</Sai>\n</Response>"
        answers = {
            "11200": reply(500, b"KeyError: 'lang' " + HOSTILE.encode()),
            "12100": reply(body=broken.encode()),
            "11203": [HANG],
            "13215": reply(body=b"<Response>\n  <Dial><Klient>alice</Klient></Dial>\n</Response>"),
        }
        for path, answer in zip(("/a", "/b", "/c", "/d"), answers.values(), strict=True):
            world.documents[path] = answer
            url = world.app.url(path) + ("#tt=1000&rc=0" if path == "/c" else "")
            await world.carrier.call(CALLER, world.tenant.number(url), source=Tone(hz=CALLER_HZ))
        site = await world.browser.visit(sign_in(world, "/console/alerts"))
        codes = {
            "11200": "your app",
            "12100": "Correct the line",
            "11203": "Answer at once",
            "13215": "<Conference>",
        }
        for code, said in codes.items():
            await site.shows(f"#rows tr:has(.status:text-is('{code}')) >> text={said} >> nth=0")
        await site.click("#rows tr:has(.status:text-is('12100')) a.sid")
        await site.shows("#parts .fault-note .excerpt >> text=/Sai/")
        await site.click("#ladder .rung.error >> nth=0")
        await site.shows("#ladder .wrong.error >> text=/12100/ >> nth=0")
        await site.go(f"{world.deployment.router_url}/console/requests?outcome=failed")
        await site.click("#rows tr:has(.status:text-is('500')) a >> nth=0")
        await site.shows(".document >> text=/KeyError/")
        world.documents["/a"] = "<Say>Mended</Say>"
        await site.click("[data-replay]")
        await site.shows(".replayed >> text=/Mended/")
        await site.click("[data-copy-next]")
        await site.shows("[data-copy-next]:text-matches('Copied|below')")
        assert await site.complaints() == []
        await site.close()

    play(scenario)


def test_a_message_is_followed(play: Play) -> None:
    """Its text is text, and its page tells how it was carried and answered."""

    async def scenario(world: World) -> None:
        world.documents["/sms"] = "<Message>We open at eight.</Message>"
        number = world.tenant.number(sms_url=world.app.url("/sms"))
        site = await world.browser.visit(sign_in(world, "/console/messages"))
        await site.shows("#rows .empty")
        await world.carrier.text(CALLER, number, HOSTILE)
        await site.shows("#rows td:text-is('We open at eight.')")
        await site.click("#rows tr:has(td:text-is('inbound')) a")
        await site.shows("#ladder .what:has-text('replies by SM')")
        await site.shows(f".text-body >> text={HOSTILE}")
        await site.click(".rung:has-text('document POST')")
        await site.shows("#ladder .document >> text=/We open at eight/")
        assert await site.complaints() == []
        await site.close()

    play(scenario)
