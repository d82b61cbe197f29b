"""The simulated carrier: its calls and messages, and what it does for the router (docs/protocols/carrier.md)."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog

from callrouter.audio.ear import Ear
from callrouter.audio.sources import Silence, Source
from callrouter.carriers.simulator.call import Cause, Direction, Ending, SimulatedCall
from callrouter.carriers.simulator.control import Answer, Command, CommandDesk, ControlServer
from callrouter.carriers.simulator.events import EventSender, Tell, Told
from callrouter.carriers.simulator.link import RouterLink, Sent
from callrouter.carriers.simulator.messages import MessageDesk, TextScripts
from callrouter.carriers.simulator.rtp import RtpSession
from callrouter.carriers.simulator.script import DialScript, Faults, Outcome
from callrouter.carriers.simulator.texts import Text, TextScript
from callrouter.voice.media.packet import PCMU
from callrouter.voice.sdp import SdpError, parse

log = structlog.get_logger(__name__)
MAX_CALLS = 500
DEFAULT_RING, LONGEST_RING = 60.0, 600.0
"""Seconds; the second is Twilio's own bound of a dial's timeout."""
ACCEPTED: Answer = 202, {"status": "accepted"}
GONE: Answer = 404, {"message": "No such call is in progress here."}

Scripts = DialScript | Callable[[str, str], DialScript]


def _silent(_about: Told, _text: str) -> None: ...


class SimulatedCarrier:
    """Starts and stops as an async context manager, or by `start` and `close`.

    `script` decides what becomes of each call that the router asks for: one for all, or a function of (from,
    to); `texting` likewise of each message, by lots drawn from `seed`. `record` names a WAV file for such a call.
    `tell` hears of everything, in words. `listen` is the host:port of the control URL, port 0 for a free one;
    audio uses the same host.
    """

    def __init__(
        self,
        name: str,
        secret: str,
        router_url: str,
        *,
        listen: str = "127.0.0.1:0",
        script: Scripts = DialScript(),  # noqa: B008 - frozen
        texting: TextScripts = TextScript(),  # noqa: B008 - frozen
        seed: int = 0,
        record: Callable[[str], Path | None] = lambda _call_sid: None,
        tell: Tell = _silent,
    ) -> None:
        self.name, self.secret, self.script = name, secret, script
        self.calls: dict[str, SimulatedCall] = {}
        """Those in progress, by id."""
        self._record, self._tell = record, tell
        self._link = RouterLink(router_url, secret)
        self._events = EventSender(self._link, name, tell)
        self._desk = MessageDesk(self._link, name, texting, seed, tell)
        self._server = ControlServer(listen, secret, [CommandDesk(self._obey), self._desk])
        self._tasks: set[asyncio.Task[None]] = set()
        self._dialled: asyncio.Queue[SimulatedCall] = asyncio.Queue(MAX_CALLS)

    async def __aenter__(self) -> SimulatedCarrier:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        """Opens the control URL; AddressTaken when something else listens there."""
        await self._server.start()

    async def close(self) -> None:
        """Drops every call without telling the router, and stops listening. Takes seconds at most."""
        for call in list(self.calls.values()):
            call.end(Ending(by="carrier", cause=Cause.FAILED))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._desk.close()
        await self._server.close()
        self._link.close()

    @property
    def control_url(self) -> str:
        """What the operator gives to `callrouter carrier create`."""
        return f"http://{self._server.host}:{self._server.port}/{self.name}"

    @property
    def faults(self) -> Faults:
        return self._events.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        """How it misbehaves from now on."""
        self._events.faults = self._desk.faults = faults

    @property
    def texting(self) -> TextScripts:
        return self._desk.script

    @texting.setter
    def texting(self, script: TextScripts) -> None:
        """What becomes of messages from now on."""
        self._desk.script = script

    @property
    def messages(self) -> list[Text]:
        """The messages that it took from the router, each once, in their order."""
        return list(self._desk.taken)

    def handed(self, message_sid: str) -> int:
        """How often the router handed it this message."""
        return self._desk.handed[message_sid]

    async def inbox(self) -> Text:
        """The next message that it takes from the router; how long to wait is the caller's to say."""
        return await self._desk.arrived.get()

    async def text(
        self, from_: str, to: str, body: str, media: Sequence[tuple[str, str]] = (), *, id: str = ""
    ) -> Text:
        """A message comes into the router; `media` are URLs with content types, `id` is ours of it, made if empty.

        CallRefused or RouterUnreachable when the router doesn't take it.
        """
        return await self._desk.send(from_, to, body, media, id)

    async def report(
        self, message_sid: str, status: str, error_code: int | None = None, *, event_id: str = ""
    ) -> Sent:
        """A receipt of our choice, about any message; raises as `text` does."""
        return await self._desk.report(message_sid, status, error_code, event_id or uuid.uuid4().hex)

    @property
    def sent(self) -> list[Sent]:
        """The latest requests to the router, oldest first."""
        return list(self._link.sent)

    async def replay(self, sent: Sent) -> Sent:
        """Sends a request again, byte for byte: same timestamp, same signature."""
        return await self._link.post_raw(sent.path, sent.body, sent.headers)

    async def dialled(self) -> SimulatedCall:
        """The next call that the router asks for; how long to wait is the caller's to say."""
        return await self._dialled.get()

    async def call(
        self,
        from_: str,
        to: str,
        *,
        source: Source | None = None,
        record: Path | None = None,
        id: str = "",
        further: Mapping[str, Any] | None = None,
    ) -> SimulatedCall:
        """A call comes into the router. CallRefused or RouterUnreachable when the router doesn't take it.

        `id` is ours of the call, made if empty; `further` are the protocol's optional fields.
        """
        if len(self.calls) >= MAX_CALLS:
            raise RuntimeError(f"a simulated carrier has at most {MAX_CALLS} calls at once")
        rtp = RtpSession(source or Silence(), Ear(record))
        await rtp.open(self._server.host)
        call = self._new(id or f"sim-{uuid.uuid4().hex}", Direction.INBOUND, from_, to, rtp)
        fields = {**(further or {}), "id": call.id, "from": from_, "to": to, "media": {"sdp": rtp.offer()}}
        try:
            sent = await self._link.post(f"/carriers/{self.name}/calls", fields, self.faults)
        except BaseException:
            call.end(Ending(by="router", cause=Cause.FAILED))
            raise
        call.call_sid = str(sent.answer.get("call_sid", ""))
        self._tell(call, f"the router took the call: {call.call_sid}")
        return call

    def _obey(self, id: str, command: Command) -> Answer:
        call = self.calls.get(id)
        if command.type == "dial":
            return self._dial(id, command) if call is None else ACCEPTED
        if call is None:
            return GONE
        match command.type:
            case "ring":
                call.ring()
            case "answer":
                self._answered(call, command.text("sdp"))
            case "reject":
                call.end(Ending(by="router", cause=_cause(command, Cause.REJECTED)))
            case "hangup":
                call.end(Ending(by="router", cause=_cause(command, Cause.NORMAL)))
            case "cancel":  # also when our `answered` crossed it: the router wants the call no more
                call.end(Ending(by="router", cause=Cause.CANCELED))
            case _:
                return 400, {"message": f"{command.type!r} is no command of the carrier protocol."}
        self._tell(call, f"the router commanded: {command.type}")
        return ACCEPTED

    def _answered(self, call: SimulatedCall, sdp: str) -> None:
        try:
            call.rtp.connect(sdp)
        except SdpError:
            call.end(Ending(by="carrier", cause=Cause.FAILED))
            raise
        call.answer()

    def _dial(self, id: str, command: Command) -> Answer:
        from_, to, offer = command.text("from"), command.text("to"), command.text("sdp")
        parse(offer).g711(PCMU)  # SdpError is a ValueError: 400
        if len(self.calls) >= MAX_CALLS:
            return 429, {"message": f"A simulated carrier has at most {MAX_CALLS} calls at once."}
        timeout = command.fields.get("timeout")
        longest = min(timeout, LONGEST_RING) if isinstance(timeout, int | float) else DEFAULT_RING
        script = self.script if isinstance(self.script, DialScript) else self.script(from_, to)
        rtp = RtpSession(script.source, Ear(self._record(id)))
        call = self._new(id, Direction.OUTBOUND, from_, to, rtp)
        if not self._dialled.full():
            self._dialled.put_nowait(call)
        self._tell(call, f"the router commanded: dial {to}")
        task = asyncio.create_task(self._play(call, script, offer, longest))
        self._tasks.add(task)
        task.add_done_callback(lambda task: self._played(call, task))
        return ACCEPTED

    def _played(self, call: SimulatedCall, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (fault := task.exception()):
            log.error("a simulated far end broke", call=call.id, exc_info=fault)
            call.end(Ending(by="carrier", cause=Cause.FAILED))

    async def _play(self, call: SimulatedCall, script: DialScript, offer: str, longest: float) -> None:
        """The far end of a call that the router asked for."""
        if script.outcome is Outcome.MUTE:
            return
        await call.rtp.open(self._server.host)
        if script.ring and script.outcome in (Outcome.ANSWER, Outcome.NO_ANSWER, Outcome.ASK):
            call.ring()
            await self._events(call, "ringing", {})
        if script.outcome is Outcome.ASK:
            began = asyncio.get_running_loop().time()
            script = replace(script, outcome=await call.decided(longest), answer_after=0)
            longest -= asyncio.get_running_loop().time() - began
        if script.outcome is Outcome.ANSWER and script.answer_after < longest:
            if await call.over_within(script.answer_after):
                return
            sdp = call.rtp.answer(offer)
            call.answer()
            await self._events(call, "answered", {"sdp": sdp})
            if script.hangup_after is not None and not await call.over_within(script.hangup_after):
                await call.hangup()
            return
        rings = script.outcome in (Outcome.ANSWER, Outcome.NO_ANSWER)
        cause = Cause.NO_ANSWER if rings else Cause(script.outcome)
        if not await call.over_within(longest if rings else 0):
            call.end(Ending(by="carrier", cause=cause))
            await self._events(call, "failed", {"cause": cause})

    def _new(self, id: str, direction: Direction, from_: str, to: str, rtp: RtpSession) -> SimulatedCall:
        call = SimulatedCall(id=id, direction=direction, from_=from_, to=to, rtp=rtp, send=self._events)
        self.calls[id] = call
        call.ended.add_done_callback(lambda _: self.calls.pop(id, None))
        return call


def _cause(command: Command, default: Cause) -> Cause:
    """A cause that we don't know is no reason to keep the call."""
    given = command.fields.get("cause", default)
    return Cause(given) if given in list(Cause) else default
