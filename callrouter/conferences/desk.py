"""Who comes into a conference and who leaves it: one transaction each, with all who are to be told.

Every function is a repeatable unit of work. It answers with outbox entries, which the caller hands on after the commit.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from callrouter.calls import words
from callrouter.calls.store import OutboxRow
from callrouter.conferences import rules
from callrouter.conferences.meeting import HeldElsewhere, Meeting, Settings, discard, of_call, open_
from callrouter.conferences.rules import Decision, News, Participant, Refusal
from instructions import events as e


def join(
    connection: Connection,
    account_sid: str,
    owner: str,
    at: float,
    *,
    name: str,
    settings: Settings,
    newcomer: Participant,
    most: int,
) -> tuple[dict[str, Any], list[OutboxRow]]:
    """A leg comes in: what its call is told, as the payload of a tell, and all other entries."""
    earlier = of_call(connection, account_sid, owner, at, newcomer.call_sid)
    rows: list[OutboxRow] = []
    if earlier:
        known = earlier.room.find(newcomer.call_sid)
        if known and known.ticket == newcomer.ticket:  # this entry runs again after a crash
            event = e.ConferenceJoined(at=at, conference_sid=earlier.sid, started=earlier.room.started)
            return words.event(known.leg, known.ticket, event, seat=earlier.seat(known)), []
        if earlier.conference["live_name"] != name:
            rows += _leave(earlier, newcomer.call_sid, rules.HUNG_UP, "in-progress")
    try:
        meeting = open_(connection, account_sid, owner, at, name, settings)
    except HeldElsewhere as error:
        return _left(newcomer, at, "failed", 12400, f"the conference can't be joined: {error}"), rows
    decision = rules.join(meeting.room, newcomer, conference_sid=meeting.sid, most=most, at=at)
    if isinstance(decision, Refusal):
        if meeting.room.find(newcomer.call_sid):
            rows += _leave(meeting, newcomer.call_sid, rules.ADD_FAILED, "in-progress")
        elif not meeting.room.participants:
            discard(meeting)
        return _left(newcomer, at, decision.why, decision.code, decision.reason), rows
    answer = meeting.write(decision, answered=newcomer.call_sid)
    assert answer is not None
    return answer, [*rows, *meeting.rows]


def leave(
    connection: Connection,
    account_sid: str,
    owner: str,
    at: float,
    *,
    call_sid: str,
    ticket: str,
    reason: str,
    status: str,
) -> list[OutboxRow]:
    """A leg is out, if it still is in by this ticket."""
    meeting = of_call(connection, account_sid, owner, at, call_sid)
    known = meeting.room.find(call_sid) if meeting else None
    if meeting is None or known is None or known.ticket not in ("", ticket):
        return []
    return _leave(meeting, call_sid, reason, status)


def report(
    connection: Connection, account_sid: str, owner: str, at: float, *, call_sid: str, news: Mapping[str, Any]
) -> list[OutboxRow]:
    """Something about a participant that only the app is told: it speaks, or has heard an announcement."""
    meeting = of_call(connection, account_sid, owner, at, call_sid)
    if meeting is None:
        return []
    said = News(event=news["event"], about=meeting.room.find(call_sid), more=news.get("more"))
    meeting.write(Decision(room=meeting.room, news=(said,)))
    return meeting.rows


def _leave(meeting: Meeting, call_sid: str, reason: str, status: str) -> list[OutboxRow]:
    meeting.write(rules.leave(meeting.room, call_sid, reason=reason, status=status, at=meeting.at))
    return meeting.rows


def _left(newcomer: Participant, at: float, why: Any, code: int, reason: str) -> dict[str, Any]:
    event = e.ConferenceLeft(at=at, why=why, code=code, reason=reason)
    return words.event(newcomer.leg, newcomer.ticket, event)
