"""The console's shell, by keyboard alone and on a phone: signing in, an application, a number, signing out."""

from __future__ import annotations

from tests.browser.chromium import Site
from tests.browser.world import Play, World

HOSTILE = "<img src=x onerror=alert(1)>"


async def _tab_to(site: Site, text: str) -> None:
    """Tab until the focus is on what says so; the way there is shorter than 60 keys."""
    for _ in range(60):
        if await site.run("document.activeElement.textContent.trim() || document.activeElement.name") == text:
            return
        await site.press("html", "Tab")
    raise AssertionError(f"the keyboard does not reach {text!r}")


async def _named(site: Site, name: str, text: str) -> None:
    """Tab to the field of that name, and type."""
    await _tab_to(site, name)
    await site.type(text)


def test_an_application_and_a_number_by_keyboard_alone(play: Play) -> None:
    async def scenario(world: World) -> None:
        base, number = world.deployment.router_url, f"+1415777{world.deployment.router_url[-4:]}"
        site = await world.browser.visit(f"{base}/console/sign-in?next=/console/applications")
        await site.type(world.tenant.sid)  # the first field has the focus
        await site.press(":focus", "Tab")
        await site.type("wrong")
        await site.press(":focus", "Enter")
        await site.shows("[role=alert] >> text=/are not right/")
        assert await site.value("#account_sid") == world.tenant.sid
        await _named(site, "secret", world.tenant.auth_token)
        await site.press(":focus", "Enter")
        await site.shows("h1 >> text='Applications'")

        await site.press("body", "Tab")
        await site.shows("a.skip:focus")  # the first stop: past the navigation
        await site.press(":focus", "Enter")
        await _tab_to(site, "New application")
        await site.press(":focus", "Enter")
        await site.shows("h1 >> text='New application'")
        await _named(site, "friendly_name", HOSTILE)
        await _named(site, "voice_url", "nowhere")
        await site.press(":focus", "Enter")
        await site.shows("#voice_url-fault >> text=/Voice URL is not a usable URL/")
        assert await site.value("#friendly_name") == HOSTILE
        await site.fill("#voice_url", world.app.url("/voice"))
        await site.press("#voice_url", "Enter")
        await site.shows("[role=status] >> text='Saved.'")
        assert await site.texts("h1") == [HOSTILE]

        await _tab_to(site, "Phone numbers")
        await site.press(":focus", "Enter")
        await _tab_to(site, "New phone number")
        await site.press(":focus", "Enter")
        await _named(site, "phone_number", number)
        await site.choose("#voice_application_sid", HOSTILE)
        await site.press("#phone_number", "Enter")
        await site.shows("[role=status] >> text='Saved.'")
        await site.shows(f"h1 >> text='{number}'")

        await site.look(390, 844, "dark")
        await _tab_to(site, "Menu")
        await site.press(":focus", "Enter")
        await site.shows("#menu >> text='API keys'")
        await site.press("#menu a >> nth=0", "Escape")
        await site.shows("[data-menu][aria-expanded=false]:focus")
        assert await site.run("document.documentElement.scrollWidth <= innerWidth")

        await site.go(f"{base}/console/")
        await site.run("window.asked = fetch; window.fetch = () => Promise.reject(new TypeError('off'))")
        await site.shows("#connection >> text=/Connection lost/")
        await site.run("window.fetch = window.asked; null")
        await site.gone("#connection:not([hidden])")
        gone = 'Promise.resolve(new Response(\'{"message": "There is no such page."}\', {status: 404}))'
        await site.run(f"window.fetch = () => {gone}; null")
        await site.shows("#connection >> text=/There is no such page. This page is no longer live/")
        await site.click("#connection a")
        await site.gone("#connection:not([hidden])")
        await site.click("text='Sign out'")
        await site.shows("h1 >> text='Sign in'")
        refused = [one for one in await site.complaints() if "401" not in one and "400" not in one]
        assert refused == []
        await site.close()

    play(scenario)
