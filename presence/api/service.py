"""What only our own servers ask: accounts and keys told, calls rung and spoken to (docs/protocols/presence.md)."""

from typing import Any

from flask import Blueprint, Response, jsonify

from foundation.keys import Keys
from foundation.sids import ACCOUNT, API_KEY, CALL
from foundation.webserver.errors import ApiError
from foundation.webserver.service import demand_service
from presence import fields
from presence.api.shared import Api, client_name, sid, stored
from presence.identity import LONGEST
from presence.refusals import Refusal
from presence.signalling.call import Handed
from presence.signalling.ledger import Invite

SDP_LIMIT = 64 * 1024
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
        gone = stored(directory.put_account(account_sid, status, tokens, version, now()))
        if directory.auth_tokens(account_sid) is None:
            door.revoke(Refusal.ACCOUNT, account_sid=account_sid, key_sid=None)
        door.dropped(gone)
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
        gone = stored(directory.delete_key(sid(key_sid, API_KEY), now()))
        door.revoke(Refusal.ISSUER, account_sid=None, key_sid=key_sid)
        door.dropped(gone)
        return "", 204

    @routes.post("/Accounts/<account_sid>/Invites")
    def invite(account_sid: str) -> tuple[Response, int]:
        body = fields.body()
        parameters = body.get("parameters", {})
        if not isinstance(parameters, dict):
            raise fields.invalid("parameters must be an object.")
        call_sid = sid(fields.text(body, "call_sid", 34), CALL)
        rung = door.ring(
            Invite(
                account_sid=sid(account_sid, ACCOUNT),
                call_sid=call_sid,
                client=client_name(fields.text(body, "client", LONGEST)),
                endpoints=tuple(fields.texts(body, "endpoints", 100, 64)),
                sdp=fields.text(body, "sdp", SDP_LIMIT),
                ring_token=fields.text(body, "ring_token", 4096),
                parameters=parameters,
                expires_at=fields.number(body, "expires_at"),
            )
        )
        skipped = [{"endpoint_id": one, "reason": why} for one, why in rung.skipped]
        return jsonify(invite=call_sid, rung=list(rung.rung), skipped=skipped), 201

    @routes.delete("/Accounts/<account_sid>/Invites/<call_sid>")
    def cancel_invite(account_sid: str, call_sid: str) -> tuple[str, int]:
        door.cancel(sid(account_sid, ACCOUNT), sid(call_sid, CALL))
        return "", 204

    @routes.post("/Accounts/<account_sid>/Calls/<call_sid>/frames")
    def frame(account_sid: str, call_sid: str) -> tuple[str, int]:
        given = _frame(fields.body())
        handed = door.frame(sid(account_sid, ACCOUNT), sid(call_sid, CALL), given)
        if handed is Handed.UNKNOWN:
            raise ApiError(handed, 20404, "No device has that call.")
        if handed is Handed.AWAY:
            raise ApiError(handed, 20409, "The call's device has lost its socket; it may come back.")
        return "", handed

    return routes


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
