"""POST on Messages: everything is checked before anything is stored (twilio-surface 5.8)."""

import hashlib
import json
import re
from typing import Any

from sqlalchemy import Connection
from werkzeug.datastructures import MultiDict

from callrouter.api import params
from callrouter.api.addresses import CLIENT, client, phone
from callrouter.api.params import parameter
from callrouter.directory import applications
from callrouter.directory.errors import Missing
from callrouter.directory.sender_pools import NAME
from callrouter.directory.short_codes import SHORT_CODE
from callrouter.messages.submission import LONGEST_VALIDITY, Submission
from callrouter.messages.text import MAX
from foundation.sids import MESSAGE, MESSAGE_WITH_MEDIA, MESSAGING_SERVICE, is_sid, new_sid
from foundation.webserver.errors import ApiError

LONGEST_ADDRESS = 300
MOST_MEDIA = 10
SOONEST, LATEST = 300, 35 * 86_400
"""In how many seconds a scheduled message may go out (https://www.twilio.com/docs/api/errors/35114)."""
KEPT_KEY = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)
INVALID_TO, INVALID_FROM = 21211, 21212


def otherwise(name: str, value: str) -> str:
    try:
        return value if value in ("hold", "tell") else phone(name, value, params.INVALID)
    except ApiError as error:
        reason = (
            f"{name}: {value[:40]!r} is neither hold, tell, nor a phone number in E.164 such as +14155550123."
        )
        raise ApiError(400, params.INVALID, reason) from error


SETTINGS = (
    parameter("To", "to", params.text(LONGEST_ADDRESS, INVALID_TO)),
    parameter("From", "from_", params.text(LONGEST_ADDRESS, INVALID_FROM)),
    parameter("MessagingServiceSid", "service_sid", params.text(34, 21705)),
    parameter("Body", "body", params.text(MAX, 21617)),
    parameter("StatusCallback", "status_callback", params.url(21609)),
    parameter("ApplicationSid", "application_sid", params.text(34, 21218)),
    parameter("ValidityPeriod", "validity", params.integer(1, LONGEST_VALIDITY, 21624)),
    parameter("ProvideFeedback", "provide_feedback", params.flag),
    parameter("SmartEncoded", "smart_encoded", params.flag),
    parameter("ScheduleType", "schedule_type", params.choice(("", "fixed"), 35126)),
    parameter("SendAt", "send_at", params.text(64, 35114)),
    parameter("ContentSid", "content_sid", params.text(LONGEST_ADDRESS, 21655)),
    parameter("ContentRetention", "content_retention", params.choice(("retain",), 30029)),
    parameter("AddressRetention", "address_retention", params.choice(("retain",), 30030)),
    parameter("Otherwise", "otherwise", otherwise),
    parameter("MediaRequired", "media_required", params.flag),
)
"""What is to be discarded or obfuscated is refused: we would keep it. The last two are callrouter's own: for a client
who is not there (PR-73), and for media that can't go where the message goes (PR-74)."""


def submission(
    connection: Connection, account_sid: str, form: MultiDict[str, str], now: float, *, key: str | None = None
) -> Submission:
    """The message that the form asks for; ApiError with Twilio's code when it can't be sent.

    `key`: the request's idempotency key (reliability-security OM2).
    """
    wanted = params.given(SETTINGS, form)
    to = _to(wanted.get("to", ""))
    from_, service_sid = _sender(wanted)
    if from_ == to:
        raise ApiError(400, 21266, "To and From are the same.")
    body, media = _content(wanted, form)
    send_at = _send_at(wanted, service_sid, now)
    if key is not None and not KEPT_KEY.fullmatch(key):
        raise ApiError(400, params.INVALID, "An Idempotency-Key has 1 to 255 visible ASCII characters.")
    return Submission(
        account_sid=account_sid,
        sid=new_sid(MESSAGE_WITH_MEDIA if media else MESSAGE),
        direction="outbound-api",
        from_=from_,
        to=to,
        body=body,
        media_urls=media,
        messaging_service_sid=service_sid,
        status_callback=_callback(connection, account_sid, wanted),
        validity=wanted.get("validity", LONGEST_VALIDITY),
        send_at=send_at,
        provide_feedback=wanted.get("provide_feedback", False),
        smart_encoded=wanted.get("smart_encoded", False),
        otherwise=wanted.get("otherwise"),
        media_required=wanted.get("media_required", False),
        idempotency_key=key,
        idempotency_digest=_digest(form) if key else "",
    )


def _to(text: str) -> str:
    if not text:
        raise ApiError(400, 21604, "To is required: the phone number or the client that gets the message.")
    return client("To", text, INVALID_TO) if text.startswith(CLIENT) else phone("To", text, INVALID_TO)


def _sender(wanted: dict[str, Any]) -> tuple[str, str | None]:
    """The sender in E.164, as digits, as a name or as a client, empty when a service is to choose; the service's SID.

    A service may stand in From. Whether they are the account's is found out when the message is stored.
    """
    from_, service_sid = wanted.get("from_", ""), wanted.get("service_sid", "")
    if is_sid(from_, MESSAGING_SERVICE):
        from_, service_sid = "", service_sid or from_
    if not from_ and not service_sid:
        raise ApiError(400, 21603, "From or MessagingServiceSid is required: who sends the message.")
    if service_sid and not is_sid(service_sid, MESSAGING_SERVICE):
        raise ApiError(400, 21705, "MessagingServiceSid is a SID, MG….")
    if from_.startswith(CLIENT):
        from_ = client("From", from_, INVALID_FROM)
    elif from_ and not (SHORT_CODE.fullmatch(from_) or NAME.fullmatch(from_)):
        try:
            from_ = phone("From", from_, INVALID_FROM)
        except ApiError as error:
            reason = (
                f"From: {from_[:40]!r} is neither a phone number in E.164 such as +14155550123, nor a short code, "
                "nor a name of at most 11 letters, digits and spaces."
            )
            raise ApiError(400, INVALID_FROM, reason) from error
    return from_, service_sid or None


def _content(wanted: dict[str, Any], form: MultiDict[str, str]) -> tuple[str, tuple[str, ...]]:
    """The text and the URLs of the media."""
    if wanted.get("content_sid"):
        raise ApiError(400, 21655, "ContentSid: there are no content templates here; send a Body.")
    media = tuple(params.cleaned("MediaUrl", url) for url in form.getlist("MediaUrl") if url)
    if len(media) > MOST_MEDIA:
        raise ApiError(400, 21623, f"A message takes at most {MOST_MEDIA} media.")
    read = params.url(21620)
    body = wanted.get("body", "")
    if not body.strip() and not media:
        raise ApiError(400, 21602, "Body or MediaUrl is required: what the message says.")
    return body, tuple(read("MediaUrl", url) for url in media)


def _send_at(wanted: dict[str, Any], service_sid: str | None, now: float) -> float | None:
    """Unix seconds; None: now."""
    kind, text = wanted.get("schedule_type"), wanted.get("send_at")
    if not kind and not text:
        return None
    if not kind:
        raise ApiError(400, 35126, "SendAt needs ScheduleType=fixed.")
    if not text:
        raise ApiError(400, 35111, "ScheduleType=fixed needs SendAt.")
    if service_sid is None:
        raise ApiError(400, 35118, "A scheduled message needs a MessagingServiceSid.")
    try:
        at, _ = params.moments("SendAt", text)
    except ApiError as error:
        raise ApiError(400, 35114, error.message) from error
    if not SOONEST <= at - now <= LATEST:
        raise ApiError(400, 35114, f"SendAt is from {SOONEST} seconds to {LATEST // 86_400} days ahead.")
    return at


def _callback(connection: Connection, account_sid: str, wanted: dict[str, Any]) -> str | None:
    """The request's own goes before its application's; a service's comes after both."""
    default = ""
    if sid := wanted.get("application_sid"):
        try:
            default = applications.fetch(connection, account_sid, sid).message_status_callback
        except Missing as error:
            raise ApiError(400, 21218, f"ApplicationSid: {sid} is no application of this account.") from error
    return wanted.get("status_callback") or default or None


def _digest(form: MultiDict[str, str]) -> str:
    return hashlib.sha256(json.dumps(sorted(form.items(multi=True))).encode()).hexdigest()
