"""DTLS 1.2 over memory: datagrams in, datagrams out, SRTP keys at the end (RFC 5764). No sockets."""

from __future__ import annotations

import contextlib
import hmac
from enum import StrEnum

from OpenSSL import SSL

from .certificate import HASHES, Certificate, fingerprint
from .srtp import PROFILES, Srtp

_MTU = 1200
_RECORD_HEADER = 13


class DtlsState(StrEnum):
    NEW = "new"
    SHAKING = "shaking"
    UNVERIFIED = "unverified"
    """The handshake is done; the far end's fingerprint is not known yet, or not checked."""
    UP = "up"
    FAILED = "failed"
    CLOSED = "closed"


class Dtls:
    """One association. After each call collect `outgoing()` and look at `state` and `timeout()`."""

    def __init__(self, certificate: Certificate) -> None:
        self._connection = SSL.Connection(certificate.context, None)
        self._connection.set_ciphertext_mtu(_MTU)
        self._server = True
        self.state = DtlsState.NEW
        self.failure = ""
        self.srtp: Srtp | None = None

    def start(self, *, server: bool) -> None:
        """Take a role. The client speaks first."""
        self._server = server
        if server:
            self._connection.set_accept_state()
        else:
            self._connection.set_connect_state()
        self.state = DtlsState.SHAKING
        if not server:
            self._shake()

    def receive(self, datagram: bytes) -> None:
        """Bytes of the far end, authentic or not; never raises."""
        if self.state in (DtlsState.NEW, DtlsState.FAILED, DtlsState.CLOSED):
            return
        self._connection.bio_write(datagram)
        if self.state is DtlsState.SHAKING:
            self._shake()
            return
        try:  # there is no data in a call; reading handles alerts and repeats lost flights
            self._connection.recv(2048)
        except SSL.ZeroReturnError:
            self.state = DtlsState.CLOSED
        except SSL.Error:
            pass

    def verify(self, fingerprints: tuple[tuple[str, str], ...]) -> None:
        """Compare the far end's certificate with its SDP, and make the SRTP keys if it is the one."""
        if self.state is not DtlsState.UNVERIFIED:
            return
        certificate = self._connection.get_peer_certificate(as_cryptography=True)
        known = [(name, value) for name, value in fingerprints if name in HASHES]
        if certificate is None or not known:
            return self._fail("no fingerprint of a known kind in the SDP")
        for name, value in known:
            ours = fingerprint(certificate, name)
            if not hmac.compare_digest(ours.encode(), value.encode()):
                return self._fail("the certificate is not the one whose fingerprint is in the SDP")
        chosen = self._connection.get_selected_srtp_profile()
        for profile in PROFILES:
            if profile.name == chosen:
                size = 2 * (profile.key + profile.salt)
                keying = self._connection.export_keying_material(b"EXTRACTOR-dtls_srtp", size)
                self.srtp = Srtp(profile, keying, server=self._server)
                self.state = DtlsState.UP
                return None
        return self._fail("no SRTP profile in common")

    def outgoing(self) -> list[bytes]:
        """Datagrams to send, whole records each, at most about an MTU."""
        pending = b""
        while True:
            try:
                pending += self._connection.bio_read(65_536)
            except SSL.Error:
                break
        datagrams: list[bytes] = []
        while len(pending) >= _RECORD_HEADER:
            size = _RECORD_HEADER + int.from_bytes(pending[11:13])
            record, pending = pending[:size], pending[size:]
            if datagrams and len(datagrams[-1]) + size <= _MTU:
                datagrams[-1] += record
            else:
                datagrams.append(record)
        return datagrams

    def timeout(self) -> float | None:
        """Seconds until `retransmit` is due, or None."""
        return self._connection.DTLSv1_get_timeout() if self.state is DtlsState.SHAKING else None

    def retransmit(self) -> None:
        """The time of `timeout` has passed: repeat the last flight."""
        try:
            self._connection.DTLSv1_handle_timeout()
        except SSL.Error:
            self._fail("the far end never answered the handshake")

    def close(self) -> None:
        """Say goodbye; the datagram is in `outgoing()`."""
        if self.state in (DtlsState.UP, DtlsState.UNVERIFIED):
            with contextlib.suppress(SSL.Error):
                self._connection.shutdown()
            self.state = DtlsState.CLOSED

    def _shake(self) -> None:
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            return
        except SSL.Error as error:
            return self._fail(f"the handshake failed: {error}")
        self.state = DtlsState.UNVERIFIED
        return None

    def _fail(self, why: str) -> None:
        self.state, self.failure = DtlsState.FAILED, why
