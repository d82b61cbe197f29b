"""The shapes of messages to and from clients."""

from presence.api import client_messages, registrations
from presence.api.description.shapes import CLIENT, Schema, answer, body, flag, integer, many, maybe, of, text
from presence.client_messages import outgoing
from presence.client_messages.text import State

ENDPOINT = text(64, pattern=registrations.ENDPOINT_ID, description="the device's id")
ANY_MESSAGE: Schema = {"type": "string", "pattern": "^(SM|MM)[0-9a-f]{32}$"}

_MEDIA = answer(url=text(), content_type=text())

SCHEMAS: dict[str, Schema] = {
    "ClientMessage": answer(
        **{
            "sid": ANY_MESSAGE,
            "from": text(),
            "to": text(),
            "body": text(description="with links to the media for a device without mms"),
            "media": many(_MEDIA, description="for a device with mms"),
            "session": maybe(text(description="the session that it belongs to, MS…")),
            "at": {"type": "number", "description": "Unix time of its arrival"},
        }
    ),
    "ClientMessages": answer(
        messages=many(of("ClientMessage"), description="in their order; each until it is acknowledged"),
        more=flag(description="there may be more when some of these are acknowledged"),
    ),
    "Acknowledgement": body(("endpoint_id",), endpoint_id=ENDPOINT),
    "NewClientMessage": body(
        ("id",),
        **{
            "id": text(outgoing.LONGEST_ID, least=1, description="the client's own; a repeat sends nothing"),
            "to": text(
                outgoing.LONGEST_ADDRESS,
                description="a phone number, client:NAME or a session's SID; default: the client's only session",
            ),
            "from": text(
                outgoing.LONGEST_ADDRESS, description="a number of the account; default: the session's"
            ),
            "body": text(outgoing.LONGEST_BODY),
            "media": many(text(outgoing.LONGEST_URL, least=1), outgoing.MOST_MEDIA, description="their URLs"),
            "session": integer(
                0,
                outgoing.LONGEST_SESSION,
                description="seconds: opens a session between the phone and the client",
            ),
        },
    ),
    "SentClientMessage": answer(sid=text(), id=text(), status=text()),
    "MessageForClient": body(
        ("client", "from", "to", "valid_until"),
        **{
            "client": CLIENT,
            "from": text(outgoing.LONGEST_ADDRESS, least=1),
            "to": text(outgoing.LONGEST_ADDRESS, least=1),
            "body": text(client_messages.LONGEST_TEXT),
            "media": many(
                body(
                    ("url",),
                    url=text(outgoing.LONGEST_URL, least=1),
                    content_type=text(client_messages.LONGEST_TYPE),
                ),
                outgoing.MOST_MEDIA,
            ),
            "media_required": flag(description="for devices with mms only"),
            "session": text(34),
            "valid_until": {"type": "number", "minimum": 0, "description": "Unix time"},
            "hold": flag(description="default true; false: only if a device is there to take it"),
        },
    ),
    "PlacedMessage": answer(
        sid=ANY_MESSAGE,
        client=CLIENT,
        status={"type": "string", "enum": [*State, "nobody", "no-media"]},
        version=integer(description="the client's, that this was decided on"),
        endpoints=many(text(64), description="the devices it is for"),
        skipped=many(answer(endpoint_id=text(64), reason=text())),
        presence=text(description="where the client's presence is"),
    ),
}
