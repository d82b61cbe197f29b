"""`callrouter account`: tenants and their subaccounts."""

import click

from callrouter import models
from callrouter.cli.deployment import Deployment
from callrouter.cli.output import json_option, print_many, print_one, public
from callrouter.directory import accounts, credentials
from callrouter.directory.accounts import Account, Status
from callrouter.directory.rows import values
from foundation.sids import ACCOUNT, new_sid

COLUMNS = ("account_sid", "friendly_name", "status", "owner_account_sid", "date_created")


@click.group()
def account() -> None:
    """Accounts (tenants) and subaccounts."""


@account.command()
@click.argument("name")
@click.option("--owner", metavar="AC…", help="Makes it a subaccount of this account.")
@json_option
@click.pass_obj
def create(deployment: Deployment, name: str, owner: str | None, as_json: bool) -> None:
    """Makes an account and prints its auth token."""
    now, sid, token = deployment.now(), new_sid(ACCOUNT), credentials.new_secret()
    credential = credentials.seal(deployment.keys, token)
    made = deployment.write(
        lambda c: accounts.create(c, sid=sid, friendly_name=name, credential=credential, now=now, owner=owner)
    )
    print_one({**public(made), "auth_token": token}, as_json)


@account.command("list")
@json_option
@click.pass_obj
def list_(deployment: Deployment, as_json: bool) -> None:
    """All accounts, oldest first."""
    query = accounts.listed().order_by(models.Account.date_created)
    found = deployment.read(lambda c: values(Account, c, query))
    print_many([public(one) for one in found], COLUMNS, as_json)


@account.command()
@click.argument("sid", metavar="AC…")
@click.option("--reveal", is_flag=True, help="Print the auth token too.")
@json_option
@click.pass_obj
def show(deployment: Deployment, sid: str, reveal: bool, as_json: bool) -> None:
    """One account."""
    found = deployment.read(lambda c: accounts.fetch(c, sid))
    secret = {"auth_token": deployment.keys.open(found.auth_token_sealed)} if reveal else {}
    print_one({**public(found), **secret}, as_json)


@account.command()
@click.argument("sid", metavar="AC…")
@click.option("--name", required=True)
@json_option
@click.pass_obj
def update(deployment: Deployment, sid: str, name: str, as_json: bool) -> None:
    """Renames it."""
    now = deployment.now()
    changed = deployment.write(lambda c: accounts.change(c, sid, now=now, friendly_name=name))
    print_one(public(changed), as_json)


@account.group()
def token() -> None:
    """The auth token: the password of REST, and what webhooks are signed with."""


@token.command()
@click.argument("sid", metavar="AC…")
@json_option
@click.pass_obj
def rotate(deployment: Deployment, sid: str, as_json: bool) -> None:
    """Makes another auth token and prints it. The one before is refused at once, and within seconds webhooks are
    signed with the new one: let the app take both signatures while you change it."""
    now, secret = deployment.now(), credentials.new_secret()
    credential = credentials.seal(deployment.keys, secret)
    changed = deployment.write(lambda c: accounts.rotate(c, sid, credential, now))
    print_one({**public(changed), "auth_token": secret}, as_json)


def _status_command(name: str, status: Status, help: str) -> None:
    @account.command(name, help=help)
    @click.argument("sid", metavar="AC…")
    @json_option
    @click.pass_obj
    def change(deployment: Deployment, sid: str, as_json: bool) -> None:
        now = deployment.now()
        changed = deployment.write(lambda c: accounts.change(c, sid, now=now, status=status))
        print_one(public(changed), as_json)


_status_command("suspend", Status.SUSPENDED, "Stops it, and its subaccounts, until it is activated again.")
_status_command("activate", Status.ACTIVE, "Takes a suspended account into use again.")
_status_command("close", Status.CLOSED, "Stops it for ever.")
