"""The presence server's HTTP API, as docs/protocols/presence.md promises it."""

import json
import re
from concurrent.futures import Future
from typing import Any, TypeVar

from flask import Blueprint, Response, jsonify, request

from foundation.clock import Clock
from foundation.keys import Keys
from foundation.settings import Settings
from foundation.sids import ACCOUNT, API_KEY, CALL, REGISTRATION, is_sid, new_sid
from foundation.webserver.errors import ApiError, error_body
from foundation.webserver.service import demand_service
from presence import fields, rendering
from presence.directory import Directory
from presence.identity import LONGEST, is_client_name
from presence.refusals import AccessRefused, Refusal
from presence.registration import (
    CAPABILITIES,
    HTTP_TTL,
    TTL_LIMITS,
    Endpoint,
    StaleVersion,
    Status,
    expiry,
)
from presence.signalling.call import Handed
from presence.signalling.doorway import Door
from presence.signalling.ledger import Invite
from presence.store import Client, Store
from presence.tokens import demand_incoming, verify

T = TypeVar("T")

MOST_NAMES = 1000
SDP_LIMIT = 64 * 1024
ENDPOINT_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}\Z")
STORE_SECONDS = 10.0
ACCOUNT_STATUSES = ("active", "suspended", "closed")
FRAMES: dict[str, tuple[str, ...]] = {
    "ringing": (),
    "answer": (),
    "hangup": (),
    "cancel": (),
    "error": ("message",),
    "message": ("contenttype", "messagetype", "voiceeventsid"),
    "ack": ("voiceeventsid",),
}
"""Types of frames to a client in a call, with the texts that each must have."""


def service_api(keys: Keys, directory: Directory, store: Store, door: Door, clock: Clock) -> Blueprint:
    """What the router asks; a client's token never passes here (PR-9)."""
    api = Blueprint("service", __name__, url_prefix="/v1")
    api.before_request(demand_service(keys, "presence"))

    def now() -> float:
        return clock().timestamp()

    @api.put("/Accounts/<account_sid>")
    def put_account(account_sid: str) -> tuple[str, int]:
        _sid(account_sid, ACCOUNT)
        body = fields.body()
        status = fields.text(body, "status", 16)
        if status not in ACCOUNT_STATUSES:
            raise fields.invalid(f"status must be one of {', '.join(ACCOUNT_STATUSES)}.")
        tokens = fields.texts(body, "auth_tokens", 10, 256)
        version = fields.integer(body, "version", 0, 2**62)
        gone = _stored(directory.put_account(account_sid, status, tokens, version, now()))
        if directory.auth_tokens(account_sid) is None:
            door.revoke(Refusal.ACCOUNT, account_sid=account_sid, key_sid=None)
        door.dropped(gone)
        return "", 204

    @api.put("/Keys/<key_sid>")
    def put_key(key_sid: str) -> tuple[str, int]:
        _sid(key_sid, API_KEY)
        body = fields.body()
        account_sid = _sid(fields.text(body, "account_sid", 34), ACCOUNT)
        version = fields.integer(body, "version", 0, 2**62)
        _stored(directory.put_key(account_sid, key_sid, fields.text(body, "secret", 256), version))
        return "", 204

    @api.delete("/Keys/<key_sid>")
    def delete_key(key_sid: str) -> tuple[str, int]:
        gone = _stored(directory.delete_key(_sid(key_sid, API_KEY), now()))
        door.revoke(Refusal.ISSUER, account_sid=None, key_sid=key_sid)
        door.dropped(gone)
        return "", 204

    @api.get("/Accounts/<account_sid>/Presence/<client>")
    def get_presence(account_sid: str, client: str) -> Response:
        _sid(account_sid, ACCOUNT)
        moment = now()
        found = store.snapshot(account_sid, [_name(client)], moment).clients.get(client, Client())
        return jsonify(rendering.presence(account_sid, client, found, moment))

    @api.post("/Accounts/<account_sid>/Presence/query")
    def query(account_sid: str) -> Response:
        _sid(account_sid, ACCOUNT)
        names = fields.texts(fields.body(), "clients", MOST_NAMES, LONGEST)
        moment = now()
        snapshot = store.snapshot(account_sid, map(_name, names), moment)
        nobody = Client()
        clients = [
            rendering.presence(account_sid, name, snapshot.clients.get(name, nobody), moment)
            for name in names
        ]
        return jsonify(as_of=snapshot.as_of, clients=clients)

    @api.post("/Accounts/<account_sid>/Invites")
    def invite(account_sid: str) -> tuple[Response, int]:
        body = fields.body()
        parameters = body.get("parameters", {})
        if not isinstance(parameters, dict):
            raise fields.invalid("parameters must be an object.")
        call_sid = _sid(fields.text(body, "call_sid", 34), CALL)
        rung = door.ring(
            Invite(
                account_sid=_sid(account_sid, ACCOUNT),
                call_sid=call_sid,
                client=_name(fields.text(body, "client", LONGEST)),
                endpoints=tuple(fields.texts(body, "endpoints", 100, 64)),
                sdp=fields.text(body, "sdp", SDP_LIMIT),
                ring_token=fields.text(body, "ring_token", 4096),
                parameters=parameters,
                expires_at=fields.number(body, "expires_at"),
            )
        )
        skipped = [{"endpoint_id": one, "reason": why} for one, why in rung.skipped]
        return jsonify(invite=call_sid, rung=list(rung.rung), skipped=skipped), 201

    @api.delete("/Accounts/<account_sid>/Invites/<call_sid>")
    def cancel_invite(account_sid: str, call_sid: str) -> tuple[str, int]:
        door.cancel(_sid(account_sid, ACCOUNT), _sid(call_sid, CALL))
        return "", 204

    @api.post("/Accounts/<account_sid>/Calls/<call_sid>/frames")
    def frame(account_sid: str, call_sid: str) -> tuple[str, int]:
        given = _frame(fields.body())
        handed = door.frame(_sid(account_sid, ACCOUNT), _sid(call_sid, CALL), given)
        if handed is Handed.UNKNOWN:
            raise ApiError(handed, 20404, "No device has that call.")
        if handed is Handed.AWAY:
            raise ApiError(handed, 20409, "The call's device has lost its socket; it may come back.")
        return "", handed

    return api


def client_api(settings: Settings, directory: Directory, store: Store, door: Door, clock: Clock) -> Blueprint:
    """What client apps may ask with their own access token: registering themselves (PR-10)."""
    api = Blueprint("client", __name__, url_prefix="/v1")

    def admitted(account_sid: str, client: str, now: float) -> Any:
        """The grant of the bearer, who may register as this client; nothing was written before (PR-3)."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        grant = verify(
            token if scheme == "Bearer" else "", directory, now, capability=settings.capability_tokens
        )
        demand_incoming(grant, account_sid, client)
        return grant

    @api.errorhandler(AccessRefused)
    def refused(error: AccessRefused) -> tuple[Response, int]:
        codes = error.codes
        message = f"Refused: {error.message} ({codes.signal})."
        return jsonify(error_body(codes.status, codes.rest, message)), codes.status

    @api.errorhandler(StaleVersion)
    def stale(error: StaleVersion) -> tuple[Response, int]:
        return jsonify(error_body(409, 20409, f"Refused: {error}.")), 409

    @api.post("/Accounts/<account_sid>/Clients/<client>/Registrations")
    def register(account_sid: str, client: str) -> tuple[Response, int]:
        now = clock().timestamp()
        grant = admitted(account_sid, client, now)
        body = fields.body()
        endpoint_id = fields.text(body, "endpoint_id", 64)
        if not ENDPOINT_ID.match(endpoint_id):
            raise fields.invalid("endpoint_id takes 1 to 64 of letters, digits and _ . : -")
        capabilities = _capabilities(body)
        if not capabilities:
            ended = store.unregister(account_sid, client, now, endpoint_id=endpoint_id)
            gone = _stored(ended)
            door.dropped(gone)
            return jsonify(endpoint_id=endpoint_id, status=Status.OFFLINE.value, capabilities=[]), 200
        ttl = fields.integer(body, "ttl", *TTL_LIMITS, default=HTTP_TTL)
        asked = Endpoint(
            account_sid=account_sid,
            client=client,
            endpoint_id=endpoint_id,
            sid=new_sid(REGISTRATION),
            status=_status(body),
            capabilities=capabilities,
            priority=fields.integer(body, "priority", -1000, 1000, default=0),
            note=fields.text(body, "note", 256, default=""),
            delivery=_delivery(body),
            key_sid=grant.key_sid,
            token_digest=grant.token_digest,
            token_expires_at=grant.expires_at,
            refreshed_at=now,
            expires_at=expiry(now, ttl, grant.expires_at),
        )
        based_on = fields.integer(body, "version", 0, 2**62) if "version" in body else None
        accepted = _stored(store.register(asked, now, based_on=based_on))
        door.dropped(accepted.registered.evicted)
        answer = rendering.registration(accepted, accepted.registered.endpoint)
        return jsonify(answer), 201 if accepted.registered.created else 200

    @api.delete("/Accounts/<account_sid>/Clients/<client>/Registrations/<sid>")
    def unregister(account_sid: str, client: str, sid: str) -> tuple[str, int]:
        now = clock().timestamp()
        admitted(account_sid, client, now)
        ended = store.unregister(account_sid, client, now, sid=_sid(sid, REGISTRATION))
        gone = _stored(ended)
        door.dropped(gone)
        return "", 204

    return api


def _stored(future: "Future[T]") -> T:
    return future.result(STORE_SECONDS)


def _sid(text: str, prefix: str) -> str:
    if not is_sid(text, prefix):
        raise ApiError(404, 20404, f"There is no {prefix} resource of that SID.")
    return text


def _name(client: str) -> str:
    if not is_client_name(client):
        raise ApiError(400, 31105, f"Not a client name: {Refusal.IDENTITY.value.message}.")
    return client


def _status(body: dict[str, Any]) -> Status:
    given = fields.text(body, "status", 16, default=Status.AVAILABLE.value)
    if given not in set(Status) - {Status.OFFLINE}:
        raise fields.invalid("status must be one of available, away, busy, dnd.")
    return Status(given)


def _capabilities(body: dict[str, Any]) -> tuple[str, ...]:
    given = fields.texts(body, "capabilities", len(CAPABILITIES), 16, default=["voice"])
    if not set(given) <= set(CAPABILITIES):
        raise fields.invalid(f"capabilities are some of {', '.join(CAPABILITIES)}.")
    return tuple(one for one in CAPABILITIES if one in given)


def _delivery(body: dict[str, Any]) -> str:
    given = body.get("delivery", {})
    packed = json.dumps(given)
    if not isinstance(given, dict) or len(packed) > 2048:
        raise fields.invalid("delivery must be an object of at most 2048 bytes.")
    return packed if given else ""


def _frame(body: dict[str, Any]) -> dict[str, Any]:
    """A frame that can be sent as it is."""
    kind = fields.text(body, "type", 16)
    if kind not in FRAMES:
        raise fields.invalid(f"type must be one of {', '.join(FRAMES)}.")
    for name in FRAMES[kind]:
        fields.text(body, name, 500)
    if kind == "error" or body.get("code") is not None:
        fields.integer(body, "code", 10_000, 99_999)
    if body.get("sdp") is not None:
        fields.text(body, "sdp", SDP_LIMIT)
    if body.get("id") is not None:
        fields.text(body, "id", 64)
    return body
