"""Recordings of calls: their rows, and who is told of them (https://www.twilio.com/docs/voice/api/recording)."""

from collections.abc import Callable
from functools import partial
from typing import Any

from sqlalchemy import Connection, Table, bindparam, insert, select, update

from callrouter.calls import transcriptions
from callrouter.calls.parameters import Parameters, recording_path
from callrouter.calls.steps.draft import Step
from callrouter.models import Outbox, Recording
from foundation.clock import from_timestamp, rfc2822

TOO_SHORT, NOT_STORED = 16101, 16102
IN_PROGRESS, PAUSED, STOPPED = "in-progress", "paused", "stopped"
LIVE = (IN_PROGRESS, PAUSED, STOPPED)
"""Statuses of a recording whose audio is not stored yet."""
COMPLETED, ABSENT, DELETED = "completed", "absent", "deleted"

assert isinstance(Recording.__table__, Table)
_RECORDINGS = Recording.__table__
INSERT_RECORDING = insert(_RECORDINGS)
UPDATE_STATE = (
    update(_RECORDINGS)
    .where(
        _RECORDINGS.c.account_sid == bindparam("its_account"),
        _RECORDINGS.c.sid == bindparam("its_sid"),
        _RECORDINGS.c.status.in_(LIVE),
    )
    .values(status=bindparam("status"), date_updated=bindparam("date_updated"))
)


def new_rows(account_sid: str, step: Step) -> list[dict[str, Any]]:
    return [
        {
            "account_sid": account_sid,
            "sid": new.sid,
            "call_sid": new.call_sid,
            "source": new.wanted.source,
            "track": new.wanted.track,
            "channels": new.wanted.channels,
            "status": IN_PROGRESS,
            "start_time": step.at,
            "callback_url": new.wanted.callback.url if new.wanted.callback else None,
            "callback_method": new.wanted.callback.method if new.wanted.callback else "POST",
            "callback_events": " ".join(new.wanted.callback.events) if new.wanted.callback else "",
            "transcribe": new.wanted.transcribe,
            "transcribe_url": new.wanted.transcribe_to,
            "date_created": step.at,
            "date_updated": step.at,
        }
        for new in step.recordings
    ]


def state_rows(account_sid: str, step: Step) -> list[dict[str, Any]]:
    return [
        {"its_account": account_sid, "its_sid": sid, "status": status, "date_updated": step.at}
        for sid, status in step.recording_states.items()
    ]


def callback(
    account_sid: str,
    call_sid: str,
    sid: str,
    *,
    source: str,
    started_at: float,
    status: str = IN_PROGRESS,
    seconds: int | None = None,
    error_code: int | None = None,
    channels: int = 1,
    track: str = "inbound",
    conference_sid: str | None = None,
) -> Parameters:
    """A recording status callback's parameters."""
    values = {
        "AccountSid": account_sid,
        **({"ConferenceSid": conference_sid} if conference_sid else {"CallSid": call_sid}),
        "RecordingSid": sid,
        "RecordingUrl": recording_path(account_sid, sid),
        "RecordingStatus": status,
        "RecordingChannels": str(channels),
        "RecordingStartTime": rfc2822(from_timestamp(started_at)) or "",
        "RecordingSource": source,
        "RecordingTrack": track,
    }
    if status == COMPLETED:
        values["RecordingDuration"] = str(seconds)
    if error_code is not None:
        values["ErrorCode"] = str(error_code)
    return values


def finish(connection: Connection, sid: str, *, failed: bool, silent: bool, seconds: int, now: float) -> None:
    """A recording is over: notes it and has its callback sent; a repeat changes nothing.

    Calls may be over by then, so this depends on no session.
    """
    row = connection.execute(select(_RECORDINGS).where(_RECORDINGS.c.sid == sid)).mappings().first()
    if row is not None and row["status"] == DELETED:
        throw_away(connection, row["account_sid"], row["call_sid"], sid, now)
    if row is None or row["status"] not in LIVE:
        return
    absent = failed or silent
    error_code = (NOT_STORED if failed else TOO_SHORT) if absent else None
    status = ABSENT if absent else COMPLETED
    changes: dict[str, Any] = {"status": status, "duration": seconds, "error_code": error_code}
    connection.execute(update(Recording).where(Recording.sid == sid).values(date_updated=now, **changes))
    if row["transcribe"] and not absent:
        transcriptions.begin(connection, dict(row), seconds, now)
    if row["callback_url"] is None or status not in row["callback_events"].split():
        return
    told = callback(
        row["account_sid"],
        row["call_sid"],
        sid,
        source=row["source"],
        started_at=row["start_time"],
        status=status,
        seconds=seconds,
        error_code=error_code,
        channels=row["channels"],
        track=row["track"],
    )
    if row["conference_sid"]:
        told["ConferenceSid"] = row["conference_sid"]
        del told["CallSid"]
    payload = {
        "call_sid": row["call_sid"],
        "url": row["callback_url"],
        "method": row["callback_method"],
        "parameters": told,
    }
    # Its position: after its in-progress.
    entry = {"id": f"{sid}.{status}", "kind": "callback", "position": 1_000_000, "payload": payload}
    _send(connection, row["account_sid"], row["call_sid"], sid, now, entry)


def lost(sid: str, now: float) -> Callable[[Connection], None]:
    """The unit of work that notes that its audio is nowhere."""
    return partial(finish, sid=sid, failed=True, silent=False, seconds=0, now=now)


def lost_with_room(connection: Connection, account_sid: str, conference_sid: str, now: float) -> None:
    """The voice node that had the conference's room is gone, and its recordings with it."""
    room = (Recording.account_sid == account_sid, Recording.conference_sid == conference_sid)
    found = select(Recording.sid).where(*room, Recording.status.in_(LIVE))
    for sid in connection.execute(found).scalars().all():
        lost(sid, now)(connection)


def throw_away(connection: Connection, account_sid: str, call_sid: str, sid: str, now: float) -> None:
    """A recording was deleted while it went on: by now its audio is stored, and must not be."""
    found = select(Outbox.id).where(Outbox.id == f"{sid}.discard")
    if connection.execute(found).first() is None:
        entry = {"id": f"{sid}.discard", "kind": "recording.discard", "position": 0, "payload": {"sid": sid}}
        _send(connection, account_sid, call_sid, sid, now, entry)


def _send(
    connection: Connection, account_sid: str, call_sid: str, sid: str, now: float, entry: dict[str, Any]
) -> None:
    row = {
        "account_sid": account_sid,
        "call_sid": call_sid,
        "lane": f"recording:{sid}",
        "due_at": now,
        "owner": "",
        "created_at": now,
    }
    connection.execute(insert(Outbox).values(**row, **entry))
