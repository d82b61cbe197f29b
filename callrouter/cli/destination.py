"""`callrouter destination`: one name in <Client> for several clients, tried in order (PR-61)."""

from typing import Any

import click

from callrouter.cli.asking import account_presence
from callrouter.cli.deployment import Deployment
from callrouter.cli.output import account_option, json_option, print_many, print_one


@click.group()
def destination() -> None:
    """Names for several clients: the first who is there is rung."""


@destination.command("list")
@account_option
@json_option
@click.pass_obj
def list_(deployment: Deployment, account_sid: str | None, as_json: bool) -> None:
    """The account's destinations, by name."""
    with account_presence(deployment, account_sid) as account:
        found = account.destinations()
    shown = found if as_json else [_plain(one) for one in found]
    print_many(shown, ("name", "targets", "updated_at"), as_json)


@destination.command()
@click.argument("name")
@account_option
@json_option
@click.pass_obj
def show(deployment: Deployment, name: str, account_sid: str | None, as_json: bool) -> None:
    """One destination."""
    with account_presence(deployment, account_sid) as account:
        found = account.destination(name)
    print_one(found if as_json else _plain(found), as_json)


@destination.command("set")
@click.argument("name")
@click.argument("targets", nargs=-1, required=True, metavar="CLIENT|AC…/CLIENT…")
@account_option
@json_option
@click.pass_obj
def set_(
    deployment: Deployment, name: str, targets: tuple[str, ...], account_sid: str | None, as_json: bool
) -> None:
    """Makes it, or replaces its targets: clients, or clients of other accounts, in the order of trying."""
    with account_presence(deployment, account_sid) as account:
        made = account.put_destination(name, [_target(one) for one in targets])
    print_one(made if as_json else _plain(made), as_json)


@destination.command()
@click.argument("name")
@account_option
@json_option
@click.pass_obj
def delete(deployment: Deployment, name: str, account_sid: str | None, as_json: bool) -> None:
    """Deletes it."""
    with account_presence(deployment, account_sid) as account:
        account.delete_destination(name)
    print_one({"deleted": name}, as_json)


def _target(given: str) -> str | dict[str, str]:
    account_sid, slash, client = given.partition("/")
    return {"account_sid": account_sid, "client": client} if slash else given


def _plain(found: dict[str, Any]) -> dict[str, Any]:
    own = found["account_sid"]
    targets = (
        one["client"] if one["account_sid"] == own else f"{one['account_sid']}/{one['client']}"
        for one in found["targets"]
    )
    return {**found, "targets": ", ".join(targets)}
