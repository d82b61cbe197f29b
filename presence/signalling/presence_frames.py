"""Frames about presence that we send beyond the Voice SDK's protocol; its clients ignore what they do not know.

    presence {id, as_of, snapshot, clients, removed}    a subscription's message; `legacy`: {from, available} (PR-40)
    ended {id, code, message, retry}                    nothing more comes of it (PR-47)
    status {status, note, version}                      the client's own status is stored (PR-20)
    expiring {seconds}                                  the token ends then (PR-8)

Those who subscribe get them, and `expiring` everybody.
"""

import json
from typing import Any


def presence(id: str, message: str) -> str:
    """What a subscription hears; `message` is a JSON object of at least one field, rendered once for all."""
    head = json.dumps({"type": "presence", "payload": {"id": id}}, separators=(",", ":"))
    return f'{head[:-2]},{message[1:-1]}}},"version":"1.6"}}'


def legacy_presence(client: str, *, available: bool) -> str:
    """As twilio.js up to 1.2 told its `presence` handler (twilio-surface 6.4)."""
    return _frame("presence", {"from": client, "available": available})


def ended(id: str, code: int, message: str, *, retry: bool) -> str:
    return _frame("ended", {"id": id, "code": code, "message": message, "retry": retry})


def own_status(status: str, note: str, version: int) -> str:
    return _frame("status", {"status": status or None, "note": note, "version": version})


def expiring(seconds: int) -> str:
    """The token ends then."""
    return _frame("expiring", {"seconds": seconds})


def _frame(type: str, payload: dict[str, Any]) -> str:
    return json.dumps({"type": type, "payload": payload, "version": "1.6"}, separators=(",", ":"))
