"""Where the command line learns what the operator has already told callrouter about a carrier."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import click


@dataclass(frozen=True, kw_only=True)
class CarrierAccess:
    """`control_url` as in `callrouter carrier create`: the simulator must listen there."""

    router_url: str
    secret: str
    control_url: str

    @property
    def listen(self) -> str:
        parts = urlsplit(self.control_url)
        return f"{parts.hostname or '127.0.0.1'}:{parts.port or 80}"


@dataclass(frozen=True, kw_only=True)
class CarrierLookup:
    """`callrouter` passes one as click's context object; `find` takes a name, and raises
    click.ClickException when there is none."""

    find: Callable[[str], CarrierAccess]


def access(name: str, secret: str | None, router_url: str | None, listen: str | None) -> tuple[str, str, str]:
    """Secret, router and listen address: those given, the rest from the operator's records."""
    lookup = click.get_current_context().find_object(CarrierLookup)
    if lookup and not (secret and router_url and listen):
        known = lookup.find(name)
        return secret or known.secret, router_url or known.router_url, listen or known.listen
    if not (secret and router_url):
        raise click.UsageError("Give --secret and --router: the operator's records are not at hand here.")
    return secret, router_url, listen or "127.0.0.1:0"
