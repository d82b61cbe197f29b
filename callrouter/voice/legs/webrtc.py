"""A browser's leg: ICE-lite, DTLS-SRTP and PCMU on the node's one UDP port."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from aioice import stun

from .. import sdp
from ..media.packet import PCMU, is_rtcp, parse_rtp
from ..media.ticker import Ticker
from ..settings import NodeSettings
from .certificate import Certificate
from .dtls import Dtls, DtlsState
from .ice import IceAgent, Source, Verdict
from .leg import Emit, Leg
from .srtp import SrtpError

_OLD_PATH_QUIET = 1.0  # seconds
_MAX_SUITORS, _MAX_EARLY = 16, 8


class Port(Protocol):
    """The shared UDP port, as a leg sees it."""

    @property
    def number(self) -> int: ...
    def send(self, data: bytes, target: Source) -> None: ...
    def listen(self, leg: WebRtcLeg, ufrag: str) -> None: ...
    def retire(self, ufrag: str) -> None: ...
    def trust(self, leg: WebRtcLeg, source: Source) -> None: ...
    def distrust(self, leg: WebRtcLeg, source: Source) -> None: ...
    def forget(self, leg: WebRtcLeg) -> None: ...


class WebRtcLeg(Leg):
    """Up when ICE is nominated, DTLS is done and the certificate is the one that the SDP announced."""

    kind = "webrtc"

    def __init__(
        self,
        leg_id: str,
        *,
        emit: Emit,
        ticker: Ticker,
        settings: NodeSettings,
        port: Port,
        certificate: Certificate,
        renew: Callable[[], Certificate],
    ) -> None:
        super().__init__(leg_id, emit=emit, ticker=ticker)
        self._settings = settings
        self._port = port
        self._certificate = certificate
        self._renew = renew
        self._loop = asyncio.get_running_loop()
        self.ice = IceAgent()
        self._dtls = Dtls(certificate)
        self._timer: asyncio.TimerHandle | None = None
        self._remote: sdp.RemoteAudio | None = None
        self._setup = "actpass"
        self._version = 0
        self._written = ""
        self._suitors: dict[Source, Verdict] = {}  # who checked before the answer came
        self._early: list[tuple[bytes, Source]] = []  # and what they sent
        self._target: Source | None = None  # where we send
        self._candidate: Source | None = None  # nominated, but not yet heard from with valid audio
        self._heard_at = 0.0
        self._deadline: float | None = None
        self._failed = False
        port.listen(self, self.ice.ufrag)

    # -- SDP -------------------------------------------------------------------

    def offer(self) -> str:
        """Our offer: PCMU, ICE-lite, all candidates, setup:actpass."""
        return self._write(None)

    def answer(self, remote: sdp.RemoteAudio) -> str:
        """Answer a browser's offer."""
        self._take(remote)
        if self._setup == "actpass":
            self._setup = "active" if remote.setup == "passive" else "passive"
        text = self._write(remote)
        self._go()
        return text

    def accept(self, remote: sdp.RemoteAudio) -> None:
        """The browser's answer to our offer; a repeated one changes nothing.

        The same offer may have rung in several places. Who checked under another name than this
        answer's is turned away; what the right one sent so far is taken up now.
        """
        if self._remote is not None and remote.ice_ufrag != self._remote.ice_ufrag:
            raise sdp.SdpError("the leg has its answer; another one needs leg.restart")
        first = self._remote is None
        self._take(remote)
        if first:
            self._setup = "active" if remote.setup == "passive" else "passive"
            self._choose(remote.ice_ufrag)
        self._go()

    def _choose(self, ufrag: str) -> None:
        for source, verdict in self._suitors.items():
            if verdict.far_ufrag != ufrag:
                self._port.distrust(self, source)
            elif self._target is None or verdict.nominated:
                self._target = source
        if self._target is None:
            self.ice.consented_at = None
        for data, source in self._early:
            if self._suitors[source].far_ufrag == ufrag:
                self.receive_dtls(data, source)
        self._early.clear()
        self._suitors.clear()

    def restart(self, remote: sdp.RemoteAudio) -> str:
        """An ICE restart: new credentials on the same keys, or new keys if the certificate is another.

        An SDP with the ICE credentials in use asks for nothing new and gets our last SDP. An answer to our offer
        counts as one, though it comes this way: its device lost the signalling in between.
        """
        self._check(remote)
        if self._remote is None and remote.setup != "actpass":
            self.accept(remote)
            return self._written
        same = self._remote is not None and remote.fingerprints == self._remote.fingerprints
        usable = same and not self._failed and self._dtls.state is not DtlsState.CLOSED
        if usable and self._remote is not None and remote.ice_ufrag == self._remote.ice_ufrag:
            return self._written  # asked again: another answer would split the two sides
        if not usable:
            self._port.forget(self)
            self.fall()
            self._failed = False
            self._suitors.clear()
            self._early.clear()
            # A browser shakes hands again only if our fingerprint is another.
            self._certificate = self._renew()
            self._dtls, self._target, self._setup = Dtls(self._certificate), None, "actpass"
        self._port.retire(self.ice.ufrag)
        self.ice.restart()
        if self.up:
            self.ice.consented_at = self._loop.time()  # the checks under the new names get their full time
        self._port.listen(self, self.ice.ufrag)
        self._candidate = self._deadline = None
        return self.answer(remote)

    def _check(self, remote: sdp.RemoteAudio) -> None:
        remote.g711(PCMU)
        if remote.protocol not in ("UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP"):
            raise sdp.SdpError(f"a browser leg speaks UDP/TLS/RTP/SAVPF, not {remote.protocol}")
        if not (remote.ice_ufrag and remote.ice_pwd and remote.fingerprints):
            raise sdp.SdpError("a browser's SDP needs a=ice-ufrag, a=ice-pwd and a=fingerprint")
        if not remote.rtcp_mux:
            raise sdp.SdpError("a browser leg needs a=rtcp-mux")

    def _take(self, remote: sdp.RemoteAudio) -> None:
        self._check(remote)
        self._remote = remote
        self.far_end_sends = remote.sends
        self.ice.remote_ufrag = remote.ice_ufrag

    def _go(self) -> None:
        """Both SDPs are here: the path must come up within the set-up time."""
        if not self.up and self._deadline is None:
            self._deadline = self._loop.time() + self._settings.setup_timeout
        self._advance()

    def _write(self, remote: sdp.RemoteAudio | None) -> str:
        self._version += 1
        local = sdp.LocalAudio(
            session=self._stamper.ssrc,
            version=self._version,
            address=self._settings.candidates[0],
            port=self._port.number,
            formats=(PCMU,),
            rtcp_mux=True,
            remote=remote,
        )
        transport = sdp.LocalTransport(
            candidates=self._settings.candidates,
            ufrag=self.ice.ufrag,
            pwd=self.ice.pwd,
            fingerprint=self._certificate.fingerprint,
            setup=self._setup,
            ssrc=self._stamper.ssrc,
        )
        self._written = sdp.write(local, transport)
        return self._written

    # -- ICE and DTLS -----------------------------------------------------------

    def check(self, message: stun.Message, source: Source) -> None:
        """A connectivity check with our ufrag arrived."""
        now = self._loop.time()
        verdict = self.ice.check(message, source, now)
        if verdict.response is not None:
            self._port.send(verdict.response, source)
        if not verdict.valid:
            self.dropped += 1
            return
        self._port.trust(self, source)
        if self._remote is None:
            if len(self._suitors) < _MAX_SUITORS or source in self._suitors:
                self._suitors[source] = verdict
            return
        if self._target is None:
            self._target = source
        elif verdict.nominated and source != self._target:
            # Once keys exist, only a packet sealed with them moves the audio (`receive_media`),
            # unless the old path is silent. A copied check alone cannot.
            if self._dtls.srtp is None or now - self._heard_at > _OLD_PATH_QUIET:
                self._target = source
            else:
                self._candidate = source
        self._advance()

    def receive_dtls(self, data: bytes, source: Source) -> None:
        """A handshake datagram from an address that passed a check."""
        if self._remote is None:
            if source in self._suitors and len(self._early) < _MAX_EARLY:
                self._early.append((data, source))
            return
        if self._dtls.state is DtlsState.NEW and self._setup != "active":
            self._dtls.start(server=True)
        self._dtls.receive(data)
        self._advance()

    def _advance(self) -> None:
        """Do whatever ICE, DTLS and the SDP allow by now."""
        dtls = self._dtls
        if self.closed or self._failed:
            return
        if dtls.state is DtlsState.NEW and self._setup == "active" and self._target is not None:
            dtls.start(server=False)
        if dtls.state is DtlsState.UNVERIFIED and self._remote is not None:
            dtls.verify(self._remote.fingerprints)
        self._flush()
        if dtls.state is DtlsState.FAILED:
            self._fail("dtls_failed", dtls.failure)
        elif dtls.state is DtlsState.CLOSED:
            self._fail("far_end_closed", "the browser ended the media session")
        elif dtls.state is DtlsState.UP and self.ice.consented_at is not None and not self.up:
            self._deadline = None
            self.rise(self._loop.time())

    def _flush(self) -> None:
        if self._target is not None:
            for datagram in self._dtls.outgoing():
                self._port.send(datagram, self._target)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wait = self._dtls.timeout()
        if wait is not None and not self.closed:
            self._timer = self._loop.call_later(wait, self._retransmit)

    def _retransmit(self) -> None:
        self._timer = None
        self._dtls.retransmit()
        self._advance()

    def _fail(self, reason: str, message: str) -> None:
        self._failed = True
        self._deadline = None
        self.lose(reason, message)

    # -- packets ---------------------------------------------------------------

    def receive_media(self, data: bytes, source: Source) -> None:
        """An SRTP or SRTCP datagram from an address that passed a check."""
        srtp = self._dtls.srtp
        if srtp is None:
            self.dropped += 1
            return
        now = self._loop.time()
        try:
            if is_rtcp(data):
                self.hear_reports(srtp.unprotect_rtcp(data), now)
                return
            packet = parse_rtp(srtp.unprotect(data))
        except SrtpError:
            self.dropped += 1
            return
        if source == self._candidate:
            self._target, self._candidate = source, None
        if packet is None or packet.payload_type != PCMU:
            self.dropped += 1
            return
        self._heard_at = now
        self.count(packet, len(data), now)
        self.hear(packet, now)

    def _transmit(self, packet: bytes) -> bool:
        srtp, target = self._dtls.srtp, self._target
        if srtp is None or target is None or self._remote is None or not self._remote.receives:
            return False
        try:
            self._port.send(srtp.protect(packet), target)
        except SrtpError:
            return False
        return True

    def _transmit_report(self, packet: bytes) -> None:
        srtp, target = self._dtls.srtp, self._target
        if srtp is not None and target is not None:
            try:
                self._port.send(srtp.protect_rtcp(packet), target)
            except SrtpError:
                self.dropped += 1

    def watch(self, now: float, *, media_timeout: float, rtcp_interval: float) -> None:
        super().watch(now, media_timeout=media_timeout, rtcp_interval=rtcp_interval)
        if self._deadline is not None and now >= self._deadline:
            stage = "dtls_timeout" if self._target is not None else "ice_timeout"
            self._fail(stage, f"no audio path within {self._settings.setup_timeout:g} s of the SDP")
        consented = self.ice.consented_at
        if self.up and consented is not None and now - consented > self._settings.consent_timeout:
            self.ice.consented_at = None
            self.lose("consent", "the browser stopped its ICE checks")

    def _release(self) -> None:
        self._dtls.close()
        self._flush()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._port.forget(self)

    def stats(self) -> dict[str, Any]:
        target = self._target
        return {
            **super().stats(),
            "dtls": str(self._dtls.state),
            "far_end": target and f"{target[0]}:{target[1]}",
        }
