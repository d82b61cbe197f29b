"""What presence processes that share a database tell each other (docs/protocols/presence.md).

Invites, cancels and frames that a node passes on come to the router's addresses with `?here=1` instead.
"""

from flask import Blueprint, Response, jsonify

from foundation.keys import Keys
from foundation.sids import ACCOUNT, CALL
from foundation.webserver.peers import demand_service
from presence import fields
from presence.api.shared import Api, client_name, sid
from presence.signalling.ledger import ACCEPTED, CANCELLED

ENDED = ("", ACCEPTED, CANCELLED)


def nodes(api: Api, keys: Keys) -> Blueprint:
    routes = Blueprint("nodes", __name__, url_prefix="/v1/Accounts/<account_sid>")
    routes.before_request(demand_service(keys, "presence"))
    door = api.door

    @routes.post("/Invites/<call_sid>")
    def heard(account_sid: str, call_sid: str) -> tuple[str, int]:
        """`{state}`: how an invite ended at another node; or `{out}`: who fell out of it there, and when."""
        body = fields.body()
        state = fields.text(body, "state", 16, default="")
        if state not in ENDED:
            raise fields.invalid(f"state must be one of {', '.join(filter(None, ENDED))}.")
        out = body.get("out", {})
        if not isinstance(out, dict):
            raise fields.invalid("out must be an object of endpoint ids and moments.")
        moments = {one: fields.number(out, one) for one in out}
        door.here.heard(sid(account_sid, ACCOUNT), sid(call_sid, CALL), state, moments)
        return "", 204

    @routes.post("/Clients/<client>/moves")
    def device(account_sid: str, client: str) -> Response:
        """A connection to another node asks whether it was a device of this one a moment ago, which is then its own."""
        body = fields.body()
        digest, agent = fields.text(body, "token_digest", 32), fields.text(body, "agent", 512, default="")
        whose = sid(account_sid, ACCOUNT), client_name(client)
        return jsonify(endpoint_id=door.here.device_moved(*whose, digest, agent) or None)

    @routes.post("/Clients/<client>/arrivals")
    def arrived(account_sid: str, client: str) -> tuple[str, int]:
        """Another node has stored a message for the client."""
        door.here.text_arrived(sid(account_sid, ACCOUNT), client_name(client))
        return "", 204

    @routes.post("/Calls/<call_sid>/moves")
    def call(account_sid: str, call_sid: str) -> Response:
        """A device at another node asks for its call; it stays here only while a device here has its socket."""
        body = fields.body()
        taken, cancel = fields.flag(body, "taken"), fields.flag(body, "cancel", default=False)
        this = sid(account_sid, ACCOUNT), sid(call_sid, CALL)
        return jsonify(there=door.here.call_moved(*this, taken=taken, cancel=cancel))

    return routes
