"""What only our own servers ask: accounts and keys told, calls rung and spoken to (docs/protocols/presence.md)."""

from typing import Any

from flask import Blueprint, Response, jsonify, request
from prometheus_client import Counter

from foundation.keys import Keys
from foundation.sids import ACCOUNT, API_KEY, CALL, is_sid
from foundation.webserver.errors import ApiError
from foundation.webserver.peers import demand_service
from presence import fields
from presence.api.shared import Api, client_name, sid, stored
from presence.identity import LONGEST
from presence.signalling.call import Handed
from presence.signalling.doorway import Door, Doorway
from presence.signalling.ledger import Invite

SDP_LIMIT = 64 * 1024
MOST_ENDPOINTS = 100
MOST_WAVES = 100
SHORTEST_WAVE, LONGEST_WAVE = 0.2, 600.0  # seconds
MOST_RENEWED = 1_000  # calls whose lease one request extends
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
INVITES = Counter("presence_invites_total", "Invites of calls, by whether any device was rung.", ["result"])


def service(api: Api, keys: Keys) -> Blueprint:
    """What the router asks; a client's token never passes here (PR-9)."""
    routes = Blueprint("service", __name__, url_prefix="/v1")
    routes.before_request(demand_service(keys, "presence"))
    directory, door, now = api.directory, api.door, api.now

    @routes.put("/Accounts/<account_sid>")
    def put_account(account_sid: str) -> tuple[str, int]:
        sid(account_sid, ACCOUNT)
        body = fields.body()
        status = fields.text(body, "status", 16)
        if status not in ACCOUNT_STATUSES:
            raise fields.invalid(f"status must be one of {', '.join(ACCOUNT_STATUSES)}.")
        tokens = fields.texts(body, "auth_tokens", 10, 256)
        version = fields.integer(body, "version", 0, 2**62)
        stored(directory.put_account(account_sid, status, tokens, version, now()))
        return "", 204

    @routes.put("/Keys/<key_sid>")
    def put_key(key_sid: str) -> tuple[str, int]:
        sid(key_sid, API_KEY)
        body = fields.body()
        account_sid = sid(fields.text(body, "account_sid", 34), ACCOUNT)
        version = fields.integer(body, "version", 0, 2**62)
        stored(directory.put_key(account_sid, key_sid, fields.text(body, "secret", 256), version))
        return "", 204

    @routes.delete("/Keys/<key_sid>")
    def delete_key(key_sid: str) -> tuple[str, int]:
        stored(directory.delete_key(sid(key_sid, API_KEY), now()))
        return "", 204

    @routes.post("/Accounts/<account_sid>/Invites")
    def invite(account_sid: str) -> tuple[Response, int]:
        body = fields.body()
        invited = _invite(sid(account_sid, ACCOUNT), body)
        rung = _at(door).ring(invited, tuple(fields.texts(body, "busy", MOST_ENDPOINTS, 64, default=[])))
        skipped = [{"endpoint_id": one, "reason": why} for one, why in rung.skipped]
        INVITES.labels("rung" if rung.rung else "nobody").inc()
        return jsonify(invite=invited.call_sid, rung=list(rung.rung), skipped=skipped), 201

    @routes.delete("/Accounts/<account_sid>/Invites/<call_sid>")
    def cancel_invite(account_sid: str, call_sid: str) -> tuple[str, int]:
        door.cancel(sid(account_sid, ACCOUNT), sid(call_sid, CALL))
        return "", 204

    @routes.post("/Accounts/<account_sid>/Calls/<call_sid>/frames")
    def frame(account_sid: str, call_sid: str) -> tuple[str, int]:
        given = _frame(fields.body())
        handed = _at(door).frame(sid(account_sid, ACCOUNT), sid(call_sid, CALL), given)
        if handed is Handed.UNKNOWN:
            raise ApiError(handed, 20404, "No device has that call.")
        if handed is Handed.AWAY:
            raise ApiError(handed, 20409, "The call's device has lost its socket; it may come back.")
        return "", handed

    @routes.post("/Accounts/<account_sid>/Calls/leases")
    def renew(account_sid: str) -> Response:
        """The router says which answered calls live: their devices stay busy for another minute (PR-24)."""
        calls = fields.texts(fields.body(), "calls", MOST_RENEWED, 34)
        for call_sid in calls:
            if not is_sid(call_sid, CALL):
                raise fields.invalid("calls must be a list of call SIDs.")
        return jsonify(unknown=door.renew(sid(account_sid, ACCOUNT), calls, now()))

    return routes


def _at(door: Door) -> Door | Doorway:
    """The door that the request is for: another node asks for this one's sockets alone."""
    return door.here if request.args.get("here") == "1" else door


def _invite(account_sid: str, body: dict[str, Any]) -> Invite:
    """An invite of a well-formed request; without waves, all its endpoints ring at once (PR-51)."""
    parameters = body.get("parameters", {})
    if not isinstance(parameters, dict):
        raise fields.invalid("parameters must be an object.")
    given = body.get("waves") or []
    if not isinstance(given, list) or len(given) > MOST_WAVES:
        raise fields.invalid(f"waves must be a list of at most {MOST_WAVES} lists of endpoint ids.")
    waves = tuple(tuple(fields.texts({"waves": one}, "waves", MOST_ENDPOINTS, 64)) for one in given)
    named = [one for wave in waves for one in wave]
    call_sid = sid(fields.text(body, "call_sid", 34), CALL)
    endpoints = fields.texts(body, "endpoints", MOST_ENDPOINTS, 64, default=named or None)
    if len(named) != len(set(named)) or not all(waves) or (waves and not set(endpoints) <= set(named)):
        raise fields.invalid("waves must name each of endpoints once, and none of them may be empty.")
    every = fields.number(body, "every") if body.get("every") else 0.0
    if len(waves) > 1 and not SHORTEST_WAVE <= every <= LONGEST_WAVE:
        raise fields.invalid(
            f"every must be {SHORTEST_WAVE:g} to {LONGEST_WAVE:g} seconds with several waves."
        )
    return Invite(
        account_sid=account_sid,
        call_sid=call_sid,
        client=client_name(fields.text(body, "client", LONGEST)),
        endpoints=tuple(endpoints),
        sdp=fields.text(body, "sdp", SDP_LIMIT),
        ring_token=fields.text(body, "ring_token", 4096),
        parameters=parameters,
        expires_at=fields.number(body, "expires_at"),
        waves=waves,
        every=every,
        created_at=fields.number(body, "created_at") if "created_at" in body else 0.0,
    )


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
