"""One request on one connection, and its answer."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from urllib3.exceptions import HTTPError
from urllib3.response import HTTPResponse

from .body import read_body
from .budget import Budget
from .connection import Connection, Dialler, tls_context, tls_fault
from .errors import OriginFault, Overloaded
from .guard import CheckedURL
from .idle import IdleConnections

# What a server that closed an idle connection makes of our next request on it.
_STALE = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError, ssl.SSLEOFError)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outgoing:
    """One request as it goes over the wire."""

    to: CheckedURL
    method: str
    headers: dict[str, str] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)


class Exchanger:
    """Sends requests over kept-alive connections. Safe in many threads; each uses a connection alone."""

    def __init__(self, dialler: Dialler, *, ca_bundle: str | None, idle: IdleConnections) -> None:
        self._dialler = dialler
        self._contexts = {sni: tls_context(ca_bundle, sni) for sni in (True, False)}
        self._idle = idle
        self._lock = threading.Lock()
        self._busy: set[Connection] = set()
        self.closed = False

    @contextmanager
    def send(self, outgoing: Outgoing, budget: Budget, *, sni: bool = True) -> Iterator[Answer]:
        """The answer's head; its body can be read inside the `with`. The connection is kept when the body was
        read to its end, and closed otherwise. Raises OutboundError."""
        origin = (*outgoing.to.origin, sni)
        connection, response = self._first_head(outgoing, budget, origin)
        try:
            with _broken_answers():
                yield Answer(response)
        except BaseException:
            response.close()
            self._drop(connection)
            raise
        # The answer is at its end when its file is closed; a server that says close has taken our socket.
        if response.closed and connection.sock is not None:
            with self._lock:
                self._busy.discard(connection)
            self._idle.keep(origin, connection)
        else:
            response.close()
            self._drop(connection)

    def close(self) -> None:
        """Ends all connections, those in use too: their fetches fail at once."""
        with self._lock:
            self.closed = True
            busy = list(self._busy)
        self._idle.close()
        for connection in busy:
            with suppress(OSError):
                if (sock := connection.sock) is not None:
                    sock.shutdown(socket.SHUT_RDWR)

    def _first_head(
        self, outgoing: Outgoing, budget: Budget, origin: tuple[object, ...]
    ) -> tuple[Connection, HTTPResponse]:
        # A server may close a kept connection just as we send on it. When nothing came back, it is sent again
        # on a new one; the idempotency token tells the app if it had run already (RFC 9112, 9.3.1).
        kept = self._idle.take(origin)
        if kept and (response := self._head(kept, outgoing, budget, may_be_stale=True)):
            return kept, response
        https = outgoing.to.scheme == "https"
        connection = Connection(
            outgoing.to, self._dialler, self._contexts[bool(origin[-1])] if https else None
        )
        connection.open(budget)
        fresh = self._head(connection, outgoing, budget, may_be_stale=False)
        assert fresh is not None
        return connection, fresh

    def _head(
        self, connection: Connection, outgoing: Outgoing, budget: Budget, *, may_be_stale: bool
    ) -> HTTPResponse | None:
        """None when the connection was stale: closed by the server without a byte of an answer."""
        with self._lock:
            if self.closed:
                connection.close()
                raise Overloaded(12400, "This server is shutting down")
            self._busy.add(connection)
        sock = connection.lend(budget)
        budget.start_reading()
        try:
            with _broken_answers(passing=may_be_stale):
                # A server may answer (413) and close before it has read everything.
                with suppress(BrokenPipeError):
                    connection.request(
                        outgoing.method,
                        outgoing.to.target,
                        body=outgoing.body,
                        headers=outgoing.headers,
                        preload_content=False,
                        decode_content=False,
                    )
                response = connection.getresponse()
        except _STALE:
            self._drop(connection)
            if sock.received:
                raise _cut() from None
            return None
        except BaseException:
            self._drop(connection)
            raise
        # The library takes the end of the stream for the end of the head (M3), and an interim answer (103) for
        # the final one, which would then wait on the connection to be read as the answer to the next request.
        if response.status >= 200 and not sock.ended:
            return response
        response.close()
        self._drop(connection)
        if sock.ended:
            raise _cut()
        raise OriginFault(11206, f"The answer's status is {response.status}, which is not a final one")

    def _drop(self, connection: Connection) -> None:
        with self._lock:
            self._busy.discard(connection)
        connection.close()


class Answer:
    """The head of an answer, and its body while it can be read."""

    def __init__(self, response: HTTPResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers = response.headers
        self.is_empty = response.length_remaining == 0

    def read(self, max_bytes: int) -> bytes:
        return read_body(self._response, max_bytes)

    def glance(self) -> bytes:
        """The first byte, if there is one."""
        return self._response.read(1)


@contextmanager
def _broken_answers(passing: bool = False) -> Iterator[None]:
    """Turns what the libraries raise for a bad answer into 11206 or 1122x; a closed connection stays as it is
    if `passing`."""
    try:
        yield
    except _STALE:
        if passing:
            raise
        raise _cut() from None
    except ssl.SSLError as error:
        raise tls_fault(error) from None
    except (http.client.HTTPException, HTTPError, OSError) as error:
        if "IncompleteRead" in repr(error):
            raise _cut() from None
        reason = f"The answer is not valid HTTP ({type(error).__name__})"
        raise OriginFault(11206, reason, retry_word="rt") from None


def _cut() -> OriginFault:
    return OriginFault(11206, "The connection ended before the answer was complete", retry_word="rt")
