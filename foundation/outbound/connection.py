"""Connections that go to a checked address only and wait no longer than their budget allows."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from functools import cache
from typing import Any

from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.connection import HTTPConnection
from urllib3.util.ssl_match_hostname import CertificateError, match_hostname

from .budget import Budget
from .errors import OriginFault
from .guard import Address, CheckedURL, Guard, literal, refuse
from .resolver import Resolver


class _Budgeted:
    """A socket whose every wait is cut to what is left of the budget; raises TimeOver."""

    budget: Budget | None = None
    received = 0
    ended = False

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        count: int = self._in_time(super().recv_into, *args, **kwargs)  # type: ignore[misc]
        self.received += count
        self.ended = count == 0
        return count

    def send(self, *args: Any, **kwargs: Any) -> int:
        return self._in_time(super().send, *args, **kwargs)  # type: ignore[misc, no-any-return]

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        self._in_time(super().sendall, *args, **kwargs)  # type: ignore[misc]

    def _in_time(self, wait: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if self.budget is None:
            return wait(*args, **kwargs)
        self.settimeout(self.budget.left())  # type: ignore[attr-defined]
        try:
            return wait(*args, **kwargs)
        except TimeoutError:
            raise self.budget.over() from None


class _Socket(_Budgeted, socket.socket):
    pass


class _TLSSocket(_Budgeted, ssl.SSLSocket):
    pass


@cache
def tls_context(ca_bundle: str | None, sni: bool = True) -> ssl.SSLContext:
    """TLS 1.2 or newer against the public roots and, when given, those in the file `ca_bundle`.

    Without SNI the library cannot check the name; `Connection` does it then.
    """
    context = ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH)
    if ca_bundle:
        context.load_verify_locations(cafile=ca_bundle)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.check_hostname = sni
    context.sslsocket_class = _TLSSocket
    return context


class Connection(HTTPConnection):
    """One connection to an origin. `dial` opens the TCP part; `context` is None for plain HTTP."""

    def __init__(
        self,
        to: CheckedURL,
        dial: Callable[[CheckedURL, Budget], socket.socket],
        context: ssl.SSLContext | None,
    ) -> None:
        super().__init__(to.host, to.port)
        self.to = to
        self._dial = dial
        self._context = context

    def open(self, budget: Budget) -> None:
        """Raises OutboundError with 11201, 11202, 11205, 11206, 11210 or 1122x to 1123x."""
        budget.start_connecting()
        sock = self._dial(self.to, budget)
        try:
            self.sock = sock if self._context is None else self._encrypt(sock, self._context, budget)
        except BaseException:
            sock.close()
            raise

    def lend(self, budget: Budget) -> _Budgeted:
        """From now on all waits are cut to this budget. Returns the socket, which counts what it receives."""
        sock: _Budgeted = self.sock  # type: ignore[assignment]
        sock.budget, sock.received, sock.ended = budget, 0, False
        return sock

    def _encrypt(self, sock: socket.socket, context: ssl.SSLContext, budget: Budget) -> ssl.SSLSocket:
        sock.settimeout(budget.left())
        name = self.to.host
        try:
            secure = context.wrap_socket(sock, server_hostname=name if context.check_hostname else None)
        except TimeoutError:
            raise budget.over() from None
        except ssl.SSLCertVerificationError as error:
            raise _certificate_fault(error) from None
        except (ssl.SSLError, OSError) as error:
            raise tls_fault(error) from None
        if not context.check_hostname:
            try:
                match_hostname(secure.getpeercert(), name)  # type: ignore[arg-type]
            except CertificateError:
                secure.close()
                raise OriginFault(11235, "The certificate is for another name") from None
        return secure


class Dialler:
    """Opens TCP connections to addresses that the guard allows, and to no others."""

    def __init__(self, guard: Guard, resolver: Resolver) -> None:
        self._guard = guard
        self._resolver = resolver

    def __call__(self, to: CheckedURL, budget: Budget) -> socket.socket:
        """Tries the addresses in turn, each with its share of the time. Raises OutboundError."""
        addresses = self._resolver.resolve(to.host, budget)
        for address in addresses:  # all of them first: one bad answer makes the name untrustworthy
            self._guard.check_address(to, address)
        for position, address in enumerate(addresses[:4]):
            last = position + 1 == min(4, len(addresses))
            try:
                return self._connect(to, address, budget.left() / (1 if last else 2))
            except TimeoutError:
                if last:
                    raise budget.over() from None
            except ConnectionRefusedError:
                if last:
                    raise OriginFault(11202, "The connection was refused", retry_word="ct") from None
            except OSError as error:
                if last:
                    reason = f"The connection failed: {error.strerror or type(error).__name__}"
                    raise OriginFault(11205, reason, retry_word="ct") from None
        raise AssertionError("a name resolves to at least one address")

    def _connect(self, to: CheckedURL, address: Address, seconds: float) -> socket.socket:
        sock = _Socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(seconds)
            sock.connect((str(address), to.port))
            if literal(sock.getpeername()[0]) != address:
                raise refuse(to, f"connected to {sock.getpeername()[0]} instead of {address}")
        except BaseException:
            sock.close()
            raise
        return sock


_EXPIRED_OR_NOT_YET = {9, 10}  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED
_WRONG_NAME = {62, 64}  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_NOT_TLS = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"}


def _certificate_fault(error: ssl.SSLCertVerificationError) -> OriginFault:
    if error.verify_code in _EXPIRED_OR_NOT_YET:
        return OriginFault(11236, "The certificate has expired or is not valid yet")
    if error.verify_code in _WRONG_NAME:
        return OriginFault(11235, "The certificate is for another name")
    return OriginFault(11237, f"The certificate leads to no trusted root: {error.verify_message}")


def tls_fault(error: Exception) -> OriginFault:
    word = getattr(error, "reason", None)
    if word in _NOT_TLS:
        return OriginFault(11206, "The server does not speak TLS on this port")
    return OriginFault(11220, f"The TLS handshake failed: {word or type(error).__name__}")
