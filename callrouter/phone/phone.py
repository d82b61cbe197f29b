"""The phone itself: one registration, its calls, and the rules of a client of the Voice SDK's protocol."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import TracebackType
from urllib.parse import urlencode, urlsplit

import structlog

from callrouter.audio.ear import Ear
from callrouter.audio.sources import Silence, Source
from callrouter.phone.call import PhoneCall, State
from callrouter.phone.connection import Connection, Payload, PhoneRefused, SignalUnreachable, tls
from callrouter.phone.media import Media

log = structlog.get_logger(__name__)

REGISTER_EVERY = 30.0
RENEW_BEFORE = 10.0
"""Seconds before the token's end; the SDK's default too."""
LOOPBACK = ("localhost", "127.0.0.1", "::1")
BROWSER = {
    "browser": {"platform": "callrouter", "userAgent": "callrouter-phone"},
    "p": "browser",
    "plugin": "rtc",
}


class Phone:
    """A client device. Use it as an async context manager, or `close` it.

    `signal` is what apps give the SDK as `chunderw`, host[:port][/prefix], or a whole ws:// or wss:// URL.
    `ca` is a file of certificate authorities to trust instead of the system's. `source` is what each call
    says, `record` names a WAV file for a call's sid. `renew` gives a fresh token when the old one runs out.
    `reconnect_timeout`: seconds for which the server is asked to hold calls while the line is down.
    """

    def __init__(
        self,
        signal: str,
        token: str,
        *,
        ca: Path | None = None,
        source: Source = Silence(),  # noqa: B008 - frozen
        record: Callable[[str], Path | None] = lambda _sid: None,
        renew: Callable[[], Awaitable[str]] | None = None,
        allow_incoming_while_busy: bool = False,
        reconnect_timeout: int = 30,
        rng: random.Random | None = None,
    ) -> None:
        url = signal if "://" in signal else f"wss://{signal}/signal"
        self.identity = ""
        self.registered = False
        self.calls: list[PhoneCall] = []
        """Those that are not over, oldest first."""
        self.last_error: PhoneRefused | None = None
        self._token, self._source, self._record, self._renew = token, source, record, renew
        self._allow_busy, self._reconnect_timeout = allow_incoming_while_busy, reconnect_timeout
        self._loopback = urlsplit(url).hostname in LOOPBACK
        self._wanted = False
        self._connected = asyncio.Event()
        self._waiters: set[asyncio.Future[bool]] = set()  # of register() and unregister()
        self._incoming: asyncio.Queue[PhoneCall] = asyncio.Queue(100)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._line = Connection(
            url,
            tls(ca) if url.startswith("wss:") else None,
            opened=self._listen,
            received=self._receive,
            lost=self._lost,
            rng=rng or random.Random(),  # noqa: S311 - spreads reconnects, no secret
        )

    async def __aenter__(self) -> Phone:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def register(self, timeout: float = 5.0) -> str:
        """Becomes reachable; our identity. PhoneRefused by the server, SignalUnreachable after `timeout`."""
        self._wanted = True
        await self._say_register(timeout)
        self._start("register", self._keep_registered())
        return self.identity

    async def unregister(self, timeout: float = 5.0) -> None:
        """Takes no further calls; calls under way go on."""
        self._wanted = False
        self._stop("register")
        await self._say_register(timeout)

    async def incoming(self) -> PhoneCall:
        """The next call that rings and has not stopped ringing; how long to wait is the caller's to say."""
        while (call := await self._incoming.get()).over:
            pass
        return call

    async def call(self, params: Mapping[str, str], timeout: float = 5.0) -> PhoneCall:
        """Places a call through the token's TwiML app; `params` (`To` and any others) reach its webhook."""
        self._line.start()
        await self._within(timeout, self._connected.wait())
        call = self._new(f"TJS{uuid.uuid4()}", incoming=False, parameters=params)
        sdp = await call.media.offer()
        twilio = {"params": urlencode(params)} if params else {}
        if not call.over:  # the line may have been lost meanwhile
            self._line.send("invite", {"callsid": call.sid, "sdp": sdp, "twilio": twilio})
        return call

    def update_token(self, token: str) -> None:
        """Takes a fresh token into use on the live line: registration and calls go on."""
        self._token = token
        if self._line.up:
            self._line.send("listen", self._listen())

    async def drop_line(self) -> None:
        """For trials: breaks the socket as a bad network does."""
        await self._line.drop()

    async def close(self) -> None:
        """Rejects what rings, hangs up what talks, and leaves, as a closed browser tab does. Idempotent."""
        for call in list(self.calls):
            await (call.reject() if call.state is State.PENDING else call.hangup())
        for name in list(self._tasks):
            self._stop(name)
        await self._line.close()
        if self._closing:
            await asyncio.wait(self._closing, timeout=5)

    async def _say_register(self, timeout: float) -> None:
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiters.add(done)
        self._line.start()
        if self._connected.is_set():
            self._line.send("register", {"media": {"audio": self._wanted}})
        try:
            await self._within(timeout, done)
        finally:
            self._waiters.discard(done)

    async def _within(self, timeout: float, what: Awaitable[object]) -> None:
        try:
            async with asyncio.timeout(timeout):
                await what
        except TimeoutError as late:
            why = self._line.fault or "the server did not answer"
            raise SignalUnreachable(f"{self._line.url}: {why}") from late

    async def _keep_registered(self) -> None:
        while True:
            await asyncio.sleep(REGISTER_EVERY)
            if self.registered:
                self._line.send("register", {"media": {"audio": True}})

    def _listen(self) -> Payload:
        return {"token": self._token, "browserinfo": BROWSER, "reconnectTimeout": self._reconnect_timeout}

    async def _receive(self, type: str, payload: Payload) -> None:
        match type:
            case "connected":
                self._on_connected(payload)
            case "ready":
                self.registered = True
                self._tell_waiters(None)
            case "offline":
                self.registered = False
                if not self._wanted:
                    self._tell_waiters(None)
            case "invite":
                self._on_invite(payload)
            case "error":
                error = payload.get("error") or {}
                self.last_error = PhoneRefused(error.get("code", 31000), error.get("message", ""))
                log.warning("the signalling server reports an error", fault=str(self.last_error))
                self._tell_waiters(self.last_error)
            case "close":
                self.registered, self._wanted = False, False
                self._tell_waiters(self.last_error or PhoneRefused(31000, "the server closed the line"))
                self._start("close", self._line.close())
            case _:
                for call in self._meant(type, payload.get("callsid")):
                    await call.receive(type, payload)

    def _meant(self, type: str, sid: str | None) -> list[PhoneCall]:
        """The calls of a sid; none given means all of them. A new sid is the real one of the call we placed."""
        if sid is None:
            return list(self.calls)
        named = [call for call in self.calls if call.is_called(sid)]
        if named or type not in ("ringing", "answer"):
            return named
        return [call for call in self.calls if call.unnamed][:1]

    def _on_connected(self, payload: Payload) -> None:
        token = payload.get("token") or {}
        self.identity = token.get("identity", self.identity)
        self._connected.set()
        if self._renew and isinstance(ttl := token.get("ttl"), int | float):
            self._start("renew", self._renew_at(max(0.0, ttl - RENEW_BEFORE), self._renew))
        for call in self.calls:
            if call.reconnect_token and call.state in (State.OPEN, State.RECONNECTING):
                call.reattach()
        if self._wanted:
            self._line.send("register", {"media": {"audio": True}})

    def _on_invite(self, payload: Payload) -> None:
        sid, offer = payload.get("callsid"), payload.get("sdp")
        if not sid or not offer:
            self.last_error = PhoneRefused(31400, "an invite without callsid or sdp")
            return
        busy = any(call.state is not State.PENDING for call in self.calls)
        if any(call.is_called(sid) for call in self.calls) or (busy and not self._allow_busy):
            return
        parameters = {"CallSid": sid, **(payload.get("parameters") or {})}
        call = self._new(sid, incoming=True, parameters=parameters, offer=offer)
        call.reconnect_token = payload.get("reconnect") or ""
        if not self._incoming.full():
            self._incoming.put_nowait(call)

    def _new(self, sid: str, *, incoming: bool, parameters: Mapping[str, str], offer: str = "") -> PhoneCall:
        media = Media(self._source, Ear(self._record(sid)), loopback=self._loopback)
        call = PhoneCall(
            sid=sid,
            incoming=incoming,
            media=media,
            send=self._line.send,
            parameters=parameters,
            offer=offer,
            forget=self._forget,
        )
        self.calls.append(call)
        return call

    def _forget(self, call: PhoneCall, closing: asyncio.Task[None]) -> None:
        self.calls.remove(call)
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def _renew_at(self, delay: float, renew: Callable[[], Awaitable[str]]) -> None:
        await asyncio.sleep(delay)
        self.update_token(await renew())

    def _lost(self) -> None:
        self.registered = False
        self._connected.clear()
        for call in list(self.calls):
            call.line_lost()

    def _tell_waiters(self, refusal: PhoneRefused | None) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(refusal) if refusal else waiter.set_result(True)

    def _start(self, name: str, work: Awaitable[None]) -> None:
        self._stop(name)
        self._tasks[name] = asyncio.ensure_future(work)

    def _stop(self, name: str) -> None:
        if task := self._tasks.pop(name, None):
            task.cancel()
