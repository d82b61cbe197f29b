"""What happened in an account, written straight into the database: a call to an app that breaks, and its traces."""

from __future__ import annotations

from typing import Any

from console_world import HOSTILE, ConsoleWorld
from sqlalchemy import insert

from callrouter import models
from foundation.sids import CALL, MESSAGE, NOTIFICATION, new_sid

DOCUMENT = "<Response>\n  <Say>Hello</Say>\n  <Dail>" + HOSTILE + "</Dail>\n</Response>"
CALLER, NUMBER = "+14155550100", "+12125550123"
URL = "https://user:secret@app.example/voice"


def store(world: ConsoleWorld, model: Any, *rows: dict[str, Any]) -> None:
    world.write(lambda connection: connection.execute(insert(model), list(rows)))


def call_row(account: str, sid: str, at: float, **more: Any) -> dict[str, Any]:
    row = {"account_sid": account, "sid": sid, "direction": "inbound", "from": CALLER, "to": NUMBER}
    return {**row, "status": "completed", "date_created": at, "date_updated": at, **more}


def line(account: str, call: str, position: int, at: float, *who: str, **detail: Any) -> dict[str, Any]:
    source, target, summary = who
    keys = {"account_sid": account, "call_sid": call, "position": position, "at": at}
    return {**keys, "source": source, "target": target, "summary": summary, "detail": detail}


def note(account: str, sid: str, at: float, code: int, text: str, *, error: bool = True) -> dict[str, Any]:
    return {
        **{"account_sid": account, "sid": new_sid(NOTIFICATION), "call_sid": sid, "message_date": at},
        **{"log": "0" if error else "1", "error_code": str(code), "message_text": text, "request_url": URL},
    }


def delivery(account: str, sid: str, name: str, at: float, **more: Any) -> dict[str, Any]:
    row = {
        "account_sid": account,
        "call_sid": sid,
        "id": name,
        "at": at,
        "kind": "document",
        "method": "POST",
    }
    answer = {
        "response_status": 200,
        "content_type": "text/xml",
        "response_body": DOCUMENT,
        "duration_ms": 12,
    }
    sent = {"X-Twilio-Signature": "c2lnbmVk", "User-Agent": "TwilioProxy/1.1"}
    return {
        **row,
        **answer,
        **{
            "url": URL,
            "parameters": {"CallSid": sid, "From": CALLER, "Name": HOSTILE},
            "request_headers": sent,
        },
        **{"hops": [], "response_headers": [["Content-Type", "text/xml"]], **more},
    }


def broken_call(world: ConsoleWorld, account: str, at: float, **more: Any) -> str:
    """A call whose app answered with a verb that does not exist, and did not take the status callback; a client had
    two devices, of which one rang."""
    sid, leg = new_sid(CALL), new_sid(CALL)
    alice = "client:alice"
    store(world, models.Call, call_row(account, sid, at, end_time=at + 9, start_time=at + 1, **more))
    dialled = {"parent_call_sid": sid, "direction": "outbound-dial", "to": alice, "status": "no-answer"}
    store(world, models.Call, call_row(account, leg, at + 0.1, **dialled, ended_because="no-answer"))
    warning = "<Response> has no verb <Dail>; <Dial> is meant, perhaps"
    store(
        world,
        models.TimelineEntry,
        line(account, sid, 0, at, CALLER, "router", "call arrives"),
        line(account, sid, 1, at, "router", "app", f"POST {URL}", parameters={"a": "b"}, request=f"{sid}.0"),
        line(account, sid, 2, at + 0.02, "app", "router", "document", url=URL, body=DOCUMENT),
        line(account, sid, 3, at + 0.02, "router", "app", f"warning 12200: {warning} (line 3)"),
        line(account, sid, 4, at + 0.03, "router", alice, "dial", call_sid=leg, timeout=20),
        line(account, sid, 5, at + 9, CALLER, "router", "ended: normal"),
    )
    store(
        world,
        models.Notification,
        note(account, sid, at + 0.02, 12200, f"{warning} (line 3)", error=False),
        {**note(account, sid, at + 9.1, 15003, "The status callback was not taken: it answered 500."),
         "request_url": "http://app.example/status"},
    )  # fmt: skip
    status = {"kind": "status-callback", "url": "http://app.example/status", "response_status": 500}
    store(
        world,
        models.Delivery,
        delivery(account, sid, f"{sid}.0.0", at + 0.02),
        delivery(account, sid, f"{sid}.1.0", at + 9.1, **status, response_body="Traceback: KeyError"),
    )
    store(world, models.PresenceDecision, decision(account, leg, at + 0.03))
    return sid


def decision(account: str, leg: str, at: float) -> dict[str, Any]:
    devices = [{"endpoint_id": "desk"}, {"endpoint_id": "car"}]
    target = {
        "account_sid": account,
        "client": "alice",
        "status": "available",
        "note": "",
        "endpoints": devices,
    }
    stranger = {**target, "account_sid": "AC" + "9" * 32, "client": "their-bob"}
    return {
        **{"account_sid": account, "call_sid": leg, "attempt": 0, "at": at, "name": "alice", "as_of": 7},
        **{"snapshot": {"name": "alice", "shared": [], "as_of": 7, "targets": [target, stranger]}},
        **{"mode": "all", "outcome": "ring", "chosen_account": account, "chosen_client": "alice"},
        **{"presence_version": 3, "waves": [["desk"]], "rung": ["desk"], "refused": {}},
        "skipped": [{"account_sid": account, "client": "alice", "endpoint_id": "car", "reason": "busy"}],
    }


def message(world: ConsoleWorld, account: str, at: float, **more: Any) -> str:
    """A message that a carrier has delivered."""
    sid = new_sid(MESSAGE)
    row = {"account_sid": account, "sid": sid, "direction": "outbound-api", "from": NUMBER, "to": CALLER}
    words = {
        "body": HOSTILE,
        "encoding": "gsm-7",
        "num_segments": 1,
        "status": "delivered",
        "carrier": "acme",
    }
    times = {"date_created": at, "date_updated": at + 2, "date_sent": at + 1, "reported_at": at + 2}
    store(world, models.Message, {**row, **words, **times, **more})
    store(
        world,
        models.MessageDecision,
        {
            **{
                "account_sid": account,
                "message_sid": sid,
                "attempt": 0,
                "at": at,
                "carrier": "acme",
                "reason": "best",
            },
            "considered": [
                {"carrier": "acme", "score": 0.91, "cost": 0.0071},
                {"carrier": "slow", "score": 0.2},
            ],
        },
    )
    return sid
