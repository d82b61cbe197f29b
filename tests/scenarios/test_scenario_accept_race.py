"""A hundred devices accept one call in the same instant: one has it, ninety-nine are told that they don't (PR-52).

Real processes, real HTTP: the devices' answers are posted to the router as the presence server does it, but all at
once and without the order in which it would have put them. A few rounds by default, a thousand with `-m slow`.
"""

import asyncio
from collections import Counter

import pytest
from scene import CALLER, Scene, soon

from callrouter import models
from callrouter.phone.call import PhoneCall
from foundation.webserver.service import service_token
from presence.client import PresenceClient
from tests.support.racers import Racers, request

RACERS, AT_ONCE = 100, 5


@pytest.mark.parametrize("rounds", [AT_ONCE, pytest.param(1_000, marks=pytest.mark.slow)])
@pytest.mark.timeout(3600)
def test_pr52_a_hundred_accepts_one_winner(any_scene: Scene, rounds: int) -> None:
    winners = asyncio.run(_rounds(any_scene, rounds))
    assert sum(winners.values()) == rounds
    print(f"\n{rounds} rounds of {RACERS} accepts: one winner each, {len(winners)} different devices")


async def _rounds(scene: Scene, rounds: int) -> Counter[str]:
    number = scene.number("<Response><Dial><Client>alice</Client></Dial></Response>")
    winners: Counter[str] = Counter()
    base = scene.deployment.router_url
    async with (
        Racers(base, RACERS) as racers,
        scene.carrier() as carrier,
        scene.phone("alice") as phone,
    ):
        sdp = ""
        for _ in range(0, rounds, AT_ONCE):
            calls = await asyncio.gather(*(carrier.call(CALLER, number) for _ in range(AT_ONCE)))
            ringing = [await soon(phone.incoming()) for _ in calls]
            sdp = sdp or await ringing[0].media.answer(ringing[0]._offer)
            for each in ringing:
                answers = await racers.race(_accepts(scene, each, sdp))
                results = Counter((status, str(body.get("result", body))) for status, body in answers)
                assert results == {(200, "won"): 1, (200, "lost"): RACERS - 1}
                winner = next(n for n, (_, body) in enumerate(answers) if body["result"] == "won")
                winners[_device(winner)] += 1
            await asyncio.gather(*(call.hangup() for call in calls))
            await asyncio.to_thread(_forget_invites, scene, ringing)
        await scene.over()
    assert {row.status for row in scene.rows(models.Call)} == {"completed"}
    return winners


def _accepts(scene: Scene, call: PhoneCall, sdp: str) -> list[bytes]:
    """The event of each device that takes the call."""
    keys, account = scene.deployment.keys, scene.tenant.sid
    call_sid = call.parameters["CallSid"]
    ring_token = keys.sign("ring", {"call": call_sid, "account": account})
    headers = {"Authorization": f"Bearer {service_token(keys, 'router', 'presence')}"}
    event = {
        "type": "accepted",
        "account_sid": account,
        "at": 0,
        "call_sid": call_sid,
        "identity": "alice",
        "ring_token": ring_token,
        "sdp": sdp,
    }
    return [
        request(
            "POST",
            "/v1/client-events",
            headers,
            {**event, "event_id": f"race-{call_sid}-{n}", "endpoint_id": _device(n)},
        )
        for n in range(RACERS)
    ]


def _device(n: int) -> str:
    return f"device{n}"


def _forget_invites(scene: Scene, calls: list[PhoneCall]) -> None:
    """The presence server did not take part, so its invites are still open."""
    client = PresenceClient(scene.deployment.presence_url, scene.deployment.keys)
    for call in calls:
        client.cancel_invite(scene.tenant.sid, call.parameters["CallSid"])
    client.close()
