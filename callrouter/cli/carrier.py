"""`callrouter carrier`: gateways that speak docs/protocols/carrier.md."""

import secrets
from collections.abc import Callable
from typing import Any, TypeVar

import click
from sqlalchemy import Connection

from callrouter import models
from callrouter.cli import carrier_queue, carrier_routes
from callrouter.cli.deployment import Deployment
from callrouter.cli.output import json_option, print_many, print_one, public
from callrouter.directory import carriers
from callrouter.directory.carriers import Carrier, Status
from callrouter.directory.rows import values
from callrouter.messages.routing import routes
from callrouter.messages.routing.routes import Kind
from foundation.sids import CARRIER, new_sid

F = TypeVar("F", bound=Callable[..., Any])


@click.group()
def carrier() -> None:
    """Carriers: the gateways that bring calls and messages and take them."""


def _settings(command: F) -> F:
    """What create and update have in common; None where it isn't given."""
    for option in (
        click.option("--cost", type=float, help="Of a segment, for its routes to all numbers; makes them."),
        click.option("--message-window", type=int, help="Messages that may be under way to it at once."),
        click.option("--message-rate", type=float, help="Segments that it takes in a second; 0: no limit."),
        click.option("--messages/--no-messages", default=None, help="Whether it takes messages."),
        click.option("--sip/--no-sip", default=None, help="Whether it also takes calls to SIP addresses."),
    ):
        command = option(command)
    return command


@carrier.command()
@click.argument("name")
@click.option("--control-url", required=True, help="Where the carrier takes our commands.")
@_settings
@json_option
@click.pass_obj
def create(
    deployment: Deployment, /, name: str, control_url: str, cost: float | None, as_json: bool, **settings: Any
) -> None:
    """Makes a carrier known and prints its secret, this once."""
    secret, sid, now = _new_secret(), new_sid(CARRIER), deployment.now()
    sealed = deployment.keys.seal(secret)

    def make(connection: Connection) -> Carrier:
        made = carriers.create(
            connection,
            name=name,
            sid=sid,
            control_url=control_url,
            secret_sealed=sealed,
            now=now,
            **_given(settings),
        )
        return _with_cost(connection, made, cost, now)

    print_one({**public(deployment.write(make)), "secret": secret}, as_json)
    carrier_routes.warn(deployment)


@carrier.command("list")
@json_option
@click.pass_obj
def list_(deployment: Deployment, as_json: bool) -> None:
    """All carriers."""
    query = carriers.listed().order_by(models.Carrier.name)
    found = deployment.read(lambda c: values(Carrier, c, query))
    print_many([public(one) for one in found], ("name", "status", "control_url"), as_json)


@carrier.command()
@click.argument("name")
@json_option
@click.pass_obj
def show(deployment: Deployment, name: str, as_json: bool) -> None:
    """One carrier."""
    print_one(public(deployment.read(lambda c: carriers.fetch(c, name))), as_json)


@carrier.command()
@click.argument("name")
@click.option("--control-url")
@click.option("--enable", is_flag=True, help="Takes a disabled carrier into use again.")
@_settings
@json_option
@click.pass_obj
def update(
    deployment: Deployment,
    /,
    name: str,
    control_url: str | None,
    enable: bool,
    cost: float | None,
    as_json: bool,
    **settings: Any,
) -> None:
    """Changes what is given."""
    now, status = deployment.now(), Status.ACTIVE if enable else None

    def change(connection: Connection) -> Carrier:
        changed = carriers.change(
            connection, name, now=now, control_url=control_url, status=status, **_given(settings)
        )
        return _with_cost(connection, changed, cost, now)

    print_one(public(deployment.write(change)), as_json)
    carrier_routes.warn(deployment)


@carrier.command("rotate-secret")
@click.argument("name")
@json_option
@click.pass_obj
def rotate_secret(deployment: Deployment, name: str, as_json: bool) -> None:
    """Prints a new secret, this once. The one before is taken from the carrier until the next rotation."""
    secret, now = _new_secret(), deployment.now()
    sealed = deployment.keys.seal(secret)
    changed = deployment.write(lambda c: carriers.rotate(c, name, sealed, now))
    print_one({**public(changed), "secret": secret}, as_json)


@carrier.command()
@click.argument("name")
@json_option
@click.pass_obj
def disable(deployment: Deployment, name: str, as_json: bool) -> None:
    """Takes no more calls and messages from it and gives it none."""
    now = deployment.now()
    changed = deployment.write(lambda c: carriers.change(c, name, now=now, status=Status.DISABLED))
    print_one(public(changed), as_json)


@carrier.command()
@click.argument("name")
@json_option
@click.pass_obj
def delete(deployment: Deployment, name: str, as_json: bool) -> None:
    """Forgets it and its routes; refused while a number uses it or messages wait for it."""
    deployment.write(lambda c: carriers.remove(c, name))
    print_one({"deleted": name}, as_json)


def _given(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None}


def _with_cost(connection: Connection, made: Carrier, cost: float | None, now: float) -> Carrier:
    """The carrier; with a cost it gets routes to all numbers."""
    for kind in Kind if cost is not None else ():
        routes.put(connection, made.name, routes.ALL, kind, now, cost=cost)
    return made


def _new_secret() -> str:
    return secrets.token_urlsafe(32)


for command in (*carrier_routes.COMMANDS, carrier_queue.queue):
    carrier.add_command(command)
