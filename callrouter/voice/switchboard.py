"""The node's legs and who talks to whom. Every operation may be repeated."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from . import sdp
from .contract import ErrorCode, EventType, VoiceError, VoiceEvent
from .echo import Echoes
from .legs.certificate import Certificate
from .legs.leg import Leg
from .legs.loop import LoopLeg
from .legs.ports import NoPortsError, PortPool
from .legs.rtp import RtpLeg
from .legs.webrtc import Port, WebRtcLeg
from .listening import Listening
from .media import dtmf, tones, voices
from .media.ticker import Ticker
from .media_service import MediaService
from .recorder import Recorder
from .recording import Flow, RecordingOrder
from .rooms import Rooms
from .settings import NodeSettings
from .sounds import Sounds
from .spool import Spool
from .streams import Streams

AnyLeg = RtpLeg | WebRtcLeg | LoopLeg

Report = Callable[[str, VoiceEvent], None]
"""(owner, event): hands an event to the router that owns the leg."""


class Switchboard:
    """Refusals are `VoiceError`. A leg belongs to the router that last commanded it."""

    def __init__(
        self,
        settings: NodeSettings,
        *,
        port: Port,
        certificates: Callable[[], Certificate],
        report: Report,
        node: str,
    ) -> None:
        self._settings = settings
        self._port = port
        self._renew = certificates
        self._certificate = certificates()
        self._report = report
        self._node = node
        self._count = 0
        self._ticker = Ticker()
        self._ports = PortPool(*settings.rtp_ports)
        self._legs: dict[str, AnyLeg] = {}
        self._owners: dict[str, str] = {}
        self._made: dict[str, tuple[str, str, str]] = {}  # leg -> kind, the offer to us, our SDP
        self._making = asyncio.Lock()
        self._service = MediaService(settings.media_credentials)
        self._sounds = Sounds(self._service, timeout=settings.sound_timeout, room=settings.sound_room)
        self._spool = Spool(settings.spool)
        self._recorder = Recorder(
            self._service,
            self._spool,
            self._ticker,
            upload_timeout=settings.upload_timeout,
            done=self._recorded,
        )
        self.rooms = Rooms(
            leg=self._leg,
            part=self._part,
            emit=self.emit,
            tell=lambda owner, what, **data: report(owner, self.event("", what, **data)),
            ticker=self._ticker,
            recorder=self._recorder,
        )
        self.streams = Streams(settings, leg=self._leg, emit=self.emit, ticker=self._ticker)
        self.listening = Listening(self._service, leg=self._leg, emit=self.emit, ticker=self._ticker)
        self.echoes = Echoes(leg=self._leg, free=self._free)
        self.draining = False

    def __len__(self) -> int:
        return len(self._legs)

    @property
    def idle(self) -> bool:
        """Whether nothing of any call is left here: no leg, and no recording that is not stored."""
        return not (self._legs or self._recorder.running or self._recorder.uploading)

    @property
    def leg_ids(self) -> tuple[str, ...]:
        return tuple(self._legs)

    # -- legs ---------------------------------------------------------------------

    async def create(self, owner: str, leg_id: str, kind: str, offer: str, *, fresh: bool = False) -> str:
        """A new leg and its SDP: our answer if there is an `offer`, else our offer.

        `fresh`: with a certificate of its own, for a browser that has keys with a leg that is gone.
        """
        async with self._making:
            made = self._made.get(leg_id)
            if made is not None:
                self._owners[leg_id] = owner
                if made[:2] == (kind, offer):
                    return made[2]
                raise VoiceError(
                    ErrorCode.LEG_EXISTS, f"leg {leg_id} exists with another SDP: restart or close it"
                )
            if self.draining:
                raise VoiceError(ErrorCode.DRAINING, "this node takes no new legs: use another")
            if len(self._legs) >= self._settings.max_legs:
                raise VoiceError(ErrorCode.AT_CAPACITY, f"{len(self._legs)} legs are the limit: max_legs")
            with _refusals():
                remote = sdp.parse(offer) if offer else None
                leg = await self._new(leg_id, kind, fresh)
            self._owners[leg_id] = owner
            try:
                with _refusals():
                    text = leg.offer() if remote is None else leg.answer(remote)
            except BaseException:
                leg.discard()
                del self._owners[leg_id]
                raise
            self._legs[leg_id] = leg
            self._made[leg_id] = kind, offer, text
            return text

    async def _new(self, leg_id: str, kind: str, fresh: bool) -> AnyLeg:
        if kind == WebRtcLeg.kind:
            return WebRtcLeg(
                leg_id,
                emit=self.emit,
                ticker=self._ticker,
                settings=self._settings,
                port=self._port,
                certificate=self._renew() if fresh else self._certificate,
                renew=self._renew,
            )
        if kind == LoopLeg.kind:
            return LoopLeg(leg_id, emit=self.emit, ticker=self._ticker)
        if kind != RtpLeg.kind:
            raise VoiceError(ErrorCode.BAD_REQUEST, f"`kind` is webrtc, rtp or loop, not {kind!r}")
        leg = RtpLeg(leg_id, emit=self.emit, ticker=self._ticker, settings=self._settings, ports=self._ports)
        await leg.open()
        return leg

    def accept(self, owner: str, leg_id: str, answer: str) -> None:
        """The far end's answer to our offer."""
        leg = self._leg(owner, leg_id)
        with _refusals():
            leg.accept(sdp.parse(answer))

    async def restart(self, owner: str, leg_id: str, offer: str) -> tuple[str, bool]:
        """A new offer for a leg: our answer, and whether the leg had to be created.

        It had to be if this node was started after the leg was made; the browser builds its media anew.
        """
        if leg_id not in self._legs:
            return await self.create(owner, leg_id, WebRtcLeg.kind, offer, fresh=True), True
        leg = self._leg(owner, leg_id)
        with _refusals():
            return leg.restart(sdp.parse(offer)), False

    def close(self, leg_id: str, reason: str = "closed") -> None:
        """End a leg; nothing happens if it is gone already."""
        leg = self._legs.get(leg_id)
        if leg is None:
            return
        for end in leg.ends:
            self._part(end)
        self.rooms.remove(leg_id)
        self.listening.hung_up(leg_id)
        self._recorder.hung_up(leg_id)
        self.streams.hung_up(leg_id)
        leg.close(reason)
        del self._legs[leg_id], self._made[leg_id]
        self._disown(leg_id)

    def close_all(self, reason: str) -> None:
        for leg_id in self.leg_ids:
            self.close(leg_id, reason)
        self._ticker.close()

    async def end(self) -> None:
        """After `close_all`: a moment for recordings that are being stored, then nothing more."""
        await asyncio.gather(self._recorder.close(self._settings.upload_grace), self.streams.close())
        await self._sounds.close()
        self.listening.close()
        self._spool.close()
        self._service.close()

    def _disown(self, leg_id: str) -> None:
        """Forget whose a leg was that is gone, unless its router has yet to hear of a recording."""
        if leg_id not in self._legs and not self._recorder.busy_with(leg_id):
            self._owners.pop(leg_id, None)

    # -- bridges ------------------------------------------------------------------

    def bridge(self, owner: str, first: str, second: str) -> None:
        """Join two legs, out of any other bridge and room; tones on them stop."""
        if first == second:
            raise VoiceError(ErrorCode.BAD_REQUEST, "a bridge needs two different legs")
        one, other = self._leg(owner, first), self._leg(owner, second)
        if any(end.peer in other.ends for end in one.ends):
            return
        ends = [next((end for end in leg.ends if end.peer is None), leg) for leg in (one, other)]
        for end, peer in zip(ends, reversed(ends), strict=True):
            self._free(end)
            end.stop("bridged", kind="tone")
            end.join(peer)

    def unbridge(self, owner: str, first: str, second: str | None) -> None:
        """Part `first` from `second`, or from whoever it is bridged to."""
        leg = self._legs.get(first)
        for end in reversed(leg.ends if leg is not None else ()):
            if end.peer is not None and second in (None, end.peer.id):
                self._owners[first] = owner
                self._part(end)
                return

    def _part(self, leg: Leg) -> None:
        """Out of its bridge; and no echo."""
        if self._legs.get(leg.id) is leg:
            self.echoes.remove(leg)
        peer = leg.peer
        if peer is not None:
            leg.join(None)
            if peer.peer is leg:
                peer.join(None)

    def _free(self, leg: Leg) -> None:
        """Out of its bridge, echo and room."""
        self._part(leg)
        if self._legs.get(leg.id) is leg:
            self.rooms.remove(leg.id)

    # -- jobs ---------------------------------------------------------------------

    def send_digits(self, owner: str, leg_id: str, digits: str, job: str) -> None:
        """Keys and pauses (`w` half a second, `W` one) to the far end; ends with `job.done`."""
        leg = self._leg(owner, leg_id)
        frames = voices.digits(_plan(digits), events=leg.event_type is not None)
        self._begin(leg, voices.Job(id=job, kind="digits", frames=frames))

    def play_keys(self, owner: str, leg_id: str, keys: str, job: str) -> None:
        """The same as tones that the far end hears, after what plays already."""
        frames = voices.digits(_plan(keys), events=False)
        self._begin(self._leg(owner, leg_id), voices.Job(id=job, kind="keys", frames=frames))

    def play_sound(self, owner: str, leg_id: str, url: str, loop: int, job: str) -> None:
        """A sound of the media service, after what plays already; ends with `job.done`."""
        leg = self._leg(owner, leg_id)
        frames = voices.sound(self._sounds.open(url), loop)
        self._begin(leg, voices.Job(id=job, kind="sound", frames=frames))

    def play(self, owner: str, leg_id: str, tone: str, job: str) -> None:
        """A tone to the far end, in place of the one before; one without end gives way to whatever comes next."""
        leg = self._leg(owner, leg_id)
        if tone not in tones.TONES:
            raise VoiceError(
                ErrorCode.BAD_REQUEST, f"no tone {tone!r}; there are {', '.join(sorted(tones.TONES))}"
            )
        leg.stop("stopped", kind="tone")
        endless = tones.TONES[tone].loop
        self._begin(leg, voices.Job(id=job, kind="tone", frames=voices.tone(tone), gives_way=endless))

    def stop(self, owner: str, leg_id: str) -> None:
        """End what the leg says by itself; nothing happens if it says nothing."""
        self._leg(owner, leg_id).stop("stopped")

    def _begin(self, leg: Leg, job: voices.Job) -> None:
        if not leg.begin(job):
            raise VoiceError(ErrorCode.AT_CAPACITY, "too many jobs wait on this leg: stop it first")

    # -- recordings ---------------------------------------------------------------

    def record(self, owner: str, leg_id: str, order: RecordingOrder) -> None:
        """Record what the far end says, what it hears, or both; ends with `recording.done`."""
        self._recorder.start(self._leg(owner, leg_id), order)

    def record_stop(self, owner: str, leg_id: str, recording: str) -> None:
        """End a recording; nothing happens if it has ended, or the leg has."""
        if leg_id in self._legs:
            self._owners[leg_id] = owner
        self._recorder.stop(leg_id, recording)

    def record_turn(self, owner: str, leg_id: str, recording: str, flow: Flow) -> None:
        """Pause a recording, or go on; nothing happens if it has ended, or the leg has."""
        if leg_id in self._legs:
            self._owners[leg_id] = owner
        self._recorder.turn(leg_id, recording, flow)

    def _recorded(self, leg_id: str, facts: dict[str, Any]) -> None:
        if self.rooms.recorded(leg_id, facts):
            return
        self.emit(leg_id, EventType.RECORDING_DONE, **facts)
        self._disown(leg_id)

    # -- looking ------------------------------------------------------------------

    def leg_stats(self, leg_id: str) -> dict[str, Any]:
        return {**self._find(leg_id).stats(), "room": self.rooms.room_of(leg_id)}

    def stats(self) -> dict[str, Any]:
        legs = self._legs.values()
        return {
            "legs": len(legs),
            "legs_up": sum(leg.up for leg in legs),
            "bridged": sum(any(end.peer is not None for end in leg.ends) for leg in legs),
            "rooms": len(self.rooms),
            "max_legs": self._settings.max_legs,
            "draining": self.draining,
            "packets_received": sum(leg.reception.packets for leg in legs),
            "packets_lost": sum(leg.reception.lost for leg in legs),
            "ticking": len(self._ticker),
            "recording": self._recorder.running,
            "listening": len(self.listening),
            "uploads": self._recorder.uploading,
            "streams": len(self.streams),
            "stream_chunks_dropped": self.streams.dropped,
            "sound_bytes": self._sounds.bytes_kept,
            "free_rtp_ports": len(self._ports),
        }

    def watch(self, now: float) -> None:
        """Timeouts and reports of all legs; several times a second."""
        for leg in tuple(self._legs.values()):
            leg.watch(
                now,
                media_timeout=self._settings.media_timeout,
                rtcp_interval=self._settings.rtcp_interval,
            )

    def emit(self, leg: str, type: EventType, **data: Any) -> None:
        """Report something about a leg to its owner."""
        if type is EventType.LEG_DTMF:
            self.streams.pressed(leg, data["digit"])
        self._report(self._owners.get(leg, ""), self.event(leg, type, **data))

    def event(self, leg: str, type: EventType, **data: Any) -> VoiceEvent:
        """An event with the next id."""
        self._count += 1
        return VoiceEvent(
            event_id=f"{self._node}-{self._count}", type=type, leg=leg, at=time.time(), data=data
        )

    def _find(self, leg_id: str) -> AnyLeg:
        leg = self._legs.get(leg_id)
        if leg is None:
            raise VoiceError(ErrorCode.NO_SUCH_LEG, f"leg {leg_id} is not on this node, or not any more")
        return leg

    def _leg(self, owner: str, leg_id: str) -> AnyLeg:
        leg = self._find(leg_id)
        self._owners[leg_id] = owner
        return leg


def _plan(digits: str) -> list[tuple[str, int]]:
    if len(digits) > 128:
        raise VoiceError(ErrorCode.BAD_REQUEST, "at most 128 digits at a time")
    try:
        return dtmf.plan(digits)
    except ValueError as error:
        raise VoiceError(ErrorCode.BAD_REQUEST, str(error)) from error


@contextmanager
def _refusals() -> Iterator[None]:
    """Whose fault it was, as the router is told."""
    try:
        yield
    except sdp.NoCommonCodecError as error:
        raise VoiceError(ErrorCode.NO_COMMON_CODEC, str(error)) from error
    except sdp.SdpError as error:
        raise VoiceError(ErrorCode.BAD_SDP, str(error)) from error
    except NoPortsError as error:
        raise VoiceError(ErrorCode.NO_PORTS, str(error)) from error
