"""Registers the devices behind sockets: stored before `ready`, refreshed cheaply, gone when they should be."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import structlog
from prometheus_client import Counter
from sqlalchemy.exc import OperationalError

from foundation.clock import Clock
from foundation.db import DatabaseOverloaded
from foundation.failpoints import failpoint
from foundation.landing import landed
from foundation.sids import REGISTRATION, new_sid
from presence.access.refusals import AccessRefused
from presence.registration import Endpoint, expiry
from presence.signalling import frames
from presence.signalling.holdings import Holdings
from presence.signalling.moves import Moves
from presence.signalling.roster import Device, Identity, Roster
from presence.signalling.socket import Socket
from presence.store import Key, Store

log = structlog.get_logger(__name__)

STORE_SECONDS = 5.0
AT_ONCE = 200  # devices of which a sweep finds out why they are not ours any more
REGISTRATIONS = Counter("presence_registrations_total", "Registrations over sockets", ["result"])
STORED, REFRESHED, REFUSED, FAILED = map(REGISTRATIONS.labels, ("stored", "refreshed", "refused", "failed"))


class Registrar:
    """Between sockets, the roster in memory and the store."""

    def __init__(
        self,
        store: Store,
        holdings: Holdings,
        moves: Moves,
        roster: Roster,
        clock: Clock,
        node: str,
        *,
        ttl: float,
        grace: float,
    ) -> None:
        self._store, self._holdings, self._moves = store, holdings, moves
        self._roster, self._clock, self._node = roster, clock, node
        self._ttl, self._grace = ttl, grace
        self._touched: dict[Key, tuple[float, float]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self.departed: Callable[[Endpoint], None] = lambda _endpoint: None
        self.informed: Callable[[], Awaitable[None]] = _informed
        """Who knows better why devices are gone has told their sockets."""
        self.arrived: Callable[[Endpoint], Awaitable[None]] = _nothing

    async def register(self, socket: Socket) -> Device | None:
        """Registers the socket's device, or extends its life; None when that failed and the client was told."""
        now = self._clock().timestamp()
        grant = socket.grant
        device = self._roster.of(socket)
        arrives = False
        if device and device.endpoint.live(now) and device.endpoint.token_digest == grant.token_digest:
            self._refresh(device, now)
            REFRESHED.inc()
            return device
        if device is None:
            away = self._roster.returning(
                (grant.account_sid, grant.identity), grant.token_digest, socket.agent, now
            )
            if away is not None:
                away.socket = socket  # nobody else may be this device while we store
                socket.endpoint_id = away.endpoint.endpoint_id
            elif moved := await self._moves.device(grant, socket.agent):
                socket.endpoint_id, arrives = moved, True
        asked = Endpoint(
            account_sid=grant.account_sid,
            client=grant.identity,
            endpoint_id=socket.endpoint_id,
            sid=new_sid(REGISTRATION),
            socket=True,
            node=self._node,
            incoming=grant.incoming,
            hidden=grant.permissions.hidden,
            key_sid=grant.key_sid,
            token_digest=grant.token_digest,
            token_id=grant.token_id,
            token_issued_at=grant.issued_at,
            token_expires_at=grant.expires_at,
            refreshed_at=now,
            expires_at=expiry(now, self._ttl, grant.expires_at),
        )
        failpoint("register.before-commit")
        try:
            accepted = await self._stored(self._store.register(asked, now))
        except AccessRefused as refused:
            REFUSED.inc()
            self._refuse(socket, refused.refusal.value.signal, refused.message)
            return None
        except (DatabaseOverloaded, OperationalError, TimeoutError) as error:
            FAILED.inc()
            log.warning("a registration was not stored", error=str(error))
            self._refuse(socket, 31000, "the registration could not be stored; try again")
            return None
        failpoint("register.after-commit")
        self.drop(accepted.registered.evicted)
        device = Device(endpoint=accepted.registered.endpoint, socket=socket, agent=socket.agent)
        self._roster.add(device)
        STORED.inc()
        if arrives:
            await self.arrived(device.endpoint)
        if not socket.open:
            self.lost(socket, clean=False)
        return device

    async def unregister(self, socket: Socket) -> None:
        """Ends the registration of this socket's device; nothing happens when it has none."""
        device = self._roster.of(socket)
        if device is not None:
            await self._end(device)

    def lost(self, socket: Socket, *, clean: bool) -> None:
        """The socket is gone: its device goes too when it said so and was idle, else it has a grace to come back."""
        device = self._roster.of(socket)
        if device is None:
            return
        if clean and not socket.calls:
            ending = asyncio.get_running_loop().create_task(self._end(device))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
            return
        now = self._clock().timestamp()
        until = min(device.endpoint.expires_at, now + max(self._grace, socket.grace))
        device.socket = None
        device.endpoint = replace(device.endpoint, expires_at=until)
        self._touch(device)

    def drop(self, endpoints: "list[Endpoint] | tuple[Endpoint, ...]") -> None:
        """The store has ended these (evicted, expired): their clients are told that they are offline."""
        for endpoint in endpoints:
            device = self._roster.find((endpoint.account_sid, endpoint.client), endpoint.endpoint_id)
            if device is not None and device.endpoint.sid == endpoint.sid:
                self._forget(device)
                if device.socket is not None:
                    device.socket.send(frames.offline())

    async def sweep(self) -> None:
        """Stores the heartbeats since the last time, then ends what has expired."""
        touched, self._touched = self._touched, {}
        if touched:
            await self._stored(self._holdings.touch(touched))
        for swept in await asyncio.to_thread(self._store.sweep, self._clock().timestamp()):
            self.drop(await self._stored(swept))

    async def restore(self) -> None:
        """After a start: sockets of before are gone, their devices may come back within the grace."""
        self._take_in(await self._stored(self._holdings.shorten(self._clock().timestamp() + self._grace)))

    async def adopt(self, dead: str) -> bool:
        """Everything of a dead node is this one's, unless another was faster; its devices have the grace to come."""
        adopted = await self._stored(self._holdings.adopt(dead, self._clock().timestamp() + self._grace))
        if adopted is not None:
            self._take_in(adopted)
        return adopted is not None

    async def agree(self) -> None:
        """Hears what other nodes have done to this one's devices: evicted, revoked, ended, or let in themselves."""
        before = {_key(device.endpoint): device.endpoint for device in self._roster}
        rows = await asyncio.to_thread(self._holdings.devices) if before else {}
        lost = [endpoint for key, endpoint in before.items() if rows.get(key) != endpoint.sid]
        if lost:
            await self.informed()
        for endpoint in lost[:AT_ONCE]:
            places = await asyncio.to_thread(
                self._holdings.places, endpoint.account_sid, endpoint.client, 0.0, [endpoint.endpoint_id]
            )
            if any(place.node != self._node for place in places):
                self._moved(endpoint)
            elif not places:
                self.drop([endpoint])

    def hand_over(self, whose: Identity, token_digest: str, agent: str) -> str:
        """Gives up the device that a connection to another node is, if it was here a moment ago; its endpoint id."""
        device = self._roster.returning(whose, token_digest, agent, self._clock().timestamp())
        if device is None:
            return ""
        self._roster.remove(device.endpoint)
        self._touched.pop(_key(device.endpoint), None)
        return device.endpoint.endpoint_id

    def forget_all(self) -> None:
        """What was here is another node's."""
        self._roster.clear()
        self._touched.clear()

    def _take_in(self, endpoints: list[Endpoint]) -> None:
        for endpoint in endpoints:
            if self._roster.find((endpoint.account_sid, endpoint.client), endpoint.endpoint_id) is None:
                self._roster.add(Device(endpoint=endpoint))

    def _moved(self, endpoint: Endpoint) -> None:
        """It registered at another node without asking this one: a socket that is still open here is none of use."""
        device = self._roster.find((endpoint.account_sid, endpoint.client), endpoint.endpoint_id)
        if device is None or device.endpoint.sid != endpoint.sid:
            return
        self._roster.remove(endpoint)
        self._touched.pop(_key(endpoint), None)
        if device.socket is not None:
            device.socket.close(1001, "registered elsewhere")

    def _refresh(self, device: Device, now: float) -> None:
        life = expiry(now, self._ttl, device.endpoint.token_expires_at)
        device.endpoint = replace(device.endpoint, refreshed_at=now, expires_at=life)
        self._touch(device)

    def _touch(self, device: Device) -> None:
        one = device.endpoint
        self._touched[_key(one)] = (one.refreshed_at, one.expires_at)

    async def _end(self, device: Device) -> None:
        one = device.endpoint
        self._forget(device)
        now = self._clock().timestamp()
        try:
            await self._stored(
                self._store.unregister(one.account_sid, one.client, now, endpoint_id=one.endpoint_id)
            )
        except (DatabaseOverloaded, OperationalError, TimeoutError) as error:
            log.warning("an endpoint was not removed; it will expire", error=str(error))

    def _forget(self, device: Device) -> None:
        one = device.endpoint
        self._roster.remove(one)
        self._touched.pop(_key(one), None)
        if device.socket is None or not device.socket.open:
            self.departed(one)

    def _refuse(self, socket: Socket, code: int, message: str) -> None:
        """Whatever was registered on the socket is not any more."""
        device = self._roster.of(socket)
        if device is not None:
            self._forget(device)
        socket.send(frames.error(code, message))
        socket.send(frames.offline())

    async def _stored(self, future: "Future[Any]") -> Any:
        async with asyncio.timeout(STORE_SECONDS):
            return await landed(future)


def _key(endpoint: Endpoint) -> Key:
    return endpoint.account_sid, endpoint.client, endpoint.endpoint_id


async def _nothing(_endpoint: Endpoint) -> None:
    pass


async def _informed() -> None:
    pass
