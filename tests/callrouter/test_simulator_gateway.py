"""The simulated carrier against a small router of our own: real HTTP, real RTP, signatures both ways.

The router here keeps the protocol page's words with as little code as can be: it checks `v1` signatures with
the foundation's verifier and answers calls with a bare RTP echo.
"""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import pytest
import requests
from simulator_world import commanded, dial, echo_phone, eventually, told

from callrouter.audio.ear import Ear
from callrouter.audio.sources import Tone
from callrouter.carriers.simulator import (
    CallEnded,
    CallRefused,
    Cause,
    DialScript,
    Ending,
    Faults,
    Outcome,
    RouterUnreachable,
    SimulatedCarrier,
)
from callrouter.carriers.simulator import link as link_module
from callrouter.carriers.simulator.rtp import RtpSession
from foundation.outbound.signature import sign_body
from tests.support.fake_router import FakeRouter
from tests.support.simulated_carrier import SECRET, carrier_of, router

__all__ = ["router"]


def test_a_call_in_is_answered_heard_pressed_and_hung_up(router: FakeRouter) -> None:
    """The whole life of a call: a tone goes out, its echo comes back, keys arrive as RFC 4733 events."""

    async def scenario() -> None:
        with echo_phone() as far:
            async with carrier_of(router) as carrier:
                call = await carrier.call("+15550100", "+15550199", source=Tone(hz=700))
                path, body = router.received[0]
                assert path == "/carriers/acme/calls"
                assert (body["from"], body["to"], body["id"]) == ("+15550100", "+15550199", call.id)
                assert call.call_sid == "CA1"
                assert await commanded(carrier, call.id, "ring") == 202
                await call.ringing
                assert not call.answered.done()
                assert await commanded(carrier, call.id, "answer", sdp=far.sdp) == 202
                await call.answered
                assert await call.heard(0.5) == pytest.approx(700, abs=3)
                assert far.heard() == pytest.approx(700, abs=3)
                await call.press("12#")
                await call.heard(0.2)
                assert far.digits() == "12#"
                assert call.rtp.digits_received == "12#"
                await call.press("9", signalled=True)
                await call.hangup()
                assert (await call.ended) == Ending(by="carrier", cause=Cause.NORMAL)
                assert told(router) == ["dtmf", "hangup"]
                report = call.report()
                assert report.answered_after is not None
                assert report.heard_hz == pytest.approx(700, abs=3)
                assert report.packets_lost == 0
                assert report.packets_received > 20
                assert await commanded(carrier, call.id, "hangup") == 404

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("type", "fields", "cause"),
    [
        ("reject", {"cause": "busy"}, Cause.BUSY),
        ("reject", {"cause": "rejected"}, Cause.REJECTED),
        ("hangup", {"cause": "normal"}, Cause.NORMAL),
        ("hangup", {"cause": "a cause of tomorrow"}, Cause.NORMAL),
        ("hangup", {"cause": ["normal"]}, Cause.NORMAL),
    ],
)
def test_the_router_ends_a_call(router: FakeRouter, type: str, fields: dict[str, Any], cause: Cause) -> None:
    async def scenario() -> None:
        async with carrier_of(router) as carrier:
            call = await carrier.call("+15550100", "+15550199")
            assert await commanded(carrier, call.id, type, **fields) == 202
            assert await call.ended == Ending(by="router", cause=cause)
            with pytest.raises(CallEnded, match=str(cause)):
                await call.answered

    asyncio.run(scenario())


def test_a_dial_rings_answers_with_a_tone_and_is_ended_by_the_router(router: FakeRouter) -> None:
    async def scenario() -> None:
        script = DialScript(answer_after=0.05, source=Tone(hz=950))
        async with carrier_of(router, script=script) as carrier:
            ear = RtpSession(Tone(hz=480), call_ear := Ear())
            await ear.open("127.0.0.1")
            fields = {"from": "+15550199", "to": "+15550142", "sdp": ear.offer(), "timeout": 20}
            assert await commanded(carrier, "CA7", "dial", **fields) == 202
            call = await carrier.dialled()
            await call.answered
            assert (call.from_, call.to, call.call_sid) == ("+15550199", "+15550142", "CA7")
            async with asyncio.timeout(5):
                while "answered" not in told(router):
                    await asyncio.sleep(0.01)
            assert told(router) == ["ringing", "answered"]
            ear.connect(router.received[-1][1]["sdp"])
            assert await call.heard(0.4) == pytest.approx(480, abs=3)
            assert await call_ear.heard(0.4) == pytest.approx(950, abs=3)
            assert await commanded(carrier, "CA7", "hangup", cause="normal") == 202
            assert (await call.ended).by == "router"
            ear.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("outcome", [Outcome.BUSY, Outcome.REJECT, Outcome.FAIL, Outcome.UNREACHABLE])
def test_a_dial_fails_at_once(router: FakeRouter, outcome: Outcome) -> None:
    async def scenario() -> None:
        async with carrier_of(router, script=lambda _from, _to: DialScript(outcome=outcome)) as carrier:
            await dial(carrier, timeout=20)
            call = await carrier.dialled()
            assert await call.ended == Ending(by="carrier", cause=Cause(outcome))
            await eventually(lambda: told(router) == ["failed"])
            assert router.received[-1][1]["cause"] == outcome

    asyncio.run(scenario())


def test_a_dial_that_nobody_answers_ends_at_the_routers_timeout(router: FakeRouter) -> None:
    async def scenario() -> None:
        async with carrier_of(router, script=DialScript(outcome=Outcome.NO_ANSWER)) as carrier:
            await dial(carrier, timeout=0.1)
            call = await carrier.dialled()
            assert (await call.ended).cause is Cause.NO_ANSWER
            await eventually(lambda: told(router) == ["ringing", "failed"])

    asyncio.run(scenario())


def test_cancel_stops_the_ringing_and_nothing_more_is_told(router: FakeRouter) -> None:
    async def scenario() -> None:
        async with carrier_of(router, script=DialScript(answer_after=10)) as carrier:
            await dial(carrier, timeout=20)
            call = await carrier.dialled()
            await call.ringing
            assert await commanded(carrier, "CA7", "cancel") == 202
            assert await call.ended == Ending(by="router", cause=Cause.CANCELED)
            assert await commanded(carrier, "CA7", "cancel") == 404
        assert told(router) == ["ringing"]

    asyncio.run(scenario())


def test_a_repeated_command_is_answered_as_before_and_done_once(router: FakeRouter) -> None:
    """docs/protocols/carrier.md: the command's id is the idempotency key."""

    async def scenario() -> None:
        async with carrier_of(router, script=DialScript(outcome=Outcome.BUSY)) as carrier:
            for _ in range(3):
                assert await dial(carrier, timeout=20, key="one") == 202
            await eventually(lambda: told(router) == ["failed"])
            assert (await carrier.dialled()).id == "CA7"
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(carrier.dialled(), 0.2)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("type", "fields", "status"),
    [
        ("hangup", {}, 404),
        ("dial", {"from": "+1", "to": "+2"}, 400),
        ("dial", {"from": "+1", "to": "+2", "sdp": "v=0"}, 400),
        ("dial", {"from": "+1", "to": 2, "sdp": "v=0"}, 400),
    ],
)
def test_a_command_that_cant_be_done_is_refused(
    router: FakeRouter, type: str, fields: dict[str, Any], status: int
) -> None:
    async def scenario() -> None:
        async with carrier_of(router) as carrier:
            assert await commanded(carrier, "nobody", type, **fields) == status

    asyncio.run(scenario())


def test_an_answer_without_pcmu_ends_the_call(router: FakeRouter) -> None:
    async def scenario() -> None:
        async with carrier_of(router) as carrier:
            call = await carrier.call("+15550100", "+15550199")
            opus = "v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 9 RTP/AVP 96\r\na=rtpmap:96 opus/48000/2\r\n"
            assert await commanded(carrier, call.id, "answer", sdp=opus) == 400
            assert (await call.ended).cause is Cause.FAILED

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, b"{}"),
        ({"X-Callrouter-Timestamp": "1", "X-Callrouter-Signature": sign_body(SECRET, 1, b"{}")}, b"{}"),
        ({"X-Callrouter-Timestamp": "now", "X-Callrouter-Signature": "v1=00"}, b"{}"),
    ],
)
def test_an_unsigned_or_old_command_changes_nothing(
    router: FakeRouter, headers: dict[str, str], body: bytes
) -> None:
    async def scenario() -> None:
        async with carrier_of(router) as carrier:
            url = f"{carrier.control_url}/calls/x/commands"
            response = await asyncio.to_thread(requests.post, url, data=body, headers=headers, timeout=5)
            assert response.status_code == 403
            assert "message" in response.json()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"id":1,"type":"ring"}', b'{"id":"","type":"ring"}', b"\xff"]
)
def test_a_signed_command_that_is_none_is_a_bad_request(router: FakeRouter, body: bytes) -> None:
    async def scenario() -> None:
        async with carrier_of(router) as carrier:
            now = int(time.time())
            sign = {
                "X-Callrouter-Timestamp": str(now),
                "X-Callrouter-Signature": sign_body(SECRET, now, body),
            }
            url = f"{carrier.control_url}/calls/x/commands"
            response = await asyncio.to_thread(requests.post, url, data=body, headers=sign, timeout=5)
            assert response.status_code == 400

    asyncio.run(scenario())


def test_events_are_retried_until_the_router_takes_them(
    router: FakeRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """docs/protocols/carrier.md: retry everything that was not answered 2xx or 4xx."""
    monkeypatch.setattr(link_module, "FIRST_PAUSE", 0.01)

    async def scenario() -> None:
        async with carrier_of(router) as carrier:
            call = await carrier.call("+15550100", "+15550199")
            router.answers = [(500, {}), (503, {})]
            await call.hangup()
            ids = {body["event_id"] for path, body in router.received if path.endswith("/events")}
            assert told(router) == ["hangup"] * 3
            assert len(ids) == 1

    asyncio.run(scenario())


def test_a_refused_call_says_why(router: FakeRouter) -> None:
    async def scenario() -> None:
        async with carrier_of(router) as carrier:
            router.answers = [(404, {"code": 21421, "message": "No such number here."})]
            with pytest.raises(CallRefused, match="No such number here") as refused:
                await carrier.call("+15550100", "+15550000")
            assert (refused.value.status, refused.value.code) == (404, 21421)
            assert len(router.received) == 1
            await eventually(lambda: not carrier.calls)

    asyncio.run(scenario())


def test_no_router_is_an_error_within_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "FIRST_PAUSE", 0.001)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"

        async def scenario() -> None:
            async with asyncio.timeout(20), SimulatedCarrier("acme", SECRET, url) as carrier:
                with pytest.raises(RouterUnreachable, match="7 attempts"):
                    await carrier.call("+15550100", "+15550199")

        asyncio.run(scenario())


@pytest.mark.parametrize(
    ("faults", "events", "refused"),
    [
        (Faults(duplicates=2), ["dtmf"] * 3 + ["hangup"] * 3, 0),
        (Faults(late=0.05), ["dtmf", "hangup"], 0),
        (Faults(reorder=True), ["hangup", "dtmf"], 0),
        (Faults(unsigned=True), [], 2),
        (Faults(clock_offset=-400), [], 2),
        (Faults(clock_offset=200), ["dtmf", "hangup"], 0),
    ],
)
def test_misbehaviour_is_what_it_says(
    router: FakeRouter, faults: Faults, events: list[str], refused: int
) -> None:
    async def scenario() -> None:
        async with carrier_of(router) as carrier:
            call = await carrier.call("+15550100", "+15550199")
            carrier.faults = faults
            await call.press("5", signalled=True)
            await call.hangup()
            assert told(router) == events
            assert len(router.refused) == refused

    asyncio.run(scenario())


def test_a_replay_is_the_same_request_byte_for_byte(router: FakeRouter) -> None:
    async def scenario() -> None:
        async with carrier_of(router) as carrier:
            await carrier.call("+15550100", "+15550199")
            first = carrier.sent[0]
            again = await carrier.replay(first)
            assert (again.body, again.headers) == (first.body, first.headers)
            assert router.received[0] == router.received[1]

    asyncio.run(scenario())
