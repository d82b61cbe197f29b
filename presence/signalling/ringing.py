"""Calls that ring: every endpoint of an invite, one winner by the router's word, a definite end for all others.

An endpoint that lost its socket while it rang is rung again when it is back (voice-sdk-protocol 6: the SDK has
dropped the call by then). Who won is the router's decision (PR-52); here the loser is told `cancel`.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import structlog

from foundation.clock import Clock
from foundation.failpoints import failpoint
from presence.registration import Endpoint
from presence.router_link import RouterUnreachable
from presence.signalling import frames
from presence.signalling.calls import Calls
from presence.signalling.lanes import Lanes
from presence.signalling.ledger import ACCEPTED, CANCELLED, RINGING, Invite, Ledger, Rung
from presence.signalling.roster import Device, Identity, Roster
from presence.signalling.socket import Socket
from presence.signalling.teller import Teller

log = structlog.get_logger(__name__)

LONGEST = 3_600.0  # seconds that anything rings; a Dial's timeout is 600 at most
LINGER = 30.0  # seconds for which an ended invite can still tell a late answer why


@dataclass(eq=False)
class Ring:
    """An invite while it lives; `sockets` are those that show it now."""

    invite: Invite
    rung: Rung
    stored: "asyncio.Future[Rung | None]"
    state: str = RINGING
    sockets: dict[str, Socket] = field(default_factory=dict)
    rejected: set[str] = field(default_factory=set)


class Ringing:
    """All invites of this node."""

    def __init__(
        self, roster: Roster, calls: Calls, ledger: Ledger, lanes: Lanes, teller: Teller, clock: Clock
    ) -> None:
        self._roster, self._calls, self._ledger = roster, calls, ledger
        self._lanes, self._teller, self._clock = lanes, teller, clock
        self._rings: dict[tuple[str, str], Ring] = {}
        self._by_identity: dict[Identity, list[Ring]] = {}
        calls.taken_over = self.taken

    async def ring(self, invite: Invite) -> Rung:
        """Stores the invite, rings its endpoints and says which; a repeat changes nothing and says the same."""
        known = self._rings.get((invite.account_sid, invite.call_sid))
        if known is not None:
            await asyncio.shield(known.stored)
            return known.rung
        failpoint("invite.before-commit")
        stored = asyncio.wrap_future(self._ledger.open_invite(invite, rung := self._sort(invite)))
        ring = self._add(invite, rung, stored)
        try:
            before = await asyncio.shield(stored)
        except Exception:
            self._drop(ring)
            raise
        failpoint("invite.after-commit")
        if before is not None:  # stored by an earlier life or another process: its answer stands
            self._drop(ring)
            return before
        for endpoint_id in rung.rung:
            device = self._roster.find((invite.account_sid, invite.client), endpoint_id)
            if device and device.socket and ring.state == RINGING:
                self._show(ring, device.socket)
        failpoint("invite.shown")
        return rung

    async def cancel(self, account_sid: str, call_sid: str) -> None:
        """Ends the ringing everywhere."""
        failpoint("cancel.before-commit")
        await asyncio.wrap_future(
            self._ledger.cancel_invite(account_sid, call_sid, self._clock().timestamp())
        )
        failpoint("cancel.after-commit")
        ring = self._rings.get((account_sid, call_sid))
        if ring is not None and ring.state == RINGING:
            self._end(ring, CANCELLED)

    async def over(self, account_sid: str, call_sid: str) -> None:
        """The call has ended: nothing rings for it, though we may have died before we stored who took it."""
        ring = self._rings.get((account_sid, call_sid))
        if ring is not None and ring.state == RINGING:
            await self.cancel(account_sid, call_sid)

    def restore(self) -> None:
        """Invites from before our start: nobody shows them now, but their endpoints may come back."""
        for invite, rung in self._ledger.pending(self._clock().timestamp()):
            stored: asyncio.Future[Rung | None] = asyncio.get_running_loop().create_future()
            stored.set_result(None)
            self._add(invite, rung, stored)

    def reappeared(self, device: Device) -> None:
        """A device has registered: what rings for it is shown (again)."""
        endpoint_id = device.endpoint.endpoint_id
        for ring in self._by_identity.get(device.identity, ()):
            wanted = endpoint_id in ring.rung.rung and endpoint_id not in ring.rejected
            if wanted and ring.state == RINGING and device.socket and endpoint_id not in ring.sockets:
                self._show(ring, device.socket)

    def lost(self, socket: Socket) -> None:
        """The socket shows nothing any more."""
        grant = socket.connection.grant
        for ring in self._by_identity.get((grant.account_sid, grant.identity), ()) if grant else ():
            if ring.sockets.get(socket.endpoint_id) is socket:
                del ring.sockets[socket.endpoint_id]

    def departed(self, endpoint: Endpoint) -> None:
        """The device will not come back: what rings for it there has ended (I10)."""
        for ring in self._by_identity.get((endpoint.account_sid, endpoint.client), ()):
            if endpoint.endpoint_id in ring.rung.rung:
                self._depart(ring, endpoint.endpoint_id)

    def _depart(self, ring: Ring, endpoint_id: str) -> None:
        self._lanes.put(ring.invite.call_sid, lambda: self._reject(ring, endpoint_id, vanished=True))

    def taken(self, account_sid: str, call_sid: str, socket: Socket) -> None:
        """Another device took the ringing call over by its connect token."""
        ring = self._rings.get((account_sid, call_sid))
        if ring is not None and ring.state == RINGING:
            self._ledger.accept_invite(account_sid, call_sid)
            self._end(ring, ACCEPTED, winner=socket)

    # What clients say

    def accept(self, socket: Socket, frame: frames.Answer) -> None:
        ring = self._owned(socket, frame.call_sid)
        if ring is None:
            if self._calls.find(socket, frame.call_sid) is None:
                socket.send(frames.hangup(frame.call_sid, 31008, "the call is over"))
        elif not self._lanes.put(frame.call_sid, lambda: self._accept(ring, socket, frame)):
            socket.send(frames.hangup(frame.call_sid, 31206, "too many messages for one call"))

    def reject(self, socket: Socket, call_sid: str) -> bool:
        """The user declined, or could not take the call; False when nothing of that SID rings there."""
        ring = self._owned(socket, call_sid)
        if ring is None or ring.state != RINGING:
            return False
        return self._lanes.put(call_sid, lambda: self._reject(ring, socket.endpoint_id))

    async def _accept(self, ring: Ring, socket: Socket, frame: frames.Answer) -> None:
        call_sid = ring.invite.call_sid
        if ring.state == ACCEPTED:
            if self._calls.find(socket, call_sid, bound=True) is None:
                socket.send(frames.cancel(call_sid))
            return
        if ring.state == CANCELLED:
            socket.send(frames.hangup(call_sid, 31008, "the call was cancelled"))
            return
        whose = (ring.invite.account_sid, ring.invite.client, socket.endpoint_id)
        try:
            answer = await self._teller.tell(
                "accepted", *whose, call_sid=call_sid, ring_token=ring.invite.ring_token, sdp=frame.sdp
            )
        except RouterUnreachable:
            socket.send(frames.hangup(call_sid, 31003, "the call could not be connected in time"))
            return
        if answer.ok and answer.body.get("result") == "won":
            self._ledger.accept_invite(ring.invite.account_sid, call_sid)
            self._end(ring, ACCEPTED, winner=socket)
            await self._calls.bind(socket, call_sid, frames.ufrag(frame.sdp), incoming=True)
        elif answer.ok:
            ring.sockets.pop(socket.endpoint_id, None)
            socket.send(frames.cancel(call_sid))
        else:
            ring.sockets.pop(socket.endpoint_id, None)
            socket.send(frames.hangup(call_sid, answer.code(31008), answer.message))

    async def _reject(self, ring: Ring, endpoint_id: str, *, vanished: bool = False) -> None:
        if ring.state != RINGING or endpoint_id in ring.rejected:
            return
        ring.rejected.add(endpoint_id)
        ring.sockets.pop(endpoint_id, None)
        whose = (ring.invite.account_sid, ring.invite.client, endpoint_id)
        call: dict[str, Any] = {"call_sid": ring.invite.call_sid, "ring_token": ring.invite.ring_token}
        if vanished:
            call["vanished"] = True
        await self._teller.insist("rejected", *whose, **call)

    # The book of rings

    def _sort(self, invite: Invite) -> Rung:
        """Whom to ring; a device that is away for a moment counts as ringing."""
        now = self._clock().timestamp()
        rung, skipped = [], []
        for endpoint_id in dict.fromkeys(invite.endpoints):
            device = self._roster.find((invite.account_sid, invite.client), endpoint_id)
            if device is None or not device.endpoint.live(now):
                skipped.append((endpoint_id, "gone"))
            elif "voice" not in device.endpoint.capabilities:
                skipped.append((endpoint_id, "not-voice"))
            elif device.socket and not device.socket.grant.incoming:
                skipped.append((endpoint_id, "not-incoming"))
            elif device.socket.calls if device.socket else self._calls.waiting_for(device.endpoint):
                skipped.append((endpoint_id, "busy"))
            else:
                rung.append(endpoint_id)
        return Rung(rung=tuple(rung), skipped=tuple(skipped))

    def _owned(self, socket: Socket, call_sid: str) -> Ring | None:
        ring = self._rings.get((socket.grant.account_sid, call_sid))
        return ring if ring and ring.invite.client == socket.grant.identity else None

    def _show(self, ring: Ring, socket: Socket) -> None:
        invite = ring.invite
        ring.sockets[socket.endpoint_id] = socket
        token = self._calls.reconnect_token(invite.account_sid, invite.client, invite.call_sid)
        socket.send(frames.invite(invite.call_sid, invite.sdp, invite.parameters, token))

    def _add(self, invite: Invite, rung: Rung, stored: "asyncio.Future[Rung | None]") -> Ring:
        ring = Ring(invite=invite, rung=rung, stored=stored)
        self._rings[invite.account_sid, invite.call_sid] = ring
        self._by_identity.setdefault((invite.account_sid, invite.client), []).append(ring)
        left = min(max(0.0, invite.expires_at - self._clock().timestamp()), LONGEST)
        asyncio.get_running_loop().call_later(left, self._expire, ring)
        return ring

    def _expire(self, ring: Ring) -> None:
        if ring.state == RINGING:
            self._end(ring, CANCELLED)
        asyncio.get_running_loop().call_later(LINGER, self._drop, ring)

    def _end(self, ring: Ring, state: str, winner: Socket | None = None) -> None:
        ring.state = state
        for socket in ring.sockets.values():
            if socket is not winner:
                socket.send(frames.cancel(ring.invite.call_sid))
        ring.sockets.clear()

    def _drop(self, ring: Ring) -> None:
        key = (ring.invite.account_sid, ring.invite.call_sid)
        if self._rings.get(key) is ring:
            del self._rings[key]
        identity = (ring.invite.account_sid, ring.invite.client)
        rings = self._by_identity.get(identity, [])
        if ring in rings:
            rings.remove(ring)
        if not rings:
            self._by_identity.pop(identity, None)
