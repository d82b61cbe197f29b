"""Acts in which calls of their own come together: in a conference, and in a queue; and what must hold after each.

Two phones call one number; who calls decides the document. Like all of Scene's acts these are played with a process
that dies on the way: nobody is lost, nobody stays behind, and the app is told everything once.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import requests
from killing import CALLEE, CALLER, Scene, until_hears
from twilio.base.exceptions import TwilioRestException

from callrouter import models
from callrouter.audio.sources import SILENT, Tone
from callrouter.carriers.simulator.call import SimulatedCall
from callrouter.voice.client import VoiceClient
from callrouter.voice.media.g711 import Samples
from callrouter.voice.settings import VOICE_PURPOSE
from foundation.settings import address
from tests.scenarios.stream_app import stream_app
from tests.support.deployment import PATIENCE
from tests.support.origin import Origin, Received, Script, reply
from tests.support.sound import served, tone

T = TypeVar("T")

ALL = "start end join leave mute hold modify announcement"
FIRST_HZ, SECOND_HZ, WAIT_HZ, HOLD_HZ, AFTER_HZ = 600.0, 1000.0, 1500.0, 1900.0, 2300.0
SOUNDS = {"/wait.wav": (WAIT_HZ, 2.0), "/hold.wav": (HOLD_HZ, 2.0), "/after.wav": (AFTER_HZ, 1.2)}
ROOM = (
    "<Response><Dial action='/dialled'><Conference waitUrl='/wait' endConferenceOnExit='{ends}' "
    f"statusCallback='/news' statusCallbackEvent='{ALL}' record='record-from-start' "
    "recordingStatusCallback='/recorded' recordingStatusCallbackEvent='in-progress completed absent'>"
    "team</Conference></Dial></Response>"
)
TALK = (
    "<Response><Start><Stream url='{url}' name='tap' statusCallback='/stream'/></Start>"
    "<Gather input='speech' action='/said' speechTimeout='1' timeout='60'/></Response>"
)
SAYS = {path: f"<Response><Play>{path}.wav</Play></Response>" for path in ("/wait", "/hold", "/after")}
CONFERENCE = {CALLER: ROOM.format(ends="false"), CALLEE: ROOM.format(ends="true")}
QUEUE = {
    CALLER: "<Response><Enqueue action='/queued' waitUrl='/wait'>support</Enqueue></Response>",
    CALLEE: "<Response><Dial timeout='60' action='/dialled'>"
    "<Queue url='/whisper'>support</Queue></Dial></Response>",
}


class Speaker:
    """A caller who says something, waits whether it was understood, and says it again."""

    def frames(self) -> Iterator[Samples]:
        for number, frame in enumerate(Tone(hz=FIRST_HZ).frames()):
            yield frame if number % 150 < 40 else SILENT


class Gathering(Scene):
    """Two phones and their app. Nothing that is of no use here is started: no client, no phone line but theirs."""

    def documents(self, request: Received) -> Script:
        talk = {CALLER: TALK.format(url=self.listener.url())}
        callers = {talker: talk, queue: QUEUE, lost_queue: QUEUE}.get(self.act, CONFERENCE)
        if request.path in SOUNDS:
            return served(tone(*SOUNDS[request.path]))
        texts = {
            **SAYS,
            "/queued": SAYS["/after"],
            "/whisper": "<Response/>",
            "/said": SAYS["/after"].replace("<Response>", "<Response><Stop><Stream name='tap'/></Stop>"),
        }
        text = texts.get(request.path) or callers.get(request.form.get("From", ""))
        return (
            reply(body=text.encode())
            if text and request.path not in ("/status", "/news", "/recorded", "/stream")
            else reply(204)
        )

    away = 0.0
    """Seconds that a lost process stays away."""
    _back_at = 0.0

    def lose(self) -> None:
        """The process dies here, by SIGKILL."""
        self._back_at = time.monotonic() + self.away
        self.deployment.processes[self.process].kill()

    def _revive(self) -> None:
        if time.monotonic() >= self._back_at:
            super()._revive()

    @asynccontextmanager
    async def cast(self) -> AsyncIterator[None]:
        """Two phones, and the app's WebSocket: no client."""
        self.number = self.tenant.number(self.app.url("/voice"), status_callback=self.app.url("/status"))
        async with self.deployment.carrier() as self.carrier, stream_app() as self.listener:
            self.deployment.adopt(self.carrier)
            yield
        await self._node_is_empty()

    async def call(self, who: str, hz: float) -> SimulatedCall:
        made = await self.carrier.call(who, self.number, source=Tone(hz=hz))
        await made.answered
        return made

    async def rest(self, work: Callable[[], T]) -> T:
        """As a careful app: asks again when the server is away, or is just coming back."""
        while True:
            try:
                return await asyncio.to_thread(work)
            except (requests.ConnectionError, TwilioRestException) as error:
                if isinstance(error, TwilioRestException) and error.status < 500:
                    raise
            await asyncio.sleep(0.05)

    async def until(self, true: Callable[[], object]) -> None:
        while not await asyncio.to_thread(true):
            await asyncio.sleep(0.02)

    def mine(self, model: Any) -> list[Any]:
        return self.deployment.rows(model, model.account_sid == self.tenant.sid)

    # -- what must hold

    def _check(self, app: Origin) -> None:
        super()._check(app)
        for call in self.mine(models.Call):
            assert call.ended_because, f"{call.to} ended without a cause"
        for model in (models.Participant, models.QueueMember):
            assert self.mine(model) == [], f"{model.__tablename__} are left"
        told = self._told_once("/news", "ConferenceSid")
        rooms = self.mine(models.Conference)
        assert {row.status for row in rooms} <= {"completed"}
        assert set(told) == {room.sid for room in rooms}
        for path in ("/queued", "/dialled", "/said"):
            self._asked_once(path)

    async def _node_is_empty(self) -> None:
        async def nothing(_event: object) -> None: ...

        where = address(self.deployment.environment["CALLROUTER_VOICE_CONTROL"])
        node = VoiceClient(where, self.deployment.keys.derive(VOICE_PURPOSE), nothing, owner="killing")
        await node.start()
        stats: Mapping[str, Any] = {}
        try:
            async with asyncio.timeout(PATIENCE):
                while not stats or any(stats[name] for name in ("legs", "rooms", "streams", "listening")):
                    stats = await node.request("node.stats")
        except TimeoutError:
            raise AssertionError(f"the voice node still has {stats}") from None
        finally:
            await node.close()

    def _requests(self, path: str) -> list[Received]:
        """Those that came whole: a process may die while it sends one."""
        came = [request for request in list(self.app.received) if request.path == path]
        return [one for one in came if len(one.body) == int(one.headers.get("content-length", "0"))]

    def _told_once(self, path: str, about: str) -> dict[str, list[dict[str, str]]]:
        """What the app was told by callbacks, by what they are about: numbered without a gap, each said once."""
        told: dict[str, dict[int, dict[str, dict[str, str]]]] = {}
        for request in self._requests(path):
            number, token = request.form["SequenceNumber"], request.headers["i-twilio-idempotency-token"]
            numbers = told.setdefault(request.form[about], {})
            said = numbers.setdefault(int(number), {}).setdefault(token, request.form)
            assert said == request.form, f"repeated in other words: {said} {request.form}"
        for sid, numbers in told.items():
            assert sorted(numbers) == list(range(1, len(numbers) + 1)), f"{sid}: {sorted(numbers)}"
            assert {len(tokens) for tokens in numbers.values()} == {1}, f"{sid}: a number twice: {numbers}"
        return {
            sid: [next(iter(numbers[number].values())) for number in sorted(numbers)]
            for sid, numbers in told.items()
        }

    def _asked_once(self, path: str) -> None:
        asked: dict[str, set[str]] = {}
        for request in self._requests(path):
            token = request.headers["i-twilio-idempotency-token"]
            asked.setdefault(request.form["CallSid"], set()).add(token)
        assert {len(tokens) for tokens in asked.values()} <= {1}, f"{path} is asked once per call: {asked}"

    def news(self) -> list[dict[str, str]]:
        (told,) = self._told_once("/news", "ConferenceSid").values()
        return told

    def forms(self, path: str) -> list[dict[str, str]]:
        by_token = {
            request.headers["i-twilio-idempotency-token"]: request.form for request in self._requests(path)
        }
        return list(by_token.values())


async def conference(scene: Gathering) -> bool:
    """Two hear each other; one is held by REST and comes back; it leaves, and the other ends the conference."""
    async with asyncio.timeout(3 * PATIENCE):
        first = await scene.call(CALLER, FIRST_HZ)
        await until_hears(first, WAIT_HZ)
        second = await scene.call(CALLEE, SECOND_HZ)
        await hear_each_other(first, second)
        rooms = scene.tenant.rest.conferences
        (room,) = await scene.rest(lambda: rooms.list(status="in-progress"))
        held = rooms(room.sid).participants(first.call_sid)
        await scene.rest(lambda: held.update(hold=True, hold_url=scene.app.url("/hold")))
        await until_hears(first, HOLD_HZ)
        await scene.rest(lambda: held.update(hold=False))
        await hear_each_other(first, second)
        await first.hangup()
        await scene.until(lambda: len(scene.mine(models.Participant)) == 1)
        await second.hangup()
        await scene.until(lambda: len(scene.forms("/recorded")) == 2 and not scene.mine(models.Outbox))
    events = Counter(form["StatusCallbackEvent"] for form in scene.news())
    once = ("conference-start", "conference-end", "participant-hold", "participant-unhold")
    twice = ("participant-join", "participant-leave")
    assert events == {**dict.fromkeys(once, 1), **dict.fromkeys(twice, 2)}, events
    assert [form["RecordingStatus"] for form in scene.forms("/recorded")] == ["in-progress", "completed"]
    (ended,) = scene.mine(models.Conference)
    assert (ended.reason_ended, ended.call_sid_ending) == (
        "participant-with-end-conference-on-exit-left",
        second.call_sid,
    )
    return True


async def queue(scene: Gathering) -> bool:
    """One waits, an agent takes them after a document, they talk; the agent hangs up, the caller hears the action."""
    async with asyncio.timeout(3 * PATIENCE):
        caller = await scene.call(CALLER, FIRST_HZ)
        await until_hears(caller, WAIT_HZ)
        agent = await scene.call(CALLEE, SECOND_HZ)
        await hear_each_other(caller, agent)
        # The router may be away: the carrier tells it again while the caller hears what follows already.
        await asyncio.gather(agent.hangup(), until_hears(caller, AFTER_HZ))
        await caller.ended
    (queued,) = scene.forms("/queued")
    assert (queued["CallSid"], queued["QueueResult"]) == (caller.call_sid, "bridged")
    return True


async def hear_each_other(first: SimulatedCall, second: SimulatedCall) -> None:
    """However long the router is away meanwhile."""
    await until_hears(first, SECOND_HZ)
    await until_hears(second, FIRST_HZ)


async def lost_conference(scene: Gathering) -> bool:
    """The voice node dies under a conference: both calls end with whose fault it is, and the conference with them."""
    async with asyncio.timeout(3 * PATIENCE):
        first = await scene.call(CALLER, FIRST_HZ)
        second = await scene.call(CALLEE, SECOND_HZ)
        await hear_each_other(first, second)
        scene.lose()
        await first.ended
        await second.ended
        await scene.until(lambda: len(scene.forms("/recorded")) == 2 and not scene.mine(models.Outbox))
    (ended,) = scene.mine(models.Conference)
    assert ended.status == "completed"
    assert [form["StatusCallbackEvent"] for form in scene.news()][-1] == "conference-end"
    assert [form["RecordingStatus"] for form in scene.forms("/recorded")] == ["in-progress", "absent"]
    assert {call.ended_because for call in scene.mine(models.Call)} == {"media-lost"}
    assert {note.error_code for note in scene.mine(models.Notification)} == {"12400"}
    return True


async def lost_queue(scene: Gathering) -> bool:
    """The same, of a caller and the agent who took them."""
    async with asyncio.timeout(3 * PATIENCE):
        caller = await scene.call(CALLER, FIRST_HZ)
        await until_hears(caller, WAIT_HZ)
        agent = await scene.call(CALLEE, SECOND_HZ)
        await hear_each_other(caller, agent)
        scene.lose()
        await caller.ended
        await agent.ended
    assert {call.ended_because for call in scene.mine(models.Call)} == {"media-lost"}
    return True


async def talker(scene: Gathering) -> bool:
    """A caller is streamed to the app while what they say is understood; then they hear what the app answers."""
    async with asyncio.timeout(3 * PATIENCE):
        call = await scene.carrier.call(CALLER, scene.number, source=Speaker())
        session = await scene.listener.session()
        while (hz := session.hears("inbound")) is None or abs(hz - FIRST_HZ) > 10:
            await asyncio.sleep(0.02)
        await until_hears(call, AFTER_HZ)
        await call.ended
        await session.over.wait()
    (said,) = scene.forms("/said")
    assert said["SpeechResult"] == "sales please"
    assert [len(session.of(event)) for event in ("start", "stop")] == [1, 1]
    await scene.until(lambda: len(scene.forms("/stream")) == 2)
    assert [form["StreamEvent"] for form in scene.forms("/stream")] == ["stream-started", "stream-stopped"]
    return True
