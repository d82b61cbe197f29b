"""`callrouter carrier`: gateways that speak docs/protocols/carrier.md."""

import secrets

import click

from callrouter import models
from callrouter.cli.deployment import Deployment
from callrouter.cli.output import json_option, print_many, print_one, public
from callrouter.directory import carriers
from callrouter.directory.carriers import Carrier, Status
from callrouter.directory.rows import values
from foundation.sids import CARRIER, new_sid


@click.group()
def carrier() -> None:
    """Carriers: the gateways that bring calls and take them."""


@carrier.command()
@click.argument("name")
@click.option("--control-url", required=True, help="Where the carrier takes our commands.")
@click.option("--sip", is_flag=True, help="It also takes calls to SIP addresses.")
@json_option
@click.pass_obj
def create(deployment: Deployment, name: str, control_url: str, sip: bool, as_json: bool) -> None:
    """Makes a carrier known and prints its secret, this once."""
    secret, sid, now = _new_secret(), new_sid(CARRIER), deployment.now()
    sealed = deployment.keys.seal(secret)
    made = deployment.write(
        lambda c: carriers.create(
            c, name=name, sid=sid, control_url=control_url, secret_sealed=sealed, now=now, sip=sip
        )
    )
    print_one({**public(made), "secret": secret}, as_json)


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
@click.option("--sip/--no-sip", default=None, help="Whether it also takes calls to SIP addresses.")
@json_option
@click.pass_obj
def update(
    deployment: Deployment,
    name: str,
    control_url: str | None,
    enable: bool,
    sip: bool | None,
    as_json: bool,
) -> None:
    """Changes what is given."""
    now, status = deployment.now(), Status.ACTIVE if enable else None
    changed = deployment.write(
        lambda c: carriers.change(c, name, now=now, control_url=control_url, status=status, sip=sip)
    )
    print_one(public(changed), as_json)


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
    """Takes no more calls from it and gives it none."""
    now = deployment.now()
    changed = deployment.write(lambda c: carriers.change(c, name, now=now, status=Status.DISABLED))
    print_one(public(changed), as_json)


@carrier.command()
@click.argument("name")
@json_option
@click.pass_obj
def delete(deployment: Deployment, name: str, as_json: bool) -> None:
    """Forgets it; refused while a number places calls through it."""
    deployment.write(lambda c: carriers.remove(c, name))
    print_one({"deleted": name}, as_json)


def _new_secret() -> str:
    return secrets.token_urlsafe(32)
