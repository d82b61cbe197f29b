"""Two things in the same instant: one outcome, and everybody is told it (F20, F21, I11, PR-52, PR-53)."""

import asyncio
import itertools
from typing import Any

import requests
from scene import CALLER, Scene, soon

from callrouter import models
from callrouter.phone.call import CallOver, PhoneCall
from foundation.webserver.service import service_token
from presence.client import PresenceClient

_numbers = itertools.count()


class ClientEvents:
    """What the presence server tells the router, told by us: real HTTP, without the order that sockets give."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self._keys = scene, scene.deployment.keys
        self._http = requests.Session()
        self._http.trust_env = False

    async def tell(self, type: str, **fields: Any) -> requests.Response:
        body = {
            "event_id": f"race-{self.scene.tenant.sid}-{next(_numbers)}",
            "type": type,
            "account_sid": self.scene.tenant.sid,
            "at": 0,
            **fields,
        }
        token = service_token(self._keys, "router", "presence")
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{self.scene.deployment.router_url}/v1/client-events"
        return await asyncio.to_thread(requests.post, url, json=body, headers=headers, timeout=10)

    async def accept(self, call: PhoneCall, device: str, sdp: str, **changes: Any) -> str:
        call_sid = call.parameters["CallSid"]
        claims = {"call": call_sid, "account": self.scene.tenant.sid}
        fields = {
            "call_sid": call_sid,
            "identity": "alice",
            "endpoint_id": device,
            "ring_token": self._keys.sign("ring", claims),
            "sdp": sdp,
            **changes,
        }
        return str((await self.tell("accepted", **fields)).json()["result"])

    def forget_invite(self, call: PhoneCall) -> None:
        """The presence server did not take part, so its invite is still open."""
        client = PresenceClient(self.scene.deployment.presence_url, self._keys)
        client.cancel_invite(self.scene.tenant.sid, call.parameters["CallSid"])
        client.close()


async def test_two_devices_answer_in_the_same_moment(scene: Scene) -> None:
    """PR-52: a hundred rounds, ten at a time; exactly one winner in each."""
    number = scene.number("<Response><Dial><Client>alice</Client></Dial></Response>")
    events = ClientEvents(scene)
    async with scene.carrier() as carrier, scene.phone("alice") as phone:
        sdp = ""
        for _ in range(10):
            calls = await asyncio.gather(*(carrier.call(CALLER, number) for _ in range(10)))
            ringing = [await soon(phone.incoming()) for _ in calls]
            sdp = sdp or await ringing[0].media.answer(ringing[0]._offer)
            results = await asyncio.gather(
                *(events.accept(each, device, sdp) for each in ringing for device in ("one", "two"))
            )
            rounds = [sorted(pair) for pair in zip(results[::2], results[1::2], strict=True)]
            assert rounds == [["lost", "won"]] * 10
            await asyncio.gather(*(call.hangup() for call in calls))
            for each in ringing:
                await asyncio.to_thread(events.forget_invite, each)
        await scene.over()
    assert {row.status for row in scene.rows(models.Call)} == {"completed"}


async def test_ring_token_is_for_its_call_only(scene: Scene) -> None:
    """PR-53: none, another call's, or one used after the end; and nobody else's leg."""
    number = scene.number("<Response><Dial><Client>alice</Client></Dial></Response>")
    events = ClientEvents(scene)
    async with scene.carrier() as carrier, scene.phone("alice") as phone:
        call = await carrier.call(CALLER, number)
        ringing = await soon(phone.incoming())
        keys = scene.deployment.keys
        foreign = keys.sign("ring", {"call": "CA" + "0" * 32, "account": scene.tenant.sid})
        other_purpose = keys.sign(
            "reconnect", {"call": ringing.parameters["CallSid"], "account": scene.tenant.sid}
        )
        for token in ("", "garbage", foreign, other_purpose):
            assert await events.accept(ringing, "one", "v=0", ring_token=token) == "lost"
        assert await events.accept(ringing, "one", "v=0", identity="mallory") == "lost"
        stranger = scene.deployment.tenant().sid
        assert await events.accept(ringing, "one", "v=0", account_sid=stranger) == "lost"
        assert scene.statuses()["client:alice"] == "ringing"
        await call.hangup()
        await scene.over()
        assert await events.accept(ringing, "one", "v=0") == "lost"


async def test_client_events_need_the_presence_servers_token(scene: Scene) -> None:
    """PR-9: a service token of the other direction, of nobody, or a client's opens nothing."""
    url = f"{scene.deployment.router_url}/v1/client-events"
    tokens = [
        "",
        "garbage",
        service_token(scene.deployment.keys, "presence", "router"),
        scene.tenant.token("alice"),
    ]
    for token in tokens:
        headers = {"Authorization": f"Bearer {token}"}
        answer = await asyncio.to_thread(requests.post, url, json={}, headers=headers, timeout=10)
        assert answer.status_code == 401, token


async def test_answer_and_hangup_of_the_caller_in_the_same_moment(scene: Scene) -> None:
    """F21: twelve rounds through real sockets; both sides always learn the same end."""
    number = scene.number("<Response><Dial><Client>alice</Client></Dial></Response>")
    async with scene.carrier() as carrier, scene.phone("alice") as phone:
        for _ in range(12):
            call = await carrier.call(CALLER, number)
            ringing = await soon(phone.incoming())
            outcome = await asyncio.gather(ringing.answer(), call.hangup(), return_exceptions=True)
            assert all(each is None or isinstance(each, CallOver) for each in outcome)
            assert (await soon(ringing.ended)).by == "server"
        await scene.over()
    ends = {row.status for row in scene.rows(models.Call) if row.leg}
    assert ends <= {"completed", "canceled"}
