"""What REST does to conferences: units of work like those of `desk`, each with the outbox entries that it wrote."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, update

from callrouter.calls.recordings import IN_PROGRESS, STOPPED
from callrouter.calls.store import OutboxRow
from callrouter.conferences import rules
from callrouter.conferences.meeting import Meeting, Settings, discard, find, open_
from callrouter.conferences.rules import Decision, Participant, Refusal
from callrouter.models import Conference, Recording

Rows = list[OutboxRow]


def complete(
    connection: Connection, account_sid: str, owner: str, at: float, *, sid: str
) -> tuple[bool, Rows]:
    """Ends a conference; False when it is over."""
    meeting = find(connection, account_sid, owner, at, Conference.sid == sid)
    return _written(meeting, rules.complete(meeting.room, at=at) if meeting else None)


def announce(
    connection: Connection,
    account_sid: str,
    owner: str,
    at: float,
    *,
    sid: str,
    call_sid: str | None,
    url: str,
    method: str,
) -> tuple[bool, Rows]:
    """Has a document said to a participant (None: to all); False when the conference is over."""
    meeting = find(connection, account_sid, owner, at, Conference.sid == sid)
    if meeting is None:
        return False, []
    return _written(meeting, rules.announce(meeting.room, call_sid, url=url, method=method, at=at))


def change(
    connection: Connection,
    account_sid: str,
    owner: str,
    at: float,
    *,
    sid: str,
    call_sid: str,
    changes: Mapping[str, Any],
    hold_url: str | None,
    hold_method: str,
) -> tuple[bool | Refusal, Rows]:
    """Changes a participant; False when there is none."""
    meeting = find(connection, account_sid, owner, at, Conference.sid == sid)
    if meeting is None or meeting.room.find(call_sid) is None:
        return False, []
    changed = rules.change(meeting.room, call_sid, changes, hold_url=hold_url, hold_method=hold_method, at=at)
    return (changed, []) if isinstance(changed, Refusal) else _written(meeting, changed)


def remove(
    connection: Connection,
    account_sid: str,
    owner: str,
    at: float,
    *,
    sid: str,
    call_sid: str,
    reason: str = rules.KICKED,
) -> tuple[bool, Rows]:
    """Puts a participant out, whose document goes on; a guest's call is ended. False when there is none."""
    meeting = find(connection, account_sid, owner, at, Conference.sid == sid)
    if meeting is None or meeting.room.find(call_sid) is None:
        return False, []
    left = rules.leave(meeting.room, call_sid, reason=reason, status="in-progress", at=at)
    return _written(meeting, left)


def invite(
    connection: Connection,
    account_sid: str,
    owner: str,
    at: float,
    *,
    which: ColumnElement[bool],
    name: str | None,
    settings: Settings,
    guest: Participant,
    most: int,
) -> tuple[tuple[str, str] | Refusal | None, Rows]:
    """Keeps a place for a call that is about to be placed: the conference's SID and name.

    `name`: of a conference that is made if there is none; without one, None is the answer then.
    """
    meeting = find(connection, account_sid, owner, at, which)
    if meeting is None and name is not None:
        meeting = open_(connection, account_sid, owner, at, name, settings)
    if meeting is None:
        return None, []
    invited = rules.invite(meeting.room, guest, most=most)
    if isinstance(invited, Refusal):
        if not meeting.room.participants:
            discard(meeting)
        return invited, []
    meeting.write(invited)
    return (meeting.sid, meeting.conference["friendly_name"]), meeting.rows


def stop_recording(
    connection: Connection, account_sid: str, owner: str, at: float, *, sid: str, recording_sid: str
) -> tuple[bool, Rows]:
    """Ends a recording of the mix; False when it does not go on."""
    meeting = find(connection, account_sid, owner, at, Conference.sid == sid)
    mine = (Recording.account_sid == account_sid, Recording.sid == recording_sid)
    stopped = update(Recording).where(*mine, Recording.status == IN_PROGRESS)
    if meeting is None or not connection.execute(stopped.values(status=STOPPED, date_updated=at)).rowcount:
        return False, []
    meeting.send("room.record_stop", {"room": sid, "recording": recording_sid})
    return _written(meeting, Decision(room=meeting.room))


def _written(meeting: Meeting | None, decision: Decision | None) -> tuple[bool, Rows]:
    if meeting is None or decision is None:
        return False, []
    meeting.write(decision)
    return True, meeting.rows
