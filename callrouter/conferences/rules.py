"""What becomes of a conference when somebody comes, leaves, or REST changes it: pure.

A rule takes the room as it is and answers with the room as it becomes, what each participant's call is told, and the
news for the status callback, in order (twilio-surface 2.4).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from instructions import events as e

FULL, LABEL_IN_USE, NOBODY_TO_COACH = 16020, 16025, 16028
HUNG_UP, UPDATED, ADD_FAILED = "participant_hung_up", "participant_updated_via_api", "participant_add_failed"
"""ReasonParticipantLeft of one who leaves."""
KICKED = "kicked"
LAST_LEFT, LAST_KICKED = "last-participant-left", "last-participant-kicked"
ENDER_LEFT = "participant-with-end-conference-on-exit-left"
ENDER_KICKED = "participant-with-end-conference-on-exit-kicked"
BY_API = "conference-ended-via-api"


@dataclass(frozen=True, kw_only=True)
class Participant:
    """A leg that is in, or (not `joined`) whose call REST has placed to bring it in."""

    call_sid: str
    session_sid: str
    leg: str
    ticket: str = ""
    label: str | None = None
    muted: bool = False
    hold: bool = False
    coach: str = ""
    """the call that alone hears this one"""
    start_on_enter: bool = True
    end_on_exit: bool = False
    beep_on_exit: bool = True
    joined: bool = True


@dataclass(frozen=True, kw_only=True)
class Room:
    """Participants in the order in which they came."""

    participants: tuple[Participant, ...] = ()
    started: bool = False

    def find(self, call_sid: str) -> Participant | None:
        return next((one for one in self.participants if one.call_sid == call_sid), None)

    @property
    def joined(self) -> tuple[Participant, ...]:
        return tuple(one for one in self.participants if one.joined)

    def without(self, call_sid: str) -> "Room":
        return replace(self, participants=tuple(p for p in self.participants if p.call_sid != call_sid))


@dataclass(frozen=True, kw_only=True)
class Word:
    """What a participant's call is told: an event, or None when only its sound changes."""

    to: Participant
    event: e.Event | None


@dataclass(frozen=True, kw_only=True)
class News:
    """For the status callback: `event` is Twilio's StatusCallbackEvent; `about` None: the conference."""

    event: str
    about: Participant | None = None
    more: Mapping[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class Ending:
    """Why a conference is over, in REST's words, and by whom."""

    reason: str
    by: Participant | None = None


@dataclass(frozen=True, kw_only=True)
class Decision:
    room: Room
    words: tuple[Word, ...] = ()
    news: tuple[News, ...] = ()
    ending: Ending | None = None


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Somebody was not let in; `why` as in events.ConferenceLeft."""

    why: str
    code: int
    reason: str


def join(
    room: Room, newcomer: Participant, *, conference_sid: str, most: int, at: float
) -> Decision | Refusal:
    """The newcomer comes in; with the second participant, and one who starts it, the conference starts."""
    others = room.without(newcomer.call_sid)
    if refusal := _refusal(others, newcomer, most):
        return refusal
    there = replace(others, participants=(*others.participants, newcomer))
    begins = not room.started and len(there.joined) > 1 and any(one.start_on_enter for one in there.joined)
    room = replace(there, started=room.started or begins)
    joined = e.ConferenceJoined(at=at, conference_sid=conference_sid, started=room.started)
    waiting = others.joined if begins else ()
    start = (News(event="conference-start"),) if begins else ()
    return Decision(
        room=room,
        words=(
            *(Word(to=one, event=e.ConferenceStarted(at=at)) for one in waiting),
            Word(to=newcomer, event=joined),
        ),
        news=(News(event="participant-join", about=newcomer), *start),
    )


def _refusal(others: Room, newcomer: Participant, most: int) -> Refusal | None:
    if len(others.joined) >= most:
        return Refusal(why="full", code=FULL, reason=f"the conference is full: {most} participants are in")
    if newcomer.label and any(one.label == newcomer.label for one in others.participants):
        reason = f"another participant has the label {newcomer.label!r}"
        return Refusal(why="failed", code=LABEL_IN_USE, reason=reason)
    if newcomer.coach and not _coachable(others, newcomer.coach):
        reason = f"{newcomer.coach}, who is to be coached, is not in the conference"
        return Refusal(why="failed", code=NOBODY_TO_COACH, reason=reason)
    return None


def invite(room: Room, guest: Participant, *, most: int) -> Decision | Refusal:
    """REST places a call that is to join; until then it holds a place and keeps the conference alive."""
    guest = replace(guest, joined=False)
    refusal = _refusal(room, guest, most)
    return refusal or Decision(room=replace(room, participants=(*room.participants, guest)))


def leave(room: Room, call_sid: str, *, reason: str, status: str, at: float) -> Decision:
    """One is out, for a ReasonParticipantLeft or KICKED; `status` is its call's. May be the end of the conference."""
    gone = room.find(call_sid)
    if gone is None:
        return Decision(room=room)
    kicked, left = reason == KICKED, room.without(call_sid)
    told = (Word(to=gone, event=e.ConferenceLeft(at=at, why="kicked")),) if kicked else ()
    news = (_left(gone, UPDATED if kicked else reason, status),)
    if gone.joined and gone.end_on_exit:
        ending = Ending(reason=ENDER_KICKED if kicked else ENDER_LEFT, by=gone)
        return _end(left, ending, "moderator_ended_conference", told, news, at)
    if not left.participants:
        ending = Ending(reason=LAST_KICKED if kicked else LAST_LEFT, by=gone)
        return _end(left, ending, "", told, news, at)
    return Decision(room=left, words=told, news=news)


def complete(room: Room, *, at: float) -> Decision:
    """REST ends it: everybody is out, and goes on with their own document."""
    return _end(room, Ending(reason=BY_API), "conference_ended_via_api", (), (), at)


def _end(
    room: Room,
    ending: Ending,
    reason: str,
    words: tuple[Word, ...],
    news: tuple[News, ...],
    at: float,
) -> Decision:
    by = ending.by
    culprit = {"CallSidEndingConference": by.call_sid} if by else {}
    if by and by.label:
        culprit["ParticipantLabelEndingConference"] = by.label
    more = {"ReasonConferenceEnded": ending.reason, "Reason": _EXPLAINED[ending.reason], **culprit}
    ended = tuple(Word(to=one, event=e.ConferenceLeft(at=at, why="ended")) for one in room.participants)
    left = tuple(_left(one, reason, "in-progress") for one in room.participants)
    return Decision(
        room=replace(room, participants=()),
        words=(*words, *ended),
        news=(*news, *left, News(event="conference-end", more=more)),
        ending=ending,
    )


_EXPLAINED = {
    LAST_LEFT: "The last participant left",
    LAST_KICKED: "The last participant was removed",
    ENDER_LEFT: "A participant with endConferenceOnExit left",
    ENDER_KICKED: "A participant with endConferenceOnExit was removed",
    BY_API: "The conference was ended through the API",
}


def _left(gone: Participant, reason: str, status: str) -> News:
    reason = reason if gone.joined else ADD_FAILED
    more = {"ReasonParticipantLeft": reason, "ParticipantCallStatus": status}
    return News(event="participant-leave", about=gone, more=more)


def change(
    room: Room,
    call_sid: str,
    changes: Mapping[str, Any],
    *,
    hold_url: str | None,
    hold_method: str,
    at: float,
) -> Decision | Refusal:
    """REST changes a participant: any of muted, hold, coach, end_on_exit and beep_on_exit."""
    before = room.find(call_sid)
    if before is None:
        return Decision(room=room)
    after = replace(before, **changes)
    if after.coach != before.coach and after.coach and not _coachable(room.without(call_sid), after.coach):
        reason = f"{after.coach}, who is to be coached, is not in the conference"
        return Refusal(why="failed", code=NOBODY_TO_COACH, reason=reason)
    news, words = [], []
    if after.muted != before.muted:
        news.append(News(event="participant-mute" if after.muted else "participant-unmute", about=after))
    if after.hold != before.hold:
        news.append(News(event="participant-hold" if after.hold else "participant-unhold", about=after))
        held = e.ConferenceHeld(at=at, url=hold_url, method=hold_method)
        words.append(Word(to=after, event=held if after.hold else e.ConferenceResumed(at=at)))
    elif _heard(after) != _heard(before):
        words.append(Word(to=after, event=None))
    others = ("coach", "end_on_exit", "beep_on_exit")
    if any(getattr(after, name) != getattr(before, name) for name in others):
        news.append(News(event="participant-modify", about=after))
    there = tuple(after if one is before else one for one in room.participants)
    told = words if after.joined else []
    return Decision(room=replace(room, participants=there), words=tuple(told), news=tuple(news))


def announce(room: Room, call_sid: str | None, *, url: str, method: str, at: float) -> Decision:
    """REST has a document said to one participant, or to all."""
    hearers = [one for one in room.joined if call_sid in (None, one.call_sid)]
    event = e.ConferenceAnnounced(at=at, url=url, method=method)
    return Decision(room=room, words=tuple(Word(to=one, event=event) for one in hearers))


def _heard(one: Participant) -> tuple[bool, str, bool]:
    return one.muted, one.coach, one.beep_on_exit


def _coachable(others: Room, call_sid: str) -> bool:
    found = others.find(call_sid)
    return found is not None and found.joined
