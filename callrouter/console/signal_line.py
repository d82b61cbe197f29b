"""Where a page of the console finds the presence server's /signal."""

import ipaddress
from urllib.parse import urlsplit

from foundation.settings import Settings, address


def signal_origin(settings: Settings) -> str:
    """`wss://…` as for every client app; in development on one machine its plain port on the loopback.

    So a new user need not trust a certificate first, and nothing of it leaves the machine.
    """
    if settings.development and _loopback(settings.presence_bind) and _is_here(settings.router_base()):
        return f"ws://{settings.presence_bind}"
    return f"wss://{settings.signal_name()}"


def _is_here(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "http" and _local(parts.hostname or "")


def _loopback(bind: str) -> bool:
    return _local(address(bind)[0])


def _local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
