"""The shapes of what the presence API takes and answers, as JSON schemas made from the code's own limits."""

import re
from typing import Any

from foundation.sids import ACCOUNT, API_KEY, CALL, REGISTRATION, SUBSCRIPTION
from presence import statuses
from presence.access.jwt_parts import SIZE_LIMIT
from presence.access.revocations import Kind
from presence.api import asking, nodes, registrations, service, subscriptions
from presence.definitions import lists
from presence.definitions.destinations import MOST_TARGETS
from presence.identity import LONGEST
from presence.registration import CAPABILITIES, TTL_LIMITS
from presence.statuses import RANKS, Status

Schema = dict[str, Any]
BIGGEST = 2**62


def text(
    most: int | None = None, *, least: int = 0, pattern: re.Pattern[str] | None = None, **more: Any
) -> Schema:
    schema: Schema = {"type": "string", **more}
    if least:
        schema["minLength"] = least
    if most is not None:
        schema["maxLength"] = most
    if pattern is not None:
        schema["pattern"] = f"^{pattern.pattern.removesuffix(chr(92) + 'Z')}$"
    return schema


def integer(low: int = 0, high: int | None = None, **more: Any) -> Schema:
    bounds = {"minimum": low} if high is None else {"minimum": low, "maximum": high}
    return {"type": "integer", **bounds, **more}


def flag(**more: Any) -> Schema:
    return {"type": "boolean", **more}


def one_of(*values: str) -> Schema:
    return {"type": "string", "enum": list(values)}


def many(items: Schema, most: int | None = None, *, least: int = 0, **more: Any) -> Schema:
    bounds = {} if most is None else {"maxItems": most}
    return {"type": "array", "items": items, **({"minItems": least} if least else {}), **bounds, **more}


def maybe(schema: Schema) -> Schema:
    """It, or null."""
    return (
        {"anyOf": [schema, {"type": "null"}]}
        if "$ref" in schema
        else {**schema, "type": [schema["type"], "null"]}
    )


def answer(_optional: tuple[str, ...] = (), /, **properties: Schema) -> Schema:
    """An object that we make: these keys and no others."""
    required = [name for name in properties if name not in _optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def body(_required: tuple[str, ...] = (), /, **properties: Schema) -> Schema:
    """An object that callers send: what it has beside these keys is not looked at."""
    return {"type": "object", "properties": properties, "required": list(_required)}


def of(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def sid(prefix: str) -> Schema:
    return {"type": "string", "pattern": f"^{prefix}[0-9a-f]{{32}}$"}


CLIENT = text(
    LONGEST, least=1, description="letters, digits and _; no control characters, blanks or delimiters"
)
MOMENT: Schema = {"type": "string", "format": "date-time"}
CAPABILITY = one_of(*CAPABILITIES)
SOME_CAPABILITIES = many(CAPABILITY, len(CAPABILITIES), uniqueItems=True)
NOTE = text(registrations.LONGEST_NOTE)
STATUS = text(64, description="a built-in status or one of the account's")
PRIORITY = integer(*registrations.PRIORITIES, description="the highest is rung first where that matters")
VERSION = integer(
    0, BIGGEST, description="what the change was based on; 409 if the client has changed since (PR-16)"
)
TTL = integer(*TTL_LIMITS, description="seconds; cut at the token's end")
MORE = maybe(text(description="for the next page; null on the last"))
CLIENT_VERSION = integer(description="rises with every change of the client")
SELECTION: dict[str, Schema] = {
    "clients": many(CLIENT, asking.MOST_NAMES),
    "list": text(64, least=1, description="a contact list"),
    "prefix": text(LONGEST, least=1, description="of client names"),
    "everyone": flag(),
}
QUESTION: dict[str, Schema] = {
    "capability": CAPABILITY,
    "view": one_of("connectable"),
    "since": integer(
        0, BIGGEST, description="an earlier as_of: answers with what changed since; 410 when too old"
    ),
    "page_size": integer(1, asking.MOST_A_PAGE),
    "page_token": text(asking.LONGEST_TOKEN),
}
_DEVICE = {
    "endpoint_id": text(
        64, pattern=registrations.ENDPOINT_ID, description="the device; stable, the app chooses it"
    ),
    "capabilities": {**SOME_CAPABILITIES, "description": 'default ["voice"]; [] unregisters'},
    "status": STATUS,
    "note": NOTE,
    "priority": PRIORITY,
    "hidden": flag(description="rung, but not listed"),
    "ttl": TTL,
    "delivery": {"type": "object", "description": "how to reach it; at most 2048 bytes of JSON"},
    "version": VERSION,
}
_LIST_NAME = text(64, least=1, pattern=lists.NAME)
_URL = text(
    subscriptions.LONGEST_URL, least=1, description="http or https; `#` overrides as for Twilio's webhooks"
)
_DEVICE_ID = text(64, least=1)
_URI = text(description="where it is")

SCHEMAS: dict[str, Schema] = {
    "Error": answer(
        code=integer(description="what went wrong, in Twilio's numbers"),
        message=text(),
        more_info=text(),
        status=integer(400, 599),
    ),
    "Endpoint": answer(
        endpoint_id=text(64),
        status=STATUS,
        available=flag(),
        capabilities=SOME_CAPABILITIES,
        takes={**SOME_CAPABILITIES, "description": "what comes through to it now"},
        priority=PRIORITY,
        note=NOTE,
        hidden=flag(),
        incoming=flag(description="its token lets calls in"),
        last_seen=MOMENT,
        expires_at=MOMENT,
        node=text(),
    ),
    "Presence": answer(
        ("endpoints",),
        account_sid=sid(ACCOUNT),
        client=CLIENT,
        status=text(64, description=f"{Status.OFFLINE} when nobody is there"),
        available=flag(description="for the capability that was asked for"),
        capabilities=SOME_CAPABILITIES,
        note=NOTE,
        version=CLIENT_VERSION,
        updated_at=maybe(MOMENT),
        expires_at=maybe(MOMENT),
        uri=_URI,
        endpoints=many(of("Endpoint"), description="for callers who may see devices"),
    ),
    "PresenceMessage": answer(
        ("next_page_token",),
        as_of=integer(description="the account's sequence number of this answer"),
        clients=many(of("Presence")),
        removed=many(CLIENT, description="with since: who is out of the view since then"),
        next_page_token=text(),
    ),
    "Event": answer(
        ("endpoints",),
        client=CLIENT,
        available=flag(),
        status=text(64),
        note=NOTE,
        capabilities=SOME_CAPABILITIES,
        version=CLIENT_VERSION,
        sequence=integer(description="of the change that it tells, or of the snapshot"),
        at=maybe(MOMENT),
        endpoints=many(of("Endpoint"), description="with detail"),
    ),
    "StreamMessage": answer(
        ("more",),
        as_of=integer(description="where to go on from; 0 in a part of a snapshot that has more"),
        snapshot=flag(description="begins a new picture; else these are changes"),
        clients=many(of("Event")),
        removed=many(CLIENT, description="who is out of the view"),
        more=flag(description="the snapshot goes on in the next message"),
    ),
    "Reach": answer(
        name=CLIENT,
        shared=flag(description="a destination of several clients"),
        as_of=integer(),
        targets=many(of("Presence"), description="first choice first"),
    ),
    "PresenceQuestion": body(**SELECTION, **QUESTION),
    "NewRegistration": body(("endpoint_id",), **_DEVICE),
    "RegistrationChange": body(**{name: one for name, one in _DEVICE.items() if name != "endpoint_id"}),
    "Registration": answer(
        sid=sid(REGISTRATION),
        account_sid=sid(ACCOUNT),
        client=CLIENT,
        endpoint_id=text(64),
        status=STATUS,
        busy=flag(description="on a call"),
        capabilities=SOME_CAPABILITIES,
        priority=PRIORITY,
        note=NOTE,
        hidden=flag(),
        incoming=flag(),
        version=CLIENT_VERSION,
        last_seen=MOMENT,
        expires_at=MOMENT,
        updates_uri=text(description="where to register again"),
        stream_uri=text(description="where to hear of others"),
        cursor=integer(description="for the stream: everything after this registration"),
        uri=_URI,
    ),
    "Unregistered": answer(
        ("endpoint_id", "sid"),
        endpoint_id=text(64),
        sid=sid(REGISTRATION),
        status=one_of(Status.OFFLINE),
        capabilities=many(CAPABILITY, 0),
    ),
    "Registrations": answer(
        client=CLIENT, version=CLIENT_VERSION, cursor=integer(), registrations=many(of("Registration"))
    ),
    "OwnStatusChange": body(("status",), status=maybe(STATUS), note=NOTE, version=VERSION),
    "OwnStatus": answer(
        account_sid=sid(ACCOUNT),
        client=CLIENT,
        status=maybe(STATUS),
        chosen=flag(),
        note=NOTE,
        version=CLIENT_VERSION,
        uri=_URI,
    ),
    "NewStatus": body(
        ("name", "available", "rank"),
        name=text(64, pattern=statuses.NAME),
        available=flag(description="can't be changed later"),
        rank=integer(*RANKS),
        voice=flag(description="calls come through; default: available"),
        messages=flag(description="messages come through; default: available"),
    ),
    "StatusChange": body(rank=integer(*RANKS), voice=flag(), messages=flag()),
    "Status": answer(
        account_sid=sid(ACCOUNT),
        name=text(64),
        available=flag(),
        rank=integer(*RANKS),
        voice=flag(),
        messages=flag(),
        built_in=flag(),
        uri=_URI,
    ),
    "Statuses": answer(statuses=many(of("Status"))),
    "NewContactList": body(("name",), name=_LIST_NAME, clients=many(CLIENT, lists.MOST_CLIENTS)),
    "ContactListName": body(("name",), name=_LIST_NAME),
    "ContactList": answer(
        account_sid=sid(ACCOUNT),
        name=_LIST_NAME,
        clients=integer(0, lists.MOST_CLIENTS, description="how many"),
        created_at=MOMENT,
        updated_at=MOMENT,
        uri=_URI,
    ),
    "ContactLists": answer(contact_lists=many(of("ContactList")), next_page_token=MORE),
    "Members": answer(clients=many(CLIENT), next_page_token=MORE),
    "Targets": body(
        ("targets",),
        targets=many(body(("client",), client=CLIENT, account_sid=sid(ACCOUNT)), MOST_TARGETS, least=1),
    ),
    "Destination": answer(
        account_sid=sid(ACCOUNT),
        name=CLIENT,
        targets=many(answer(account_sid=sid(ACCOUNT), client=CLIENT), MOST_TARGETS),
        created_at=MOMENT,
        updated_at=MOMENT,
        uri=_URI,
    ),
    "Destinations": answer(destinations=many(of("Destination")), next_page_token=MORE),
    "NewRevocation": body(
        token=text(SIZE_LIMIT, least=1, description="a whole token"),
        token_id=text(1024, least=1, description="a token's jti"),
        identity=CLIENT,
        key=sid(API_KEY),
        account=flag(),
    ),
    "Revocation": answer(
        kind=one_of(*Kind), value=text(description="of a token: a digest"), at=MOMENT, until=maybe(MOMENT)
    ),
    "Revoked": answer(revoked=of("Revocation"), ended=integer(description="registrations that it ended")),
    "Revocations": answer(revocations=many(of("Revocation")), next_page_token=MORE),
    "Account": body(
        ("status", "auth_tokens", "version"),
        status=one_of(*service.ACCOUNT_STATUSES),
        auth_tokens=many(text(256, least=1), 10),
        version=integer(0, BIGGEST),
    ),
    "Key": body(
        ("account_sid", "secret", "version"),
        account_sid=sid(ACCOUNT),
        secret=text(256, least=1),
        version=integer(0, BIGGEST),
    ),
    "NewSubscription": body(
        ("url",),
        url=_URL,
        **SELECTION,
        view=one_of("connectable"),
        detail=flag(description="with devices, and whenever one changes"),
    ),
    "SubscriptionChange": body(
        url=_URL, active=flag(description="false: not told; true: everything, then changes")
    ),
    "Subscription": answer(
        ("clients", "list", "prefix", "everyone"),
        sid=sid(SUBSCRIPTION),
        account_sid=sid(ACCOUNT),
        url=_URL,
        **SELECTION,
        detail=flag(),
        active=flag(),
        cursor=integer(description="the last sequence number that the server acknowledged"),
        failures=integer(description="in a row"),
        last_error=maybe(text()),
        created_at=MOMENT,
        updated_at=MOMENT,
        uri=_URI,
    ),
    "Subscriptions": answer(subscriptions=many(of("Subscription"))),
    "Invite": body(
        ("call_sid", "client", "sdp", "ring_token", "expires_at"),
        call_sid=sid(CALL),
        client=CLIENT,
        endpoints=many(_DEVICE_ID, service.MOST_ENDPOINTS),
        waves=many(
            many(_DEVICE_ID, service.MOST_ENDPOINTS, least=1),
            service.MOST_WAVES,
            description="groups of the endpoints that ring in turn; default: all at once",
        ),
        every={"type": "number", "minimum": 0, "description": "seconds from wave to wave"},
        busy=many(_DEVICE_ID, service.MOST_ENDPOINTS, description="skipped as busy"),
        sdp=text(service.SDP_LIMIT, least=1),
        ring_token=text(4096, least=1),
        expires_at={"type": "number", "minimum": 0, "description": "Unix time"},
        created_at={"type": "number", "minimum": 0, "description": "Unix time"},
        parameters={"type": "object"},
    ),
    "Rung": answer(
        invite=sid(CALL),
        rung=many(text(64)),
        skipped=many(answer(endpoint_id=text(64), reason=text())),
    ),
    "Frame": body(
        ("type",),
        type=one_of(*service.FRAMES),
        id=text(64, description="a repeated one is not sent again"),
        sdp=maybe(text(service.SDP_LIMIT)),
        code=maybe(integer(10_000, 99_999)),
        **{name: text(500) for names in service.FRAMES.values() for name in names},
    ),
    "Leases": body(("calls",), calls=many(sid(CALL), service.MOST_RENEWED)),
    "Unknown": answer(unknown=many(sid(CALL))),
    "InviteHeard": body(
        state=one_of(*nodes.ENDED), out={"type": "object", "description": "endpoint id: Unix time"}
    ),
    "DeviceMove": body(("token_digest",), token_digest=text(32, least=1), agent=text(512)),
    "DeviceMoved": answer(endpoint_id=maybe(text(64))),
    "CallMove": body(("taken",), taken=flag(), cancel=flag()),
    "CallMoved": answer(there=flag()),
    "Health": answer(("faults",), status=text(), faults={"type": "object"}),
}
