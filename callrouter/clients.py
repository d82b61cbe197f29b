"""What client apps do in calls and with messages, as the presence server reports it (docs/protocols/presence.md)."""

from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, request
from sqlalchemy import Connection

from callrouter.calls import happenings as h
from callrouter.calls import routing
from callrouter.calls.engine import Receipt
from callrouter.calls.front import Front
from callrouter.calls.incoming import client_call
from callrouter.calls.session import Leg
from callrouter.calls.status import Cause
from callrouter.messages.from_clients import FromClients
from callrouter.playground import server as playground
from callrouter.playground.store import PREFIX as PLAYGROUND
from callrouter.voice.client import VoiceClient
from callrouter.voice.contract import VoiceError, VoiceUnavailable
from foundation.clock import Clock
from foundation.db import Database
from foundation.keys import Keys, TokenRefused
from foundation.webserver.errors import ApiError
from foundation.webserver.peers import demand_service

RING_TOKEN_SECONDS = 700
"""The longest ring is 605 s; a ring token is of no use after it."""
ADDRESS_LIMIT = 256
CALL_OVER = 31209
NO_APPLICATION = 31001

Answer = tuple[dict[str, Any], int]


def create_clients(
    database: Database,
    keys: Keys,
    front: Front,
    voice: VoiceClient,
    clock: Clock,
    messages: FromClients | None = None,
) -> Blueprint:
    """The one route that the presence server posts to."""
    blueprint = Blueprint("clients", __name__)
    blueprint.before_request(demand_service(keys, "router"))
    events = _Events(database, keys, front, voice, clock, messages)

    @blueprint.post("/v1/client-events")
    def event() -> Answer:
        body = request.get_json()
        return events.take(body)

    return blueprint


class _Events:
    def __init__(
        self,
        database: Database,
        keys: Keys,
        front: Front,
        voice: VoiceClient,
        clock: Clock,
        messages: FromClients | None,
    ) -> None:
        self._database = database
        self._keys = keys
        self._front = front
        self._voice = voice
        self._clock = clock
        self._messages = messages

    def take(self, body: Mapping[str, Any]) -> Answer:
        kinds: dict[str, Callable[[Mapping[str, Any]], Answer]] = {
            "call": self._call,
            "accepted": self._accepted,
            "rejected": self._rejected,
            "hangup": self._hung_up,
            "dtmf": self._dtmf,
            "restart": self._restart,
            "attached": self._attached,
            "message": self._message,
            "detached": self._detached,
        }
        if self._messages is not None:
            kinds |= {
                "text": self._messages.text,
                "text-delivered": self._messages.delivered,
                "text-expired": self._messages.expired,
            }
        if body.get("type") not in kinds:
            raise ApiError(400, 20001, f"No client event {body.get('type')!r}.")
        return kinds[body["type"]](body)

    def _call(self, body: Mapping[str, Any]) -> Answer:
        account_sid = body["account_sid"]
        with self._database.read() as connection:
            target = _target(connection, account_sid, body["application_sid"])
        if target is None:
            raise ApiError(404, NO_APPLICATION, "The token's application is not one of its account.")
        if target.account_status != "active":
            raise ApiError(403, 10001, "The account is not active.")
        to = body["params"].get("To", "")
        if len(to) > ADDRESS_LIMIT or not to.isprintable():
            raise ApiError(400, 31100, f"`To` must be at most {ADDRESS_LIMIT} printable characters.")
        session = client_call(
            target,
            identity=body["identity"],
            sdp=body["sdp"],
            parameters=body["params"],
            fixed=body["token_params"],
        )
        return {"call_sid": self._front.create(session, self._receipt(body), target)}, 201

    def _accepted(self, body: Mapping[str, Any]) -> Answer:
        leg = self._leg(body)
        if leg is None or not self._ring_token_is_for(body, leg):
            return {"result": "lost"}, 200
        took = h.Took(at=self._now(), leg=leg.name, sdp=body["sdp"], endpoint=body["endpoint_id"])
        after = self._front.happen(leg.call_sid, took, self._receipt(body))
        leg = after.legs[leg.name] if after else leg
        won = leg.answered and leg.live and leg.endpoints == (body["endpoint_id"],)
        return {"result": "won" if won else "lost"}, 200

    def _rejected(self, body: Mapping[str, Any]) -> Answer:
        leg = self._leg(body)
        if leg is not None and self._ring_token_is_for(body, leg):
            vanished = bool(body.get("vanished"))
            declined = h.Declined(
                at=self._now(), leg=leg.name, endpoint=body["endpoint_id"], vanished=vanished
            )
            self._front.happen(leg.call_sid, declined, self._receipt(body))
        return {}, 200

    def _hung_up(self, body: Mapping[str, Any]) -> Answer:
        return self._happen(body, lambda leg: h.Gone(at=self._now(), leg=leg.name, cause=Cause.NORMAL))

    def _detached(self, body: Mapping[str, Any]) -> Answer:
        return self._happen(body, lambda leg: h.Gone(at=self._now(), leg=leg.name, cause=Cause.SOCKET_LOST))

    def _dtmf(self, body: Mapping[str, Any]) -> Answer:
        return self._happen(body, lambda leg: h.Pressed(at=self._now(), leg=leg.name, digits=body["digits"]))

    def _message(self, body: Mapping[str, Any]) -> Answer:
        return self._happen(body, lambda leg: h.Said(at=self._now(), leg=leg.name, content=body["content"]))

    def _restart(self, body: Mapping[str, Any]) -> Answer:
        """An ICE restart: the audio's business only; the call itself does not change."""
        leg = self._leg(body)
        if leg is None:
            raise ApiError(409, CALL_OVER, "The call is over.")
        return {"sdp": self._negotiate(leg, body["sdp"])}, 200

    def _attached(self, body: Mapping[str, Any]) -> Answer:
        """A client is back after its socket dropped, or took the call over on another device (`moved`)."""
        leg = self._leg(body)
        if leg is None:
            raise ApiError(404, CALL_OVER, "The call is over.")
        if not body["moved"]:
            return {}, 200
        sdp = self._negotiate(leg, body["sdp"])
        if not leg.answered:
            took = h.Took(at=self._now(), leg=leg.name, sdp="", endpoint=body["endpoint_id"])
            self._front.happen(leg.call_sid, took, self._receipt(body))
        return {"sdp": sdp}, 200

    def _negotiate(self, leg: Leg, sdp: str) -> str:
        try:
            made = self._front.wait(self._voice.request("leg.restart", leg=leg.call_sid, sdp=sdp))
        except VoiceError as error:
            raise ApiError(409, CALL_OVER, str(error)) from error
        except VoiceUnavailable as error:
            raise ApiError(503, 20503, "The voice node is down.", {"Retry-After": "1"}) from error
        return str(made["sdp"])

    def _happen(self, body: Mapping[str, Any], happening: Callable[[Leg], h.Happening]) -> Answer:
        leg = self._leg(body)
        if leg is not None:
            self._front.happen(leg.call_sid, happening(leg), self._receipt(body))
        return {}, 200

    def _leg(self, body: Mapping[str, Any]) -> Leg | None:
        """The live leg, if it is this client's: every message is checked, not only the first."""
        return self._front.client_leg(body["account_sid"], body["call_sid"], body["identity"])

    def _ring_token_is_for(self, body: Mapping[str, Any], leg: Leg) -> bool:
        try:
            claims = self._keys.verify("ring", body["ring_token"], RING_TOKEN_SECONDS)
        except TokenRefused:
            return False
        return claims == {"call": leg.call_sid, "account": body["account_sid"]}

    def _receipt(self, body: Mapping[str, Any]) -> Receipt:
        return Receipt(source="presence", event_id=body["event_id"])

    def _now(self) -> float:
        return self._clock().timestamp()


def _target(connection: Connection, account_sid: str, named: str) -> routing.Target | None:
    """What a token names for outgoing calls: an application, or a text of the console's playground."""
    if named.startswith(PLAYGROUND):
        return playground.target(connection, account_sid, named)
    return routing.client_target(connection, account_sid, named)
