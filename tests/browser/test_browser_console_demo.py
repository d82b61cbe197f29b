"""`callrouter demo` as a new user meets it: a link, a button, a call."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys

import pytest

from tests.browser.chromium import Browser

PATIENCE = 200.0


@pytest.mark.timeout(300)
def test_the_demos_link_leads_to_a_call(alices_browser: Browser) -> None:
    asyncio.run(_story(alices_browser))


async def _story(browser: Browser) -> None:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("CALLROUTER_")}
    demo = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "callrouter", "demo", "--stay"), env=ours, stdout=asyncio.subprocess.PIPE
    )
    try:
        printed = ""
        async with asyncio.timeout(PATIENCE):
            while "Stop with Ctrl-C" not in printed:
                assert demo.stdout
                line = await demo.stdout.readline()
                assert line, printed
                printed += line.decode()
        link = re.search(r"http://\S+/console/sign-in#\S+", printed)
        assert link, printed
        site = await browser.visit(link[0])
        await site.click("text='Call alice'")
        await site.click("#phone-answer")
        await site.shows("#caller-state >> text=/hears you/")
        await site.click("#phone-hangup")
        await site.shows("#ladder-facts >> text='completed' >> nth=0")
        told = await site.texts("#ladder-rows .what")
        assert "connected" in told, "; ".join(told)
        assert await site.complaints() == []
        await site.close()
    finally:
        demo.send_signal(signal.SIGINT)
        rest, _ = await asyncio.wait_for(demo.communicate(), PATIENCE)
    assert demo.returncode == 0, rest.decode()
    assert printed.count("✔") == 2
