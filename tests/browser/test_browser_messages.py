"""presence.js in Chromium, as the other side of a phone that writes: shown, acknowledged, answered (PR-70 to PR-75)."""

from __future__ import annotations

import asyncio

from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import VoiceGrant

from tests.browser.test_browser_presence import PresenceGrant
from tests.browser.world import CALLER, Play, World

TO_ALICE = "<Message to='client:alice' session='600'>Is it open?</Message>"


def token(world: World) -> str:
    """Messages come to tokens that let calls in (PR-2)."""
    tenant = world.tenant
    made = AccessToken(tenant.sid, tenant.key_sid, tenant.key_secret, identity="alice", ttl=600)
    made.add_grant(VoiceGrant(incoming_allow=True))
    made.add_grant(PresenceGrant("messages:send"))
    return str(made.to_jwt())


def test_pr70_pr71_a_page_and_a_phone_write_to_each_other(play: Play) -> None:
    async def scenario(world: World) -> None:
        world.documents["/sms"] = TO_ALICE
        ours = world.tenant.number(sms_url=world.app.url("/sms"))
        await world.carrier.text(CALLER, ours, "open?")  # nobody is there yet: it waits (PR-73)
        alice = await world.tab("alice")
        granted = {"host": world.deployment.signal, "account": world.tenant.sid, "token": token(world)}
        await alice.do("look", granted)
        await alice.do("inbox", "page")
        first = await alice.wait("message")
        assert (first["from"], first["to"], first["body"]) == (ours, "client:alice", "Is it open?")
        sent = await alice.do("presence", "send", "Until eight. 👋")
        assert sent["status"] == "queued"
        answer = await asyncio.wait_for(world.carrier.inbox(), 15)
        assert (answer.from_, answer.to, answer.body) == (ours, CALLER, "Until eight. 👋")
        await world.carrier.text(CALLER, ours, "Thanks!")
        second = await alice.wait("message")
        assert (second["from"], second["body"]) == (CALLER, "Thanks!")
        rest = world.tenant.rest.messages

        def delivered() -> bool:
            listed = {one.body: one.status for one in rest.list() if one.to == "client:alice"}
            return listed == {"Is it open?": "delivered", "Thanks!": "delivered"}

        await world.until(delivered, "both messages count as delivered")

    play(scenario)
