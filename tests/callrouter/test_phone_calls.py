"""The client phone against a small signalling server, whose far end is another peer connection.

Audio is judged by its frequency.
"""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qsl

import pytest
from phone_line import eventually, line

from callrouter.audio.ear import Ear
from callrouter.audio.sources import Tone
from callrouter.phone import CallOver, Ended, Phone, PhoneRefused, SignalUnreachable, State, UnusableSdp
from callrouter.phone import connection as connection_module
from callrouter.phone.media import Media


def test_registers_as_the_sdk_does_and_answers_heartbeats() -> None:
    async def scenario() -> None:
        async with line() as (signal, phone):
            assert await phone.register() == "alice"
            assert phone.registered
            assert [kind for kind, _ in signal.frames] == ["listen", "register"]
            assert signal.frames[0][1]["token"] == "a-token"
            assert signal.frames[0][1]["reconnectTimeout"] == 30
            assert signal.frames[1][1] == {"media": {"audio": True}}
            assert signal.socket
            await signal.socket.send("\n")
            await eventually(lambda: signal.newlines == 1)
            await phone.unregister()
            assert not phone.registered
            assert signal.frames[2][1] == {"media": {"audio": False}}

    asyncio.run(scenario())


def test_a_refused_token_is_an_error_at_once_and_no_reconnect_follows() -> None:
    async def scenario() -> None:
        async with line() as (signal, phone):
            signal.listen_error = 31205
            with pytest.raises(PhoneRefused, match="31205"):
                await phone.register()
            await eventually(lambda: not phone._line.up)
            await asyncio.sleep(0.4)
            assert signal.sockets == 1
            signal.listen_error = None
            assert await phone.register() == "alice"

    asyncio.run(scenario())


def test_no_server_is_an_error_within_the_time_given() -> None:
    async def scenario() -> None:
        async with Phone("ws://127.0.0.1:9/signal", "t") as phone:
            with pytest.raises(SignalUnreachable, match=r"ws://127\.0\.0\.1:9/signal"):
                await phone.register(timeout=0.5)

    asyncio.run(scenario())


def test_an_incoming_call_is_answered_with_audio_both_ways() -> None:
    async def scenario() -> None:
        async with line() as (signal, phone):
            await phone.register()
            far = await signal.ring()
            call = await phone.incoming()
            assert call.parameters["From"] == "+15550100"
            assert call.custom_parameters == {"order": "42", "note": "a b"}
            await call.answer()
            answer = await signal.frame("answer")
            assert "a=candidate" not in answer["sdp"]
            assert "telephone-event" not in answer["sdp"]
            await far.accept(answer["sdp"])
            assert await call.heard(0.5) == pytest.approx(500, abs=3)
            assert await far.ear.heard(0.5) == pytest.approx(700, abs=3)
            await call.press("12w#")
            assert await signal.frame("dtmf") == {"callsid": "CA1", "dtmf": "12w#"}
            await call.hangup()
            assert (await signal.frame("hangup"))["callsid"] == "CA1"
            assert await call.ended == Ended(by="phone", how="hangup")
            await far.close()

    asyncio.run(scenario())


def test_an_outgoing_call_takes_the_real_sid_and_early_media() -> None:
    async def scenario() -> None:
        async with line() as (signal, phone):
            call = await phone.call({"To": "+15550199", "note": "a b&c"})
            invite = await signal.frame("invite")
            assert invite["callsid"].startswith("TJS")
            assert dict(parse_qsl(invite["twilio"]["params"])) == {"To": "+15550199", "note": "a b&c"}
            far = Media(Tone(hz=500), Ear(), loopback=True)
            await far.answer(invite["sdp"])
            await signal.send("ringing", callsid="CA9", sdp=far._peer.localDescription.sdp)
            await call.ringing
            assert call.sid == "CA9"
            assert await call.heard(0.5) == pytest.approx(500, abs=3)
            assert call.state is State.RINGING
            await signal.send("answer", callsid="CA9", reconnect="r")
            await call.answered
            assert await far.ear.heard(0.5) == pytest.approx(700, abs=3)
            await signal.send("hangup", callsid="CA9")
            assert await call.ended == Ended(by="server", how="hangup")
            await far.close()

    asyncio.run(scenario())


def test_a_refused_outgoing_call_carries_the_servers_code() -> None:
    async def scenario() -> None:
        async with line() as (signal, phone):
            call = await phone.call({})
            invite = await signal.frame("invite")
            assert invite["twilio"] == {}
            error = {"code": 31486, "message": "Busy Here"}
            await signal.send("error", callsid=invite["callsid"], error=error)
            await signal.send("hangup", callsid=invite["callsid"], error=error)
            with pytest.raises(CallOver, match="31486"):
                await call.answered
            assert await call.ended == Ended(by="server", how="hangup", code=31486, message="Busy Here")

    asyncio.run(scenario())


def test_cancel_ends_a_ringing_call_and_hangup_does_not() -> None:
    """voice-sdk-protocol 4: `hangup` is ignored while an incoming call is pending."""

    async def scenario() -> None:
        async with line() as (signal, phone):
            await phone.register()
            far = await signal.ring()
            call = await phone.incoming()
            await signal.send("hangup", callsid="CA1")
            await signal.send("message", callsid="CA1", content={"still": "here"})
            assert await call.messages.get() == {"still": "here"}
            assert call.state is State.PENDING
            await signal.send("cancel", callsid="CA1")
            assert await call.ended == Ended(by="server", how="cancel")
            with pytest.raises(CallOver):
                await call.answer()
            assert signal.count("answer") == 0
            await far.close()

    asyncio.run(scenario())


def test_reject_tells_ignore_does_not_and_a_busy_phone_is_silent() -> None:
    async def scenario() -> None:
        async with line() as (signal, phone):
            await phone.register()
            first = await signal.ring("CA1")
            await (await phone.incoming()).ignore()
            second = await signal.ring("CA2")
            await (await phone.incoming()).reject()
            assert (await signal.frame("reject")) == {"callsid": "CA2"}
            assert signal.count("reject") == 1
            third = await signal.ring("CA3")
            await (await phone.incoming()).answer()
            fourth = await signal.ring("CA4")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(phone.incoming(), 0.2)
            for far in (first, second, third, fourth):
                await far.close()

    asyncio.run(scenario())


def test_a_lost_line_comes_back_reattaches_and_audio_never_stops() -> None:
    """voice-sdk-protocol 6: same ufrag, our local description (an answer here), the token; then `register`."""

    async def scenario() -> None:
        async with line() as (signal, phone):
            await phone.register()
            far = await signal.ring()
            call = await phone.incoming()
            await call.answer()
            answer = await signal.frame("answer")
            await far.accept(answer["sdp"])
            await call.heard(0.2)
            await phone.drop_line()
            await eventually(lambda: call.state is State.RECONNECTING)
            assert await call.heard(0.3) == pytest.approx(500, abs=4)
            again = await signal.frame("invite")
            assert (again["callsid"], again["reconnect"], again["twilio"]) == ("CA1", "token-1", {})
            assert ufrag(again["sdp"]) == ufrag(answer["sdp"])
            await signal.frame("register", 2)
            await signal.send("answer", callsid="CA1", reconnect="token-2")
            await asyncio.wait_for(call.reattached(), 5)
            assert call.state is State.OPEN
            assert call.reconnect_token == "token-2"
            assert signal.sockets == 2
            assert await call.heard(0.3) == pytest.approx(500, abs=4)
            await phone.drop_line()
            await signal.frame("invite", 2)
            await signal.send("hangup", callsid="CA1", error={"code": 31209, "message": "gone"})
            assert (await call.ended).code == 31209
            await far.close()

    asyncio.run(scenario())


def test_a_call_that_rings_while_the_line_drops_rings_again() -> None:
    async def scenario() -> None:
        async with line() as (signal, phone):
            await phone.register()
            far = await signal.ring()
            call = await phone.incoming()
            await phone.drop_line()
            assert await call.ended == Ended(by="line", how="lost")
            await signal.frame("register", 2)
            again = await signal.ring()
            second = await phone.incoming()
            assert second is not call
            await second.answer()
            assert (await signal.frame("answer"))["callsid"] == "CA1"
            await far.close()
            await again.close()

    asyncio.run(scenario())


def test_what_is_said_while_the_line_is_down_follows_listen() -> None:
    async def scenario() -> None:
        async with line() as (signal, phone):
            await phone.register()
            far = await signal.ring()
            call = await phone.incoming()
            await call.answer()
            await signal.frame("answer")
            await phone.drop_line()
            await eventually(lambda: call.state is State.RECONNECTING)
            await call.hangup()
            assert (await signal.frame("hangup"))["callsid"] == "CA1"
            kinds = [kind for kind, _ in signal.frames]
            assert kinds.index("hangup") > kinds.index("listen", 1)
            await far.close()

    asyncio.run(scenario())


def test_a_silent_server_is_a_dead_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "SILENCE", 0.2)

    async def scenario() -> None:
        async with line() as (signal, phone):
            await phone.register()
            await eventually(lambda: signal.sockets >= 2)

    asyncio.run(scenario())


def test_an_ending_token_is_renewed_on_the_live_line() -> None:
    async def scenario() -> None:
        async def fresh() -> str:
            signal.ttl = 3600
            return "a-fresh-token"

        async with line(renew=fresh) as (signal, phone):
            signal.ttl = 10.05
            await phone.register()
            assert (await signal.frame("listen", 2))["token"] == "a-fresh-token"
            assert signal.sockets == 1

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "frame",
    [
        "x",
        "[]",
        "{}",
        '{"type": 1}',
        '{"type":"invite","payload":[]}',
        '{"type":"answer","payload":7}',
        "\ud7ff",
    ],
)
def test_a_senseless_frame_does_not_cost_the_line(frame: str) -> None:
    async def scenario() -> None:
        async with line() as (signal, phone):
            await phone.register()
            assert signal.socket
            await signal.socket.send(frame)
            await phone.register()
            assert signal.sockets == 1

    asyncio.run(scenario())


def test_an_unusable_offer_is_hung_up() -> None:
    async def scenario() -> None:
        async with line() as (signal, phone):
            await phone.register()
            await signal.send("invite", callsid="CA5", sdp="v=0 nonsense", parameters={})
            call = await phone.incoming()
            with pytest.raises(UnusableSdp):
                await call.answer()
            assert (await signal.frame("hangup"))["callsid"] == "CA5"

    asyncio.run(scenario())


def test_a_cancel_that_crosses_the_answer_wins() -> None:
    """voice-sdk-protocol 3: a late answer is for nobody; we do not even send it."""

    async def scenario() -> None:
        async with line() as (signal, phone):
            await phone.register()
            far = await signal.ring()
            call = await phone.incoming()
            answering = asyncio.create_task(call.answer())
            await asyncio.sleep(0)
            await call.receive("cancel", {"callsid": "CA1"})
            with pytest.raises(CallOver, match="cancel"):
                await answering
            assert signal.count("answer") == signal.count("hangup") == 0
            await far.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("digits", ["", "1a", "12 3"])
def test_what_is_no_key_is_refused(digits: str) -> None:
    async def scenario() -> None:
        async with line() as (signal, phone):
            await phone.register()
            far = await signal.ring()
            call = await phone.incoming()
            with pytest.raises(ValueError, match="0-9"):
                await call.press(digits)
            assert signal.count("dtmf") == 0
            await far.close()

    asyncio.run(scenario())


def ufrag(sdp: str) -> str:
    return next(row for row in sdp.splitlines() if row.startswith("a=ice-ufrag:"))
