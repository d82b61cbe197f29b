"""Presence decides whom a <Client> rings: ring modes, statuses, busy devices, destinations, and what is kept of it."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
import requests
from scene import CALLEE_HZ, CALLER, CALLER_HZ, PATIENCE, Scene, soon, until_hears

from callrouter.audio.sources import Tone
from callrouter.phone.phone import Phone
from presence.client import AccountPresence, PresenceClient

T = TypeVar("T")


class Watched:
    """An account's presence, as its own server asks for it and as its clients say it."""

    def __init__(self, scene: Scene) -> None:
        self._scene, tenant = scene, scene.tenant
        self._base = scene.deployment.presence_url
        self._mine = AccountPresence(self._base, tenant.sid, (tenant.sid, tenant.auth_token))

    async def ask(self, question: Callable[..., T], *args: Any, **more: Any) -> T:
        return await asyncio.to_thread(question, *args, **more)

    async def device(self, identity: str, phone: Phone, *, priority: int) -> str:
        """Registers the phone with this priority; its endpoint's id."""
        before = {one["sid"] for one in await self.ask(self._mine.registrations, identity)}
        await phone.register()
        (one,) = [
            found
            for found in await self.ask(self._mine.registrations, identity)
            if found["sid"] not in before
        ]
        with AccountPresence(self._base, self._scene.tenant.sid, self._scene.tenant.token(identity)) as own:
            await self.ask(own.change_registration, identity, one["sid"], priority=priority)
        return str(one["endpoint_id"])

    async def says(self, identity: str, status: str | None) -> None:
        with AccountPresence(self._base, self._scene.tenant.sid, self._scene.tenant.token(identity)) as own:
            await self.ask(own.set_status, identity, status)

    async def shows(self, identity: str, status: str) -> None:
        """Waits until watchers see the client so."""
        async with asyncio.timeout(PATIENCE):
            while (await self.ask(self._mine.presence, identity)).status != status:
                await asyncio.sleep(0.05)

    async def stands_for(self, name: str, *clients: str) -> None:
        await self.ask(self._mine.put_destination, name, clients)


async def decisions(scene: Scene, call_sid: str) -> list[dict[str, Any]]:
    """Oldest first, by REST."""
    tenant = scene.tenant
    url = f"{scene.deployment.router_url}/2010-04-01/Accounts/{tenant.sid}/Calls/{call_sid}/PresenceDecisions.json"
    answer = await asyncio.to_thread(requests.get, url, auth=(tenant.sid, tenant.auth_token), timeout=5)
    return list(reversed(answer.json()["presence_decisions"]))


async def operator_sets(scene: Scene, name: str, *targets: str | dict[str, str]) -> None:
    """Only the operator may name clients of other accounts."""
    ours = PresenceClient(scene.deployment.presence_url, scene.deployment.keys)
    await asyncio.to_thread(ours.account(scene.tenant.sid).put_destination, name, targets)
    ours.close()


async def command(scene: Scene, *words: str) -> str:
    """What `callrouter` prints; it must succeed."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "callrouter", *words, "--account", scene.tenant.sid],
        env={**os.environ, **scene.deployment.environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    return str(done.stdout)


async def test_pr51_priority_rings_the_desk_first_and_then_the_mobile(scene: Scene) -> None:
    """The desk stops when the mobile's turn comes; the decision is kept, shown and made again alike (PR-79, PR-80)."""
    presence = Watched(scene)
    client = scene.client("alice", attributes="ringMode='priority' ringEvery='5'")
    number = scene.number(f"<Response><Dial>{client}</Dial></Response>")
    tenant = scene.tenant
    async with (
        scene.carrier() as carrier,
        tenant.phone("alice", source=Tone(hz=CALLEE_HZ)) as mobile,
        tenant.phone("alice") as desk,
    ):
        low = await presence.device("alice", mobile, priority=1)
        high = await presence.device("alice", desk, priority=9)
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        first = await soon(desk.incoming())
        assert mobile.calls == []
        second = await soon(mobile.incoming())
        assert (await soon(first.ended)).how == "cancel"
        await second.answer()
        await until_hears(second, CALLER_HZ)
        await call.hangup()
        await scene.over()
    (one,) = await decisions(scene, call.call_sid)
    assert (one["outcome"], one["ring_mode"], one["waves"]) == ("ring", "priority", [[high], [low]])
    assert (one["rung"], one["skipped"]) == ([high, low], [])
    shown = json.loads(await command(scene, "calls", "show", call.call_sid, "--json"))["presence"]
    assert [each["rung"] for each in shown] == [[high, low]]
    assert high in await command(scene, "calls", "show", call.call_sid)
    (again,) = json.loads(await command(scene, "calls", "replay", call.call_sid, "--json"))
    assert (again["same"], again["again"]) == (True, "ring")


async def test_pr51_a_device_that_declines_makes_room_for_the_next_at_once(scene: Scene) -> None:
    presence = Watched(scene)
    client = scene.client("alice", attributes="ringMode='priority' ringEvery='60'")
    number = scene.number(f"<Response><Dial>{client}</Dial></Response>")
    tenant = scene.tenant
    async with scene.carrier() as carrier, tenant.phone("alice") as mobile, tenant.phone("alice") as desk:
        await presence.device("alice", mobile, priority=1)
        await presence.device("alice", desk, priority=9)
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        first = await soon(desk.incoming())
        await first.reject()
        second = await soon(mobile.incoming())
        await second.answer()
        await until_hears(second, CALLER_HZ)
        await call.hangup()
        await scene.over()


async def test_pr51_recent_rings_the_latest_device_first(scene: Scene) -> None:
    presence = Watched(scene)
    client = scene.client("alice", attributes="ringMode='recent' ringEvery='60'")
    number = scene.number(f"<Response><Dial>{client}</Dial></Response>")
    tenant = scene.tenant
    async with scene.carrier() as carrier, tenant.phone("alice") as early, tenant.phone("alice") as late:
        first = await presence.device("alice", early, priority=0)
        await asyncio.sleep(1.1)  # activity is told in whole seconds
        second = await presence.device("alice", late, priority=0)
        call = await carrier.call(CALLER, number)
        ringing = await soon(late.incoming())
        assert early.calls == []
        await call.hangup()
        assert (await soon(ringing.ended)).how == "cancel"
        await scene.over()
    (one,) = await decisions(scene, call.call_sid)
    assert one["waves"] == [[second], [first]]


@pytest.mark.parametrize("status", ["away", "dnd"])
async def test_pr50_pr56_a_client_that_takes_no_calls_is_not_rung(scene: Scene, status: str) -> None:
    """The document goes on at once, and the app can tell it from "not registered"."""
    presence = Watched(scene)
    scene.app.answers["/done"] = "<Response/>"
    number = scene.number(f"<Response><Dial action='/done'>{scene.client('alice')}</Dial></Response>")
    async with scene.carrier() as carrier, scene.phone("alice") as phone:
        await presence.says("alice", status)
        await presence.shows("alice", status)
        call = await carrier.call(CALLER, number)
        done = await scene.form("/done")
        await scene.over()
        assert phone.calls == []
        await presence.says("alice", None)
    assert (done["DialCallStatus"], done["DialSipResponseCode"]) == ("no-answer", "603")
    assert scene.causes()["client:alice"] == "not-available"
    (one,) = await decisions(scene, call.call_sid)
    assert [each["reason"] for each in one["skipped"]] == [status]
    last = await scene.form("/status/alice", 1)
    assert (last["CallStatus"], last["SipResponseCode"]) == ("no-answer", "603")


async def test_pr24_pr55_client_on_a_call_is_busy_and_free_again_afterwards(scene: Scene) -> None:
    presence = Watched(scene)
    scene.app.answers["/done"] = "<Response/>"
    number = scene.number(f"<Response><Dial action='/done'>{scene.client('alice')}</Dial></Response>")
    async with scene.carrier() as carrier, scene.phone("alice") as phone:
        first = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        ringing = await soon(phone.incoming())
        await ringing.answer()
        await until_hears(ringing, CALLER_HZ)
        await presence.shows("alice", "busy")
        second = await carrier.call(CALLER, number)
        done = await scene.form("/done")
        assert (done["DialCallStatus"], done["DialSipResponseCode"]) == ("busy", "486")
        await soon(second.ended)
        ours = PresenceClient(scene.deployment.presence_url, scene.deployment.keys)
        leg, none = ringing.parameters["CallSid"], "CA" + "0" * 32
        assert await presence.ask(ours.renew_calls, scene.tenant.sid, [leg, none]) == [none]
        ours.close()
        (one,) = await decisions(scene, second.call_sid)
        assert [each["reason"] for each in one["skipped"]] == ["busy"]
        await first.hangup()
        await presence.shows("alice", "available")
        await scene.until(lambda: not phone.calls, "the phone is free")
        third = await carrier.call(CALLER, number)
        again = await soon(phone.incoming())
        await again.reject()
        await soon(third.ended)
        await scene.over()


async def test_pr68_client_that_calls_another_is_busy_too(scene: Scene) -> None:
    presence = Watched(scene)
    app = scene.application("<Response><Dial><Client>bob</Client></Dial></Response>")
    async with (
        scene.phone("bob") as bob,
        scene.tenant.phone("alice", app=app, source=Tone(hz=CALLER_HZ)) as alice,
    ):
        await alice.register()
        call = await alice.call({"To": "bob"})
        ringing = await soon(bob.incoming())
        await ringing.answer()
        await until_hears(ringing, CALLER_HZ)
        await presence.shows("alice", "busy")
        await presence.shows("bob", "busy")
        await call.hangup()
        await presence.shows("alice", "available")
        await presence.shows("bob", "available")
        await scene.over()


async def test_pr61_destination_rings_its_first_available_client(scene: Scene) -> None:
    """Of one account: who is away is passed over; `To` is the destination's."""
    presence = Watched(scene)
    number = scene.number(f"<Response><Dial>{scene.client('support')}</Dial></Response>")
    await presence.stands_for("support", "alice", "bob", "carol")
    async with (
        scene.carrier() as carrier,
        scene.phone("alice") as alice,
        scene.phone("bob") as bob,
        scene.phone("carol") as carol,
    ):
        await presence.says("alice", "away")
        await presence.shows("alice", "away")
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        ringing = await soon(bob.incoming())
        assert ringing.parameters["To"] == "client:support"
        await ringing.answer()
        await until_hears(ringing, CALLER_HZ)
        await ringing.hangup()
        await soon(call.ended)
        await scene.over()
        assert (alice.calls, carol.calls) == ([], [])
        await presence.says("alice", None)
    assert scene.statuses()["client:support"] == "completed"
    (one,) = await decisions(scene, call.call_sid)
    assert one["chosen"]["client"] == "bob"
    assert [(each["client"], each["reason"]) for each in one["skipped"]] == [
        ("alice", "away"),
        ("carol", "other-target"),
    ]


async def test_pr61_destination_of_several_accounts_is_recorded_where_it_was_taken(scene: Scene) -> None:
    """The operator's destination: the call is one, of the account that dialled; the taker sees it and can end it."""
    other = Scene(scene.deployment, scene.app)
    number = scene.number(f"<Response><Dial>{scene.client('support')}</Dial></Response>")
    theirs = other.tenant
    async with scene.carrier() as carrier, other.phone("bob") as bob:
        await operator_sets(scene, "support", "alice", {"client": "bob", "account_sid": theirs.sid})
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        ringing = await soon(bob.incoming())
        assert ringing.parameters["AccountSid"] == theirs.sid
        leg = ringing.parameters["CallSid"]
        await ringing.answer()
        await until_hears(ringing, CALLER_HZ)
        await until_hears(call, CALLEE_HZ)
        await Watched(other).shows("bob", "busy")
        taken = await asyncio.to_thread(lambda: theirs.rest.calls(leg).fetch())
        assert (taken.account_sid, taken.status, taken.to) == (theirs.sid, "in-progress", "client:support")
        await asyncio.to_thread(lambda: theirs.rest.calls(leg).update(status="completed"))
        assert (await soon(ringing.ended)).how == "hangup"
        await soon(call.ended)
        await scene.over()
    assert scene.statuses()["client:support"] == "completed"
    await other.settled()


async def test_pr57_caller_who_hangs_up_ends_the_ringing_in_the_other_account(scene: Scene) -> None:
    other = Scene(scene.deployment, scene.app)
    number = scene.number(f"<Response><Dial>{scene.client('support')}</Dial></Response>")
    async with scene.carrier() as carrier, other.phone("bob") as bob:
        await operator_sets(scene, "support", {"client": "bob", "account_sid": other.tenant.sid})
        call = await carrier.call(CALLER, number)
        ringing = await soon(bob.incoming())
        await call.hangup()
        assert (await soon(ringing.ended)).how == "cancel"
        await scene.over()
    await other.settled()


async def test_pr62_call_by_rest_reaches_the_available_client_of_a_destination(scene: Scene) -> None:
    presence = Watched(scene)
    await presence.stands_for("support", "alice", "bob")
    async with scene.phone("bob") as bob:
        placed = await asyncio.to_thread(
            lambda: scene.tenant.rest.calls.create(
                to="client:support", from_=scene.tenant.number(), twiml="<Response><Hangup/></Response>"
            )
        )
        ringing = await soon(bob.incoming())
        assert ringing.parameters["CallSid"] == placed.sid
        await ringing.answer()
        await soon(ringing.ended)
        await scene.over()
    assert scene.statuses()["client:support"] == "completed"


async def test_pr59_presence_server_down_during_set_up(broken: Scene) -> None:
    """The document goes on, why is kept, and nothing needs a restart."""
    scene = broken
    scene.app.answers["/done"] = "<Response/>"
    number = scene.number(f"<Response><Dial action='/done'>{scene.client('alice')}</Dial></Response>")
    async with scene.carrier() as carrier:
        scene.deployment.kill("presence")
        began = time.monotonic()
        call = await carrier.call(CALLER, number)
        assert (await scene.form("/done"))["DialCallStatus"] == "failed"
        assert time.monotonic() - began < 4
        await asyncio.to_thread(scene.deployment.start, "presence")
        await scene.over()
        (one,) = await decisions(scene, call.call_sid)
        assert (one["outcome"], one["presence"], one["chosen"]) == ("presence-unavailable", None, None)
        async with scene.phone("alice") as phone:
            call = await carrier.call(CALLER, number)
            await (await soon(phone.incoming())).reject()
            await soon(call.ended)
            await scene.over()
        (one,) = await decisions(scene, call.call_sid)
        assert one["outcome"] == "ring"
