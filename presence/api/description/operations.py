"""Every request that the presence API takes: who may ask it, with what, and how it is answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from foundation.sids import ACCOUNT, API_KEY, CALL, REGISTRATION, SUBSCRIPTION
from presence.access.callers import Kind
from presence.api import asking, paging
from presence.api.description.message_shapes import ANY_MESSAGE, ENDPOINT
from presence.api.description.shapes import CAPABILITY, CLIENT, Schema, flag, integer, one_of, sid, text

A = "/v1/Accounts/{account_sid}"
C, S, O = (Kind.CLIENT,), (Kind.SERVICE,), (Kind.ACCOUNT, Kind.SERVICE)  # noqa: E741 - client, service, owner
ALL = (*C, *O)
PUBLIC: tuple[Kind, ...] = ()
EVENTS = "text/event-stream"

PARAMETERS: dict[str, Schema] = {
    "account_sid": sid(ACCOUNT),
    "client": CLIENT,
    "sid": sid(REGISTRATION),
    "key_sid": sid(API_KEY),
    "call_sid": sid(CALL),
    "name": text(256, least=1),
    "subscription_sid": sid(SUBSCRIPTION),
    "message_sid": ANY_MESSAGE,
}


@dataclass(frozen=True, kw_only=True)
class Operation:
    """`answers`: the schema of each status, "" for none; those that any request may get are not in it."""

    method: str
    path: str
    summary: str
    who: tuple[Kind, ...]
    needs: str = ""
    """What a client's token must permit."""
    note: str = ""
    query: Mapping[str, Schema] = field(default_factory=dict)
    body: str = ""
    answers: Mapping[int, str]
    media: str = "application/json"

    @property
    def id(self) -> str:
        return f"{self.method} {self.path}"


def _op(method: str, path: str, summary: str, who: tuple[Kind, ...], **more: object) -> Operation:
    return Operation(method=method, path=path, summary=summary, who=who, **more)  # type: ignore[arg-type]


_PAGES = {"page_size": integer(1, paging.MOST), "page_token": text(256)}
_WHOM = {
    "clients": text(description=f"names with commas between, {asking.MOST_NAMES} at most"),
    "list": text(64, least=1),
    "prefix": text(256, least=1),
}
_READ = "presence:read:…"
_LOOK = {
    "capability": CAPABILITY,
    "view": one_of("connectable"),
    "since": integer(0, 2**62),
    "page_size": integer(1, asking.MOST_A_PAGE),
    "page_token": text(asking.LONGEST_TOKEN),
}
_PUBLISH = "incoming calls, or presence:publish"
_DEVICES, _ONE_DEVICE = (
    f"{A}/Clients/{{client}}/Registrations",
    f"{A}/Clients/{{client}}/Registrations/{{sid}}",
)
_STATUS, _STATUSES, _LISTS = f"{A}/Clients/{{client}}/Status", f"{A}/Statuses", f"{A}/ContactLists"
_TARGETS, _HOOKS = f"{A}/Destinations", f"{A}/Subscriptions"
_HOOK = f"{_HOOKS}/{{subscription_sid}}"
_CALL = f"{A}/Calls/{{call_sid}}"
_TEXTS = f"{A}/Clients/{{client}}/Messages"
_HERE = {"here": one_of("1")}

OPERATIONS: dict[str, tuple[Operation, ...]] = {
    "Who is there": (
        _op(
            "GET",
            f"{A}/Presence/{{client}}",
            "A client's presence; who is not in the token's scope looks like nobody",
            ALL,
            needs=_READ,
            query={"capability": CAPABILITY},
            answers={200: "Presence", 304: ""},
        ),
        _op(
            "GET",
            f"{A}/Presence",
            "Many clients in one message, or all whom the caller may see",
            ALL,
            needs=_READ,
            query={**_WHOM, **_LOOK},
            answers={200: "PresenceMessage", 304: "", 410: "Error"},
        ),
        _op(
            "POST",
            f"{A}/Presence/query",
            "The same, for more names than an address holds",
            ALL,
            needs=_READ,
            body="PresenceQuestion",
            answers={200: "PresenceMessage", 410: "Error"},
        ),
        _op(
            "GET",
            f"{A}/PresenceStream",
            "Everything first, then changes, as server-sent events",
            ALL,
            needs=f"{_READ} and events:subscribe",
            query={
                **_WHOM,
                "view": one_of("connectable"),
                "detail": flag(),
                "cursor": integer(
                    0, 2**62, description="the id of an earlier event; Last-Event-ID says it too"
                ),
            },
            answers={200: ""},
            media=EVENTS,
            note="`event: presence`, whose `id` is the cursor and whose `data` is a StreamMessage; `event: expiring` "
            "30 seconds before the token ends; `event: ended` with a code when nothing more comes. The same messages "
            "come in frames of the signalling socket and by webhooks",
        ),
        _op("GET", f"{A}/Reach/{{name}}", "Whom a dialled name stands for", S, answers={200: "Reach"}),
    ),
    "Registrations": (
        _op(
            "POST",
            _DEVICES,
            "Registers a device of the client, or refreshes it",
            C,
            needs=_PUBLISH,
            body="NewRegistration",
            answers={200: "Registration | Unregistered", 201: "Registration", 409: "Error"},
        ),
        _op(
            "GET", _DEVICES, "The client's live devices", ALL, needs=_PUBLISH, answers={200: "Registrations"}
        ),
        _op("GET", _ONE_DEVICE, "One of them", ALL, needs=_PUBLISH, answers={200: "Registration"}),
        _op(
            "POST",
            _ONE_DEVICE,
            "Changes what is given of it, and goes on with this token",
            C,
            needs=_PUBLISH,
            body="RegistrationChange",
            answers={200: "Registration | Unregistered", 409: "Error"},
        ),
        _op("DELETE", _ONE_DEVICE, "Unregisters it; may be repeated", ALL, needs=_PUBLISH, answers={204: ""}),
    ),
    "A client's own status": (
        _op("GET", _STATUS, "What the client said of itself", ALL, answers={200: "OwnStatus"}),
        _op(
            "PUT",
            _STATUS,
            "Sets it, for all its devices now and later; null for none",
            ALL,
            needs=_PUBLISH,
            body="OwnStatusChange",
            answers={200: "OwnStatus", 409: "Error"},
        ),
    ),
    "Messages": (
        _op(
            "GET",
            _TEXTS,
            "What a device of the client has to show",
            C,
            query={"endpoint_id": ENDPOINT},
            answers={200: "ClientMessages"},
        ),
        _op(
            "POST",
            f"{_TEXTS}/{{message_sid}}/Acknowledgements",
            "The device has shown it; the first one delivers the message",
            C,
            body="Acknowledgement",
            answers={204: ""},
        ),
        _op(
            "POST",
            _TEXTS,
            "Sends a message from the client; a refusal has the router's code",
            C,
            needs="messages:send",
            body="NewClientMessage",
            answers={201: "SentClientMessage", 409: "Error"},
        ),
        _op(
            "GET",
            f"{A}/Clients/{{client}}/MessageStream",
            "A device's messages as server-sent events",
            C,
            query={"endpoint_id": ENDPOINT},
            answers={200: ""},
            media=EVENTS,
            note="`event: message`, whose `data` is a ClientMessage, comes again on the next stream until it is "
            "acknowledged; `event: expiring` and `event: ended` as on the presence stream",
        ),
    ),
    "Statuses": (
        _op("GET", _STATUSES, "Built-in statuses and the account's own", ALL, answers={200: "Statuses"}),
        _op("POST", _STATUSES, "Defines one", O, body="NewStatus", answers={201: "Status", 409: "Error"}),
        _op("GET", f"{_STATUSES}/{{name}}", "One of them", ALL, answers={200: "Status"}),
        _op(
            "POST",
            f"{_STATUSES}/{{name}}",
            "Changes what it means, also for devices that have it",
            O,
            body="StatusChange",
            answers={200: "Status", 409: "Error"},
        ),
        _op(
            "DELETE",
            f"{_STATUSES}/{{name}}",
            "Deletes one that nobody uses",
            O,
            answers={204: "", 409: "Error"},
        ),
    ),
    "Contact lists": (
        _op("GET", _LISTS, "The lists", ALL, needs=_READ, query=_PAGES, answers={200: "ContactLists"}),
        _op(
            "POST", _LISTS, "Makes one", O, body="NewContactList", answers={201: "ContactList", 409: "Error"}
        ),
        _op("GET", f"{_LISTS}/{{name}}", "One of them", ALL, needs=_READ, answers={200: "ContactList"}),
        _op(
            "POST",
            f"{_LISTS}/{{name}}",
            "Gives it another name",
            O,
            body="ContactListName",
            answers={200: "ContactList", 409: "Error"},
        ),
        _op("DELETE", f"{_LISTS}/{{name}}", "Deletes it", O, answers={204: ""}),
        _op(
            "GET",
            f"{_LISTS}/{{name}}/Clients",
            "Who is on it",
            ALL,
            needs=_READ,
            query=_PAGES,
            answers={200: "Members"},
        ),
        _op("PUT", f"{_LISTS}/{{name}}/Clients/{{client}}", "Puts a client on it", O, answers={204: ""}),
        _op("DELETE", f"{_LISTS}/{{name}}/Clients/{{client}}", "Takes a client off it", O, answers={204: ""}),
    ),
    "Destinations": (
        _op(
            "GET",
            _TARGETS,
            "Names that stand for several clients",
            O,
            query=_PAGES,
            answers={200: "Destinations"},
        ),
        _op("GET", f"{_TARGETS}/{{name}}", "One of them", O, answers={200: "Destination"}),
        _op(
            "PUT",
            f"{_TARGETS}/{{name}}",
            "Makes or replaces one; targets of other accounts are for our own servers to set",
            O,
            body="Targets",
            answers={200: "Destination", 201: "Destination", 409: "Error"},
        ),
        _op("DELETE", f"{_TARGETS}/{{name}}", "Deletes it", O, answers={204: ""}),
    ),
    "Revocations": (
        _op(
            "POST",
            f"{A}/Revocations",
            "Makes tokens worthless: one, a client's, a key's, or all of the account so far",
            O,
            body="NewRevocation",
            answers={201: "Revoked"},
        ),
        _op("GET", f"{A}/Revocations", "What was revoked", O, query=_PAGES, answers={200: "Revocations"}),
    ),
    "Subscriptions": (
        _op("GET", _HOOKS, "Servers that are told of changes", O, answers={200: "Subscriptions"}),
        _op(
            "POST",
            _HOOKS,
            "Tells one, by signed webhooks",
            O,
            body="NewSubscription",
            answers={201: "Subscription"},
        ),
        _op("GET", _HOOK, "One of them", O, answers={200: "Subscription"}),
        _op(
            "POST",
            _HOOK,
            "Moves, stops or resumes it",
            O,
            body="SubscriptionChange",
            answers={200: "Subscription"},
        ),
        _op("DELETE", _HOOK, "Ends it", O, answers={204: ""}),
    ),
    "From the router": (
        _op("PUT", A, "An account, its auth tokens and its state", S, body="Account", answers={204: ""}),
        _op("PUT", "/v1/Keys/{key_sid}", "A key that signs tokens", S, body="Key", answers={204: ""}),
        _op("DELETE", "/v1/Keys/{key_sid}", "Revokes it for ever", S, answers={204: ""}),
        _op(
            "POST",
            f"{A}/Invites",
            "Rings a client's devices",
            S,
            query=_HERE,
            body="Invite",
            answers={201: "Rung"},
        ),
        _op(
            "DELETE",
            f"{A}/Invites/{{call_sid}}",
            "Stops the ringing; may be repeated",
            S,
            query=_HERE,
            answers={204: ""},
        ),
        _op(
            "POST",
            f"{_CALL}/frames",
            "Says something to the call's device",
            S,
            query=_HERE,
            body="Frame",
            answers={202: "", 409: "Error"},
        ),
        _op(
            "POST",
            f"{A}/Calls/leases",
            "Which calls live: their devices stay busy",
            S,
            body="Leases",
            answers={200: "Unknown"},
        ),
        _op(
            "PUT",
            f"{A}/ClientMessages/{{message_sid}}",
            "Leaves a message for a client's devices; repeating it changes nothing",
            S,
            body="MessageForClient",
            answers={200: "PlacedMessage"},
        ),
        _op(
            "DELETE",
            f"{A}/ClientMessages/{{message_sid}}",
            "Takes a message back: no device gets it any more",
            S,
            answers={204: ""},
        ),
    ),
    "Between presence processes": (
        _op(
            "POST",
            f"{A}/Invites/{{call_sid}}",
            "How an invite ended elsewhere",
            S,
            body="InviteHeard",
            answers={204: ""},
        ),
        _op(
            "POST",
            f"{A}/Clients/{{client}}/moves",
            "A device comes back at another process",
            S,
            body="DeviceMove",
            answers={200: "DeviceMoved"},
        ),
        _op(
            "POST",
            f"{A}/Clients/{{client}}/arrivals",
            "A message for the client is stored",
            S,
            answers={204: ""},
        ),
        _op("POST", f"{_CALL}/moves", "A call's device does", S, body="CallMove", answers={200: "CallMoved"}),
    ),
    "Operation": (
        _op("GET", "/v1/openapi.json", "This description", PUBLIC, answers={200: ""}),
        _op("GET", "/livez", "The process runs", PUBLIC, answers={200: "Health"}),
        _op(
            "GET", "/readyz", "It can do its work, or why not", PUBLIC, answers={200: "Health", 503: "Health"}
        ),
        _op("GET", "/metrics", "Counters for Prometheus", PUBLIC, answers={200: ""}, media="text/plain"),
        _op("GET", "/presence.js", "The browser module", PUBLIC, answers={200: ""}, media="text/javascript"),
    ),
}
