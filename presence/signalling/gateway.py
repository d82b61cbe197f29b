"""The sockets: ASGI WebSockets at `…/signal`, each run by a `protocol.Connection`.

The gateway does what the connection's actions say, keeps the timers, and knows which sockets are open. Who rings, whose
call it is and who is registered is decided in the modules beside it.
"""

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from prometheus_client import Gauge

from foundation.clock import Clock
from foundation.keys import Keys
from foundation.settings import Settings
from foundation.webserver.bridge import Receive, Scope, Send
from presence.access.directory import Directory, NotRemembered
from presence.access.limits import RefusalLimit
from presence.access.refusals import AccessRefused, Refusal
from presence.access.tokens import Grant, verify
from presence.client_messages.exchange import Exchange
from presence.neighbours import Neighbours
from presence.router_link import RouterLink
from presence.signalling import frames
from presence.signalling.book import Book
from presence.signalling.call import Handed
from presence.signalling.calls import Calls
from presence.signalling.holdings import Holdings
from presence.signalling.lanes import Lanes
from presence.signalling.ledger import Ledger
from presence.signalling.membership import Membership
from presence.signalling.moves import Moves
from presence.signalling.protocol import (
    Action,
    Close,
    Connection,
    Delist,
    Enlist,
    Pass,
    Perform,
    Unwatch,
    Verify,
    Watch,
)
from presence.signalling.protocol import Send as SendFrame
from presence.signalling.registrar import Registrar
from presence.signalling.ringing import Ringing
from presence.signalling.roster import Roster
from presence.signalling.socket import Socket
from presence.signalling.teller import Teller
from presence.store import Store

if TYPE_CHECKING:
    from presence.signalling.watching import Watching

log = structlog.get_logger(__name__)

SWEEP_SECONDS = 1.0
VERIFY_SECONDS = 4.0
VERIFIERS = 4
MOST_SOCKETS = 50_000
SOCKETS = Gauge("presence_sockets", "Open signalling sockets")


class Gateway:
    """All client connections of this process."""

    def __init__(
        self,
        settings: Settings,
        keys: Keys,
        store: Store,
        directory: Directory,
        link: RouterLink,
        clock: Clock,
        neighbours: Neighbours,
        new_id: Callable[[], str] = lambda: secrets.token_hex(16),
        limit: RefusalLimit | None = None,
        *,
        watching: "Watching",
    ) -> None:
        self._limit = limit or RefusalLimit(settings.refusals_per_second)
        self._settings, self._directory, self._clock = settings, directory, clock
        self._node = neighbours.nodes.name
        self._new_id = new_id
        self._sockets: set[Socket] = set()
        self._background: set[asyncio.Task[None]] = set()
        self._draining = self._closed = False
        self._verifiers = ThreadPoolExecutor(VERIFIERS, thread_name_prefix="tokens")
        self._watching = watching
        self._lanes = Lanes()
        self.ledger = Ledger(store, self._node)
        self.holdings = Holdings(store, self.ledger, neighbours.nodes)
        teller = Teller(link, clock, new_id)
        grace = settings.answer_grace
        self._roster = Roster()
        self.texts = Exchange(store, self._roster, self._lanes, teller, link, clock, neighbours.nodes)
        moves = Moves(self.holdings, self.ledger, neighbours, clock)
        self.registrar = Registrar(
            store,
            self.holdings,
            moves,
            self._roster,
            clock,
            self._node,
            ttl=settings.registration_ttl,
            grace=grace,
        )
        self.book = Book(self.ledger, self._lanes, teller, clock, grace)
        self.calls = Calls(keys, self.book, moves, self._lanes, teller)
        self.ringing = Ringing(
            self._roster, self.book, self.calls, self.ledger, self._lanes, teller, clock, neighbours
        )
        self.registrar.departed, self.registrar.arrived = self.ringing.departed, self.ringing.follow
        self.registrar.informed = self._hear_of_revocations
        self.membership = Membership(
            neighbours.nodes,
            self.holdings,
            self.ledger,
            self.registrar,
            self.book,
            self.ringing,
            lambda: clock().timestamp(),
            self.admit,
        )

    async def sweep_forever(self) -> None:
        """Once a second: heartbeats are stored and what has expired ends. Never dies of a database that is away."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                await self.registrar.sweep()
                await asyncio.wrap_future(self.ledger.sweep(self._clock().timestamp()))
            except Exception as error:
                log.warning("the sweep failed; the next one follows", error=repr(error))

    async def drain(self, seconds: float = 2.0) -> None:
        """Closes every socket with 1001: clients come back at once, to whoever serves then; nothing is unregistered."""
        self._draining = True
        for socket in list(self._sockets):
            socket.close(1001, "going away")
        await asyncio.gather(*(socket.flushed() for socket in list(self._sockets)))
        await self._lanes.close(seconds)
        try:
            await self.registrar.sweep()
        except Exception as error:
            log.warning("the last heartbeats were not stored", error=repr(error))
        self._verifiers.shutdown(wait=False, cancel_futures=True)

    def admit(self, welcome: bool) -> None:
        """Takes clients, or sends all away and forgets their sockets as if they had never been."""
        self._closed = not welcome
        for socket in [] if welcome else list(self._sockets):
            self._forget(socket)
            socket.close(1001, "going away")

    async def frame(self, account_sid: str, call_sid: str, frame: dict[str, Any]) -> Handed:
        """Hands what the router says to the call's socket."""
        handed = await self.calls.frame(account_sid, call_sid, frame)
        if frame["type"] == "hangup":
            await self.ringing.over(account_sid, call_sid)
        return handed

    def revoke_where(self, refusal: Refusal, gone: Callable[[Grant], bool]) -> None:
        """The grants that match are over: their sockets go offline and their streams end, their calls stay the router's
        matter (PR-7)."""
        for socket in list(self._sockets):
            grant = socket.connection.grant
            if grant and gone(grant):
                self._do_now(socket, socket.connection.revoked(refusal))
        self._watching.feed.end_where(refusal, gone)
        self.texts.end_where(refusal, gone)

    async def _hear_of_revocations(self) -> None:
        await self._directory.revocations.look(self.revoke_where, self._clock().timestamp())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        if self._draining or self._closed or len(self._sockets) >= MOST_SOCKETS or not self._welcome(scope):
            await send({"type": "websocket.close"})  # before accept: answered with HTTP 403
            return
        await send({"type": "websocket.accept"})
        connection = Connection(asyncio.get_running_loop().time())
        socket = Socket(send, connection, self._new_id(), _edge(scope), (scope.get("client") or ("",))[0])
        socket.reader = asyncio.current_task()
        self._sockets.add(socket)
        SOCKETS.inc()
        clean = False
        try:
            try:
                self._arm(socket)
                clean = await self._converse(socket, receive)
            finally:
                self._lost(socket, clean=clean)
            await socket.flushed()
        except asyncio.CancelledError:
            if not socket.dropped:
                raise

    async def _converse(self, socket: Socket, receive: Receive) -> bool:
        """Reads until the end; whether that was a client that closed by itself."""
        now = asyncio.get_running_loop().time
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                # A close frame without a code reads 1005 like a lost connection, but only it comes with a reason.
                code = message.get("code")
                return code in (1000, 1001) or (code == 1005 and "reason" in message)
            text = message.get("text")
            if text is None:
                socket.close(1003, "text frames only")
                return False
            await self._do(socket, socket.connection.receive(text, now()))
            if socket.behind:
                await socket.flushed()
            if not socket.open:
                return False

    async def _do(self, socket: Socket, actions: list[Action]) -> None:
        """Carries the actions out, in order, before the client's next frame is read."""
        for action in actions:
            if isinstance(action, Verify):
                await self._verify(socket, action)
            elif isinstance(action, Enlist):
                device = await self.registrar.register(socket)
                if device is not None:
                    socket.send(frames.ready())
                    self.ringing.reappeared(device)
            elif isinstance(action, Delist):
                await self.registrar.unregister(socket)
            elif isinstance(action, Perform):
                self._perform(socket, action.frame)
            elif isinstance(action, Watch):
                self._watching.perform(socket, action.frame)
            elif isinstance(action, Pass):
                self.texts.perform(socket, action.frame)
            else:
                self._do_now(socket, [action])

    def _do_now(self, socket: Socket, actions: list[Action]) -> None:
        """Carries out what a timer or another task causes; nothing here waits."""
        for action in actions:
            if isinstance(action, SendFrame):
                socket.send(action.text)
            elif isinstance(action, Close):
                socket.close(action.code, action.reason)
                self._lost(socket, clean=False)
            elif isinstance(action, Unwatch):
                self._watching.end(socket, action.refusal)
                self.texts.forget(socket)
            elif isinstance(action, Delist):
                ending = asyncio.get_running_loop().create_task(self.registrar.unregister(socket))
                self._background.add(ending)
                ending.add_done_callback(self._background.discard)

    async def _verify(self, socket: Socket, action: Verify) -> None:
        now, token = self._clock().timestamp(), action.listen.token
        known = socket.connection.grant is not None  # it renews its token: its own frame rate limits it
        try:
            with self._limit.watching("" if known else socket.address, str(token)):
                grant = await self._grant(token, now)
                if self._directory.is_revoked(grant):  # meanwhile, and no socket of it was there to be told
                    raise AccessRefused(Refusal.REVOKED)
        except AccessRefused as refused:
            await self._do(socket, socket.connection.refused(refused))
            return
        except Exception as error:  # the key store can't be read: fail closed (I13); the client tries again
            log.warning("a token could not be verified", error=repr(error))
            socket.send(frames.error(31000, "tokens cannot be verified now", retry_after=2))
            socket.close(1013, "try again later")
            return
        socket.agent, socket.grace = action.listen.agent, float(action.listen.reconnect_timeout)
        renewed = self._roster.of(socket) is not None
        connected = frames.connected(
            grant.identity,
            int(grant.expires_at - now),
            edge=socket.edge,
            home=f"{self._settings.signal_name()}/ea",
            gateway=self._node,
        )
        ends = asyncio.get_running_loop().time() + grant.expires_at - now
        await self._do(socket, socket.connection.verified(grant, connected, ends))
        if socket.connection.grant is grant:
            self._watching.renewed(socket)
        if renewed and socket.connection.grant is grant:
            await self._do(
                socket, [Enlist()] if grant.publishes else [Delist(), SendFrame(text=frames.offline())]
            )
        self._arm(socket)

    async def _grant(self, token: str, now: float) -> Grant:
        """Verified at once when the secret is in memory, else on a thread, which may read the database."""
        capability = self._settings.capability_tokens
        with suppress(NotRemembered):
            return verify(token, self._directory.memory, now, capability=capability)
        on_thread = partial(verify, token, self._directory, now, capability=capability)
        async with asyncio.timeout(VERIFY_SECONDS):
            return await asyncio.get_running_loop().run_in_executor(self._verifiers, on_thread)

    def _perform(self, socket: Socket, frame: frames.CallFrame) -> None:
        """Hands a frame to the call it is about; one whose acceptance is under way is waited for, in its lane."""
        starts = isinstance(frame, frames.NewCall | frames.Answer | frames.Reattach)
        if (
            not starts
            and self.book.find(socket, frame.call_sid) is None
            and self._lanes.running(frame.call_sid)
        ):

            async def later() -> None:
                self._perform_now(socket, frame)

            if self._lanes.put(frame.call_sid, later):
                return
        self._perform_now(socket, frame)

    def _perform_now(self, socket: Socket, frame: frames.CallFrame) -> None:
        if isinstance(frame, frames.NewCall):
            self.calls.dial(socket, frame)
        elif isinstance(frame, frames.Reattach):
            self.calls.reattach(socket, frame)
        elif isinstance(frame, frames.Answer):
            self.ringing.accept(socket, frame)
        elif isinstance(frame, frames.Reject):
            self.ringing.reject(socket, frame.call_sid)
        elif isinstance(frame, frames.Hangup):
            # A client that can't take a ringing call, without a microphone say, hangs up on it.
            _ = self.calls.hang_up(socket, frame) or self.ringing.reject(socket, frame.call_sid)
        elif isinstance(frame, frames.Reinvite):
            self.calls.restart(socket, frame)
        elif isinstance(frame, frames.Dtmf):
            self.calls.digits(socket, frame)
        else:
            self.calls.message(socket, frame)

    def _arm(self, socket: Socket) -> None:
        if socket.timer is not None:
            socket.timer.cancel()
        if socket in self._sockets:
            loop = asyncio.get_running_loop()
            socket.timer = loop.call_at(socket.connection.due(), self._tick, socket)

    def _tick(self, socket: Socket) -> None:
        self._do_now(socket, socket.connection.tick(asyncio.get_running_loop().time()))
        self._arm(socket)

    def _lost(self, socket: Socket, *, clean: bool) -> None:
        if socket not in self._sockets:
            return
        self._forget(socket)
        socket.open = False
        if self._draining:
            return
        self.registrar.lost(socket, clean=clean)
        if socket.connection.grant is not None:
            self.ringing.lost(socket)
            self.book.lost(socket)

    def _forget(self, socket: Socket) -> None:
        self._sockets.remove(socket)
        self._watching.forget(socket)
        self.texts.forget(socket)
        SOCKETS.dec()
        if socket.timer is not None:
            socket.timer.cancel()

    def _welcome(self, scope: Scope) -> bool:
        """The path, and for browsers the page's origin (reliability-security 4.14)."""
        if not scope["path"].endswith("/signal"):
            return False
        origins = [value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"]
        allowed = self._settings.signal_origins
        return not allowed or all(origin in allowed for origin in origins)


def _edge(scope: Scope) -> str:
    """What to echo as `edge`: an app that chose us by the SDK's `edge` option must get its own value back."""
    hosts: list[Any] = [value for name, value in scope["headers"] if name == b"host"]
    host, path = (hosts[0].decode("latin-1") if hosts else ""), str(scope["path"])
    tail = ".twilio.com/signal"
    if host.startswith("voice-js.") and path.endswith(tail):
        return host.removeprefix("voice-js.") + path.removesuffix(tail)
    return "callrouter"
