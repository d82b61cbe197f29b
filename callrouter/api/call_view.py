"""A call as Twilio's Call resource shows it (twilio-surface 5.7)."""

from typing import Any

from sqlalchemy import Row

from callrouter.api.render import API_VERSION, date, path
from callrouter.directory.e164 import national

QUEUED = "queued"
INITIATED = "initiated"
FINAL = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
STATUSES = (QUEUED, "ringing", "in-progress", *sorted(FINAL))
SUBRESOURCES = {"notifications": "Notifications", "events": "Events"}


def shown(call: Row[Any], viewer: str) -> dict[str, Any]:
    """As the account `viewer` sees it: the call's own, or the one whose client took it (PR-61)."""
    own = call.account_sid == viewer
    caller = call._mapping["from"]
    uri = ("Calls", call.sid)
    return {
        "sid": call.sid,
        "account_sid": viewer,
        "parent_call_sid": call.parent_call_sid if own else None,
        "to": call.to,
        "to_formatted": national(call.to),
        "from": caller,
        "from_formatted": national(caller),
        "phone_number_sid": call.phone_number_sid if own else None,
        # REST never shows `initiated`; only callbacks do
        "status": QUEUED if call.status == INITIATED else call.status,
        "direction": call.direction,
        "start_time": date(call.start_time),
        "end_time": date(call.end_time),
        "duration": duration(call),
        "price": None,
        "price_unit": "USD",
        "answered_by": call.answered_by,
        "caller_name": call.caller_name,
        "forwarded_from": None,
        "group_sid": None,
        "trunk_sid": None,
        "queue_time": str(call.queue_time),
        "api_version": API_VERSION,
        "date_created": date(call.date_created),
        "date_updated": date(call.date_updated),
        "uri": path(viewer, *uri),
        "subresource_uris": {name: path(viewer, *uri, last) for name, last in SUBRESOURCES.items()},
    }


def duration(call: Row[Any]) -> str | None:
    """Whole seconds from answer to end, as text; "0" when it was never answered, None while it lives."""
    if call.status not in FINAL:
        return None
    return str(max(0, round((call.end_time or 0) - (call.start_time or call.end_time or 0))))
