"""`callrouter number`: the phone numbers of an account."""

import click

from callrouter import models
from callrouter.cli.deployment import Deployment
from callrouter.cli.output import account_option, json_option, print_many, print_one, public
from callrouter.cli.webhooks import NUMBER, given, options
from callrouter.directory import numbers, pool
from callrouter.directory.errors import Missing
from callrouter.directory.numbers import Number
from callrouter.directory.rows import values
from foundation.sids import PHONE_NUMBER, new_sid

COLUMNS = ("sid", "phone_number", "friendly_name", "voice_url", "voice_application_sid", "carrier")


@click.group()
def number() -> None:
    """Phone numbers, and what is asked when a call comes for one."""


@number.command()
@click.argument("phone_number", metavar="+1555…")
@options(NUMBER)
@account_option
@json_option
@click.pass_obj
def create(
    deployment: Deployment,
    /,
    phone_number: str,
    account_sid: str | None,
    as_json: bool,
    **settings: str | None,
) -> None:
    """Gives the account a number, in E.164."""
    owner = deployment.account(account_sid).account_sid
    sid, now = new_sid(PHONE_NUMBER), deployment.now()
    made = deployment.write(
        lambda c: numbers.create(
            c, account_sid=owner, sid=sid, phone_number=phone_number, settings=given(settings), now=now
        )
    )
    print_one(public(made), as_json)


@number.command("list")
@account_option
@json_option
@click.pass_obj
def list_(deployment: Deployment, account_sid: str | None, as_json: bool) -> None:
    """The account's numbers."""
    owner = deployment.account(account_sid).account_sid
    query = numbers.listed(owner).order_by(models.PhoneNumber.phone_number)
    found = deployment.read(lambda c: values(Number, c, query))
    print_many([public(one) for one in found], COLUMNS, as_json)


@number.command()
@click.argument("number", metavar="PN…|+1555…")
@account_option
@json_option
@click.pass_obj
def show(deployment: Deployment, number: str, account_sid: str | None, as_json: bool) -> None:
    """One number, by its SID or by itself."""
    print_one(public(_find(deployment, number, account_sid)), as_json)


@number.command()
@click.argument("number", metavar="PN…|+1555…")
@options(NUMBER)
@account_option
@json_option
@click.pass_obj
def update(
    deployment: Deployment, /, number: str, account_sid: str | None, as_json: bool, **settings: str | None
) -> None:
    """Changes what is given; an empty text unsets it."""
    found, now = _find(deployment, number, account_sid), deployment.now()
    changed = deployment.write(
        lambda c: numbers.change(c, found.account_sid, found.sid, given(settings), now)
    )
    print_one(public(changed), as_json)


@number.command()
@click.argument("number", metavar="PN…|+1555…")
@account_option
@json_option
@click.pass_obj
def delete(deployment: Deployment, number: str, account_sid: str | None, as_json: bool) -> None:
    """Takes it from the account; calls for it are refused from now on."""
    found = _find(deployment, number, account_sid)
    deployment.write(lambda c: numbers.remove(c, found.account_sid, found.sid))
    print_one({"deleted": found.sid, "phone_number": found.phone_number}, as_json)


@number.command()
@click.argument("phone_number", metavar="+1555…")
@click.option("--carrier", default="", help="The carrier that places calls from it.")
@json_option
@click.pass_obj
def offer(deployment: Deployment, phone_number: str, carrier: str, as_json: bool) -> None:
    """Lets accounts find the number by REST and take it."""
    now = deployment.now()
    offered = deployment.write(lambda c: pool.offer(c, phone_number, carrier=carrier, now=now))
    print_one({"offered": offered, "carrier": carrier}, as_json)


@number.command()
@json_option
@click.pass_obj
def offered(deployment: Deployment, as_json: bool) -> None:
    """Numbers that accounts may take now."""
    found = deployment.read(lambda c: list(pool.available(c)))
    print_many([{"phone_number": one} for one in found], ("phone_number",), as_json)


@number.command()
@click.argument("phone_number", metavar="+1555…")
@json_option
@click.pass_obj
def withdraw(deployment: Deployment, phone_number: str, as_json: bool) -> None:
    """Offers it no longer; an account that has it keeps it."""
    deployment.write(lambda c: pool.withdraw(c, phone_number))
    print_one({"withdrawn": phone_number}, as_json)


def _find(deployment: Deployment, number: str, account_sid: str | None) -> Number:
    owner = deployment.account(account_sid).account_sid
    if number.startswith("PN"):
        return deployment.read(lambda c: numbers.fetch(c, owner, number))
    query = numbers.listed(owner).where(models.PhoneNumber.phone_number == number)
    found = deployment.read(lambda c: values(Number, c, query))
    if not found:
        raise Missing(f"Phone number {number}")
    return found[0]
