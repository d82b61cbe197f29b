"""The open HTTP carrier protocol, router's side in: calls and messages arrive, and things happen to them."""

from collections.abc import Callable, Mapping
from typing import Any

import structlog
from flask import Blueprint, request
from sqlalchemy import bindparam, select

from callrouter.calls import happenings as h
from callrouter.calls.engine import Receipt
from callrouter.calls.front import Front
from callrouter.calls.incoming import inbound_call
from callrouter.calls.routing import Target, number_target
from callrouter.calls.status import cause_of
from callrouter.carriers import fields
from callrouter.carriers.fields import ADDRESS_LIMIT, ID_LIMIT
from callrouter.carriers.message_ingress import MessageIngress
from callrouter.carriers.webhook import CARRIER_SECONDS
from callrouter.models import Call, Carrier
from foundation.clock import Clock
from foundation.db import Database
from foundation.keys import Keys
from foundation.memory import Memory
from foundation.outbound.signature import SignatureRefused, verify_body
from foundation.webserver.errors import ApiError

log = structlog.get_logger(__name__)

SDP_LIMIT = 16_000

Answer = tuple[dict[str, str], int]

_CALL = select(Call.sid, Call.leg, Call.direction, Call.status).where(
    Call.carrier == bindparam("carrier"), Call.carrier_call_id == bindparam("id")
)


def create_carriers(
    database: Database, keys: Keys, front: Front, messages: MessageIngress, clock: Clock
) -> Blueprint:
    """The routes of docs/protocols/carrier.md, behind its signature."""
    blueprint = Blueprint("carriers", __name__, url_prefix="/carriers/<carrier>")

    def find_secrets(name: str) -> list[str] | None:
        with database.read() as connection:
            row = connection.execute(
                select(Carrier.secrets_sealed).where(Carrier.name == name, Carrier.status == "active")
            ).first()
        return [keys.open(sealed) for sealed in row.secrets_sealed] if row else None

    secrets_of = Memory(find_secrets, CARRIER_SECONDS)

    @blueprint.before_request
    def verify() -> None:
        name = (request.view_args or {})["carrier"]
        secrets = secrets_of(name)
        try:
            if not secrets:
                raise SignatureRefused(f"there is no active carrier {name!r}")
            timestamp = request.headers.get("X-Callrouter-Timestamp")
            signature = request.headers.get("X-Callrouter-Signature")
            verify_body(secrets, timestamp, signature, request.get_data(), clock().timestamp())
        except SignatureRefused as refusal:
            log.warning("carrier refused", carrier=name, reason=refusal.reason, address=request.remote_addr)
            raise ApiError(403, 20403, f"Refused: {refusal.reason}.") from refusal

    @blueprint.post("/calls")
    def call(carrier: str) -> Answer:
        body = fields.body()
        call_id, to = fields.text(body, "id", ID_LIMIT), fields.text(body, "to", ADDRESS_LIMIT)
        target = _reachable(database, to)
        session = inbound_call(
            target,
            from_=fields.text(body, "from", ADDRESS_LIMIT),
            to=to,
            sdp=fields.text(fields.object_(body, "media"), "sdp", SDP_LIMIT),
            carrier=carrier,
            carrier_call_id=call_id,
            caller_name=fields.text(body, "caller_name", 64, required=False),
        )
        receipt = Receipt(source=f"carrier:{carrier}", event_id=f"call {call_id}")
        call_sid = front.create(session, receipt, target)
        return {"call_sid": call_sid}, 201 if call_sid == session.call_sid else 200

    @blueprint.post("/calls/<id>/events")
    def event(carrier: str, id: str) -> Answer:
        body = fields.body()
        with database.read() as connection:
            row = connection.execute(_CALL, {"carrier": carrier, "id": id}).first()
        if row is None:
            raise ApiError(404, 20404, f"Carrier {carrier!r} has no call {id!r} here.")
        event_id = fields.text(body, "event_id", ID_LIMIT)
        happening = _happening(body, row.leg, row.direction != "inbound", clock().timestamp())
        after = None
        if happening is not None:
            receipt = Receipt(source=f"carrier:{carrier}", event_id=f"event {id} {event_id}")
            after = front.happen(row.sid, happening, receipt)
        leg = after.leg_of(row.sid) if after else None
        return {"status": leg.status if leg else row.status}, 200

    messages.add_routes(blueprint)
    return blueprint


def _happening(body: Mapping[str, Any], leg: str, placed: bool, at: float) -> h.Happening | None:
    """The happening of a carrier's event; None for one that changes nothing. `placed`: we asked for the call."""
    kind = fields.text(body, "type", 32)
    readers: dict[str, Callable[[], h.Happening | None]] = {
        "ringing": lambda: h.Rang(at=at, leg=leg) if placed else None,
        "answered": lambda: (
            h.Took(at=at, leg=leg, sdp=fields.text(body, "sdp", SDP_LIMIT)) if placed else None
        ),
        "progress": lambda: None,
        "dtmf": lambda: h.Pressed(at=at, leg=leg, digits=_digits(body)),
        "hangup": lambda: h.Gone(at=at, leg=leg, cause=cause_of(body.get("cause", "normal"))),
        "failed": lambda: h.Gone(at=at, leg=leg, cause=cause_of(body.get("cause", "failed"))),
    }
    if kind not in readers:
        raise ApiError(400, 20001, f"No event type {kind!r}; there are {', '.join(readers)}.")
    return readers[kind]()


def _reachable(database: Database, to: str) -> Target:
    with database.read() as connection:
        target = number_target(connection, to)
    if target is None:
        raise ApiError(404, 21421, f"{to!r} is no number of this deployment.")
    if target.account_status != "active":
        raise ApiError(403, 10001, "The account of this number is not active.")
    return target


def _digits(body: Mapping[str, Any]) -> str:
    digits = fields.text(body, "digits", 64)
    if not set(digits) <= set("0123456789*#ABCDabcd"):
        raise ApiError(400, 20001, "`digits` must be of 0-9, *, # and A-D.")
    return digits
