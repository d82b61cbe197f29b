"""presence.js in Chromium, imported by a page of another origin: who is there, while the SDK's devices come and go."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from twilio.jwt.access_token import AccessToken, AccessTokenGrant

from tests.browser.chromium import PageFault, Tab
from tests.browser.world import Play, World

SALES = ("presence:read:list:sales", "events:subscribe")


class PresenceGrant(AccessTokenGrant):
    key = "callrouter"

    def __init__(self, *permissions: str) -> None:
        self.permissions = permissions

    def to_payload(self) -> dict[str, list[str]]:
        return {"permissions": list(self.permissions)}


def token(world: World, identity: str, *permissions: str, ttl: int = 3600) -> str:
    tenant = world.tenant
    made = AccessToken(tenant.sid, tenant.key_sid, tenant.key_secret, identity=identity, ttl=ttl)
    made.add_grant(PresenceGrant(*permissions))
    return str(made.to_jwt())


async def looking(world: World, identity: str, *permissions: str, ttl: int = 3600) -> Tab:
    """A tab with presence.js and such a token."""
    tab = await world.tab(identity)
    granted = token(world, identity, *permissions, ttl=ttl)
    await tab.do("look", {"host": world.deployment.signal, "account": world.tenant.sid, "token": granted})
    return tab


async def sees(tab: Tab, **clients: Any) -> None:
    """Until the view is this: each client's status and note."""
    expected = {name: list(shown) for name, shown in clients.items()}
    seen: Any = None
    try:
        while seen != expected:
            seen = await tab.wait("view")
    except PageFault as fault:
        fault.add_note(f"the last view was {seen}")
        raise


OFFLINE, AVAILABLE, BUSY = ("offline", ""), ("available", ""), ("busy", "")


def test_pr40_a_page_sees_devices_come_talk_say_something_and_go(play: Play) -> None:
    async def scenario(world: World) -> None:
        account = world.presence.account(world.tenant.sid)
        await asyncio.to_thread(account.create_contact_list, "sales", ["alice", "carol"])
        watcher = await looking(world, "bob", *SALES)
        await watcher.do("watch", {"list": "sales"})
        await sees(watcher, alice=OFFLINE, carol=OFFLINE)
        alice = await looking(world, "alice", "presence:publish")
        await alice.do("register")
        await sees(watcher, alice=AVAILABLE, carol=OFFLINE)
        caller, _ = await world.talking(alice)
        await sees(watcher, alice=BUSY, carol=OFFLINE)
        await caller.hangup()
        await sees(watcher, alice=AVAILABLE, carol=OFFLINE)
        await alice.do("presence", "setStatus", "away", "<b>lunch</b>")
        await sees(watcher, alice=("away", "<b>lunch</b>"), carol=OFFLINE)
        shown = await watcher.do("presence", "get", ["carol", "dave", "alice"])
        assert [(one["client"], one["status"]) for one in shown] == [("carol", "offline"), ("alice", "away")]
        assert [one["client"] for one in await watcher.do("presence", "query", {"list": "sales"})] == [
            "alice",
            "carol",
        ]
        await asyncio.to_thread(account.remove_contact, "sales", "carol")
        await sees(watcher, alice=("away", "<b>lunch</b>"))
        await alice.do("presence", "setStatus", None)
        await alice.do("unregister")
        await sees(watcher, alice=OFFLINE)

    play(scenario)


def test_pr43_a_page_goes_on_when_the_presence_server_comes_back(play: Play) -> None:
    async def scenario(world: World) -> None:
        watcher = await looking(world, "bob", "presence:read:account", "events:subscribe")
        await watcher.do("watch", {"clients": ["alice"]})
        await sees(watcher, alice=OFFLINE)
        await watcher.wait("open")
        await asyncio.to_thread(world.deployment.kill, "presence")
        await watcher.wait("waiting")
        await asyncio.to_thread(world.deployment.start, "presence")
        await watcher.wait("open")
        await world.registered("alice")
        await sees(watcher, alice=AVAILABLE)

    play(scenario)


def test_pr8_pr31_a_page_with_too_little_permission_or_an_old_token_is_told(play: Play) -> None:
    async def scenario(world: World) -> None:
        await world.registered("alice")
        watcher = await looking(world, "bob", "presence:read:prefix:c", "events:subscribe", ttl=30)
        assert (await watcher.do("presence", "get", "alice"))["status"] == "offline"
        with pytest.raises(PageFault, match="31201"):
            await watcher.do("presence", "setStatus", "away")
        await watcher.do("watch", {"clients": ["alice"]})
        assert 0 < await watcher.wait("expiring") <= 30
        blind = await looking(world, "eve")
        await blind.do("watch", {})
        assert await blind.wait("refused") == 20403
        renewed = token(world, "bob", "presence:read:account", "events:subscribe")
        await watcher.do("presence", "updateToken", renewed)
        await sees(watcher, alice=AVAILABLE)

    play(scenario)
