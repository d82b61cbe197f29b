"""Recordings of calls: their rows, and who is told of them (https://www.twilio.com/docs/voice/api/recording)."""

from typing import Any

from sqlalchemy import Connection, insert, select, update

from callrouter.calls.parameters import API_VERSION, Parameters
from callrouter.models import Outbox, Recording
from foundation.clock import from_timestamp, rfc2822

INSERT_RECORDING = insert(Recording.__table__)  # type: ignore[arg-type]
TOO_SHORT, NOT_STORED = 16101, 16102
IN_PROGRESS, COMPLETED, ABSENT = "in-progress", "completed", "absent"


def path(account_sid: str, sid: str) -> str:
    """Where REST has it; a webhook is told the whole URL."""
    return f"/{API_VERSION}/Accounts/{account_sid}/Recordings/{sid}"


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
) -> Parameters:
    """A recording status callback's parameters."""
    values = {
        "AccountSid": account_sid,
        "CallSid": call_sid,
        "RecordingSid": sid,
        "RecordingUrl": path(account_sid, sid),
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
    row = connection.execute(select(Recording.__table__).where(Recording.sid == sid)).mappings().first()
    if row is None or row["status"] != IN_PROGRESS:
        return
    absent = failed or silent
    error_code = (NOT_STORED if failed else TOO_SHORT) if absent else None
    status = ABSENT if absent else COMPLETED
    changes: dict[str, Any] = {"status": status, "duration": seconds, "error_code": error_code}
    connection.execute(update(Recording).where(Recording.sid == sid).values(date_updated=now, **changes))
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
    payload = {
        "call_sid": row["call_sid"],
        "url": row["callback_url"],
        "method": row["callback_method"],
        "parameters": told,
    }
    connection.execute(
        insert(Outbox).values(
            id=f"{sid}.{status}",
            account_sid=row["account_sid"],
            call_sid=row["call_sid"],
            lane=f"recording:{sid}",
            position=1_000_000,  # after its in-progress
            kind="callback",
            payload=payload,
            due_at=now,
            owner="",
            created_at=now,
        )
    )
