"""A room: who hears whom, 20 ms at a time. A conference, as the node knows it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from .legs.leg import Leg, Listener
from .media.activity import Activity
from .media.mixer import Mix, levels
from .media.packet import FRAME_SECONDS, PCMU, SAMPLES, RtpPacket
from .media.reorder import ReorderBuffer
from .media.ticker import Ticker
from .media.tones import SILENT_FRAME, Tone, frames

LATENESS = 3
"""Frames that a packet may be late without being missed; everybody is heard that much later."""
_AHEAD = 10 * SAMPLES  # more than that is skipped: after it was held back, a voice would stay late
_NORMAL = LATENESS + 2  # frames that wait; of more, one is left out in each pause of the voice
_BEEP = frames(Tone(frequencies=(1000,), level=0.1, on=0.24, loop=False))


class Member:
    """A leg in a room: it listens to the leg's far end, and gives it what the others say.

    `muted` is not heard; `hold` is not heard and hears nothing; `coach` names the leg that alone hears this one.
    """

    def __init__(self, room: Room, leg: Leg) -> None:
        self.room = room
        self.leg = leg
        self.muted = self.hold = False
        self.coach: str | None = None
        self.speaker = False
        """Whether the router wants to know when this one speaks."""
        self.told_speaking = False
        self.audio = ReorderBuffer(ahead=_AHEAD)
        self.activity = Activity()

    def hear(self, packet: RtpPacket, now: float) -> None:
        """A packet of the far end."""
        if not (self.muted or self.hold):
            self.room.take(self, packet, now)

    def frame(self, now: float) -> bytes:
        """What the far end hears."""
        return SILENT_FRAME if self.hold else self.room.frame(self, now)


class Room:
    """Mixes once per tick, for whoever asks first. Members from whom nothing comes cost nothing.

    `listeners` hear the mix of all who are heard by all: a recording. `spoke` is told when a member whose
    speech matters begins or ends to speak.
    """

    def __init__(self, name: str, *, ticker: Ticker, spoke: Callable[[Member, bool], None]) -> None:
        self.name = name
        self.members: dict[str, Member] = {}
        self.listeners: tuple[Listener, ...] = ()
        self._ticker = ticker
        self._spoke = spoke
        self._start: float | None = None
        self._now = 0.0
        self._frames = 0  # mixed since the start
        self._talking: dict[Member, None] = {}  # of whom there is audio
        self._mix = Mix()
        self._places: dict[Member, int] = {}  # of each voice in it
        self._personal: dict[Member, bytes] = {}  # for those who hear something else
        self._beep: deque[bytes] = deque()
        self._beep_of: Member | None = None
        ticker.add(self)

    @property
    def id(self) -> str:
        """For the recorder, which knows legs too: no leg's id has a space."""
        return f"room {self.name}"

    # -- members ---------------------------------------------------------------

    def join(self, leg: Leg) -> Member:
        member = self.members[leg.id] = Member(self, leg)
        leg.listeners = (*leg.listeners, member)
        leg.listen_to(member)
        return member

    def update(self, member: Member, *, muted: bool, hold: bool, coach: str | None) -> None:
        if (muted or hold) and not (member.muted or member.hold):
            self._hush(member)
        member.muted, member.hold, member.coach = muted, hold, coach

    def leave(self, member: Member) -> None:
        self._hush(member)
        del self.members[member.leg.id]
        member.leg.listeners = tuple(each for each in member.leg.listeners if each is not member)
        member.leg.listen_to(None)
        if not self.members:
            self._ticker.discard(self)

    def _hush(self, member: Member) -> None:
        """Forget what this one said and nobody has heard yet."""
        self._talking.pop(member, None)
        member.audio, member.activity = ReorderBuffer(ahead=_AHEAD), Activity()
        self._report(member)

    def beep(self, cause: Member) -> None:
        """All but its cause hear a short tone, from its beginning if one sounds already."""
        self._beep, self._beep_of = deque(_BEEP), cause

    # -- audio -----------------------------------------------------------------

    def take(self, member: Member, packet: RtpPacket, now: float) -> None:
        """Something that a member says."""
        if member not in self._talking:
            self._talking[member] = None
            member.audio.head = self._frames * SAMPLES
        member.audio.put(packet, int(self._age(now)) * SAMPLES)

    def frame(self, member: Member, now: float) -> bytes:
        """What a member hears now: all but itself."""
        self.tick(now)
        if member in self._personal:
            return self._personal[member]
        place = self._places.get(member)
        return self._mix.whole() if place is None else self._mix.minus(place)

    def tick(self, now: float) -> None:
        """20 ms have passed; each moment counts once, whoever tells it."""
        if now <= self._now:
            return
        self._now = now
        due = round(self._age(now)) - LATENESS
        while self._frames < due:
            self._frames += 1
            self._blend(self._voices())
            if self.listeners:
                self._tell(now)

    def _age(self, now: float) -> float:
        """Frames since the first that was said or heard."""
        if self._start is None:
            self._start = now
        return (now - self._start) / FRAME_SECONDS

    def _voices(self) -> list[tuple[Member, bytes]]:
        """Who says something in the next frame, and what."""
        said = [(member, member.audio.pull()) for member in self._talking]
        found = []
        for (member, frame), level in zip(said, levels([frame for _, frame in said]), strict=True):
            activity = member.activity
            activity.hear(level)
            if member.speaker or member.told_speaking:
                self._report(member)
            if activity.audible:
                found.append((member, frame))
            elif member.audio.waiting > _NORMAL:
                member.audio.skip()
            if not (member.audio.waiting or activity.speaking):
                del self._talking[member]
        return found

    def _blend(self, voices: list[tuple[Member, bytes]]) -> None:
        public = [(member, frame) for member, frame in voices if member.coach is None]
        beep = [self._beep.popleft()] if self._beep else []
        self._mix = Mix([*(frame for _, frame in public), *beep])
        self._places = {member: place for place, (member, _) in enumerate(public)}
        whispers: dict[Member, list[bytes]] = {}
        for member, frame in voices:
            coached = self.members.get(member.coach) if member.coach is not None else None
            if coached is not None and coached is not member:
                whispers.setdefault(coached, []).append(frame)
        if beep and self._beep_of is not None:
            whispers.setdefault(self._beep_of, [])
        self._personal = {}
        for member, whispered in whispers.items():
            others = [frame for each, frame in public if each is not member]
            tone = [] if member is self._beep_of else beep
            self._personal[member] = Mix([*others, *tone, *whispered]).whole()

    def _tell(self, now: float) -> None:
        """The mix, to who listens."""
        number = self._frames
        stamp = number * SAMPLES & 0xFFFFFFFF
        packet = RtpPacket(PCMU, False, number & 0xFFFF, stamp, 0, self._mix.whole())
        for listener in self.listeners:
            listener.hear(packet, now)

    def _report(self, member: Member) -> None:
        """A change that the router wants to know."""
        speaking = member.speaker and member.activity.speaking
        if speaking is not member.told_speaking:
            member.told_speaking = speaking
            self._spoke(member, speaking)
