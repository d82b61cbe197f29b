"""The door to the sockets of all nodes: each part of what the router asks is done by the node that holds the device.

Runs on Flask's threads. A request that another node passes on goes to `here`, and on to nobody: so no two nodes ever
wait for each other in a circle.
"""

import asyncio
from concurrent.futures import Future
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import structlog

from foundation.clock import Clock
from presence.neighbours import Neighbours, Said, Unreachable
from presence.signalling.call import Handed
from presence.signalling.doorway import Doorway
from presence.signalling.gateway import Gateway
from presence.signalling.ledger import RINGING, Invite, Rung

log = structlog.get_logger(__name__)

RING_SECONDS = 2.0
"""How long a node may take to ring its devices; then they are skipped, and the others ring."""
FRAME_SECONDS = 4.0


class Everywhere(Doorway):
    """The `Door` of all nodes; `here` is that of this one alone."""

    def __init__(
        self, gateway: Gateway, loop: asyncio.AbstractEventLoop, neighbours: Neighbours, clock: Clock
    ) -> None:
        super().__init__(gateway, loop)
        self.here = Doorway(gateway, loop)
        self._neighbours, self._nodes, self._clock = neighbours, neighbours.nodes, clock
        self._ledger, self._holdings = gateway.ledger, gateway.holdings

    def ring(self, invite: Invite, busy: tuple[str, ...] = ()) -> Rung:
        """Rings each endpoint at its node. A repeat, at whichever node, changes nothing and says the same; where
        nobody rang it is another try (PR-58)."""
        now = self._clock().timestamp()
        invite = replace(invite, created_at=now)
        known = Rung()
        if self._nodes.shared:  # alone, the gateway itself knows a repeat
            for _, state, answer in self._ledger.parts(invite.account_sid, invite.call_sid):
                if answer.rung or state != RINGING:
                    known += answer
        told = {*known.rung, *(one for one, _ in known.skipped)}
        places = self._holdings.places(invite.account_sid, invite.client, now, invite.endpoints)
        busy = tuple(place.endpoint_id for place in places if place.busy_until > now)
        nodes = {place.endpoint_id: place.node for place in places}
        parts: dict[str, list[str]] = {}
        for endpoint_id in dict.fromkeys(invite.endpoints):
            if endpoint_id not in told:
                node = nodes.get(endpoint_id) if self._nodes.shared else None
                parts.setdefault(node or self._nodes.name, []).append(endpoint_id)
        asked = {
            node: self._neighbours.ask(
                node, "POST", f"/Accounts/{invite.account_sid}/Invites", _body(invite, wanted, busy)
            )
            for node, wanted in parts.items()
            if node != self._nodes.name
        }
        rung = known
        if mine := parts.get(self._nodes.name):
            rung += super().ring(replace(invite, endpoints=tuple(mine)), busy)
        for node, asking in asked.items():
            rung += _rung(asking, parts[node], node)
        if len(invite.waves) > 1 and rung.skipped and asked:
            body = {"out": {one: now for one, _ in rung.skipped}}
            path = f"/Accounts/{invite.account_sid}/Invites/{invite.call_sid}"
            self._neighbours.tell(asked, "POST", path, body)
            self.here.heard(invite.account_sid, invite.call_sid, "", body["out"])
        order = {one: place for place, one in enumerate(invite.endpoints)}
        return Rung(rung=tuple(sorted(rung.rung, key=lambda one: order.get(one, 0))), skipped=rung.skipped)

    def frame(self, account_sid: str, call_sid: str, frame: dict[str, Any]) -> Handed:
        """Hands the frame to the node that has the call; who dials now may learn only in a moment that it has it."""
        if not self._nodes.shared:
            return super().frame(account_sid, call_sid, frame)
        handed = self._hand(account_sid, call_sid, frame)
        if frame["type"] == "hangup":
            parts = self._ledger.parts(account_sid, call_sid)
            if any(state == RINGING for _, state, _ in parts):
                self.cancel(account_sid, call_sid)
        return handed

    def text_arrived(self, account_sid: str, client: str) -> None:
        super().text_arrived(account_sid, client)
        path = f"/Accounts/{account_sid}/Clients/{quote(client, safe='')}/arrivals"
        self._neighbours.tell(self._nodes.others(), "POST", path, {})

    def _hand(self, account_sid: str, call_sid: str, frame: dict[str, Any]) -> Handed:
        known = self._gateway.book.has(account_sid, call_sid)
        handed = super().frame(account_sid, call_sid, frame) if known else Handed.UNKNOWN
        if handed is Handed.OVER:
            return handed
        found = self._ledger.call(account_sid, call_sid)
        path = f"/Accounts/{account_sid}/Calls/{call_sid}/frames"
        if found is not None and found[1] != self._nodes.name:
            return _handed(self._neighbours.ask(found[1], "POST", path, frame), Handed.AWAY)
        if known:
            return handed
        others = [self._neighbours.ask(node, "POST", path, frame) for node in self._nodes.living()]
        handed = super().frame(account_sid, call_sid, frame)
        answers = [handed, *(_handed(one, Handed.UNKNOWN) for one in others)]
        return next((one for one in (Handed.OVER, Handed.AWAY) if one in answers), Handed.UNKNOWN)


def _body(invite: Invite, endpoints: list[str], busy: tuple[str, ...]) -> dict[str, Any]:
    return {
        "call_sid": invite.call_sid,
        "client": invite.client,
        "endpoints": endpoints,
        "sdp": invite.sdp,
        "ring_token": invite.ring_token,
        "parameters": invite.parameters,
        "expires_at": invite.expires_at,
        "waves": invite.waves,
        "every": invite.every,
        "created_at": invite.created_at,
        "busy": [one for one in endpoints if one in busy],
    }


def _rung(answer: "Future[Said]", endpoints: list[str], node: str) -> Rung:
    try:
        said = answer.result(RING_SECONDS)
        if said.status == 201:
            skipped = tuple((one["endpoint_id"], one["reason"]) for one in said.body["skipped"])
            return Rung(rung=tuple(said.body["rung"]), skipped=skipped)
        log.error("another node refused to ring", node=node, status=said.status, answer=said.body)
    except (Unreachable, TimeoutError) as error:
        log.warning("devices of another node are not rung", node=node, error=str(error))
    return Rung(skipped=tuple((one, "unreachable") for one in endpoints))


def _handed(answer: "Future[Said]", otherwise: Handed) -> Handed:
    try:
        said = answer.result(FRAME_SECONDS)
        return Handed(said.status)
    except (Unreachable, TimeoutError, ValueError):
        return otherwise
