"""The sample support desk in Chromium: a phone texts a number, an agent's page shows it and answers (PR-70 to 75)."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from werkzeug.serving import make_server

from callrouter.carriers.simulator.texts import Text
from tests.browser.chromium import PATIENCE, Site
from tests.browser.world import CALLER, Play, World

APP = Path(__file__).parents[2] / "examples" / "text_support" / "app.py"
ON_CALL = "+14155550177"
OPEN = "text=You are"
"""Shown by a page whose line to the presence server is open."""
NOBODY = "Thank you. Nobody is at the desk just now; you will hear from us."

Desk = Callable[[World], Any]
"""Serves the app for a world's account; gives the URL of its pages."""


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    @contextmanager
    def serve(world: World, **settings: str) -> Iterator[str]:
        tenant, deployment = world.tenant, world.deployment
        for name, value in {
            "ACCOUNT_SID": tenant.sid,
            "AUTH_TOKEN": tenant.auth_token,
            "API_KEY": tenant.key_sid,
            "API_SECRET": tenant.key_secret,
            "API_URL": deployment.router_url,
            "PRESENCE_URL": deployment.presence_url,
            "PRESENCE_HOST": deployment.signal,
            "AGENTS": "ann bob",
            **settings,
        }.items():
            monkeypatch.setenv(name, value)
        spec = importlib.util.spec_from_file_location("text_support", APP)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        server = make_server("127.0.0.1", 0, module.app, threaded=True)
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://localhost:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(PATIENCE)
            server.server_close()
            module.presence().close()

    return serve


async def agent(world: World, url: str, name: str) -> Site:
    """An agent's page, which takes messages."""
    page = await world.browser.visit(f"{url}/?identity={name}")
    await page.shows(OPEN)
    await world.until(lambda: world.presence.presence(world.tenant.sid, name).available, f"{name} is there")
    return page


async def answer(world: World) -> Text:
    """The next message to a phone."""
    return await asyncio.wait_for(world.carrier.inbox(), PATIENCE)


def test_pr70_pr71_a_phone_and_a_free_agent_write_to_each_other_until_she_is_done(
    play: Play, desk: Any
) -> None:
    async def scenario(world: World) -> None:
        with desk(world) as url:
            ours = world.tenant.number(sms_url=f"{url}/sms")
            ann, bob = await agent(world, url, "ann"), await agent(world, url, "bob")
            account = world.presence.account(world.tenant.sid)
            await asyncio.to_thread(account.set_status, "ann", "dnd")

            await world.carrier.text(CALLER, ours, "Is it open?")
            await bob.shows("li >> text=Is it open?")
            assert await bob.texts("h2") == [CALLER]

            await bob.fill("input", "Until eight. 👋")
            await bob.click("text=Send")
            answered = await answer(world)
            assert (answered.from_, answered.to, answered.body) == (ours, CALLER, "Until eight. 👋")

            await asyncio.to_thread(account.set_status, "ann", "available")
            await world.carrier.text(CALLER, ours, "Thanks!")
            await bob.shows("li >> text=Thanks!")
            assert await bob.texts("li") == ["Is it open?", "Until eight. 👋", "Thanks!"]

            await bob.click("text=Done")
            await bob.gone("section")
            await world.carrier.text(CALLER, ours, "One more thing")
            await ann.shows("li >> text=One more thing")
            assert await bob.texts("li") == []
            await ann.close()
            await bob.close()

    play(scenario)


def test_pr73_nobody_is_there_so_it_waits_for_the_next_page(play: Play, desk: Any) -> None:
    async def scenario(world: World) -> None:
        with desk(world) as url:
            ours = world.tenant.number(sms_url=f"{url}/sms")
            await world.carrier.text(CALLER, ours, "Is it open?")
            assert (await answer(world)).body == NOBODY
            await world.carrier.text(
                CALLER, ours, "Hello?"
            )  # in the session by now: the app is not asked again
            ann = await agent(world, url, "ann")
            await ann.shows("li >> text=Hello?")
            assert await ann.texts("li") == ["Is it open?", "Hello?"]
            await ann.fill("input", "It is.")
            await ann.click("text=Send")
            assert (await answer(world)).body == "It is."
            await ann.close()

    play(scenario)


def test_pr73_nobody_is_there_so_it_goes_to_the_phone_on_call(play: Play, desk: Any) -> None:
    async def scenario(world: World) -> None:
        with desk(world, ON_CALL=ON_CALL) as url:
            ours = world.tenant.number(sms_url=f"{url}/sms")
            await world.carrier.text(CALLER, ours, "Is it open?")
            told = {text.to: text.body for text in [await answer(world), await answer(world)]}
            assert told == {ON_CALL: f"{CALLER} writes: Is it open?", CALLER: NOBODY}

    play(scenario)
