"""The way to an app's WebSocket: the address guard, the connection, TLS, the handshake, and what failed in it."""

from __future__ import annotations

import asyncio
import base64
import re
import socket
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.protocol import Event, State

from foundation.outbound import Guard, NameNotResolved, OutboundError, TimeOver
from foundation.outbound.budget import Budget
from foundation.outbound.connection import tls_context
from foundation.outbound.guard import Address, CheckedURL, literal, refuse
from foundation.outbound.overrides import Overrides
from foundation.outbound.resolver import Resolver

FAULT = 31900
TIMEOUT, REFUSED, UNREACHABLE, TLS, HANDSHAKE = 31901, 31902, 31904, 31910, 31920
CLOSED, SCHEME, BAD_URL, PROTOCOL = 31921, 31922, 31923, 31924

_SCHEME = re.compile(r"(wss?)(://.*)", re.DOTALL | re.IGNORECASE)
_MAX_ADDRESSES = 4
_MAX_MESSAGE, _MAX_MESSAGES = 1 << 20, 4  # bytes of one; how many may wait to be read
_KERNEL = 32_768  # bytes that the system may hold back for a slow app: two seconds of one track, or four
_PIECE = 2048  # bytes that are read at once
_FRAMES, _FRAMES_PER_SECOND = 10_000, 5000  # at once, and for long: a hundred times what speech needs
_NORMAL = frozenset({1000, 1001, 1005})  # RFC 6455 section 7.4.1: normal, going away, no code given
_NO_PONG, _POLICY = 1011, 1008  # what our side says then
_CLOSE_SECONDS = 1.0
_USER_AGENT = "TwilioProxy/1.1"  # as our webhooks say


class StreamFault(Exception):
    """There is no stream, or none any more. `code` is Twilio's, the text says whose fault it is."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class StreamSocket(ClientConnection):
    """A socket whose frames, pings too, cost the other legs no more than a moment.

    The library reads everything that has arrived at once, and that can be a hundred thousand empty frames.
    """

    _left = float(_FRAMES)  # frames that may come now
    _counted_at = 0.0
    _ending = False

    def data_received(self, data: bytes) -> None:
        for start in range(0, len(data), _PIECE):
            super().data_received(data[start : start + _PIECE])
            if self._left < 0 and self.state is State.OPEN:
                self.protocol.fail(_POLICY, "too many frames")
                self.send_data()
        if self.protocol.close_expected() and not self._ending:  # an app that does not hang up is hung up on
            self._ending = True
            self.loop.call_later(_CLOSE_SECONDS, self.transport.abort)

    def process_event(self, event: Event) -> None:
        now = self.loop.time()
        self._left = min(_FRAMES, self._left + (now - self._counted_at) * _FRAMES_PER_SECOND) - 1
        self._counted_at = now
        super().process_event(event)


class Door:
    """Opens WebSockets to addresses that the guard allows.

    `seconds` bounds all of it; an app that gives no sign for `silence` seconds loses its socket.
    """

    def __init__(self, guard: Guard, *, ca_bundle: str, seconds: float, silence: float) -> None:
        self._guard = guard
        self._ca_bundle = ca_bundle or None
        self._seconds = seconds
        self.silence = silence
        self._resolver = Resolver()
        self._threads = ThreadPoolExecutor(64, thread_name_prefix="stream-names")

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def open(self, url: str, headers: Mapping[str, str]) -> ClientConnection:
        """Raises `StreamFault`."""
        secure, to = self._check(url)
        try:
            async with asyncio.timeout(self._seconds):
                return await self._handshake(secure, to, headers, await self._connect(secure, to))
        except (TimeoutError, TimeOver):
            raise StreamFault(
                TIMEOUT, f"The app's WebSocket was not open within {self._seconds:g} s."
            ) from None
        except NameNotResolved as error:
            raise StreamFault(UNREACHABLE, f"{error.reason}: {to.host}.") from None
        except OutboundError as error:
            raise StreamFault(UNREACHABLE, f"{error.reason}.") from None
        except ConnectionRefusedError:
            raise StreamFault(REFUSED, "The app's server refused the connection.") from None
        except OSError as error:
            raise StreamFault(UNREACHABLE, f"The app's server was not reached: {_reason(error)}.") from None

    def _check(self, url: str) -> tuple[bool, CheckedURL]:
        match = _SCHEME.fullmatch(url)
        if match is None:
            raise StreamFault(SCHEME, "The URL of a stream begins with wss://.")
        secure = match[1].lower() == "wss"
        try:
            return secure, self._guard.check_url(("https" if secure else "http") + match[2])
        except OutboundError as error:
            raise StreamFault(UNREACHABLE if error.code == 11205 else BAD_URL, f"{error.reason}.") from None

    async def _connect(self, secure: bool, to: CheckedURL) -> socket.socket:
        """To one of the name's addresses, all of which must be allowed."""
        loop, budget = asyncio.get_running_loop(), _budget(self._seconds)
        addresses = await loop.run_in_executor(self._threads, self._resolver.resolve, to.host, budget)
        for address in addresses:
            self._guard.check_address(to, address)
            if not secure and not self._trusted(to, address):
                raise StreamFault(SCHEME, "The URL of a stream begins with wss://; ws:// is for development.")
        fault: OSError = OSError("no address")
        for left in range(min(len(addresses), _MAX_ADDRESSES), 0, -1):
            try:
                return await _dial(to, addresses[-left], budget.left() / min(left, 2))
            except OSError as error:  # TimeoutError too
                fault = error
        raise fault

    def _trusted(self, to: CheckedURL, address: Address) -> bool:
        """Whether the operator named this address: only there may audio go unencrypted."""
        networks = self._guard.allowed_networks
        return to.host in self._guard.allowed_hosts or any(address in network for network in networks)

    async def _handshake(
        self, secure: bool, to: CheckedURL, headers: Mapping[str, str], sock: socket.socket
    ) -> ClientConnection:
        tls: dict[str, Any] = {}
        if secure:
            tls = {"ssl": tls_context(self._ca_bundle), "server_hostname": to.host}
        if to.username:
            proof = base64.b64encode(f"{to.username}:{to.password}".encode()).decode("ascii")
            headers = {"Authorization": f"Basic {proof}", **headers}
        try:
            return await connect(
                f"{'wss' if secure else 'ws'}://{to.authority}{to.target}",
                sock=sock,
                additional_headers=headers,
                user_agent_header=_USER_AGENT,
                compression=None,
                open_timeout=None,
                proxy=None,
                ping_interval=self.silence / 2,
                ping_timeout=self.silence / 2,
                close_timeout=_CLOSE_SECONDS,
                max_size=_MAX_MESSAGE,
                max_queue=_MAX_MESSAGES,
                create_connection=StreamSocket,
                **tls,
            )
        except OSError as error:  # of TLS: the connection is there, and later ones are the handshake's
            raise _no_tls(error) from None
        except (WebSocketException, ValueError) as error:
            raise StreamFault(HANDSHAKE, _refusal(error)) from None


def ending(closed: ConnectionClosed, silence: float) -> StreamFault | None:
    """How a socket ended that we did not close: None if the app closed it in order."""
    theirs, ours = closed.rcvd, closed.sent
    if theirs is not None and closed.rcvd_then_sent is not False:
        if theirs.code in _NORMAL:
            return None
        return StreamFault(CLOSED, f"The app closed the stream with code {theirs.code} {theirs.reason!r}.")
    if ours is None:
        return StreamFault(CLOSED, "The connection to the app was lost.")
    if ours.code == _NO_PONG:
        return StreamFault(TIMEOUT, f"The app gave no sign for {silence:g} s.")
    return StreamFault(PROTOCOL, f"The app broke the WebSocket protocol: {ours.reason or ours.code}.")


def _refusal(error: Exception) -> str:
    status = (
        error if isinstance(error, InvalidStatus) else error.__cause__
    )  # of a redirect, which we don't follow
    if isinstance(status, InvalidStatus):
        return f"The app answered the handshake with status {status.response.status_code} in place of 101."
    return f"The handshake with the app failed: {_reason(error)}."


def _no_tls(error: OSError) -> StreamFault:
    reason = getattr(error, "verify_message", "") or getattr(error, "reason", "") or _reason(error)
    return StreamFault(TLS, f"The TLS handshake with the app's server failed: {reason}.")


def _reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__


def _budget(seconds: float) -> Budget:
    budget = Budget(Overrides(connect_ms=int(seconds * 1000)), time.monotonic)
    budget.start_connecting()
    return budget


async def _dial(to: CheckedURL, address: Address, seconds: float) -> socket.socket:
    sock = socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL)
        async with asyncio.timeout(seconds):
            await asyncio.get_running_loop().sock_connect(sock, (str(address), to.port))
        if literal(sock.getpeername()[0]) != address:
            raise refuse(to, f"connected to {sock.getpeername()[0]} instead of {address}")
    except BaseException:
        sock.close()
        raise
    return sock
