"""`callrouter callerid`: numbers that an account may show although they are not its own."""

import click

from callrouter import models
from callrouter.cli.deployment import Deployment
from callrouter.cli.output import account_option, json_option, print_many, print_one, public
from callrouter.directory import caller_ids
from callrouter.directory.caller_ids import CallerId
from callrouter.directory.rows import values
from foundation.sids import PHONE_NUMBER, new_sid

COLUMNS = ("sid", "phone_number", "friendly_name", "date_created")


@click.group()
def callerid() -> None:
    """Verified caller ids. Whoever adds one vouches that the number belongs to the account's owner."""


@callerid.command()
@click.argument("phone_number", metavar="+1555…")
@click.option("--name", help="A friendly name; the number itself by default.")
@account_option
@json_option
@click.pass_obj
def create(
    deployment: Deployment, phone_number: str, name: str | None, account_sid: str | None, as_json: bool
) -> None:
    """Lets the account show this number as the caller."""
    owner = deployment.account(account_sid).account_sid
    sid, now = new_sid(PHONE_NUMBER), deployment.now()
    made = deployment.write(
        lambda c: caller_ids.create(
            c, account_sid=owner, sid=sid, phone_number=phone_number, friendly_name=name, now=now
        )
    )
    print_one(public(made), as_json)


@callerid.command("list")
@account_option
@json_option
@click.pass_obj
def list_(deployment: Deployment, account_sid: str | None, as_json: bool) -> None:
    """The account's verified caller ids."""
    owner = deployment.account(account_sid).account_sid
    query = caller_ids.listed(owner).order_by(models.OutgoingCallerId.phone_number)
    found = deployment.read(lambda c: values(CallerId, c, query))
    print_many([public(one) for one in found], COLUMNS, as_json)


@callerid.command()
@click.argument("sid", metavar="PN…")
@account_option
@json_option
@click.pass_obj
def delete(deployment: Deployment, sid: str, account_sid: str | None, as_json: bool) -> None:
    """Calls may no longer show it."""
    owner = deployment.account(account_sid).account_sid
    deployment.write(lambda c: caller_ids.remove(c, owner, sid))
    print_one({"deleted": sid}, as_json)
