"""What the voice node reports, as happenings; and what becomes of calls whose audio is lost."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

import structlog
from sqlalchemy import Connection

from callrouter.calls import happenings as h
from callrouter.calls import recordings
from callrouter.calls.engine import Engine, Receipt
from callrouter.calls.executors.sounds import sound_of
from callrouter.calls.reports import heard
from callrouter.calls.session import CallSession, Leg
from callrouter.calls.status import Cause
from callrouter.voice.client import VoiceClient
from callrouter.voice.contract import Address, EventType, VoiceError, VoiceEvent, VoiceUnavailable

log = structlog.get_logger(__name__)

DOWN_SECONDS = 5.0
"""A voice node that is away for longer has lost its calls."""
NODE_LOST = 12400
MEDIA_LOST = 53405


class Audio:
    """The connection to the voice node, and the engine's ear on it."""

    def __init__(self, engine: Engine, address: Address, token: str) -> None:
        self._engine = engine
        self._lost: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.voice = VoiceClient(
            address, token, self._event, owner=engine.owner, on_up=self._up, on_down=self._down
        )

    async def start(self) -> None:
        await self.voice.start()

    async def stop(self) -> None:
        if self._lost:
            self._lost.cancel()
        await self.voice.close()

    async def _event(self, event: VoiceEvent) -> None:
        if event.type is EventType.RECORDING_DONE:
            data = event.data
            await self._recording_over(
                data["recording"],
                failed=data["cause"] == "failed",
                silent=data["silent"],
                seconds=data["seconds"],
            )
        session = self._engine.session(event.leg)
        leg = session.leg_of(event.leg) if session else None
        if leg is None or not leg.live:
            return
        happening = self._happening(leg, event)
        if happening is not None:
            await self._engine.happen(
                leg.call_sid, happening, Receipt(source="voice", event_id=event.event_id), durable=True
            )

    def _happening(self, leg: Leg, event: VoiceEvent) -> h.Happening | None:
        at = self._engine.now()
        match event.type:
            case EventType.LEG_DTMF:
                return h.Pressed(at=at, leg=leg.name, digits=str(event.data["digit"]))
            case EventType.LEG_MEDIA_TIMEOUT if leg.answered:
                detail = (
                    f"No audio came from {leg.identity or leg.to} for {event.data.get('seconds')} seconds."
                )
                return h.Gone(
                    at=at, leg=leg.name, cause=Cause.MEDIA_TIMEOUT, code=MEDIA_LOST, detail=detail, far=False
                )
            case EventType.JOB_DONE:
                return self._sounded(leg, event)
            case EventType.RECORDING_DONE:
                return h.Recorded(
                    at=at,
                    leg=leg.name,
                    sid=event.data["recording"],
                    cause=event.data["cause"],
                    seconds=event.data["seconds"],
                    silent=event.data["silent"],
                )
            case EventType.ROOM_SPEECH:
                return h.Spoke(at=at, leg=leg.name, speaking=bool(event.data["speaking"]))
            case EventType.LEG_CLOSED:
                detail = f"The voice node closed the leg: {event.data.get('reason')}."
                return h.Gone(
                    at=at, leg=leg.name, cause=Cause.MEDIA_LOST, code=MEDIA_LOST, detail=detail, far=False
                )
            case _:
                return heard(leg.name, event, at)

    def _sounded(self, leg: Leg, event: VoiceEvent) -> h.Sounded | None:
        sound_id, reason = sound_of(event.data["job"]), event.data["reason"]
        if sound_id is None or reason not in ("finished", "failed"):
            return None
        return h.Sounded(
            at=self._engine.now(),
            leg=leg.name,
            sound_id=sound_id,
            failed=reason == "failed",
            code=event.data.get("code", 0),
            reason=event.data.get("message", ""),
        )

    async def _recording_over(self, sid: str, *, failed: bool, silent: bool, seconds: int) -> None:
        """Its row, and who wants to hear of it: the call may be over by now."""
        now = self._engine.now()

        def unit(connection: Connection) -> None:
            recordings.finish(connection, sid, failed=failed, silent=silent, seconds=seconds, now=now)

        await self._engine.persist(unit, sid)

    async def _up(self, legs: Sequence[str]) -> None:
        """Compares what the node has with what we think: what it lost ends, what nobody wants is closed."""
        if self._lost:
            self._lost.cancel()
            self._lost = None
        await self._end_lost(set(legs))
        for call_sid in legs:
            if self._engine.session(call_sid) is None:
                with suppress(VoiceError, VoiceUnavailable):
                    await self.voice.request("leg.close", leg=call_sid)

    async def _down(self) -> None:
        log.warning("voice node lost")
        if self._lost is None:
            self._lost = asyncio.get_running_loop().call_later(DOWN_SECONDS, self._give_up)

    def _give_up(self) -> None:
        self._lost = None
        task = asyncio.get_running_loop().create_task(self._end_lost(set()))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _end_lost(self, there: set[str]) -> None:
        rooms, at = set(), self._engine.now()
        for session, leg in _with_audio(self._engine.sessions()):
            if leg.call_sid not in there:
                if leg.stay and leg.stay.seat:
                    rooms.add((session.account_sid, leg.stay.seat["room"]))
                gone = h.Gone(
                    at=at,
                    leg=leg.name,
                    cause=Cause.MEDIA_LOST,
                    code=NODE_LOST,
                    detail="The voice node that carried this call's audio stopped.",
                    far=False,
                )
                log.warning("audio lost", call_sid=session.call_sid, leg=leg.call_sid)
                await self._engine.happen(leg.call_sid, gone, durable=True)
                for sid, one in session.recordings.items():
                    if one.leg == leg.name and one.seconds is None:
                        await self._recording_over(sid, failed=True, silent=False, seconds=0)
        for account_sid, room in rooms if not there else ():  # one leg may be lost alone
            lost = partial(recordings.lost_with_room, account_sid=account_sid, conference_sid=room, now=at)
            await self._engine.persist(lost, room)


def _with_audio(sessions: Sequence[CallSession]) -> list[tuple[CallSession, Leg]]:
    return [
        (session, leg) for session in sessions for leg in session.legs.values() if leg.live and leg.answered
    ]
