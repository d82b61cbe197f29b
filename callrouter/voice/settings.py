"""What an operator decides about a voice node."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .contract import Address

VOICE_PURPOSE = "voice-control"
"""What the node's control token is derived for."""


@dataclass(frozen=True, kw_only=True)
class NodeSettings:
    """Times are seconds.

    `media_address` is the IP that carriers and browsers can reach and that our SDP names; `bind_address`
    is the interface the sockets use. `webrtc_addresses` adds candidates for browsers (a laptop's
    loopback next to its LAN address, say); empty means `media_address` alone.

    `media_credentials` gives the headers that the media service knows us by. `spool` is where recordings
    wait for it. `sound_room` is the memory for sounds, in bytes.

    `outbound_allow` and `outbound_ca` are for apps' WebSockets what they are for webhooks. `stream_timeout` is
    the time to open one, `stream_silence` the time without a sign of the app after which it is given up.
    """

    token: str
    control_address: Address = ("127.0.0.1", 7070)
    bind_address: str = "0.0.0.0"  # noqa: S104 - media must be reachable from carriers
    media_address: str = "127.0.0.1"
    webrtc_addresses: tuple[str, ...] = ()
    webrtc_port: int = 7071
    rtp_ports: tuple[int, int] = (20_000, 29_999)
    max_legs: int = 800
    max_events: int = 10_000
    media_timeout: float = 20.0
    consent_timeout: float = 30.0
    setup_timeout: float = 20.0
    rtcp_interval: float = 5.0
    latch_window: float = 10.0
    drain_timeout: float = 300.0
    orphan_timeout: float = 3600.0
    media_credentials: Callable[[], Mapping[str, str]] = dict
    sound_timeout: float = 30.0
    sound_room: int = 64 << 20
    spool: Path = Path("var/voice")
    upload_timeout: float = 60.0
    upload_grace: float = 5.0
    outbound_allow: tuple[str, ...] = ()
    outbound_ca: str = ""
    stream_timeout: float = 5.0
    stream_silence: float = 20.0

    def __post_init__(self) -> None:
        if len(self.token) < 16:
            raise ValueError("the voice node's control token needs at least 16 characters")
        low, high = self.rtp_ports
        if not 1024 <= low < high <= 65_535:
            raise ValueError(f"rtp_ports must lie within 1024 to 65535, lowest first; got {low} to {high}")
        if self.max_legs < 1 or self.max_events < 100:
            raise ValueError("max_legs must be at least 1 and max_events at least 100")

    @property
    def candidates(self) -> tuple[str, ...]:
        """The addresses that a browser is told, best first."""
        return self.webrtc_addresses or (self.media_address,)
