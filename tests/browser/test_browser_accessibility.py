"""Every page of the console is judged by axe-core, as a desktop shows it in light and a phone in dark.

The pages are found by their links, one of each kind, from those that stand in the navigation: a page that is new is
judged without being named here.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest

from callrouter.console.blueprint import PAGES
from tests.browser.chromium import Browser, Site
from tests.browser.console_sample import fill, sign_in
from tests.browser.world import Play, World

DESKTOP, PHONE = (1280, 800, "light"), (390, 844, "dark")
GRAVE = ("serious", "critical")
SID = re.compile(r"[A-Z]{2}[0-9a-f]{32}[^/]*")
NUMBER_OR_NAME = re.compile(r"(?<=/)(\d+|sim\d+)(?=/|$)")
NO_PAGE = re.compile(r"\.(txt|mmd|json|csv|xml|wav|png)$|/sign-out|/static/|/export|/download|/media")
"""Links that lead to files."""


def kind(url: str) -> str:
    """What a page is, whosever it is; empty for what is no page of the console."""
    path = urlsplit(url).path
    if not path.startswith("/console") or NO_PAGE.search(path):
        return ""
    return NUMBER_OR_NAME.sub("N", SID.sub("SID", path.rstrip("/")))


async def faults(site: Site) -> list[str]:
    """What is grave in the page as it stands, in both windows."""
    found = []
    for width, height, scheme in (DESKTOP, PHONE):
        await site.look(width, height, scheme)
        found += [
            f"{width} {scheme}: {one['rule']}: {one['help']}: {one['nodes'][:3]}"
            for one in await site.judge()
            if one["impact"] in GRAVE
        ]
    return found


async def judged(browser: Browser, world: World, *, operator: bool) -> tuple[dict[str, list[str]], list[str]]:
    """Each kind of page with its faults, and what the scripts and the policy complained of."""
    base = world.deployment.router_url
    site = await browser.visit(f"{base}/console/sign-in")
    seen = {kind("/console/sign-in"): await faults(site)}
    await site.close()
    site = await browser.visit(sign_in(world, operator=operator))
    await site.shows("nav")
    ahead = [f"{base}{one.path}" for one in PAGES if one.path and (operator or not one.operator)]
    while ahead:
        url = ahead.pop(0)
        if (name := kind(url)) and name not in seen and url.startswith(base):
            await site.go(url)
            await site.shows("main")
            seen[name] = await faults(site)
            ahead += await site.links()
    said = await site.complaints()
    await site.close()
    return seen, said


@pytest.mark.timeout(600)
def test_no_page_has_a_grave_fault(play: Play, alices_browser: Browser) -> None:
    """As the operator, who sees every page."""

    async def scenario(world: World) -> None:
        await fill(world)
        seen, said = await judged(alices_browser, world, operator=True)
        assert {kind(one.path) for one in PAGES if one.path} <= seen.keys()
        if grave := [f"{name}: {fault}" for name, found in seen.items() for fault in found]:
            pytest.fail("\n".join(grave))
        assert said == []

    play(scenario)
