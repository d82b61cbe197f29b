"""SDP (RFC 8866) for one audio stream: read tolerantly, written exactly.

Only what a G.711 leg needs. Candidates in the far end's SDP are ignored: a browser's address is
learnt from its checks (RFC 8445 section 2.5), a phone's from the `c=` line and its packets.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

from .media.packet import PCMA, PCMU

MAX_SDP = 16_384
TELEPHONE_EVENT = "telephone-event"

_RTPMAP = re.compile(r"(\d{1,3}) ([^/\s]+)/(\d{1,6})(?:/\d+)?\Z", re.ASCII)
_MEDIA = re.compile(r"(\w+) (\d{1,5})(?:/\d+)? (\S+) (.+)\Z", re.ASCII)
_TOKEN = re.compile(r"[!-~]{1,256}\Z")
_OPPOSITE = {"sendrecv": "sendrecv", "sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}


class SdpError(ValueError):
    """The far end's SDP is not usable; the text says where."""


class NoCommonCodecError(SdpError):
    """It is well-formed, yet has no G.711 for us."""


@dataclass(frozen=True, kw_only=True)
class RemoteAudio:
    """The first audio section of a far end's SDP, session-level values filled in.

    `sections` are the kinds and protocols of all sections in order and `index` is ours among them:
    an answer must mirror them (RFC 3264 section 6).
    """

    address: str
    port: int
    rtcp_port: int
    protocol: str
    formats: tuple[int, ...]
    codecs: dict[int, tuple[str, int]]
    direction: str
    mid: str
    ice_ufrag: str
    ice_pwd: str
    fingerprints: tuple[tuple[str, str], ...]
    setup: str
    rtcp_mux: bool
    sections: tuple[str, ...]
    index: int

    @property
    def receives(self) -> bool:
        """Whether the far end wants packets from us, by the direction attribute."""
        return self.direction in ("sendrecv", "recvonly")

    @property
    def sends(self) -> bool:
        """Whether packets are to be expected of it."""
        return self.direction in ("sendrecv", "sendonly")

    @property
    def event_type(self) -> int | None:
        """The payload type of its telephone-event at 8 kHz."""
        return next(
            (number for number in self.formats if self.codecs.get(number) == (TELEPHONE_EVENT, 8000)), None
        )

    def g711(self, *allowed: int) -> int:
        """The first of the `allowed` payload types (PCMU, PCMA) that it takes, in our order."""
        for number in allowed:
            if number in self.formats and self.codecs.get(number, _STATIC[number]) == _STATIC[number]:
                return number
        names = ", ".join(dict.fromkeys(name for name, _ in self.codecs.values())) or "none named"
        wanted = " or ".join(_STATIC[number][0].upper() for number in allowed)
        raise NoCommonCodecError(f"the SDP needs {wanted}; it has {names}")


_STATIC = {PCMU: ("pcmu", 8000), PCMA: ("pcma", 8000)}


def parse(text: str) -> RemoteAudio:
    """`SdpError` if there is no usable audio section. LF or CRLF, unknown lines are ignored."""
    if len(text) > MAX_SDP:
        raise SdpError(f"an SDP of {len(text)} characters; {MAX_SDP} are allowed")
    parts: list[list[tuple[str, str]]] = [[]]
    for line in text.splitlines():
        kind, equals, value = line.strip().partition("=")
        if not equals or len(kind) != 1:
            continue
        if kind == "m":
            parts.append([])
        parts[-1].append((kind, value))
    media = [_MEDIA.match(part[0][1]) for part in parts[1:]]
    for index, match in enumerate(media):
        if match and match[1] == "audio" and match[2] != "0":
            sections = tuple(f"{found[1]} {found[3]} {found[4]}" if found else "" for found in media)
            return _audio(match, parts[0], parts[1 + index], sections, index)
    raise SdpError("the SDP has no audio section with a port")


def _audio(
    match: re.Match[str],
    session: Sequence[tuple[str, str]],
    section: Sequence[tuple[str, str]],
    sections: tuple[str, ...],
    index: int,
) -> RemoteAudio:
    lines = [*section, *session]  # the section's own value comes first, so it wins
    attributes: dict[str, list[str]] = {}
    for kind, value in lines:
        if kind == "a":
            name, _, rest = value.partition(":")
            attributes.setdefault(name, []).append(rest.strip())

    def one(name: str) -> str:
        value = attributes.get(name, [""])[0]
        if value and not _TOKEN.match(value):
            raise SdpError(f"a={name} is not a token")
        return value

    port = _port(match[2])
    formats = tuple(int(word) for word in match[4].split() if word.isascii() and word.isdigit())
    codecs = {
        int(found[1]): (found[2].lower(), int(found[3]))
        for found in map(_RTPMAP.match, attributes.get("rtpmap", ()))
        if found
    }
    rtcp = attributes.get("rtcp", [""])[0].partition(" ")[0]  # RFC 3605
    prints = tuple(
        (words[0].lower(), words[1].upper())
        for words in (value.split() for value in attributes.get("fingerprint", ()))
        if len(words) == 2
    )
    return RemoteAudio(
        address=_address(lines),
        port=port,
        rtcp_port=_port(rtcp) if rtcp else min(port + 1, 65_535),
        protocol=match[3].upper(),
        formats=formats,
        codecs=codecs,
        direction=next((name for name in attributes if name in _OPPOSITE), "sendrecv"),
        mid=one("mid"),
        ice_ufrag=one("ice-ufrag"),
        ice_pwd=one("ice-pwd"),
        fingerprints=prints,
        setup=one("setup"),
        rtcp_mux="rtcp-mux" in attributes,
        sections=sections,
        index=index,
    )


def _port(text: str) -> int:
    port = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
    if not 0 < port < 65536:
        raise SdpError(f"{text!r} is no port")
    return port


def _address(lines: Sequence[tuple[str, str]]) -> str:
    for kind, value in lines:
        if kind == "c":
            try:
                return str(ipaddress.ip_address(value.split()[2].split("/")[0]))
            except (IndexError, ValueError) as error:
                raise SdpError(f"c={value} holds no IP address") from error
    raise SdpError("the SDP has no c= line")


@dataclass(frozen=True, kw_only=True)
class LocalAudio:
    """Our side. `remote` is the offer that this answers, or None if this is the offer."""

    session: int
    version: int
    address: str
    port: int
    formats: tuple[int, ...]
    event_type: int | None = None
    rtcp_mux: bool = False
    remote: RemoteAudio | None = None


@dataclass(frozen=True, kw_only=True)
class LocalTransport:
    """What a browser section has beyond a phone's."""

    candidates: tuple[str, ...]
    ufrag: str
    pwd: str
    fingerprint: str
    setup: str
    ssrc: int


def write(audio: LocalAudio, transport: LocalTransport | None = None) -> str:
    """An SDP with CRLF line ends: for a phone, or with `transport` for a browser."""
    remote = audio.remote
    address = _connection(audio.address)
    mid = (remote.mid if remote else "0") if transport else ""
    lines = ["v=0", f"o=callrouter {audio.session} {audio.version} {address}", "s=-"]
    lines += [f"c={address}", "t=0 0"]
    if transport:
        lines += ["a=ice-lite", *([f"a=group:BUNDLE {mid}"] if mid else [])]
        lines += ["a=msid-semantic: WMS callrouter"]
    sections = remote.sections if remote else ("audio",)
    for index, section in enumerate(sections):
        if index == (remote.index if remote else 0):
            lines += _section(audio, transport, mid)
        else:
            kind, protocol, formats = (section or "application UDP 0").split(" ", 2)
            lines.append(f"m={kind} 0 {protocol} {formats}")
    return "\r\n".join(lines) + "\r\n"


def _section(audio: LocalAudio, transport: LocalTransport | None, mid: str) -> list[str]:
    remote = audio.remote
    protocol = remote.protocol if remote else "UDP/TLS/RTP/SAVPF" if transport else "RTP/AVP"
    names = {PCMU: "PCMU", PCMA: "PCMA"}
    numbers = [*audio.formats, *([] if audio.event_type is None else [audio.event_type])]
    lines = [f"m=audio {audio.port} {protocol} {' '.join(map(str, numbers))}"]
    lines += [f"a=rtpmap:{number} {names[number]}/8000" for number in audio.formats]
    if audio.event_type is not None:
        lines += [f"a=rtpmap:{audio.event_type} {TELEPHONE_EVENT}/8000", f"a=fmtp:{audio.event_type} 0-15"]
    lines += ["a=ptime:20", f"a={_OPPOSITE[remote.direction] if remote else 'sendrecv'}"]
    if audio.rtcp_mux:
        lines.append("a=rtcp-mux")
    elif not transport:
        lines.append(f"a=rtcp:{audio.port + 1}")
    if transport:
        lines += [f"a=mid:{mid}"] if mid else []
        lines += [f"a=ice-ufrag:{transport.ufrag}", f"a=ice-pwd:{transport.pwd}"]
        lines += [f"a=fingerprint:sha-256 {transport.fingerprint}", f"a=setup:{transport.setup}"]
        lines += ["a=msid:callrouter audio", f"a=ssrc:{transport.ssrc} cname:callrouter"]
        for rank, host in enumerate(transport.candidates):
            priority = 126 << 24 | (65535 - rank) << 8 | 255  # RFC 8445 section 5.1.2.1
            lines.append(f"a=candidate:{rank + 1} 1 udp {priority} {host} {audio.port} typ host")
        lines.append("a=end-of-candidates")
    return lines


def _connection(address: str) -> str:
    return f"IN IP{ipaddress.ip_address(address).version} {address}"
