"""Live calls steered through the official library while they run, judged by what each side hears and is told
(twilio-surface 5.7, 5.10, 9.4)."""

import asyncio
import io
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
import requests
from scene import CALLEE_HZ, CALLER, CALLER_HZ, Scene, soon, until_hears, until_silent
from stream_app import Session, stream_app
from test_scenario_sound import sound

from callrouter import models
from callrouter.audio.ear import dominant_hz
from callrouter.audio.sources import Tone
from callrouter.carriers.simulator.call import SimulatedCall
from callrouter.carriers.simulator.script import DialScript

AGENT, FRIEND = "+14155550313", "+14155550314"
AGENT_HZ, FRIEND_HZ = 1200.0, 1400.0
FIRST_HZ, SECOND_HZ, WAIT_HZ = 700.0, 1700.0, 2000.0
TONES = (CALLER_HZ, CALLEE_HZ, AGENT_HZ, FRIEND_HZ, FIRST_HZ, SECOND_HZ, WAIT_HZ)
WAIT = "waitUrl='/wait'"


async def rest(work: Callable[[], Any]) -> Any:
    """A call of the official library, which blocks."""
    return await asyncio.to_thread(work)


async def update(scene: Scene, call_sid: str, **change: Any) -> Any:
    return await rest(lambda: scene.tenant.rest.calls(call_sid).update(**change))


def plays(scene: Scene, path: str, hz: float) -> str:
    """A document that plays a tone for ever, at this path and as text."""
    url = sound(scene, f"{path}.wav", hz, 10)
    document = f"<Response><Play loop='0'>{url}</Play></Response>"
    scene.app.answers[path] = document
    return document


async def has(scene: Scene, session: Session, track: str, hz: float) -> None:
    await scene.until(
        lambda: (heard := session.hears(track)) is not None and abs(heard - hz) < 10,
        f"the stream's {track} track has {hz} Hz",
    )


async def stored(scene: Scene, sid: str) -> Any:
    """The samples of a recording once it is complete, a column for each channel."""
    await scene.until(
        lambda: [row for row in scene.rows(models.Recording) if (row.sid, row.status) == (sid, "completed")],
        "the recording is stored",
    )
    url = f"{scene.deployment.router_url}/2010-04-01/Accounts/{scene.tenant.sid}/Recordings/{sid}.wav"
    answer = await rest(
        lambda: requests.get(url, auth=(scene.tenant.sid, scene.tenant.auth_token), timeout=5)
    )
    with wave.open(io.BytesIO(answer.content)) as reader:
        frames = np.frombuffer(reader.readframes(reader.getnframes()), "<i2")
        return frames.reshape(-1, reader.getnchannels())


def story(channel: Any) -> list[float]:
    """The tones of a recording one after the other, each once: a fifth of a second decides."""
    heard: list[float] = []
    for start in range(0, len(channel) - 1600, 1600):
        hz = dominant_hz(np.ascontiguousarray(channel[start : start + 1600]))
        if hz is not None and (not heard or abs(heard[-1] - hz) > 25):
            heard.append(next((tone for tone in TONES if abs(tone - hz) < 25), hz))
    return heard


async def test_recording_and_stream_go_on_while_the_call_is_sent_from_document_to_document(
    scene: Scene,
) -> None:
    """Bridged, redirected by TwiML and by URL, and ended; what is recorded and streamed follows."""
    number = scene.number(f"<Response><Dial action='/action'>{scene.client('alice')}</Dial></Response>")
    first = plays(scene, "/first", FIRST_HZ)
    plays(scene, "/second", SECOND_HZ)
    async with stream_app() as app, scene.carrier() as carrier, scene.phone("alice") as alice:
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        ringing = await soon(alice.incoming())
        await ringing.answer()
        await until_hears(call, CALLEE_HZ)
        mine = scene.tenant.rest.calls(call.call_sid)
        made = await rest(
            lambda: mine.recordings.create(
                recording_channels="dual", recording_status_callback=scene.app.url("/status/recording")
            )
        )
        await rest(
            lambda: mine.streams.create(
                url=app.url(),
                name="tap",
                track="both_tracks",
                status_callback=scene.app.url("/status/stream"),
            )
        )
        session = await app.session()
        await has(scene, session, "inbound", CALLER_HZ)
        await has(scene, session, "outbound", CALLEE_HZ)

        await update(scene, call.call_sid, twiml=first)
        assert (await soon(ringing.ended)).how == "hangup"
        await until_hears(call, FIRST_HZ)
        await has(scene, session, "outbound", FIRST_HZ)

        await rest(lambda: mine.recordings(made.sid).update(status="paused", pause_behavior="skip"))
        await update(scene, call.call_sid, url=scene.app.url("/second"), method="GET")
        await until_hears(call, SECOND_HZ)
        await has(scene, session, "outbound", SECOND_HZ)
        await update(scene, call.call_sid, twiml=first)  # SECOND_HZ was played in the pause only
        await until_hears(call, FIRST_HZ)
        await rest(lambda: mine.recordings("Twilio.CURRENT").update(status="in-progress"))
        await call.heard(0.7)

        assert (await update(scene, call.call_sid, status="completed")).status == "completed"
        assert (await soon(call.ended)).by == "router"
        await soon(session.over.wait())
        await scene.form("/status/recording")
        await scene.form("/status/stream", 1)
        channels = await stored(scene, made.sid)
        await scene.over()
    assert story(channels[:, 0]) == [CALLER_HZ]
    assert story(channels[:, 1]) == [CALLEE_HZ, FIRST_HZ]
    assert [form["StreamEvent"] for form in scene.app.forms("/status/stream")] == [
        "stream-started",
        "stream-stopped",
    ]
    assert [form["RecordingStatus"] for form in scene.app.forms("/status/recording")] == ["completed"]
    assert scene.app.forms("/never") == []
    assert scene.codes() == []


async def test_dialled_child_is_recorded_streamed_and_sent_on_alone(scene: Scene) -> None:
    """REST on the child's own SID: the parent is neither recorded nor streamed, and goes on at its action."""
    number = scene.number(
        f"<Response><Dial action='/first'><Number>{FRIEND}</Number></Dial></Response>",
        status_callback="",
    )
    plays(scene, "/first", FIRST_HZ)
    plays(scene, "/second", SECOND_HZ)
    script = DialScript(answer_after=0.1, source=Tone(hz=FRIEND_HZ))
    async with stream_app() as app, scene.carrier(script=script) as carrier:
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        friend = await soon(carrier.dialled())
        await until_hears(call, FRIEND_HZ)
        child = scene.tenant.rest.calls(friend.call_sid)
        made = await rest(lambda: child.recordings.create(recording_channels="dual"))
        assert made.call_sid == friend.call_sid
        await rest(lambda: child.streams.create(url=app.url(), name="tap", track="both_tracks"))
        session = await app.session()
        await has(scene, session, "inbound", FRIEND_HZ)
        assert session.start["callSid"] == friend.call_sid
        await has(scene, session, "outbound", CALLER_HZ)

        await update(scene, friend.call_sid, url=scene.app.url("/second"))
        await until_hears(friend, SECOND_HZ)
        await until_hears(call, FIRST_HZ)  # the parent's action
        await has(scene, session, "outbound", SECOND_HZ)
        await update(scene, call.call_sid, status="completed")
        assert (await soon(call.ended)).by == "router"
        await until_hears(friend, SECOND_HZ)  # who was sent on is a call of its own now
        await rest(lambda: child.streams("tap").update(status="stopped"))
        await soon(session.over.wait())
        await rest(lambda: child.recordings(made.sid).update(status="stopped"))
        channels = await stored(scene, made.sid)
        assert not friend.ended.done()
        await update(scene, friend.call_sid, status="completed")
        assert (await soon(friend.ended)).by == "router"
        await scene.over()
    assert story(channels[:, 0]) == [FRIEND_HZ]
    assert story(channels[:, 1]) == [CALLER_HZ, SECOND_HZ]
    assert scene.app.forms("/second")[0]["CallSid"] == friend.call_sid
    assert scene.statuses() == {number: "completed", FRIEND: "completed"}
    assert scene.codes() == []


async def test_both_sides_of_a_dial_go_into_a_conference_and_a_third_joins(scene: Scene) -> None:
    """How apps make a conference of a call: the child is sent there, the parent follows by its action."""
    number = scene.number(f"<Response><Dial action='/team'><Number>{FRIEND}</Number></Dial></Response>")
    team = (
        f"<Response><Dial><Conference {WAIT} endConferenceOnExit='true'>team</Conference></Dial></Response>"
    )
    scene.app.answers["/team"] = team
    plays(scene, "/wait", WAIT_HZ)
    plays(scene, "/held", SECOND_HZ)
    script = DialScript(answer_after=0.1, source=Tone(hz=FRIEND_HZ))
    async with scene.carrier(script=script) as carrier, scene.phone("alice") as alice:
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        friend = await soon(carrier.dialled())
        await until_hears(call, FRIEND_HZ)
        scene.app.answers["/child"] = (
            f"<Response><Dial><Conference {WAIT}>team</Conference></Dial></Response>"
        )
        await update(scene, friend.call_sid, url=scene.app.url("/child"))
        await scene.form("/team")
        await until_hears(call, FRIEND_HZ)
        await until_hears(friend, CALLER_HZ)
        (conference,) = await rest(lambda: scene.tenant.rest.conferences.list(friendly_name="team"))
        people = scene.tenant.rest.conferences(conference.sid).participants

        await rest(lambda: people(call.call_sid).update(hold=True, hold_url=scene.app.url("/held")))
        await until_hears(call, SECOND_HZ)
        await until_silent(friend)
        await rest(lambda: people.create(from_=number, to="client:alice", label="alice"))
        ringing = await soon(alice.incoming())
        await ringing.answer()
        await until_hears(friend, CALLEE_HZ)
        await rest(lambda: people(friend.call_sid).update(muted=True))
        await rest(lambda: people(call.call_sid).update(hold=False))
        await until_hears(call, CALLEE_HZ)
        await rest(lambda: people("alice").update(muted=True))
        await until_silent(call)
        await rest(lambda: people(friend.call_sid).update(muted=False))
        await until_hears(call, FRIEND_HZ)

        await update(scene, friend.call_sid, status="completed")
        assert (await soon(friend.ended)).by == "router"
        await until_silent(call)
        assert {one.call_sid for one in await rest(people.list)} == {
            call.call_sid,
            ringing.parameters["CallSid"],
        }
        await update(scene, call.call_sid, status="completed")  # it ends the conference on its exit
        assert (await soon(call.ended)).by == "router"
        assert (await soon(ringing.ended)).how == "hangup"
        await scene.over()
    ended = await rest(conference.fetch)
    assert (ended.status, ended.reason_conference_ended) == (
        "completed",
        "participant-with-end-conference-on-exit-left",
    )
    assert ended.call_sid_ending_conference == call.call_sid
    assert set(scene.statuses().values()) == {"completed"}
    assert scene.rows(models.Participant) == []


@pytest.mark.parametrize("who", ["caller", "agent"])
async def test_either_side_of_a_queue_s_talk_is_sent_on(scene: Scene, who: str) -> None:
    """The other goes on with its own document; the caller's action is told `redirected-from-bridged`."""
    number = scene.number(f"<Response><Enqueue action='/left' {WAIT}>support</Enqueue></Response>")
    plays(scene, "/wait", WAIT_HZ)
    plays(scene, "/left", FIRST_HZ)
    plays(scene, "/dialled", FIRST_HZ)
    second = plays(scene, "/second", SECOND_HZ)
    scene.app.answers["/agent"] = "<Response><Dial action='/dialled'><Queue>support</Queue></Dial></Response>"
    agents = scene.tenant.number(scene.app.url("/agent"))
    async with scene.carrier() as carrier:
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        await until_hears(call, WAIT_HZ)
        agent = await carrier.call(AGENT, agents, source=Tone(hz=AGENT_HZ))
        await until_hears(agent, CALLER_HZ)
        await until_hears(call, AGENT_HZ)
        sent, other = (call, agent) if who == "caller" else (agent, call)
        await update(scene, sent.call_sid, twiml=second)
        await until_hears(sent, SECOND_HZ)
        await until_hears(other, FIRST_HZ)
        for one in (call, agent):
            await update(scene, one.call_sid, status="completed")
            assert (await soon(one.ended)).by == "router"
        await scene.over()
    left = [form["QueueResult"] for form in scene.app.forms("/left")]
    assert left == (["redirected-from-bridged"] if who == "caller" else ["bridged"])
    assert len(scene.app.forms("/dialled")) == (1 if who == "caller" else 0)
    assert scene.rows(models.QueueMember) == []


BUSY = {
    "plays": "<Play loop='0'>/wait.wav</Play>",
    "says": "<Say loop='0'>This is said again and again.</Say>",
    "pauses": "<Play>/short.wav</Play><Pause length='60'/>",
    "gathers keys": "<Gather timeout='60' action='/action'><Play loop='0'>/wait.wav</Play></Gather>",
    "gathers speech": "<Gather input='speech' timeout='60' hints='sales' action='/action'/>",
    "records": "<Record timeout='60' action='/action'/>",
    "dials": "<Dial timeout='60' action='/action'><Client>alice</Client></Dial>",
    "waits in a queue": f"<Enqueue {WAIT} action='/left'>support</Enqueue>",
    "waits for a caller": "<Dial timeout='60' action='/action'><Queue>support</Queue></Dial>",
    "waits in a conference": f"<Dial action='/action'><Conference {WAIT}>team</Conference></Dial>",
    "talks in a stream": "<Connect action='/action'><Stream url='{stream}'/></Connect>",
    "echoes": "<Echo/>",
    "talks to an application": "<Dial action='/action'><Application>{application}</Application></Dial>",
}


@asynccontextmanager
async def busy(scene: Scene, doing: str) -> AsyncIterator[SimulatedCall]:
    """A call that does this; afterwards it has ended by REST, once, and nothing of it is left."""
    if doing in ("says", "gathers speech"):
        pytest.importorskip("espeakng_loader", reason="no speech engine: pip install callrouter[tts]")
    if doing == "gathers speech":
        pytest.importorskip("pocketsphinx", reason="no recogniser: pip install callrouter[stt]")
    for path in ("/wait", "/target", "/action", "/left"):
        plays(scene, path, WAIT_HZ)
    sound(scene, "/short.wav", WAIT_HZ, 1)
    target = scene.tenant.application(scene.app.url("/target"))
    await rest(lambda: scene.tenant.rest.queues.create(friendly_name="support"))
    async with stream_app() as app, scene.carrier() as carrier, scene.phone("alice") as alice:
        number = scene.number(
            f"<Response>{BUSY[doing].format(stream=app.url(), application=target)}</Response>"
        )
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        await soon(call.answered)
        await scene.until(lambda: scene.statuses()[number] == "in-progress", "the router knows that too")
        if doing == "dials":
            await soon(alice.incoming())
        elif doing == "talks in a stream":
            await app.session()
        elif doing.startswith("waits in") or doing == "pauses":
            await until_hears(call, WAIT_HZ)
        if doing == "pauses":
            await until_silent(call)
        yield call
        assert (await update(scene, call.call_sid, status="completed")).status == "completed"
        assert (await soon(call.ended)).by == "router"
        await scene.over()
    await scene.form("/status/parent")
    assert scene.callbacks("/status/parent") == ["completed"]
    assert scene.rows(models.QueueMember) + scene.rows(models.Participant) == []
    assert scene.codes() == []


@pytest.mark.parametrize("doing", BUSY)
async def test_call_is_sent_on_whatever_it_is_doing(scene: Scene, doing: str) -> None:
    """A new document takes over at once; the old verb's action is not asked, but for a queue's, which is told."""
    second = plays(scene, "/second", SECOND_HZ)
    async with busy(scene, doing) as call:
        await update(scene, call.call_sid, twiml=second)
        await until_hears(call, SECOND_HZ)
    assert scene.app.forms("/action") == []
    assert [form["QueueResult"] for form in scene.app.forms("/left")] == ["redirected"] * (
        doing == "waits in a queue"
    )


@pytest.mark.parametrize("doing", BUSY)
async def test_call_is_ended_whatever_it_is_doing(scene: Scene, doing: str) -> None:
    """What actions answer then changes nothing."""
    async with busy(scene, doing):
        pass


async def test_fallback_callback_and_time_limit_are_changed_while_it_runs(scene: Scene) -> None:
    number = scene.number("<Response><Play loop='0'>/wait.wav</Play></Response>")
    plays(scene, "/wait", WAIT_HZ)
    plays(scene, "/second", SECOND_HZ)
    scene.app.answers["/broken"] = "<Response><Play>"
    async with scene.carrier() as carrier:
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        await until_hears(call, WAIT_HZ)
        broken, second = scene.app.url("/broken"), scene.app.url("/second")
        await update(scene, call.call_sid, url=broken, fallback_url=second)
        await until_hears(call, SECOND_HZ)
        assert scene.app.forms("/second")[0]["ErrorUrl"] == broken
        await update(scene, call.call_sid, status_callback=scene.app.url("/status/other"), time_limit=6)
        await until_hears(call, SECOND_HZ)  # it goes on
        assert (await soon(call.ended)).by == "router"
        await scene.form("/status/other")
        await scene.over()
    assert scene.callbacks("/status/other") == ["completed"]
    assert scene.app.forms("/status/parent") == []
    assert scene.codes() == ["12100"]
