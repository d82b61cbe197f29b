"""`/Clients/{name}/Registrations`: a client's devices, registered with its own token (PR-10 to PR-17)."""

import json
import re
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, jsonify

from foundation.sids import ACCOUNT, REGISTRATION, new_sid
from presence import fields
from presence.access.callers import Kind
from presence.access.tokens import Grant, demand_publish
from presence.api.shared import Api, client_name, stored
from presence.api.shared import sid as checked
from presence.faults import Absent
from presence.joining import Accepted
from presence.reading import rendering
from presence.registration import CAPABILITIES, HTTP_TTL, OFFLINE, TTL_LIMITS, Endpoint, expiry
from presence.store import Store

ENDPOINT_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}\Z")
PRIORITIES = (-1000, 1000)
LONGEST_NOTE = 256
MOST_DELIVERY = 2048
READERS = (Kind.CLIENT, Kind.ACCOUNT, Kind.SERVICE)


def registrations(api: Api) -> Blueprint:
    routes = Blueprint("registrations", __name__, url_prefix="/v1/Accounts/<account_sid>/Clients/<client>")
    store, door = api.store, api.door

    def admitted(account_sid: str, client: str) -> Grant:
        """The grant of the bearer, who may register as this client; nothing was written before (PR-3)."""
        grant = api.access.asks(account_sid, Kind.CLIENT).grant
        assert grant is not None
        demand_publish(grant, account_sid, client)
        return grant

    def concerned(account_sid: str, client: str) -> None:
        """The client itself, its account's server or one of ours."""
        grant = api.access.asks(checked(account_sid, ACCOUNT), *READERS).grant
        if grant is not None:
            demand_publish(grant, account_sid, client)
        client_name(client)

    def answer(accepted: Accepted, now: float) -> tuple[Response, int]:
        door.dropped(accepted.registered.evicted)
        one = accepted.registered.endpoint
        body = rendering.registration(one, accepted.version, accepted.sequence, now)
        return jsonify(body), 201 if accepted.registered.created else 200

    @routes.post("/Registrations")
    def register(account_sid: str, client: str) -> tuple[Response, int]:
        now = api.now()
        grant = admitted(account_sid, client)
        wanted = asked(account_sid, client, fields.body(), grant, now)
        if not wanted.endpoint.capabilities:
            endpoint_id = wanted.endpoint.endpoint_id
            gone = stored(store.unregister(account_sid, client, now, endpoint_id=endpoint_id))
            door.dropped(gone)
            return jsonify(endpoint_id=endpoint_id, status=OFFLINE, capabilities=[]), 200
        return answer(stored(wanted.stored_in(store)), now)

    @routes.get("/Registrations")
    def fetch_all(account_sid: str, client: str) -> Response:
        concerned(account_sid, client)
        now = api.now()
        there = store.registrations(account_sid, client)
        version, cursor = there.client.version, there.sequence
        live = [one for one in there.endpoints if one.live(now)]
        return jsonify(
            client=client,
            version=version,
            cursor=cursor,
            registrations=[rendering.registration(one, version, cursor, now) for one in live],
        )

    @routes.get("/Registrations/<sid>")
    def fetch(account_sid: str, client: str, sid: str) -> Response:
        concerned(account_sid, client)
        now = api.now()
        there = store.registrations(account_sid, client)
        for one in there.endpoints:
            if one.sid == checked(sid, REGISTRATION) and one.live(now):
                return jsonify(rendering.registration(one, there.client.version, there.sequence, now))
        raise Absent("There is no such live registration.")

    @routes.post("/Registrations/<sid>")
    def change(account_sid: str, client: str, sid: str) -> tuple[Response, int]:
        now = api.now()
        grant = admitted(account_sid, client)
        checked(sid, REGISTRATION)
        body = fields.body()
        said, based_on, status = _said(body, grant), fields.version(body), _status(body)
        if "ttl" in body:
            ttl = fields.integer(body, "ttl", *TTL_LIMITS)
            said["expires_at"] = expiry(now, ttl, grant.expires_at)
        if said.get("capabilities") == ():
            gone = stored(store.unregister(account_sid, client, now, sid=sid))
            door.dropped(gone)
            return jsonify(sid=sid, status=OFFLINE, capabilities=[]), 200
        changed = store.change(account_sid, client, sid, now, status=status, fields=said, based_on=based_on)
        return answer(stored(changed), now)

    @routes.delete("/Registrations/<sid>")
    def unregister(account_sid: str, client: str, sid: str) -> tuple[str, int]:
        concerned(account_sid, client)
        gone = stored(store.unregister(account_sid, client, api.now(), sid=checked(sid, REGISTRATION)))
        door.dropped(gone)
        return "", 204

    return routes


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A registration of a well-formed request; without capabilities, it is to end."""

    endpoint: Endpoint
    status: str | None
    note: str | None
    based_on: int | None

    def stored_in(self, store: Store) -> "Future[Accepted]":
        """As `Store.register`, at the endpoint's time."""
        one = self.endpoint
        return store.register(
            one, one.refreshed_at, status=self.status, note=self.note, based_on=self.based_on
        )


def asked(account_sid: str, client: str, body: dict[str, Any], grant: Grant, now: float) -> Wanted:
    """What the holder of the grant, who may register as this client, asks for. ApiError."""
    endpoint_id = fields.text(body, "endpoint_id", 64)
    if not ENDPOINT_ID.match(endpoint_id):
        raise fields.invalid("endpoint_id takes 1 to 64 of letters, digits and _ . : -")
    said = _said({"capabilities": ["voice"], **body}, grant)
    ttl = fields.integer(body, "ttl", *TTL_LIMITS, default=HTTP_TTL)
    note = said.pop("note", None)
    endpoint = Endpoint(
        account_sid=account_sid,
        client=client,
        endpoint_id=endpoint_id,
        sid=new_sid(REGISTRATION),
        refreshed_at=now,
        expires_at=expiry(now, ttl, grant.expires_at),
        **said,
    )
    return Wanted(endpoint=endpoint, status=_status(body), note=note, based_on=fields.version(body))


def _said(body: dict[str, Any], grant: Grant) -> dict[str, Any]:
    """Fields of Endpoint: those of the token, which the registration goes on with (PR-8), and those of the body."""
    said: dict[str, Any] = {
        "key_sid": grant.key_sid,
        "token_digest": grant.token_digest,
        "token_id": grant.token_id,
        "token_issued_at": grant.issued_at,
        "token_expires_at": grant.expires_at,
        "incoming": grant.incoming,
    }
    if "capabilities" in body:
        said["capabilities"] = _capabilities(body)
    if "priority" in body:
        said["priority"] = fields.integer(body, "priority", *PRIORITIES)
    if "note" in body:
        said["note"] = fields.text(body, "note", LONGEST_NOTE, default="")
    if "delivery" in body:
        said["delivery"] = _delivery(body)
    if "hidden" in body or grant.permissions.hidden:
        said["hidden"] = fields.flag(body, "hidden", default=True) or grant.permissions.hidden
    return said


def _status(body: dict[str, Any]) -> str | None:
    return fields.text(body, "status", 64) if "status" in body else None


def _capabilities(body: dict[str, Any]) -> tuple[str, ...]:
    given = fields.texts(body, "capabilities", len(CAPABILITIES), 16)
    if not set(given) <= set(CAPABILITIES):
        raise fields.invalid(f"capabilities are some of {', '.join(CAPABILITIES)}.")
    return tuple(one for one in CAPABILITIES if one in given)


def _delivery(body: dict[str, Any]) -> str:
    given = body["delivery"]
    packed = json.dumps(given)
    if not isinstance(given, dict) or len(packed) > MOST_DELIVERY:
        raise fields.invalid(f"delivery must be an object of at most {MOST_DELIVERY} bytes.")
    return packed if given else ""
