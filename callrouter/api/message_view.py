"""A message as Twilio's Message resource shows it (twilio-surface 5.8)."""

from typing import Any

from sqlalchemy import Row

from callrouter.api.message_errors import meaning
from callrouter.api.render import API_VERSION, date, path

SUBRESOURCES = {"media": "Media", "feedback": "Feedback"}


def shown(message: Row[Any]) -> dict[str, Any]:
    """Numbers are texts; a message whose service has not chosen a sender has no segments yet."""
    sender = message._mapping["from"]
    uri = ("Messages", message.sid)
    return {
        "sid": message.sid,
        "account_sid": message.account_sid,
        "messaging_service_sid": message.messaging_service_sid,
        "direction": message.direction,
        "from": sender or None,
        "to": message.to,
        "body": message.body,
        "status": message.status,
        "num_segments": str(message.num_segments if sender else 0),
        "num_media": str(message.num_media),
        "error_code": message.error_code,
        "error_message": meaning(message.error_code),
        "price": None,
        "price_unit": "USD",
        "api_version": API_VERSION,
        "date_created": date(message.date_created),
        "date_updated": date(message.date_updated),
        "date_sent": date(message.date_sent),
        "uri": path(message.account_sid, *uri),
        "subresource_uris": {
            name: path(message.account_sid, *uri, last) for name, last in SUBRESOURCES.items()
        },
    }
