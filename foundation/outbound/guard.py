"""Which URLs and addresses we are willing to call.

A URL is parsed once, with the parser of the library that connects, because two parsers that disagree are the
classic way round such a guard (reliability M8). The decision about an address is made on what the name
resolved to, and the connection goes to exactly that address.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import unquote

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from .errors import Refused

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# IANA special-purpose registries, multicast and class E, and one cloud's metadata address that looks public.
_DENIED_V4 = [
    IPv4Network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15"),
        *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32"),
    )
]
# Only global unicast, less what IANA took out of it: protocol assignments, documentation, 6to4.
_GLOBAL_V6 = IPv6Network("2000::/3")
_DENIED_V6 = [IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")]

# Ports above 1023 behind which something listens that HTTP bytes could harm or that should never be asked.
DENIED_PORTS = frozenset(
    {
        1433,
        1521,
        1719,
        1720,
        2049,
        2375,
        2376,
        2379,
        2380,
        3306,
        3389,
        5060,
        5061,
        5432,
        5672,
        5900,
        6000,
        6379,
    }
    | {6443, 6665, 6666, 6667, 6668, 6669, 6697, 9042, 9200, 9300, 10250, 11211, 26257, 27017}
)
_WELL_KNOWN_PORTS = frozenset({80, 443})

_HOST = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*"
)
_LOOKS_NUMERIC = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")  # the last label is a number, as in 0x7f.1
_UNSAFE = re.compile(r"[\x00-\x20\x7f-\xa0\\]")
_SENT_AS_IS = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*")
_AUTHORITY_END = re.compile(r"[/?#]")
_MAX_URL = 8_192


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckedURL:
    """A URL that passed the guard. `authority` and `target` are what is sent: Host header and request
    target."""

    scheme: str
    host: str  # what is resolved, and the certificate's name; no brackets
    port: int
    authority: str
    target: str
    username: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return f"CheckedURL({self.url!r})"

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port

    @property
    def url(self) -> str:
        """As sent and signed: no credentials, no fragment, no default port."""
        return f"{self.scheme}://{self.authority}{self.target}"

    def with_query(self, query: str) -> CheckedURL:
        """With `query` (already encoded) added after the query that is there."""
        if not query:
            return self
        joint = "" if self.target[-1] in "?&" else "&" if "?" in self.target else "?"
        return replace(self, target=f"{self.target}{joint}{query}")


def is_public(address: Address) -> bool:
    """Whether the address belongs to a stranger on the public Internet (reliability 4.2, M7)."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _DENIED_V4)
    return address in _GLOBAL_V6 and not any(address in network for network in _DENIED_V6)


@dataclass(frozen=True, kw_only=True, slots=True)
class Guard:
    """The address policy of one server. Make it with `Guard.of`."""

    allowed_networks: tuple[Network, ...] = ()
    allowed_hosts: frozenset[str] = frozenset()
    own: frozenset[tuple[str, int]] = frozenset()
    https_only: bool = False

    @classmethod
    def of(
        cls, allow: Iterable[str] = (), *, own: Collection[tuple[str, int]] = (), https_only: bool = False
    ) -> Guard:
        """`allow`: networks, addresses and host names that may be called although they are private.
        `own`: our (name or address, port) pairs, always refused. Raises ValueError for an entry that is
        none."""
        networks: list[Network] = []
        hosts: set[str] = set()
        for entry in (text.strip().lower() for text in allow):
            try:
                networks.append(ip_network(entry))
            except ValueError:
                if "/" in entry or not _HOST.fullmatch(entry) or _LOOKS_NUMERIC.fullmatch(entry):
                    raise ValueError(f"not a network, address or host name to allow: {entry!r}") from None
                hosts.add(entry)
        ours = frozenset((name.strip("[]").lower(), port) for name, port in own)
        return cls(
            allowed_networks=tuple(networks), allowed_hosts=frozenset(hosts), own=ours, https_only=https_only
        )

    def check_url(self, text: str, *, https_only: bool = False) -> CheckedURL:
        """Raises Refused: 11100 for an unusable URL, 11205 for one that may not be called."""
        checked = _parse(text)
        if (https_only or self.https_only) and checked.scheme != "https":
            raise Refused(11100, "Only https URLs are allowed", url=checked.url)
        if (checked.host, checked.port) in self.own:
            raise refuse(checked, "this server itself")
        if (address := literal(checked.host)) is not None:
            self.check_address(checked, address)
        return checked

    def check_address(self, checked: CheckedURL, address: Address) -> None:
        """Raises Refused with 11205 unless the address that `checked.host` resolved to may be called."""
        if (str(address), checked.port) in self.own:
            raise refuse(checked, f"{address} is this server itself")
        if checked.host in self.allowed_hosts or any(address in network for network in self.allowed_networks):
            return
        if not is_public(address):
            raise refuse(checked, f"{checked.host} is {address}, which is not a public address")


def refuse(checked: CheckedURL, detail: str) -> Refused:
    """The same words to the customer for every refused address, so that they map nothing of our network."""
    return Refused(11205, "The address of this URL may not be called", url=checked.url, detail=detail)


def literal(host: str) -> Address | None:
    """The address that a host is written as, or None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


@lru_cache(maxsize=1024)
def _parse(text: str) -> CheckedURL:
    if len(text) > _MAX_URL:
        raise Refused(11100, f"The URL is longer than {_MAX_URL} characters")
    if _UNSAFE.search(text):
        raise Refused(11100, "The URL contains a blank, a control character or a back-slash")
    try:
        parsed = parse_url(text)
    except LocationParseError:
        raise Refused(11100, "The URL cannot be parsed") from None
    shown = f"{parsed.scheme}://{parsed.host}"
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise Refused(11100, "The URL is not an absolute http or https URL")
    host = parsed.host.removeprefix("[").removesuffix("]")
    written = _AUTHORITY_END.split(text[text.find("://") + 3 :], maxsplit=1)[0].rpartition("@")[2]
    if "%" in written:  # an escaped host, or the zone of an address
        raise Refused(11100, "The URL's host contains '%'", url=shown)
    if literal(host) is None and (not _HOST.fullmatch(host) or _LOOKS_NUMERIC.fullmatch(host)):
        raise Refused(11100, "The URL's host is neither a name nor an address", url=shown)
    default_port = 443 if parsed.scheme == "https" else 80
    port = default_port if parsed.port is None else parsed.port
    if (port < 1024 and port not in _WELL_KNOWN_PORTS) or port in DENIED_PORTS:
        raise Refused(11100, f"Port {port} is not one that webhooks may use", url=shown)
    if parsed.auth and "@" in unquote(parsed.auth):
        raise Refused(11100, "The URL's user name or password contains '@'", url=shown)
    username, _, password = (unquote(part) for part in (parsed.auth or "").partition(":"))
    return CheckedURL(
        scheme=parsed.scheme,
        host=host,
        port=port,
        authority=_written_or(parsed.host, written) + ("" if port == default_port else f":{port}"),
        target=_target_as_written(text, parsed.request_uri),
        username=username,
        password=password,
    )


# Customers' signature checks compare with the text that they configured, so that text is what we send and
# sign: host case and percent-escapes are kept where they are legal. Neither part decides where we connect to.


def _written_or(host: str, written: str) -> str:
    written = written[: len(host)]
    return written if written.lower() == host else host


def _target_as_written(text: str, request_uri: str) -> str:
    written = text.partition("#")[0]
    start = _AUTHORITY_END.search(written, written.find("://") + 3)
    target = written[start.start() :] if start else ""
    target = target if target.startswith("/") else f"/{target}"
    return target if _SENT_AS_IS.fullmatch(target) else request_uri
