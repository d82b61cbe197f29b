"""The `room.*` commands: legs that hear each other. A room exists from its first join to its last leave."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from . import fields
from .contract import ErrorCode, EventType, Request, VoiceError
from .legs.leg import Emit, Leg
from .media.ticker import Ticker
from .recorder import Recorder
from .recording import RecordingOrder
from .room import Member, Room

_MAX_MEMBERS = 250  # as in Twilio's conferences
_MAX_RECORDING = 14_400  # seconds, as of a leg


class Rooms:
    """`leg` finds a leg for a router that commands it, `part` takes one out of its bridge.

    `emit` reports about a leg, `tell` to a router about no leg: the end of a room's recording.
    """

    def __init__(
        self,
        *,
        leg: Callable[[str, str], Leg],
        part: Callable[[Leg], None],
        emit: Emit,
        tell: Callable[..., None],
        ticker: Ticker,
        recorder: Recorder,
    ) -> None:
        self._leg = leg
        self._part = part
        self._emit = emit
        self._tell = tell
        self._ticker = ticker
        self._recorder = recorder
        self._rooms: dict[str, Room] = {}
        self._members: dict[str, Member] = {}  # by leg
        self._recordings: dict[tuple[str, str], tuple[str, str]] = {}  # room's id, recording -> owner, room

    def __len__(self) -> int:
        return len(self._rooms)

    def table(self) -> Mapping[str, Callable[[str, Request], dict[str, Any]]]:
        return {
            "room.join": self._join,
            "room.update": self._update,
            "room.leave": self._leave,
            "room.record": self._record,
            "room.record_stop": self._record_stop,
        }

    def _join(self, owner: str, request: Request) -> dict[str, Any]:
        """{leg, room, muted?, hold?, coach?: leg id, beep?, speaker?} -> {}: out of any bridge and other room.

        `coach`: heard by that leg alone. `beep`: the others hear a short tone. `speaker`: `room.speech` is told.
        A leg that is in already only gets the new `muted`, `hold`, `coach` and `speaker`.
        """
        name, state, beep = _name(request), _state(request), fields.flag(request, "beep")
        speaker = fields.flag(request, "speaker")
        leg = self._leg(owner, fields.leg(request))
        member = self._members.get(leg.id)
        if member is None or member.room.name != name:
            room = self._rooms.get(name)
            if room is not None and len(room.members) >= _MAX_MEMBERS:
                raise VoiceError(ErrorCode.AT_CAPACITY, f"{_MAX_MEMBERS} legs are the limit of a room")
            self.remove(leg.id)
            self._part(leg)
            leg.stop("bridged", kind="tone")
            member = self._members[leg.id] = (room or self._new(name)).join(leg)
            if beep:
                member.room.beep(member)
        member.speaker = speaker
        member.room.update(member, **state)
        return {}

    def _update(self, owner: str, request: Request) -> dict[str, Any]:
        """{leg, room, muted?, hold?, coach?} -> {}: all three anew, what is not named is off."""
        name, state = _name(request), _state(request)
        leg = self._leg(owner, fields.leg(request))
        member = self._members.get(leg.id)
        if member is None or member.room.name != name:
            raise VoiceError(ErrorCode.NOT_IN_ROOM, f"leg {leg.id} is not in room {name}: join it first")
        member.room.update(member, **state)
        return {}

    def _leave(self, owner: str, request: Request) -> dict[str, Any]:
        """{leg, room, beep?} -> {}; also when it is not in. `beep`: the others hear a short tone."""
        name, beep = _name(request), fields.flag(request, "beep")
        member = self._members.get(fields.leg(request))
        if member is not None and member.room.name == name:
            self._leg(owner, member.leg.id)
            self.remove(member.leg.id)
            if beep:
                member.room.beep(member)
        return {}

    def _record(self, owner: str, request: Request) -> dict[str, Any]:
        """{room, recording, upload, max_length, trim?} -> {recording}: of what is said to all, and the beeps.

        It ends with the room, if not before. `recording.done` has the `room` and no leg.
        """
        order = RecordingOrder(
            recording=fields.text(request, "recording"),
            upload=fields.url(request, "upload"),
            silence=0,
            max_length=fields.count(request, "max_length", least=1, most=_MAX_RECORDING),
            beep=False,
            trim=fields.flag(request, "trim"),
        )
        room = self._rooms.get(_name(request))
        if room is None:
            raise VoiceError(ErrorCode.NO_SUCH_ROOM, "nobody is in this room, or not any more")
        self._recorder.start(room, order)
        self._recordings[room.id, order.recording] = owner, room.name
        return {"recording": order.recording}

    def _record_stop(self, owner: str, request: Request) -> dict[str, Any]:
        """{room, recording} -> {}; also when it has ended. `recording.done` comes when it is stored."""
        room, recording = self._rooms.get(_name(request)), fields.text(request, "recording")
        if room is not None and (room.id, recording) in self._recordings:
            self._recordings[room.id, recording] = owner, room.name
            self._recorder.stop(room.id, recording)
        return {}

    def recorded(self, source: str, facts: dict[str, Any]) -> bool:
        """A recording is done with; False if it was no room's."""
        found = self._recordings.pop((source, facts["recording"]), None)
        if found is not None:
            self._tell(found[0], EventType.RECORDING_DONE, room=found[1], **facts)
        return found is not None

    def room_of(self, leg_id: str) -> str | None:
        """The name of the room that the leg is in."""
        member = self._members.get(leg_id)
        return None if member is None else member.room.name

    def remove(self, leg_id: str) -> None:
        """Out of its room, if it is in one: it was closed, bridged, or joins another."""
        member = self._members.pop(leg_id, None)
        if member is None:
            return
        member.room.leave(member)
        if not member.room.members:
            self._recorder.hung_up(member.room.id)
            del self._rooms[member.room.name]

    def _new(self, name: str) -> Room:
        room = self._rooms[name] = Room(name, ticker=self._ticker, spoke=self._spoke)
        return room

    def _spoke(self, member: Member, speaking: bool) -> None:
        self._emit(member.leg.id, EventType.ROOM_SPEECH, room=member.room.name, speaking=speaking)


def _name(request: Request) -> str:
    name = fields.text(request, "room")
    if not fields.LEG_ID.match(name):
        raise fields.refusal("`room` is 1 to 64 printable ASCII characters without spaces")
    return name


def _state(request: Request) -> dict[str, Any]:
    coach = request.fields.get("coach")
    return {
        "muted": fields.flag(request, "muted"),
        "hold": fields.flag(request, "hold"),
        "coach": None if coach is None else fields.leg_id(coach),
    }
