"""A conference as a transaction finds it, and what a decision about it writes (reliability-security 3)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from callrouter.calls import recordings, words
from callrouter.calls.store import OutboxRow
from callrouter.conferences import callbacks
from callrouter.conferences.rules import Decision, News, Participant, Room
from callrouter.models import Conference, Session
from callrouter.models import Participant as ParticipantRow
from callrouter.models import Recording as RecordingRow
from foundation.sids import CONFERENCE, RECORDING, new_sid
from instructions import commands as c

INIT, IN_PROGRESS, COMPLETED = "init", "in-progress", "completed"
LONGEST_RECORDING = 14_400
_FIELDS = tuple(Participant.__dataclass_fields__)


class HeldElsewhere(Exception):
    """The conference's or queue's calls are at another router process."""

    def __init__(self, owner: str) -> None:
        super().__init__(f"its calls are at router {owner!r}")
        self.owner = owner


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the first participant decides for all."""

    record: bool = False
    trim: bool = True
    callback: c.ConferenceCallback | None = None
    recording_callback: c.RecordingCallback | None = None


@dataclass
class Meeting:
    """One conference, as a transaction finds and changes it."""

    connection: Connection
    conference: dict[str, Any]
    room: Room
    owner: str
    at: float
    rows: list[OutboxRow] = field(default_factory=list)

    @property
    def sid(self) -> str:
        return str(self.conference["sid"])

    def write(self, decision: Decision, *, answered: str = "") -> dict[str, Any] | None:
        """Stores the decision; `answered`: a call whose word is not sent but returned, as the payload of a tell."""
        begins = decision.room.started and not self.room.started
        self._write_participants(decision.room)
        answer = None
        for word in decision.words:
            to = decision.room.find(word.to.call_sid) or word.to
            payload = words.event(to.leg, to.ticket, word.event, seat=self.seat(to))
            if not to.joined:
                payload = words.end(to.leg)
            if to.call_sid == answered:
                answer = payload
            else:
                self.send("tell", payload, f"tell:{to.call_sid}", call_sid=to.session_sid)
        for news in decision.news:
            self.tell_app(news)
        if begins and self.conference["record"]:
            self._record(answered)
        self.room = decision.room
        self._write_conference(decision)
        return answer

    def tell_app(self, news: News) -> None:
        """A status callback, if one is wanted for this."""
        if not callbacks.wanted(self.conference, news):
            return
        self.conference["sequence"] += 1
        sequence = self.conference["sequence"]
        payload = {
            "call_sid": news.about.call_sid if news.about else None,
            "url": self.conference["callback_url"],
            "method": self.conference["callback_method"],
            "parameters": callbacks.parameters(self.conference, news, sequence, self.at),
        }
        self.send("callback", payload, f"conference:{self.sid}")

    def send(self, kind: str, payload: Mapping[str, Any], lane: str = "", *, call_sid: str = "") -> None:
        """An entry; without a `call_sid` it is about the conference, and not for a call."""
        self.conference["entries"] += 1
        row = words.store(
            self.connection,
            stem=self.sid,
            position=self.conference["entries"],
            account_sid=self.conference["account_sid"],
            call_sid=call_sid or self.sid,
            lane=lane or f"room:{self.sid}",
            kind=kind,
            payload=payload,
            owner=self.owner,
            at=self.at,
        )
        self.rows.append(row)

    def seat(self, one: Participant) -> dict[str, Any]:
        """How the leg is heard: as the voice node's room.join has it, and whether its leaving is."""
        return {
            "room": self.sid,
            "muted": one.muted,
            "hold": one.hold,
            "coach": one.coach,
            "speaker": "speaker" in self.conference["callback_events"].split(),
            "beep_on_exit": one.beep_on_exit,
        }

    def _record(self, starter: str) -> None:
        """From its start on: whoever of those who come in now stays, the room is recorded."""
        sid, conference = new_sid(RECORDING), self.conference
        events = conference["recording_callback_events"]
        row = {
            "account_sid": conference["account_sid"],
            "sid": sid,
            "call_sid": starter,
            "conference_sid": self.sid,
            "source": "Conference",
            "track": "both",
            "channels": 1,
            "status": recordings.IN_PROGRESS,
            "start_time": self.at,
            "callback_url": conference["recording_callback_url"],
            "callback_method": conference["recording_callback_method"],
            "callback_events": events,
            "date_created": self.at,
            "date_updated": self.at,
        }
        self.connection.execute(insert(RecordingRow).values(row))
        if conference["recording_callback_url"] and recordings.IN_PROGRESS in events.split():
            told = recordings.callback(
                row["account_sid"],
                starter,
                sid,
                source="Conference",
                started_at=self.at,
                track="both",
                conference_sid=self.sid,
            )
            url, method = conference["recording_callback_url"], conference["recording_callback_method"]
            payload = {"call_sid": None, "url": url, "method": method, "parameters": told}
            self.send("callback", payload, f"recording:{sid}")
        wanted = {"recording": sid, "trim": conference["trim"], "max_length": LONGEST_RECORDING}
        self.send("room.record", {"room": self.sid, **wanted})

    def _write_participants(self, room: Room) -> None:
        known = {one.call_sid: one for one in self.room.participants}
        there = {one.call_sid: one for one in room.participants}
        for call_sid in known.keys() - there.keys():
            self.connection.execute(delete(ParticipantRow).where(*self._whose(known[call_sid])))
        for call_sid, one in there.items():
            values = {**vars(one), "date_updated": self.at}
            if call_sid not in known:
                keys = {"account_sid": self.conference["account_sid"], "conference_sid": self.sid}
                row = {**keys, **values, "date_created": self.at}
                self.connection.execute(insert(ParticipantRow).values(row))
            elif one != known[call_sid]:
                self.connection.execute(update(ParticipantRow).where(*self._whose(one)).values(values))

    def _whose(self, one: Participant) -> tuple[ColumnElement[bool], ...]:
        account_sid = self.conference["account_sid"]
        return ParticipantRow.account_sid == account_sid, ParticipantRow.call_sid == one.call_sid

    def _write_conference(self, decision: Decision) -> None:
        changes: dict[str, Any] = {name: self.conference[name] for name in ("sequence", "entries")}
        if decision.room.started:
            changes["status"] = IN_PROGRESS
        if ending := decision.ending:
            changes |= {
                "status": COMPLETED,
                "live_name": None,
                "reason_ended": ending.reason,
                "call_sid_ending": ending.by.call_sid if ending.by else None,
            }
        self.conference |= changes
        self.connection.execute(
            update(Conference)
            .where(Conference.account_sid == self.conference["account_sid"], Conference.sid == self.sid)
            .values(**changes, date_updated=self.at)
        )


def find(
    connection: Connection, account_sid: str, owner: str, at: float, *which: ColumnElement[bool]
) -> Meeting | None:
    """The account's conference that is not over, held until the transaction ends."""
    query = select(Conference.__table__).where(
        Conference.account_sid == account_sid, Conference.live_name.is_not(None), *which
    )
    found = connection.execute(query.with_for_update()).mappings().first()
    if found is None:
        return None
    conference = dict(found)
    rows = connection.execute(
        select(*(ParticipantRow.__table__.c[name] for name in _FIELDS))
        .where(ParticipantRow.account_sid == account_sid, ParticipantRow.conference_sid == conference["sid"])
        .order_by(ParticipantRow.date_created, ParticipantRow.call_sid)
    ).mappings()
    participants = tuple(Participant(**row) for row in rows)
    room = Room(participants=participants, started=conference["status"] == IN_PROGRESS)
    elsewhere = connection.execute(
        select(Session.owner).where(
            Session.account_sid == account_sid,
            Session.call_sid.in_([one.session_sid for one in participants]),
            Session.owner != owner,
        )
    ).scalar()
    if elsewhere is not None:
        raise HeldElsewhere(elsewhere)
    return Meeting(connection, conference, room, owner, at)


def of_call(connection: Connection, account_sid: str, owner: str, at: float, call_sid: str) -> Meeting | None:
    """The conference that this leg is in, or invited to."""
    where = select(ParticipantRow.conference_sid).where(
        ParticipantRow.account_sid == account_sid, ParticipantRow.call_sid == call_sid
    )
    return find(connection, account_sid, owner, at, Conference.sid == where.scalar_subquery())


def open_(
    connection: Connection, account_sid: str, owner: str, at: float, name: str, settings: Settings
) -> Meeting:
    """The account's conference of that name; a new one, with these settings, if there is none."""
    found = find(connection, account_sid, owner, at, Conference.live_name == name)
    if found:
        return found
    told, of_recording = settings.callback, settings.recording_callback
    row = {
        "account_sid": account_sid,
        "sid": new_sid(CONFERENCE),
        "friendly_name": name,
        "live_name": name,
        "status": INIT,
        "reason_ended": None,
        "call_sid_ending": None,
        "sequence": 0,
        "entries": 0,
        "callback_url": told.url if told else None,
        "callback_method": told.method if told else "POST",
        "callback_events": " ".join(told.events) if told else "",
        "record": settings.record,
        "trim": settings.trim,
        "recording_callback_url": of_recording.url if of_recording else None,
        "recording_callback_method": of_recording.method if of_recording else "POST",
        "recording_callback_events": " ".join(of_recording.events) if of_recording else "",
        "date_created": at,
        "date_updated": at,
    }
    connection.execute(insert(Conference).values(row))
    return Meeting(connection, row, Room(), owner, at)


def discard(meeting: Meeting) -> None:
    """Takes back a conference that was just made for somebody who was not let in."""
    sid = Conference.sid == meeting.sid
    meeting.connection.execute(
        delete(Conference).where(Conference.account_sid == meeting.conference["account_sid"], sid)
    )
