"""`callrouter status`: what clients of an account may say of themselves (PR-20, PR-21)."""

import click

from callrouter.cli.asking import account_presence
from callrouter.cli.deployment import Deployment
from callrouter.cli.output import account_option, json_option, print_many, print_one

COLUMNS = ("name", "available", "rank", "voice", "messages", "built_in")


@click.group()
def status() -> None:
    """Statuses beside the built-in available, away, busy and dnd."""


@status.command("list")
@account_option
@json_option
@click.pass_obj
def list_(deployment: Deployment, account_sid: str | None, as_json: bool) -> None:
    """The account's statuses, the built-in ones too."""
    with account_presence(deployment, account_sid) as account:
        found = account.statuses()
    print_many(found, COLUMNS, as_json)


@status.command()
@click.argument("name")
@click.option("--available/--not-available", required=True, help="For good: it can't be changed later.")
@click.option("--rank", type=int, required=True, help="The highest of a client's devices is the client's.")
@click.option(
    "--voice/--no-voice", default=None, help="Whether calls come through; by default, if available."
)
@click.option("--messages/--no-messages", default=None, help="The same for messages.")
@account_option
@json_option
@click.pass_obj
def create(
    deployment: Deployment,
    name: str,
    available: bool,
    rank: int,
    voice: bool | None,
    messages: bool | None,
    account_sid: str | None,
    as_json: bool,
) -> None:
    """Makes a status."""
    given = {"voice": voice, "messages": messages}
    with account_presence(deployment, account_sid) as account:
        more = {what: said for what, said in given.items() if said is not None}
        print_one(account.create_status(name, available=available, rank=rank, **more), as_json)


@status.command()
@click.argument("name")
@account_option
@json_option
@click.pass_obj
def delete(deployment: Deployment, name: str, account_sid: str | None, as_json: bool) -> None:
    """Deletes it, if nobody has it."""
    with account_presence(deployment, account_sid) as account:
        account.delete_status(name)
    print_one({"deleted": name}, as_json)
