"""Pictures of the console for the documentation: `make screenshots`.

A deployment of its own is filled with sample data and shown by Chromium, so the pictures are what there is.
`--all FOLDER` takes one of every page at both widths, in light and dark, to look at, and prints what axe-core says.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.browser.chromium import Browser, Driver, missing
from tests.browser.conftest import tone, trusted
from tests.browser.console_sample import fill, sign_in
from tests.browser.test_browser_accessibility import DESKTOP, PHONE, faults, kind
from tests.browser.world import ALICE_HZ, World
from tests.support.deployment import deployments

FOLDER = Path(__file__).parents[2] / "docs" / "screenshots"
WIDE, NARROW = DESKTOP[:2], PHONE[:2]


@dataclass(frozen=True, kw_only=True)
class Picture:
    """`page` is a path of the console; in it `{call}` is a call that was answered. `open`: what is clicked there."""

    name: str
    page: str
    open: str = ""
    size: tuple[int, int] = WIDE
    scheme: str = "light"


PICTURES = (
    Picture(name="call", page="/console/calls/{call}", size=(1280, 1000)),
    Picture(name="call-on-a-phone", page="/console/calls/{call}", size=NARROW, scheme="dark"),
    Picture(name="request", page="/console/calls/{call}", open="button.rung >> nth=1"),
    Picture(name="alerts", page="/console/alerts", size=(1280, 640)),
    Picture(name="playground", page="/console/playground", size=(1280, 640)),
    Picture(name="presence", page="/console/presence", size=(1280, 440)),
)


async def taken(world: World, browser: Browser) -> None:
    """The pictures of the documentation."""
    answered = min(world.tenant.rest.calls.list(status="completed"), key=lambda call: call.date_created)
    names = {"call": answered.parent_call_sid or answered.sid}
    async with world.tenant.phone("alice") as alice:
        await alice.register()
        site = await browser.visit(sign_in(world))
        await site.shows("nav")
        for picture in PICTURES:
            await site.look(*picture.size, picture.scheme)
            await site.go(world.deployment.router_url + picture.page.format(**names))
            await site.shows("main")
            if picture.open:
                await site.click(picture.open)
            await asyncio.sleep(1.5)  # pages fill themselves by JSON; a picture waits for no assertion
            await site.shoot(FOLDER / f"{picture.name}.png")
            print(f"{picture.name}.png")
        await site.close()


async def all_of(world: World, browser: Browser, folder: Path) -> None:
    """One picture of each kind of page and each look."""
    base = world.deployment.router_url
    site = await browser.visit(sign_in(world, operator=True))
    await site.shows("nav")
    seen: set[str] = set()
    ahead = [f"{base}/console/", *await site.links()]
    while ahead:
        url = ahead.pop(0)
        if (name := kind(url)) and name not in seen and url.startswith(base):
            seen.add(name)
            await site.go(url)
            await site.shows("main")
            await asyncio.sleep(1)
            print(name, *await faults(site), sep="\n  ")
            for size, width in (WIDE, "wide"), (NARROW, "narrow"):
                for scheme in ("light", "dark"):
                    await site.look(*size, scheme)
                    file = f"{name.strip('/').replace('/', '-')}-{width}-{scheme}.png"
                    await site.shoot(folder / file)
            ahead += await site.links()


async def main(browser: Browser, world: World, folder: Path | None) -> None:
    async with world:
        await fill(world)
        await (all_of(world, browser, folder) if folder else taken(world, browser))


if __name__ == "__main__":
    if lacking := missing():
        raise SystemExit(lacking)
    asked = Path(sys.argv[2]) if sys.argv[1:2] == ["--all"] else None
    for made in (FOLDER, asked):
        if made:
            made.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        driver = Driver()
        try:
            for deployment in deployments(place):
                trust = trusted(deployment.ca.parent, place / "home")
                microphone = tone(place / "microphone.wav", ALICE_HZ)
                shown = Browser(driver, "about:blank", microphone, trust)
                asyncio.run(main(shown, World(deployment, shown), asked))
        finally:
            driver.close()
