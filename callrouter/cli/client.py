"""`callrouter client`: what an operator does to a client app."""

import click

from callrouter.cli.asking import account_presence
from callrouter.cli.deployment import Deployment
from callrouter.cli.output import account_option, json_option, print_one


@click.group()
def client() -> None:
    """Client apps: those that register with an access token."""


@client.command()
@click.argument("identity", required=False)
@click.option("--token", help="Only this access token, whosever it is.")
@account_option
@json_option
@click.pass_obj
def revoke(
    deployment: Deployment, identity: str | None, token: str | None, account_sid: str | None, as_json: bool
) -> None:
    """Makes all tokens so far of IDENTITY worth nothing: its devices go offline, their calls go on.

    Tokens that are minted later work.
    """
    if (identity is None) == (token is None):
        raise click.UsageError("name one of the two: a client, or a token with --token")
    with account_presence(deployment, account_sid) as account:
        done = account.revoke(identity=identity, token=token)
    print_one({**done["revoked"], "ended": done["ended"]}, as_json)
