"""`callrouter contacts`: contact lists, by which presence is watched and scoped (PR-33)."""

import click

from callrouter.cli.asking import account_presence
from callrouter.cli.deployment import Deployment
from callrouter.cli.output import account_option, json_option, print_many, print_one


@click.group()
def contacts() -> None:
    """Contact lists of clients. A token may be scoped to one: `presence:read:list:NAME`."""


@contacts.command("list")
@account_option
@json_option
@click.pass_obj
def list_(deployment: Deployment, account_sid: str | None, as_json: bool) -> None:
    """The account's lists, by name."""
    with account_presence(deployment, account_sid) as account:
        found = account.contact_lists()
    print_many(found, ("name", "clients", "updated_at"), as_json)


@contacts.command()
@click.argument("name")
@click.argument("clients", nargs=-1)
@account_option
@json_option
@click.pass_obj
def create(
    deployment: Deployment, name: str, clients: tuple[str, ...], account_sid: str | None, as_json: bool
) -> None:
    """Makes a list, with these clients on it."""
    with account_presence(deployment, account_sid) as account:
        print_one(account.create_contact_list(name, clients), as_json)


@contacts.command()
@click.argument("name")
@account_option
@json_option
@click.pass_obj
def show(deployment: Deployment, name: str, account_sid: str | None, as_json: bool) -> None:
    """Who is on the list."""
    with account_presence(deployment, account_sid) as account:
        found = account.contacts(name)
    print_many([{"client": one} for one in found], ("client",), as_json)


@contacts.command()
@click.argument("name")
@click.argument("to")
@account_option
@json_option
@click.pass_obj
def rename(deployment: Deployment, name: str, to: str, account_sid: str | None, as_json: bool) -> None:
    """Renames it; tokens that are scoped to the old name see nobody by it."""
    with account_presence(deployment, account_sid) as account:
        print_one(account.rename_contact_list(name, to), as_json)


@contacts.command()
@click.argument("name")
@click.argument("clients", nargs=-1, required=True)
@account_option
@json_option
@click.pass_obj
def add(
    deployment: Deployment, name: str, clients: tuple[str, ...], account_sid: str | None, as_json: bool
) -> None:
    """Puts clients on it."""
    with account_presence(deployment, account_sid) as account:
        for client in clients:
            account.add_contact(name, client)
    print_one({"list": name, "added": list(clients)}, as_json)


@contacts.command()
@click.argument("name")
@click.argument("clients", nargs=-1, required=True)
@account_option
@json_option
@click.pass_obj
def remove(
    deployment: Deployment, name: str, clients: tuple[str, ...], account_sid: str | None, as_json: bool
) -> None:
    """Takes clients from it."""
    with account_presence(deployment, account_sid) as account:
        for client in clients:
            account.remove_contact(name, client)
    print_one({"list": name, "removed": list(clients)}, as_json)


@contacts.command()
@click.argument("name")
@account_option
@json_option
@click.pass_obj
def delete(deployment: Deployment, name: str, account_sid: str | None, as_json: bool) -> None:
    """Deletes the list."""
    with account_presence(deployment, account_sid) as account:
        account.delete_contact_list(name)
    print_one({"deleted": name}, as_json)
