"""Messages of clients over HTTP: the router leaves them, clients without a socket fetch, acknowledge and send them."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from flask import Blueprint, Response, jsonify, request

from foundation.keys import Keys
from foundation.sids import ACCOUNT, MESSAGE, MESSAGE_WITH_MEDIA, is_sid
from foundation.webserver.errors import ApiError
from foundation.webserver.peers import demand_service
from presence import fields
from presence.access.callers import Kind
from presence.access.refusals import AccessRefused, Refusal
from presence.access.tokens import Grant
from presence.api.registrations import ENDPOINT_ID
from presence.api.shared import Api, client_name, sid, stored
from presence.client_messages import outgoing
from presence.client_messages.outgoing import LONGEST_ADDRESS, LONGEST_URL, MOST_MEDIA
from presence.client_messages.store import Placed, TextStore
from presence.client_messages.text import Media, Text
from presence.identity import LONGEST
from presence.router_link import RouterUnreachable

LONGEST_TEXT = 1_600
LONGEST_TYPE = 100


class Senders:
    """Requests that wait for the router's word: so few at once, and of one account, that others find a thread."""

    def __init__(self, most: int = 8, of_an_account: int = 4) -> None:
        self._most, self._each = most, of_an_account
        self._waiting: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def place(self, account_sid: str) -> Iterator[None]:
        with self._lock:
            if self._waiting.total() >= self._most or self._waiting[account_sid] >= self._each:
                raise ApiError(
                    503, 20503, "Too many messages wait for the router. Try again.", {"Retry-After": "1"}
                )
            self._waiting[account_sid] += 1
        try:
            yield
        finally:
            with self._lock:
                self._waiting[account_sid] -= 1
                if not self._waiting[account_sid]:
                    del self._waiting[account_sid]


def client_messages(api: Api) -> Blueprint:
    """What clients ask with their tokens, each about itself."""
    routes = Blueprint(
        "client_messages", __name__, url_prefix="/v1/Accounts/<account_sid>/Clients/<client>/Messages"
    )
    texts, door, senders = TextStore(api.store.database), api.door, Senders()

    def admitted(account_sid: str, client: str) -> Grant:
        grant = api.access.asks(sid(account_sid, ACCOUNT), Kind.CLIENT).grant
        assert grant is not None
        if grant.identity != client:
            raise AccessRefused(Refusal.FOREIGN)
        return grant

    def receiving(account_sid: str, client: str) -> None:
        """What lets calls come lets messages come (PR-2)."""
        if not admitted(account_sid, client).incoming:
            raise AccessRefused(Refusal.INCOMING)

    @routes.get("")
    def fetch_all(account_sid: str, client: str) -> Response:
        """What the device has to show now; it comes again until it is acknowledged."""
        receiving(account_sid, client)
        endpoint_id = _endpoint_id(dict(request.args))
        waiting = texts.waiting(account_sid, client_name(client), endpoint_id, api.now())
        return jsonify(messages=list(waiting.shown), more=waiting.full)

    @routes.post("")
    def send(account_sid: str, client: str) -> tuple[Response, int]:
        if not admitted(account_sid, client).permissions.send:
            raise AccessRefused(Refusal.SEND)
        sending = outgoing.read(fields.body())
        try:
            with senders.place(account_sid):
                answer = door.send_text(account_sid, client, "", sending)
        except RouterUnreachable as error:
            raise ApiError(
                503,
                20503,
                "The message was not taken in time. Send it again under the same id.",
                {"Retry-After": "1"},
            ) from error
        if not answer.ok:
            status = answer.status if answer.status < 500 else 503
            raise ApiError(status, answer.code(20001), answer.message)
        sid_ = str(answer.body.get("message_sid"))
        return jsonify(sid=sid_, id=sending.id, status=str(answer.body.get("status"))), 201

    @routes.post("/<message_sid>/Acknowledgements")
    def acknowledge(account_sid: str, client: str, message_sid: str) -> tuple[str, int]:
        """The device has shown it (PR-72); may be repeated."""
        receiving(account_sid, client)
        endpoint_id = _endpoint_id(fields.body())
        stored(texts.acknowledge(account_sid, client, _message(message_sid), endpoint_id, api.now()))
        door.text_acknowledged(account_sid, client, endpoint_id)
        return "", 204

    return routes


def to_clients(api: Api, keys: Keys) -> Blueprint:
    """What the router asks."""
    routes = Blueprint("to_clients", __name__, url_prefix="/v1/Accounts/<account_sid>/ClientMessages")
    routes.before_request(demand_service(keys, "presence"))
    texts, door = TextStore(api.store.database), api.door

    @routes.put("/<message_sid>")
    def put(account_sid: str, message_sid: str) -> Response:
        """Keeps a message until a device acknowledges it or it expires; without `hold`, only if one is there to take
        it. Repeating it changes nothing and is answered the same."""
        body, now = fields.body(), api.now()
        text = _text(sid(account_sid, ACCOUNT), _message(message_sid), body, now)
        placed = stored(texts.put(text, now, hold=fields.flag(body, "hold", default=True)))
        if placed.state is not None:
            door.text_arrived(account_sid, text.client)
        return jsonify(_placed(text, placed))

    @routes.delete("/<message_sid>")
    def remove(account_sid: str, message_sid: str) -> tuple[str, int]:
        """Its sender deleted it: no device gets it any more. May be repeated."""
        stored(texts.remove(sid(account_sid, ACCOUNT), _message(message_sid)))
        return "", 204

    return routes


def _text(account_sid: str, message_sid: str, body: dict[str, Any], now: float) -> Text:
    given = body.get("media") or []
    if not isinstance(given, list) or len(given) > MOST_MEDIA:
        raise fields.invalid(f"media must be a list of at most {MOST_MEDIA}.")
    media = []
    for one in given:
        if not isinstance(one, dict):
            raise fields.invalid("media takes objects with url and content_type.")
        kind = fields.text(one, "content_type", LONGEST_TYPE, default="")
        media.append(Media(url=fields.text(one, "url", LONGEST_URL), content_type=kind))
    return Text(
        account_sid=account_sid,
        sid=message_sid,
        client=client_name(fields.text(body, "client", LONGEST)),
        sender=fields.text(body, "from", LONGEST_ADDRESS),
        recipient=fields.text(body, "to", LONGEST_ADDRESS),
        body=fields.text(body, "body", LONGEST_TEXT, default=""),
        media=tuple(media),
        media_required=fields.flag(body, "media_required", default=False),
        session_sid=fields.text(body, "session", 34, default=""),
        valid_until=fields.number(body, "valid_until"),
        arrived_at=now,
    )


def _placed(text: Text, placed: Placed) -> dict[str, Any]:
    found = placed.audience
    return {
        "sid": text.sid,
        "client": text.client,
        "status": placed.state.value if placed.state else ("no-media" if found.lacks_media else "nobody"),
        "version": placed.version,
        "endpoints": list(found.takers),
        "skipped": [{"endpoint_id": one, "reason": why} for one, why in found.skipped],
        "presence": f"/v1/Accounts/{text.account_sid}/Presence/{quote(text.client, safe='')}",
    }


def _message(text: str) -> str:
    if not is_sid(text, MESSAGE) and not is_sid(text, MESSAGE_WITH_MEDIA):
        raise ApiError(404, 20404, "There is no message of that SID.")
    return text


def _endpoint_id(given: dict[str, Any]) -> str:
    endpoint_id = fields.text(given, "endpoint_id", 64)
    if not ENDPOINT_ID.match(endpoint_id):
        raise fields.invalid("endpoint_id takes 1 to 64 of letters, digits and _ . : -")
    return endpoint_id
