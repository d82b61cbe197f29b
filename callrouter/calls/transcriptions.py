"""Texts of recordings: their rows, and who is told of them (https://www.twilio.com/docs/voice/twiml/record#transcribe)."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, insert, select, update

from callrouter.calls.parameters import API_VERSION, recording_path
from callrouter.models import Call, Notification, Outbox, Recording, Transcription
from foundation.sids import NOTIFICATION, TRANSCRIPTION, new_sid

IN_PROGRESS, COMPLETED, FAILED = "in-progress", "completed", "failed"
SHORTEST, LONGEST = 2, 120
"""Seconds of a recording that may be transcribed."""
NOT_POSSIBLE = 13617


def begin(connection: Connection, recording: Mapping[str, Any], seconds: int, now: float) -> None:
    """A recording is stored whose text is wanted."""
    account_sid, sid = recording["account_sid"], new_sid(TRANSCRIPTION)
    row = {
        "account_sid": account_sid,
        "sid": sid,
        "recording_sid": recording["sid"],
        "status": IN_PROGRESS,
        "text": "",
        "duration": seconds,
        "date_created": now,
        "date_updated": now,
    }
    connection.execute(insert(Transcription).values(row))
    if not SHORTEST <= seconds <= LONGEST:
        why = f"A recording of {seconds} s is not transcribed: it must have {SHORTEST} to {LONGEST} s; set maxLength."
        note(connection, account_sid, recording["call_sid"], NOT_POSSIBLE, why, now)
        finish(connection, account_sid, sid, None, now)
        return
    payload = {"sid": sid, "recording": recording["sid"], "call_sid": recording["call_sid"]}
    _send(connection, account_sid, recording["call_sid"], f"{sid}.ask", "transcribe", sid, payload, now)


def finish(connection: Connection, account_sid: str, sid: str, text: str | None, now: float) -> None:
    """Notes the text, or that there is none (None), and tells who asked; a repeat changes nothing."""
    mine = (Transcription.account_sid == account_sid, Transcription.sid == sid)
    status = FAILED if text is None else COMPLETED
    done = connection.execute(
        update(Transcription)
        .where(*mine, Transcription.status == IN_PROGRESS)
        .values(status=status, text=text or "", date_updated=now)
    )
    if not done.rowcount:
        return
    recording = (
        connection.execute(
            select(Recording.__table__)
            .join(Transcription, Transcription.recording_sid == Recording.sid)
            .where(*mine, Recording.account_sid == account_sid)
        )
        .mappings()
        .first()
    )
    if recording is None or recording["transcribe_url"] is None:
        return
    call_sid, path = recording["call_sid"], recording_path(account_sid, recording["sid"])
    parameters = {
        "TranscriptionSid": sid,
        "TranscriptionText": text or "",
        "TranscriptionStatus": status,
        "TranscriptionType": "fast",
        "TranscriptionUrl": f"{path}/Transcriptions/{sid}",
        "RecordingSid": recording["sid"],
        "RecordingUrl": path,
        "AccountSid": account_sid,
        "ApiVersion": API_VERSION,
        **_of_call(connection, account_sid, call_sid),
    }
    callback = {"call_sid": call_sid, "url": recording["transcribe_url"], "method": "POST"}
    payload = {**callback, "parameters": parameters}
    _send(connection, account_sid, call_sid, f"{sid}.{status}", "callback", sid, payload, now)


def note(connection: Connection, account_sid: str, call_sid: str, code: int, text: str, now: float) -> None:
    row = {
        "account_sid": account_sid,
        "sid": new_sid(NOTIFICATION),
        "call_sid": call_sid,
        "log": "1",
        "error_code": str(code),
        "message_text": text,
        "message_date": now,
    }
    connection.execute(insert(Notification).values(row))


def _of_call(connection: Connection, account_sid: str, call_sid: str) -> dict[str, str]:
    call = select(Call.__table__).where(Call.account_sid == account_sid, Call.sid == call_sid)
    row = connection.execute(call).mappings().first()
    if row is None:
        return {"CallSid": call_sid}
    return {
        "CallSid": call_sid,
        "From": row["from"],
        "To": row["to"],
        "CallStatus": row["status"],
        "Direction": row["direction"],
    }


def _send(
    connection: Connection,
    account_sid: str,
    call_sid: str,
    id: str,
    kind: str,
    sid: str,
    payload: dict[str, Any],
    now: float,
) -> None:
    connection.execute(
        insert(Outbox).values(
            id=id,
            account_sid=account_sid,
            call_sid=call_sid,
            lane=f"transcription:{sid}",
            position=0,
            kind=kind,
            payload=payload,
            due_at=now,
            owner="",
            created_at=now,
        )
    )
