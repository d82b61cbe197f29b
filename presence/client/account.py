"""Everything that an account's server, or a client with its token, may ask of the presence server.

presence = AccountPresence("https://calls.example.com:8443", account_sid, (account_sid, auth_token))
for one in presence.query(contact_list="sales").clients:
    print(one.client, one.status)
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Self
from urllib.parse import quote

from presence.client.inbox import Inbox, Received
from presence.client.keeping import Heartbeat
from presence.client.transport import Auth, PresenceUnavailable, Transport, authorization
from presence.client.values import Presence, Snapshot
from presence.client.watching import Watch

CONNECT, READ = 5.0, 10.0  # seconds
PAGE = 1000
TTL = 90  # seconds that a registration lives without a refresh

Resource = dict[str, Any]
"""A resource as the server says it (docs/reference/presence.md)."""


class AccountPresence:
    """The presence of one account; safe to use from many threads.

    `auth`: `(account SID, auth token)`, `(API key SID, secret)`, a client's access token, or a function that
    answers with such a token before each request. `verify`: the file of the authority that signed the server's
    certificate, where the system does not know it. All methods raise PresenceUnavailable when there is no usable
    answer, after 15 s at most, and PresenceRefused for what these credentials may not do, or for a wrong value.
    """

    def __init__(self, base_url: str, account_sid: str, auth: Auth, *, verify: bool | str = True) -> None:
        http = Transport(base_url, authorization(auth), connect=CONNECT, read=READ, verify=verify)
        self._http, self._account_sid, self._owned = http, account_sid, True

    @classmethod
    def over(cls, http: Transport, account_sid: str) -> Self:
        """On a connection that somebody else made and closes."""
        made = cls.__new__(cls)
        made._http, made._account_sid, made._owned = http, account_sid, False
        return made

    def close(self) -> None:
        if self._owned:
            self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Who is there

    def presence(self, client: str, *, capability: str | None = None) -> Presence:
        """One client; who is out of the caller's sight is like nobody: `offline` (PR-31).

        `capability`: judged by what can take that, such as `voice`.
        """
        asked = {"capability": capability} if capability else {}
        return Presence.of(self._get("Presence", client, **asked))

    def query(
        self,
        clients: Sequence[str] | None = None,
        *,
        contact_list: str | None = None,
        prefix: str | None = None,
        capability: str | None = None,
        connectable: bool = False,
        since: int | None = None,
    ) -> Snapshot:
        """Many clients in one consistent answer: named ones, a contact list, a prefix, or all who are there.

        `connectable`: only whom the caller may connect to. `since`: only who changed after that number, with the
        names that left; CursorTooOld when the change log does not reach back so far.
        """
        body: dict[str, Any] = selection(clients, contact_list, prefix)
        if capability:
            body["capability"] = capability
        if connectable:
            body["view"] = "connectable"
        if since is not None:
            body["since"] = since
        if clients is None:
            body["page_size"] = PAGE
        page = self._ask("POST", "Presence", "query", body=body)
        found, removed = list(page["clients"]), list(page.get("removed", ()))
        while token := page.get("next_page_token"):
            page = self._ask("POST", "Presence", "query", body={**body, "page_token": token})
            found += page["clients"]
            removed += page.get("removed", ())
        seen = tuple(map(Presence.of, found))
        return Snapshot(as_of=page["as_of"], clients=seen, removed=tuple(removed))

    def watch(
        self,
        clients: Sequence[str] | None = None,
        *,
        contact_list: str | None = None,
        prefix: str | None = None,
        connectable: bool = False,
        detail: bool = False,
        cursor: int | None = None,
        patience: float | None = None,
    ) -> Watch:
        """An iterator over changes: first everybody in view, then who changed, until it is closed.

        `cursor`: resume after that message's `as_of`. `patience`: seconds that the server may be away until
        PresenceUnavailable is raised; without, it is tried for ever.
        """
        asked = {
            name: ",".join(value) if name == "clients" else value
            for name, value in selection(clients, contact_list, prefix).items()
            if name != "everyone"
        }
        if connectable:
            asked["view"] = "connectable"
        if detail:
            asked["detail"] = "true"
        return Watch(self._http, self._path("PresenceStream"), asked, cursor=cursor, patience=patience)

    # Registrations: for a client with its token

    def register(
        self,
        client: str,
        endpoint_id: str,
        *,
        capabilities: Sequence[str] = ("voice",),
        ttl: int = TTL,
        **more: Any,
    ) -> Resource:
        """Registers a device, or refreshes it: it lives for `ttl` seconds from now. `endpoint_id` is the device's
        own name, the same each time. `more`: status, note, priority, hidden, delivery, version (PR-10 to PR-16)."""
        body = {"endpoint_id": endpoint_id, "capabilities": list(capabilities), "ttl": ttl, **more}
        return self._resource("POST", "Clients", client, "Registrations", body=body)

    def keep_registered(
        self,
        client: str,
        endpoint_id: str,
        *,
        capabilities: Sequence[str] = ("voice",),
        ttl: int = TTL,
        **more: Any,
    ) -> Heartbeat:
        """Registers, and refreshes from a thread of its own until closed; then unregisters. A context manager."""
        said = more

        def beat() -> Resource:
            nonlocal said
            made = self.register(client, endpoint_id, capabilities=capabilities, ttl=ttl, **said)
            said = {name: value for name, value in more.items() if name not in ("status", "note", "version")}
            return made

        return Heartbeat(beat, lambda sid: self.unregister(client, sid), every=ttl / 3)

    def registrations(self, client: str) -> list[Resource]:
        return self._all("Clients", client, "Registrations", key="registrations")

    def change_registration(self, client: str, sid: str, **changes: Any) -> Resource:
        """Changes only what is given: status, note, priority, capabilities, hidden, ttl; `version`: only if the
        client is still at that version (else PresenceRefused with status 409)."""
        return self._resource("POST", "Clients", client, "Registrations", sid, body=changes)

    def unregister(self, client: str, sid: str) -> None:
        """Nothing happens when it has gone already."""
        self._ask("DELETE", "Clients", client, "Registrations", sid)

    # A client's own status, for all its devices now and later

    def status(self, client: str) -> Resource:
        return self._resource("GET", "Clients", client, "Status")

    def set_status(
        self, client: str, status: str | None, note: str = "", *, version: int | None = None
    ) -> Resource:
        """`away`, `dnd`, or one of the account's statuses; None: none of its own, its devices decide."""
        body: dict[str, Any] = {"status": status, "note": note}
        if version is not None:
            body["version"] = version
        return self._resource("PUT", "Clients", client, "Status", body=body)

    # Messages: for a client with its token

    def inbox(self, client: str, endpoint_id: str, *, patience: float | None = None) -> Inbox:
        """An iterator over the messages of a device that is registered with `sms` or `mms` among its capabilities."""
        path = self._path("Clients", client, "MessageStream")
        acknowledge = partial(self.acknowledge, client, endpoint_id)
        return Inbox(self._http, path, endpoint_id, acknowledge, patience=patience)

    def waiting(self, client: str, endpoint_id: str) -> list[Received]:
        """What the device has to show now, without waiting; the same again until it is acknowledged."""
        found = self._get("Clients", client, "Messages", endpoint_id=endpoint_id)
        return list(found["messages"])

    def acknowledge(self, client: str, endpoint_id: str, message_sid: str) -> None:
        """The device has shown it."""
        self._ask(
            "POST",
            *("Clients", client, "Messages", message_sid, "Acknowledgements"),
            body={"endpoint_id": endpoint_id},
        )

    def send(
        self,
        client: str,
        body: str,
        *,
        id: str,
        to: str = "",
        sender: str = "",
        media: Sequence[str] = (),
        session: int = 0,
    ) -> Resource:
        """Sends a message from the client, whose token needs `messages:send` (PR-75). `id`: the caller's own name for
        it; the same again sends nothing. `to`: a phone number, `client:NAME`, or nothing for the client's only session.
        `sender`: a number of the account, or nothing for the session's. `session`: seconds; opens one, so that answers
        come to the client."""
        said = {"id": id, "to": to, "from": sender, "body": body, "media": list(media), "session": session}
        return self._resource("POST", "Clients", client, "Messages", body=said)

    # The account's statuses

    def statuses(self) -> list[Resource]:
        """The built-in ones too, with `built_in`."""
        return self._all("Statuses", key="statuses")

    def create_status(self, name: str, *, available: bool, rank: int, **more: bool) -> Resource:
        """`available` never changes. The highest `rank` of a client's devices is the client's. `more`: whether
        `voice` and `messages` come through, where that differs from `available`."""
        body = {"name": name, "available": available, "rank": rank, **more}
        return self._resource("POST", "Statuses", body=body)

    def change_status(self, name: str, **changes: Any) -> Resource:
        """Changes rank, voice or messages, for whoever has the status now too."""
        return self._resource("POST", "Statuses", name, body=changes)

    def delete_status(self, name: str) -> None:
        """PresenceRefused with status 409 while somebody has it."""
        self._ask("DELETE", "Statuses", name)

    # Contact lists

    def contact_lists(self) -> list[Resource]:
        return self._all("ContactLists", key="contact_lists")

    def create_contact_list(self, name: str, clients: Sequence[str] = ()) -> Resource:
        return self._resource("POST", "ContactLists", body={"name": name, "clients": list(clients)})

    def rename_contact_list(self, name: str, to: str) -> Resource:
        return self._resource("POST", "ContactLists", name, body={"name": to})

    def delete_contact_list(self, name: str) -> None:
        self._ask("DELETE", "ContactLists", name)

    def contacts(self, name: str) -> list[str]:
        """The clients on the list."""
        return self._all("ContactLists", name, "Clients", key="clients")

    def add_contact(self, name: str, client: str) -> None:
        self._ask("PUT", "ContactLists", name, "Clients", client)

    def remove_contact(self, name: str, client: str) -> None:
        self._ask("DELETE", "ContactLists", name, "Clients", client)

    # Destinations: one name in <Client> for several clients, tried in order (PR-61)

    def destinations(self) -> list[Resource]:
        return self._all("Destinations", key="destinations")

    def destination(self, name: str) -> Resource:
        return self._resource("GET", "Destinations", name)

    def put_destination(self, name: str, targets: Sequence[str | Mapping[str, str]]) -> Resource:
        """Replaces its targets: names of clients, or `{client, account_sid}` for one of another account."""
        packed = [{"client": one} if isinstance(one, str) else dict(one) for one in targets]
        return self._resource("PUT", "Destinations", name, body={"targets": packed})

    def delete_destination(self, name: str) -> None:
        self._ask("DELETE", "Destinations", name)

    # Webhooks

    def subscriptions(self) -> list[Resource]:
        return self._all("Subscriptions", key="subscriptions")

    def subscribe(
        self,
        url: str,
        clients: Sequence[str] | None = None,
        *,
        contact_list: str | None = None,
        prefix: str | None = None,
        detail: bool = False,
    ) -> Resource:
        """Messages to this URL whenever something changes, signed as Twilio signs webhooks, again until a 2xx."""
        asked = selection(clients, contact_list, prefix)
        return self._resource("POST", "Subscriptions", body={"url": url, "detail": detail, **asked})

    def change_subscription(self, sid: str, **changes: Any) -> Resource:
        """Changes its url, or puts it to rest or to work by `active`."""
        return self._resource("POST", "Subscriptions", sid, body=changes)

    def unsubscribe(self, sid: str) -> None:
        self._ask("DELETE", "Subscriptions", sid)

    # Revocations

    def revoke(
        self,
        *,
        token: str | None = None,
        token_id: str | None = None,
        identity: str | None = None,
        key: str | None = None,
        account: bool = False,
    ) -> Resource:
        """Ends what was made with a token, or with all tokens so far of a client, a key or the account (PR-7):
        registrations, streams, sockets. Name exactly one. Tokens that are made later work."""
        named = {"token": token, "token_id": token_id, "identity": identity, "key": key, "account": account}
        return self._resource(
            "POST", "Revocations", body={name: value for name, value in named.items() if value}
        )

    def revocations(self) -> list[Resource]:
        return self._all("Revocations", key="revocations")

    # How it is asked

    def _path(self, *parts: str) -> str:
        return "/".join(["/v1/Accounts", self._account_sid, *(quote(part, safe="") for part in parts)])

    def _ask(self, method: str, *parts: str, body: Any = None, **parameters: Any) -> Any:
        return self._http.ask(method, self._path(*parts), body, parameters=parameters, read=READ)

    def _get(self, *parts: str, **parameters: Any) -> Any:
        return self._ask("GET", *parts, **parameters)

    def _resource(self, method: str, *parts: str, body: Any = None) -> Resource:
        found = self._ask(method, *parts, body=body)
        if not isinstance(found, dict):
            raise PresenceUnavailable("the presence server answered something else than an object")
        return found

    def _all(self, *parts: str, key: str) -> list[Any]:
        """A list of resources, all its pages."""
        page = self._get(*parts, page_size=PAGE)
        found = list(page[key])
        while token := page.get("next_page_token"):
            page = self._get(*parts, page_size=PAGE, page_token=token)
            found += page[key]
        return found


def selection(clients: Sequence[str] | None, contact_list: str | None, prefix: str | None) -> dict[str, Any]:
    """Whom a question is about, as the API says it; ValueError for more than one way at a time."""
    given = {"clients": clients, "list": contact_list, "prefix": prefix}
    named = {name: value for name, value in given.items() if value is not None}
    if len(named) > 1:
        raise ValueError(f"name clients by one of {', '.join(named)}, not by all")
    if clients is not None:
        return {"clients": list(clients)}
    return named or {"everyone": True}
