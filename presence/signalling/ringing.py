"""Calls that ring: every endpoint of an invite, one winner by the router's word, a definite end for all others.

An endpoint that lost its socket while it rang is rung again when it is back (voice-sdk-protocol 6: the SDK has
dropped the call by then). Who won is the router's decision (PR-52); here the loser is told `cancel`. An invite rings
at all nodes that hold a device of it; what becomes of it is stored first, and then the other nodes are told.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from foundation.clock import Clock
from foundation.db import DatabaseOverloaded
from foundation.failpoints import failpoint
from presence.neighbours import Neighbours
from presence.registration import Endpoint
from presence.router_link import RouterUnreachable
from presence.signalling import frames
from presence.signalling.book import Book
from presence.signalling.calls import Calls
from presence.signalling.lanes import Lanes
from presence.signalling.ledger import ACCEPTED, CANCELLED, RINGING, Invite, Ledger, Rung, report
from presence.signalling.roster import Device, Identity, Roster
from presence.signalling.socket import Socket
from presence.signalling.teller import Teller
from presence.signalling.waves import turn

log = structlog.get_logger(__name__)

LONGEST = 3_600.0  # seconds that anything rings; a Dial's timeout is 600 at most
FOLLOW_SECONDS = 3.0
LINGER = 30.0  # seconds for which an ended invite can still tell a late answer why


@dataclass(eq=False)
class Ring:
    """An invite while it lives; `sockets` are those that show it now, `out` who fell out of it, and when."""

    invite: Invite
    rung: Rung
    stored: "asyncio.Future[Rung | None]"
    state: str = RINGING
    sockets: dict[str, Socket] = field(default_factory=dict)
    out: dict[str, float] = field(default_factory=dict)
    timer: asyncio.TimerHandle | None = None

    @property
    def waves(self) -> tuple[tuple[str, ...], ...]:
        return self.invite.waves or (self.rung.rung,)


class Ringing:
    """This node's part of all invites."""

    def __init__(
        self,
        roster: Roster,
        book: Book,
        calls: Calls,
        ledger: Ledger,
        lanes: Lanes,
        teller: Teller,
        clock: Clock,
        neighbours: Neighbours,
    ) -> None:
        self._roster, self._book, self._calls, self._ledger = roster, book, calls, ledger
        self._lanes, self._teller, self._clock, self._neighbours = lanes, teller, clock, neighbours
        self._rings: dict[tuple[str, str], Ring] = {}
        self._by_identity: dict[Identity, list[Ring]] = {}
        calls.taken_over = self.taken

    async def ring(self, invite: Invite, busy: Collection[str] = ()) -> Rung:
        """Stores the invite, rings its endpoints and says which; a repeat changes nothing and says the same, unless
        nobody rang: the router asks once more then (PR-58).

        `busy`: endpoints that are on a call by their rows, whatever is known of it here.
        """
        while (known := self._rings.get((invite.account_sid, invite.call_sid))) is not None:
            await asyncio.shield(known.stored)
            if known.rung.rung or known.state != RINGING:
                return known.rung
            self._drop(known)  # unless another repeat did, and rings by now: then that one is waited for
        failpoint("invite.before-commit")
        rung = self._sort(invite, busy)
        if rung.skipped:
            now = self._clock().timestamp()
            invite = replace(invite, out={**invite.out, **{one: now for one, _ in rung.skipped}})
        stored = asyncio.wrap_future(self._ledger.open_invite(invite, rung))
        ring = self._add(invite, rung, stored)
        try:
            before = await asyncio.shield(stored)
        except Exception:
            self._drop(ring)
            raise
        failpoint("invite.after-commit")
        if before is not None:  # stored by an earlier life, or ended before it came: that answer stands
            self._drop(ring)
            return before
        self._advance(ring)
        failpoint("invite.shown")
        return rung

    async def cancel(self, account_sid: str, call_sid: str) -> None:
        """Ends the ringing everywhere."""
        failpoint("cancel.before-commit")
        stored = self._ledger.cancel_invite(account_sid, call_sid, self._clock().timestamp())
        others = await asyncio.wrap_future(stored)
        failpoint("cancel.after-commit")
        self._tell(others, account_sid, call_sid, {"state": CANCELLED})
        ring = self._rings.get((account_sid, call_sid))
        if ring is not None and ring.state == RINGING:
            self._end(ring, CANCELLED)

    def hear(self, account_sid: str, call_sid: str, state: str, out: Mapping[str, float]) -> None:
        """Another node says how the invite has ended, or who fell out of it there."""
        ring = self._rings.get((account_sid, call_sid))
        if ring is None or ring.state != RINGING:
            return
        if state:
            self._end(ring, state)
        else:
            self._fall_out(ring, out, quietly=True)

    async def agree(self) -> None:
        """Ends what others have ended, in case their word did not come."""
        ringing = [(key, ring) for key, ring in self._rings.items() if ring.state == RINGING]
        ended = await asyncio.to_thread(self._ledger.ended, self._clock().timestamp()) if ringing else {}
        for key, ring in ringing:
            if key in ended and ring.state == RINGING:
                self._end(ring, ended[key])

    async def follow(self, endpoint: Endpoint) -> None:
        """A device has come from another node: what rings for it is this node's, too."""
        now = self._clock().timestamp()
        whose = (endpoint.account_sid, endpoint.client, endpoint.endpoint_id)
        try:
            async with asyncio.timeout(FOLLOW_SECONDS):
                found = await asyncio.wrap_future(self._ledger.follow_invites(*whose, now))
        except (SQLAlchemyError, DatabaseOverloaded, TimeoutError) as error:
            log.warning("what rings for a device was not found", client=endpoint.client, error=str(error))
            return
        self._take_in(found)  # shown when the device has been told that it is registered

    async def over(self, account_sid: str, call_sid: str) -> None:
        """The call has ended: nothing rings for it, though we may have died before we stored who took it."""
        ring = self._rings.get((account_sid, call_sid))
        if ring is not None and ring.state == RINGING:
            await self.cancel(account_sid, call_sid)

    def restore(self, pending: Iterable[tuple[Invite, Rung]]) -> None:
        """Invites from before our start, or of a dead node: their devices may come, and are shown them then."""
        for ring in self._take_in(pending):
            self._advance(ring)

    def forget_all(self) -> None:
        """What was here is another node's."""
        for ring in list(self._rings.values()):
            ring.state = CANCELLED
            self._drop(ring)

    def reappeared(self, device: Device) -> None:
        """A device has registered: what rings for it is shown (again)."""
        for ring in list(self._by_identity.get(device.identity, ())):
            self._advance(ring)

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

    def _depart(self, ring: Ring, endpoint_id: str, *, vanished: bool = True) -> None:
        self._lanes.put(ring.invite.call_sid, lambda: self._reject(ring, endpoint_id, vanished=vanished))

    def taken(self, account_sid: str, call_sid: str, socket: Socket) -> None:
        """Another device took the ringing call over by its connect token."""
        ring = self._rings.get((account_sid, call_sid))
        if self._neighbours.nodes.shared or (ring is not None and ring.state == RINGING):
            self._accepted(account_sid, call_sid)
        if ring is not None and ring.state == RINGING:
            self._end(ring, ACCEPTED, winner=socket)

    # What clients say

    def accept(self, socket: Socket, frame: frames.Answer) -> None:
        ring = self._owned(socket, frame.call_sid)
        if ring is None:
            if self._book.find(socket, frame.call_sid) is None:
                socket.send(frames.hangup(frame.call_sid, 31008, "the call is over"))
        elif not self._lanes.put(frame.call_sid, lambda: self._accept(ring, socket, frame)):
            socket.send(frames.hangup(frame.call_sid, 31206, "too many messages for one call"))

    def reject(self, socket: Socket, call_sid: str) -> bool:
        """The user declined, or could not take the call; False when nothing of that SID rings there."""
        ring = self._owned(socket, call_sid)
        if ring is None or ring.state != RINGING or socket.endpoint_id not in ring.rung.rung:
            return False
        return self._lanes.put(call_sid, lambda: self._reject(ring, socket.endpoint_id))

    async def _accept(self, ring: Ring, socket: Socket, frame: frames.Answer) -> None:
        call_sid = ring.invite.call_sid
        if ring.state == ACCEPTED:
            if self._book.find(socket, call_sid, bound=True) is None:
                socket.send(frames.cancel(call_sid))
            return
        if ring.state == CANCELLED:
            socket.send(frames.hangup(call_sid, 31008, "the call was cancelled"))
            return
        if (
            ring.sockets.get(socket.endpoint_id) is not socket
        ):  # it was never asked, or its turn is over (PR-53)
            socket.send(frames.cancel(call_sid))
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
            self._accepted(ring.invite.account_sid, call_sid)
            self._end(ring, ACCEPTED, winner=socket)
            await self._book.bind(socket, call_sid, frames.ufrag(frame.sdp), incoming=True)
        elif answer.ok:
            ring.sockets.pop(socket.endpoint_id, None)
            socket.send(frames.cancel(call_sid))
        else:
            ring.sockets.pop(socket.endpoint_id, None)
            socket.send(frames.hangup(call_sid, answer.code(31008), answer.message))

    async def _reject(self, ring: Ring, endpoint_id: str, *, vanished: bool = False) -> None:
        if ring.state != RINGING or endpoint_id in ring.out:
            return
        ring.sockets.pop(endpoint_id, None)
        self._fall_out(ring, {endpoint_id: self._clock().timestamp()})
        whose = (ring.invite.account_sid, ring.invite.client, endpoint_id)
        call: dict[str, Any] = {"call_sid": ring.invite.call_sid, "ring_token": ring.invite.ring_token}
        if vanished:
            call["vanished"] = True
        await self._teller.insist("rejected", *whose, **call)

    # The book of rings

    def _take_in(self, pending: Iterable[tuple[Invite, Rung]]) -> list[Ring]:
        rings = []
        for invite, rung in pending:
            ring = self._rings.get((invite.account_sid, invite.call_sid))
            if ring is None:
                stored: asyncio.Future[Rung | None] = asyncio.get_running_loop().create_future()
                stored.set_result(None)
                ring = self._add(invite, rung, stored)
            ring.rung = rung
            rings.append(ring)
        return rings

    def _sort(self, invite: Invite, busy: Collection[str]) -> Rung:
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
            elif endpoint_id in busy or self._on_a_call(device):
                skipped.append((endpoint_id, "busy"))
            else:
                rung.append(endpoint_id)
        return Rung(rung=tuple(rung), skipped=tuple(skipped))

    def _on_a_call(self, device: Device) -> bool:
        return bool(device.socket.calls) if device.socket else self._book.waiting_for(device.endpoint)

    def _advance(self, ring: Ring) -> None:
        """Shows the call to those whose turn it is, takes it from the others, and comes again at the next turn."""
        if ring.timer is not None:
            ring.timer.cancel()
            ring.timer = None
        if ring.state != RINGING:
            return
        invite, now = ring.invite, self._clock().timestamp()
        present = turn(ring.waves, invite.every, invite.created_at, now, ring.out)
        for endpoint_id in set(ring.sockets) - present.asked:
            ring.sockets.pop(endpoint_id).send(frames.cancel(invite.call_sid))
        for endpoint_id in ring.rung.rung:
            device = self._roster.find((invite.account_sid, invite.client), endpoint_id)
            if endpoint_id not in present.asked or endpoint_id in ring.sockets or not device:
                continue
            if device.socket is None or not device.socket.open:
                continue
            if present.wave > 0 and device.socket.calls:  # it was free when the first ones were rung
                self._depart(ring, endpoint_id, vanished=False)
            else:
                self._show(ring, device.socket)
        if present.ends < invite.expires_at:
            loop = asyncio.get_running_loop()
            ring.timer = loop.call_later(max(0.0, present.ends - now), self._advance, ring)

    def _fall_out(self, ring: Ring, out: Mapping[str, float], *, quietly: bool = False) -> None:
        """These endpoints ring no more; that is kept, and the other nodes hear of it when it may be another's turn."""
        ring.out |= {one: at for one, at in out.items() if one not in ring.out}
        invite = ring.invite
        body = {"out": dict(out)} if len(ring.waves) > 1 and not quietly else None
        self._spread(
            lambda account, call: self._ledger.fall_out(account, call, out),
            invite.account_sid,
            invite.call_sid,
            body,
        )
        self._advance(ring)

    def _accepted(self, account_sid: str, call_sid: str) -> None:
        self._spread(self._ledger.accept_invite, account_sid, call_sid, {"state": ACCEPTED})

    def _spread(
        self,
        store: "Callable[[str, str], Future[list[str]]]",
        account_sid: str,
        call_sid: str,
        body: dict[str, Any] | None,
    ) -> None:
        """Stores what happened to an invite; the other nodes that have a part of it are told afterwards."""

        def stored(done: "Future[list[str]]") -> None:
            report(done)
            if body and not done.cancelled() and done.exception() is None:
                self._tell(done.result(), account_sid, call_sid, body)

        try:
            store(account_sid, call_sid).add_done_callback(stored)
        except DatabaseOverloaded as error:
            log.error("what happened to an invite was not stored", call_sid=call_sid, error=str(error))

    def _tell(self, nodes: Iterable[str], account_sid: str, call_sid: str, body: dict[str, Any]) -> None:
        self._neighbours.tell(nodes, "POST", f"/Accounts/{account_sid}/Invites/{call_sid}", body)

    def _owned(self, socket: Socket, call_sid: str) -> Ring | None:
        ring = self._rings.get((socket.grant.account_sid, call_sid))
        return ring if ring and ring.invite.client == socket.grant.identity else None

    def _show(self, ring: Ring, socket: Socket) -> None:
        invite = ring.invite
        ring.sockets[socket.endpoint_id] = socket
        token = self._calls.reconnect_token(invite.account_sid, invite.client, invite.call_sid)
        socket.send(frames.invite(invite.call_sid, invite.sdp, invite.parameters, token))

    def _add(self, invite: Invite, rung: Rung, stored: "asyncio.Future[Rung | None]") -> Ring:
        ring = Ring(invite=invite, rung=rung, stored=stored, out=dict(invite.out))
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
        if ring.timer is not None:
            ring.timer.cancel()
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
