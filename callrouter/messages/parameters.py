"""What an app is told about a message that came in (twilio-surface 4.5)."""

from collections.abc import Sequence
from typing import Any

from callrouter.directory import places
from callrouter.messages.states import API_VERSION
from callrouter.messages.status import Status


def standard(message: Any, media: Sequence[Any]) -> dict[str, str]:
    """The parameters of every request about it. URLs of media are paths: whoever sends them puts our address before."""
    sid = message.sid
    told = {
        **dict.fromkeys(("MessageSid", "SmsSid", "SmsMessageSid"), sid),
        "AccountSid": message.account_sid,
        "From": message._mapping["from"],
        "To": message.to,
        **places.parameters("From", message._mapping["from"]),
        **places.parameters("To", message.to),
        "Body": message.body,
        "NumSegments": str(message.num_segments),
        "NumMedia": str(len(media)),
        "SmsStatus": Status.RECEIVED.value,
        "ApiVersion": API_VERSION,
    }
    if message.messaging_service_sid:
        told["MessagingServiceSid"] = message.messaging_service_sid
    for number, piece in enumerate(media):
        told[f"MediaUrl{number}"] = media_path(message.account_sid, sid, piece.sid)
        told[f"MediaContentType{number}"] = piece.content_type
    return told


def media_path(account_sid: str, message_sid: str, sid: str) -> str:
    """Where REST has the media."""
    return f"/{API_VERSION}/Accounts/{account_sid}/Messages/{message_sid}/Media/{sid}"
