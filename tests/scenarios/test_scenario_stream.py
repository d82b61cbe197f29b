"""Live audio to and from a customer's WebSocket, and applications that are dialled (twilio-surface 2.9, 2.4)."""

import asyncio

import pytest
from scene import CALLEE_HZ, CALLER, CALLER_HZ, Scene, soon, until_hears
from stream_app import Session, stream_app
from twilio.base.exceptions import TwilioRestException
from twilio.request_validator import RequestValidator

from callrouter import models
from callrouter.audio.sources import Tone
from tests.support.sound import served, tone


def events(scene: Scene) -> list[str]:
    return [form["StreamEvent"] for form in scene.app.forms("/status/stream")]


async def until_heard(scene: Scene, session: Session, track: str, hz: float) -> None:
    await scene.until(
        lambda: (heard := session.hears(track)) is not None and abs(heard - hz) < 10, f"{track} has {hz} Hz"
    )


async def test_a_stream_carries_both_sides_of_a_bridged_call(scene: Scene) -> None:
    """Signed, with its parameters, and its app is told of its beginning and its end, in this order."""
    async with stream_app() as app, scene.carrier() as carrier, scene.phone("alice") as alice:
        number = scene.number(
            f"<Response><Start><Stream url='{app.url()}' name='tap' track='both_tracks' "
            "statusCallback='/status/stream'><Parameter name='who' value='Zoë'/></Stream></Start>"
            f"<Dial>{scene.client('alice')}</Dial></Response>"
        )
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        session = await app.session()
        await (await soon(alice.incoming())).answer()
        await until_heard(scene, session, "inbound", CALLER_HZ)
        await until_heard(scene, session, "outbound", CALLEE_HZ)
        await call.hangup()
        await soon(session.over.wait())
        await scene.over()
    signature = session.headers["X-Twilio-Signature"]
    assert RequestValidator(scene.tenant.auth_token).validate(app.url(), {}, signature)
    start = session.start
    assert (start["accountSid"], start["callSid"]) == (scene.tenant.sid, call.call_sid)
    assert (start["tracks"], start["customParameters"]) == (["inbound", "outbound"], {"who": "Zoë"})
    assert session.messages[-1]["event"] == "stop"
    first, last = scene.app.forms("/status/stream")
    assert (first["StreamEvent"], last["StreamEvent"]) == ("stream-started", "stream-stopped")
    assert {first["StreamSid"], last["StreamSid"]} == {start["streamSid"]}
    assert (first["StreamName"], first["CallSid"]) == ("tap", call.call_sid)
    assert scene.codes() == []


async def test_an_app_talks_with_the_caller_and_then_the_document_goes_on(scene: Scene) -> None:
    """<Connect>: what the app says is heard; it ends the stream by closing its socket."""
    scene.app.answers["/after"] = "<Response><Hangup/></Response>"
    async with stream_app(echo=True) as app, scene.carrier() as carrier:
        number = scene.number(
            f"<Response><Connect action='/after'><Stream url='{app.url()}'/></Connect></Response>"
        )
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        session = await app.session()
        await until_hears(call, CALLER_HZ)
        await call.press("5")
        await scene.until(lambda: session.of("dtmf"), "the app hears the key")
        assert session.of("dtmf")[0]["dtmf"]["digit"] == "5"
        assert scene.app.forms("/after") == []
        await session.socket.close()
        form = await scene.form("/after")
        await soon(call.ended)
        await scene.over()
    assert form["CallSid"] == call.call_sid
    assert scene.codes() == []


@pytest.mark.parametrize(("scheme", "code"), [("ws", "31920"), ("wss", "31910")])
async def test_a_socket_that_is_refused_is_noted_and_the_document_goes_on(
    scene: Scene, scheme: str, code: str
) -> None:
    """An app that answers 403, and one that speaks no TLS."""
    async with stream_app(status=403) as app, scene.carrier() as carrier:
        url = app.url().replace("ws:", f"{scheme}:")
        number = scene.number(
            f"<Response><Connect><Stream url='{url}' statusCallback='/status/stream'/></Connect><Hangup/></Response>"
        )
        call = await carrier.call(CALLER, number)
        await soon(call.ended)
        await scene.over()
    assert scene.codes() == [code]
    assert events(scene) == ["stream-error"]
    assert scene.app.forms("/status/stream")[0]["StreamError"]


async def test_rest_starts_and_stops_a_stream_while_the_document_plays(scene: Scene) -> None:
    scene.app.answers["/tune.wav"] = served(tone(700, 1.0))
    number = scene.number("<Response><Play loop='0'>/tune.wav</Play></Response>")
    calls = scene.tenant.rest.calls
    async with stream_app() as app, scene.carrier() as carrier:
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        await until_hears(call, 700)  # so the router knows, too, that it is in progress
        streams = calls(call.call_sid).streams
        made = await asyncio.to_thread(
            lambda: streams.create(
                url=app.url(),
                name="tap",
                track="both_tracks",
                status_callback=scene.app.url("/status/stream"),
                parameter1_name="who",
                parameter1_value="rest",
            )
        )
        session = await app.session()
        await until_heard(scene, session, "inbound", CALLER_HZ)
        await until_heard(scene, session, "outbound", 700)
        assert (session.start["streamSid"], session.start["customParameters"]) == (made.sid, {"who": "rest"})
        with pytest.raises(TwilioRestException) as twice:
            await asyncio.to_thread(lambda: streams.create(url=app.url(), name="tap"))
        assert twice.value.code == 20001
        assert (await asyncio.to_thread(lambda: streams("tap").update(status="stopped"))).status == "stopped"
        await soon(session.over.wait())
        await scene.form("/status/stream", 1)
        assert not call.ended.done()
        await call.hangup()
        await scene.over()
    assert events(scene) == ["stream-started", "stream-stopped"]


async def test_stop_ends_a_stream_by_its_name(scene: Scene) -> None:
    async with stream_app() as app, scene.carrier() as carrier:
        number = scene.number(
            f"<Response><Start><Stream url='{app.url()}' name='tap'/></Start><Gather timeout='1'/>"
            "<Stop><Stream name='tap'/></Stop><Gather timeout='30'/></Response>"
        )
        call = await carrier.call(CALLER, number)
        session = await app.session()
        await soon(session.over.wait())
        assert not call.ended.done()
        await call.hangup()
        await scene.over()


async def test_an_echo_is_heard(scene: Scene) -> None:
    number = scene.number("<Response><Echo/></Response>")
    async with scene.carrier() as carrier:
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        await until_hears(call, CALLER_HZ)
        await call.hangup()
        await scene.over()


async def test_an_application_is_dialled_and_hears_its_caller(scene: Scene) -> None:
    """Its document runs on a leg of its own: it plays, takes keys, and its end is the end of the dial."""
    scene.app.answers["/menu.wav"] = served(tone(700, 0.5))
    scene.app.answers["/done"] = "<Response><Hangup/></Response>"
    scene.app.answers["/chosen"] = "<Response><Hangup/></Response>"
    application = scene.application(
        "<Response><Gather numDigits='1' action='/chosen'><Play loop='0'>/menu.wav</Play></Gather></Response>"
    )
    number = scene.number(
        f"<Response><Dial action='/done'><Application><ApplicationSid>{application}</ApplicationSid>"
        "<Parameter name='topic' value='bills'/></Application></Dial></Response>"
    )
    async with scene.carrier() as carrier:
        call = await carrier.call(CALLER, number)
        await until_hears(call, 700)
        first = await scene.form("/app")
        assert (first["topic"], first["ParentCallSid"]) == ("bills", call.call_sid)
        assert first["To"] == f"app:{application}"
        await call.press("7")
        chosen = await scene.form("/chosen")
        assert (chosen["Digits"], chosen["CallSid"]) == ("7", first["CallSid"])
        done = await scene.form("/done")
        assert (done["DialCallStatus"], done["DialCallSid"]) == ("completed", first["CallSid"])
        await soon(call.ended)
        await scene.over()
    assert scene.codes() == []


async def test_an_application_that_dials_itself_comes_to_an_end(scene: Scene) -> None:
    application = scene.tenant.application(scene.app.url("/loop"))
    scene.app.answers["/loop"] = f"<Response><Dial><Application>{application}</Application></Dial></Response>"
    number = scene.number(f"<Response><Dial><Application>{application}</Application></Dial></Response>")
    async with scene.carrier() as carrier:
        call = await carrier.call(CALLER, number)
        await soon(call.ended)
        await scene.over()
    assert len(scene.app.forms("/loop")) == 5
    assert scene.codes() == ["13224"]


async def test_a_clients_keys_reach_an_application(scene: Scene) -> None:
    scene.app.answers["/chosen"] = "<Response><Hangup/></Response>"
    target = scene.tenant.application(scene.app.url("/target"))
    scene.app.answers["/target"] = (
        "<Response><Gather numDigits='2' timeout='20' action='/chosen'/></Response>"
    )
    application = scene.application(f"<Response><Dial><Application>{target}</Application></Dial></Response>")
    async with scene.carrier(), scene.tenant.phone("alice", app=application) as alice:
        call = await alice.call({})
        await scene.form("/target")
        await scene.until(lambda: "in-progress" in scene.statuses().values(), "the application's leg is up")
        await call.press("42")
        assert (await scene.form("/chosen"))["Digits"] == "42"
        await scene.over()


@pytest.mark.kill
@pytest.mark.parametrize("lost", ["voice", "router"])
async def test_a_stream_whose_process_is_killed(broken: Scene, lost: str) -> None:
    """A voice node takes its streams along, and their apps are told; a router's go on, and it hears of their end."""
    scene = broken
    async with stream_app() as app, scene.carrier() as carrier:
        number = scene.number(
            f"<Response><Start><Stream url='{app.url()}' statusCallback='/status/stream'/></Start>"
            "<Gather timeout='60'/></Response>"
        )
        call = await carrier.call(CALLER, number)
        session = await app.session()
        await scene.form("/status/stream")
        await scene.until(lambda: not scene.outbox(), "the callback is struck off")
        scene.deployment.kill(lost)
        await asyncio.to_thread(scene.deployment.start, lost)
        if lost == "router":
            assert not session.over.is_set()
            await session.socket.close()
        await scene.form("/status/stream", 1)
        await scene.until(
            lambda: {row.status for row in scene.rows(models.Stream)} == {"stopped"}, "the stream is over"
        )
        if lost == "router":
            await call.hangup()
        else:
            await soon(call.ended)
        await scene.over()
    assert events(scene) == ["stream-started", "stream-stopped" if lost == "router" else "stream-error"]
