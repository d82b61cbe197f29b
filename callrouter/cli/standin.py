"""The simulated carrier that `callrouter trigger` is: the operator's own `simulator`, made when it is missing."""

from urllib.parse import urlsplit

import click
from sqlalchemy import Connection, select

from callrouter import models
from callrouter.carriers.simulator.access import CarrierAccess
from callrouter.cli.deployment import Deployment
from callrouter.directory import carriers, credentials
from callrouter.directory.carriers import Carrier, Status
from callrouter.directory.rows import value
from callrouter.scenario.ports import free_port
from foundation.sids import CARRIER, new_sid

NAME = "simulator"
MOST = 9
"""Simulators at a time on one machine: each listens at the address of a carrier of its own."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def names(given: str | None) -> list[str]:
    """Which carriers to try to be, in order; one that is asked for, and no other."""
    return [given] if given else [NAME, *(f"{NAME}-{number}" for number in range(2, MOST + 1))]


def ensure(deployment: Deployment, name: str) -> CarrierAccess:
    """How to be the carrier of that name, which is made when there is none.

    Beside other carriers it is made without messages, so that it takes none away from them; calls go to the oldest
    carrier anyhow. ClickException when it is not a simulator's: it is disabled, or its gateway is elsewhere.
    """
    secret, port = credentials.new_secret(), free_port()
    sealed, sid, now = deployment.keys.seal(secret), new_sid(CARRIER), deployment.now()

    def unit(connection: Connection) -> Carrier:
        row = connection.execute(carriers.listed().where(models.Carrier.name == name)).one_or_none()
        if row is not None:
            return value(Carrier, row)
        others = select(models.Carrier.name).where(models.Carrier.status == Status.ACTIVE)
        return carriers.create(
            connection,
            name=name,
            sid=sid,
            control_url=f"http://127.0.0.1:{port}/{name}",
            secret_sealed=sealed,
            now=now,
            messages=connection.execute(others).first() is None,
        )

    found = deployment.write(unit)
    if found.status != Status.ACTIVE:
        raise click.ClickException(
            f"carrier {name} is disabled; `callrouter carrier update {name} --enable` takes it into use again"
        )
    if urlsplit(found.control_url).hostname not in LOOPBACK:
        raise click.ClickException(
            f"carrier {name} is no simulator's: its gateway is at {found.control_url}; name another by --carrier"
        )
    return access_of(deployment, found)


def access_of(deployment: Deployment, carrier: Carrier) -> CarrierAccess:
    return CarrierAccess(
        router_url=deployment.settings.router_base(),
        secret=deployment.keys.open(carrier.secrets_sealed[0]),
        control_url=carrier.control_url,
    )
