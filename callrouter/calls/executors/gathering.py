"""Conferences and queues carried out: their transactions, the voice node's rooms, and words between calls.

Each executor of `conference.*` and `queue.*` is one transaction. It may run twice: the ticket by which a leg came in,
its entry's id, tells that it is in already.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Connection

from callrouter.calls import recordings, words
from callrouter.calls.dispatch import Done, Executor, Later
from callrouter.calls.engine import Engine
from callrouter.calls.executors.live import PAUSES, live
from callrouter.calls.session import CallSession, Leg
from callrouter.calls.store import OutboxRow
from callrouter.conferences import desk as conferences
from callrouter.conferences.meeting import Settings
from callrouter.conferences.rules import HUNG_UP, Participant
from callrouter.queues import desk as queues
from callrouter.queues.rules import Member
from callrouter.voice.client import VoiceClient
from callrouter.voice.contract import VoiceError, VoiceUnavailable
from instructions import commands as c

ROOM_PAUSES = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds before a room that is not there yet is looked for again: longer than a lost voice node is waited for."""

Answer = tuple[dict[str, Any] | None, list[OutboxRow]]


class Gathering:
    """Executors of all that has to do with conferences and queues."""

    def __init__(self, engine: Engine, voice: VoiceClient, media_base: str) -> None:
        self._engine = engine
        self._voice = voice
        self._media = f"{media_base}/v1/Accounts"

    def executors(self) -> dict[str, Executor]:
        alive = {
            "conference.join": self.join,
            "conference.report": self.report,
            "room.join": self.enter_room,
            "room.update": self.update_room,
            "queue.join": self.queue_up,
            "queue.take": self.take,
            "queue.connect": self.connect,
            "queue.press": self.press,
            "pair": self.pair,
        }
        return {
            "tell": self.tell,
            "conference.leave": self.leave,
            "room.leave": self.leave_room,
            "room.record": self.record_room,
            "room.record_stop": self.stop_recording,
            "queue.leave": self.leave_queue,
            **{kind: live(self._engine, work) for kind, work in alive.items()},
        }

    async def tell(self, row: OutboxRow) -> Done:
        """Struck off together with the step that it causes: told once."""
        return Done(words.happening(row["payload"], self._engine.now()))

    # -- conferences

    async def join(self, row: OutboxRow, session: CallSession, leg: Leg) -> Done:
        wanted = row["payload"]
        newcomer = Participant(
            call_sid=leg.call_sid,
            session_sid=session.call_sid,
            leg=leg.name,
            ticket=row["id"],
            label=wanted["label"],
            muted=wanted["muted"],
            coach=wanted["coach"] or "",
            start_on_enter=wanted["start_on_enter"],
            end_on_exit=wanted["end_on_exit"],
            beep_on_exit=wanted["beep_on_exit"],
        )
        settings = Settings(
            record=wanted["record"],
            trim=wanted["trim"],
            callback=_callback(c.ConferenceCallback, wanted["callback"]),
            recording_callback=_callback(c.RecordingCallback, wanted["recording_callback"]),
        )
        return await self._settle(
            row,
            conferences.join,
            name=wanted["name"],
            settings=settings,
            newcomer=newcomer,
            most=wanted["max_participants"],
        )

    async def leave(self, row: OutboxRow) -> Done:
        payload = row["payload"]
        return await self._settle(
            row,
            _silent(conferences.leave),
            call_sid=payload["call_sid"],
            ticket=payload["ticket"],
            reason=payload["reason"] or HUNG_UP,
            status=payload["status"],
        )

    async def report(self, row: OutboxRow, session: CallSession, leg: Leg) -> Done:
        return await self._settle(
            row, _silent(conferences.report), call_sid=leg.call_sid, news=row["payload"]
        )

    # -- rooms at the voice node

    async def enter_room(self, row: OutboxRow, session: CallSession, leg: Leg) -> Done:
        await self._room("room.join", row, leg, "muted", "hold", "coach", "beep", "speaker")
        return Done()

    async def update_room(self, row: OutboxRow, session: CallSession, leg: Leg) -> Done:
        with suppress(VoiceError):  # out of the room by now
            await self._room("room.update", row, leg, "muted", "hold", "coach")
        return Done()

    async def leave_room(self, row: OutboxRow) -> Done:
        """For a leg that may be over: then it is out when it is closed, at the latest."""
        payload = row["payload"]
        fields = {"leg": payload["call_sid"], "room": payload["room"], "beep": payload["beep"]}
        try:
            await self._voice.request("room.leave", request_id=row["id"], **fields)
        except VoiceUnavailable as error:
            if self._lives(payload["call_sid"]) and row["attempts"] < len(PAUSES):
                raise Later(PAUSES[row["attempts"]]) from error
        except VoiceError:
            pass
        return Done()

    async def record_room(self, row: OutboxRow) -> Done:
        """The room is there once the first leg is in, which may be a moment later, or never."""
        wanted, tries = row["payload"], row["attempts"]
        trim = urlencode({"channels": 1, "trim": int(wanted["trim"])})
        upload = f"{self._media}/{row['account_sid']}/recordings/{wanted['recording']}?{trim}"
        try:
            # The node would repeat what it said to the same request.
            await self._voice.request(
                "room.record", request_id=f"{row['id']}.{tries}", upload=upload, **wanted
            )
        except (VoiceError, VoiceUnavailable) as error:
            if tries < len(ROOM_PAUSES):
                raise Later(ROOM_PAUSES[tries]) from error
            return Done(also=recordings.lost(wanted["recording"], self._engine.now()))
        return Done()

    async def stop_recording(self, row: OutboxRow) -> Done:
        """`recording.done` follows. A room that is gone has ended it, and so has a node that is."""
        with suppress(VoiceError, VoiceUnavailable):
            await self._voice.request("room.record_stop", request_id=row["id"], **row["payload"])
        return Done()

    def _lives(self, call_sid: str) -> bool:
        session = self._engine.session(call_sid)
        leg = session.leg_of(call_sid) if session else None
        return leg is not None and leg.live

    async def _room(self, command: str, row: OutboxRow, leg: Leg, *fields: str) -> None:
        wanted = {name: row["payload"][name] for name in ("room", *fields) if name in row["payload"]}
        await self._voice.request(command, request_id=row["id"], leg=leg.call_sid, **wanted)

    # -- queues

    async def queue_up(self, row: OutboxRow, session: CallSession, leg: Leg) -> Done:
        payload = row["payload"]
        return await self._settle(
            row,
            queues.join,
            name=payload["queue"],
            max_size=payload["max_size"],
            newcomer=_member(row, session, leg),
        )

    async def take(self, row: OutboxRow, session: CallSession, leg: Leg) -> Done:
        payload = row["payload"]
        agent = _member(row, session, leg, agent=True, url=payload["url"], method=payload["method"])
        return await self._settle(row, queues.take, name=payload["queue"], agent=agent)

    async def connect(self, row: OutboxRow, session: CallSession, leg: Leg) -> Done:
        """Both hear of it by a tell: after a crash, too, it comes before the word that they have parted."""
        return await self._settle(
            row, _silent(queues.connect), call_sid=leg.call_sid, ticket=row["payload"]["ticket"]
        )

    async def leave_queue(self, row: OutboxRow) -> Done:
        payload = row["payload"]
        return await self._settle(
            row, _silent(queues.leave), call_sid=payload["call_sid"], ticket=payload["ticket"]
        )

    async def press(self, row: OutboxRow, session: CallSession, leg: Leg) -> Done:
        return await self._settle(
            row, _silent(queues.press), call_sid=leg.call_sid, digits=row["payload"]["digits"]
        )

    async def pair(self, row: OutboxRow, session: CallSession, leg: Leg) -> Done:
        """Joins the leg and the one that took it; if that is gone, the news of it is on its way."""
        with suppress(VoiceError):
            await self._voice.request("bridge.make", request_id=row["id"], legs=row["payload"]["legs"])
        return Done()

    async def _settle(self, row: OutboxRow, work: Callable[..., Answer], **details: Any) -> Done:
        """Runs the transaction; what it answers is told to the entry's own call first."""
        now, account_sid = self._engine.now(), row["account_sid"]

        def unit(connection: Connection) -> Answer:
            return work(connection, account_sid, self._engine.owner, now, **details)

        # One writer for all of an account: its conferences and queues change one at a time.
        answer, rows = await self._engine.persist(unit, account_sid)
        return Done(None if answer is None else words.happening(answer, now), then=rows)


def _silent(work: Callable[..., list[OutboxRow]]) -> Callable[..., Answer]:
    """The same, with nothing to tell to the entry's own call."""
    return lambda *args, **details: (None, work(*args, **details))


def _member(row: OutboxRow, session: CallSession, leg: Leg, **more: Any) -> Member:
    return Member(call_sid=leg.call_sid, session_sid=session.call_sid, leg=leg.name, ticket=row["id"], **more)


def _callback(kind: Any, data: dict[str, Any] | None) -> Any:
    return None if data is None else kind(**{**data, "events": tuple(data["events"])})
