"""`callrouter key`: API keys of an account."""

import click

from callrouter import models
from callrouter.cli.deployment import Deployment
from callrouter.cli.output import account_option, json_option, print_many, print_one, public
from callrouter.directory import credentials, keys
from callrouter.directory.keys import Key
from callrouter.directory.rows import values
from foundation.sids import API_KEY, new_sid


@click.group()
def key() -> None:
    """API keys: they authenticate requests and sign access tokens."""


@key.command()
@click.argument("name", default="")
@click.option("--main", is_flag=True, help="May manage accounts and keys.")
@account_option
@json_option
@click.pass_obj
def create(deployment: Deployment, name: str, main: bool, account_sid: str | None, as_json: bool) -> None:
    """Makes a key and prints its secret, this once."""
    owner = deployment.account(account_sid).account_sid
    now, sid, secret = deployment.now(), new_sid(API_KEY), credentials.new_secret()
    credential = credentials.seal(deployment.keys, secret)
    made = deployment.write(
        lambda c: keys.create(
            c, account_sid=owner, sid=sid, credential=credential, now=now, friendly_name=name, main=main
        )
    )
    print_one({**public(made), "secret": secret}, as_json)


@key.command("list")
@account_option
@json_option
@click.pass_obj
def list_(deployment: Deployment, account_sid: str | None, as_json: bool) -> None:
    """The account's keys, oldest first."""
    query = keys.listed(deployment.account(account_sid).account_sid).order_by(models.ApiKey.date_created)
    found = deployment.read(lambda c: values(Key, c, query))
    print_many([public(one) for one in found], ("sid", "friendly_name", "main", "date_created"), as_json)


@key.command()
@click.argument("sid", metavar="SK…")
@account_option
@json_option
@click.pass_obj
def delete(deployment: Deployment, sid: str, account_sid: str | None, as_json: bool) -> None:
    """Deletes it: what was signed with it is worth nothing from now on."""
    owner, now = deployment.account(account_sid).account_sid, deployment.now()
    deployment.write(lambda c: keys.remove(c, owner, sid, now))
    print_one({"deleted": sid}, as_json)
