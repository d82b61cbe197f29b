"""`callrouter presence`: who is there, and why a client would ring or not."""

import dataclasses
import json
from typing import Any

import click

from callrouter.calls.choosing import Mode, choose
from callrouter.cli.asking import account_presence, presence_server
from callrouter.cli.deployment import Deployment
from callrouter.cli.output import account_option, json_option, print_many, print_one
from presence.client import Event, Message, Presence

COLUMNS = ("client", "status", "available", "devices", "capabilities", "note")
DEVICES = ("client", "endpoint_id", "rings", "status", "takes", "priority", "last_seen", "expires_at", "node")


@click.group()
def presence() -> None:
    """Who is there: asked of the presence server, as the router does for each call."""


@presence.command("list")
@click.option(
    "--list", "contact_list", metavar="NAME", help="Those on this contact list, who may be offline."
)
@click.option("--prefix", help="Those whose name starts so.")
@click.option("--status", help="Only those of this status.")
@account_option
@json_option
@click.pass_obj
def list_(
    deployment: Deployment,
    contact_list: str | None,
    prefix: str | None,
    status: str | None,
    account_sid: str | None,
    as_json: bool,
) -> None:
    """Everybody who is there, by name."""
    demand_one(contact_list, prefix)
    with account_presence(deployment, account_sid) as account:
        found = account.query(contact_list=contact_list, prefix=prefix)
    print_many([_shown(one) for one in found.clients if status in (None, one.status)], COLUMNS, as_json)


@presence.command()
@click.argument("client")
@account_option
@json_option
@click.pass_obj
def show(deployment: Deployment, client: str, account_sid: str | None, as_json: bool) -> None:
    """One client, or destination, with its devices: which would ring, and why others would not."""
    owner = deployment.account(account_sid).account_sid
    with presence_server(deployment) as server:
        reach = server.reach(owner, client)
    choice = choose(reach, Mode.ALL)
    why = {(one.account_sid, one.client, one.endpoint_id): one.reason for one in choice.skipped}
    devices = [
        {
            **dataclasses.asdict(device),
            "account_sid": target.account_sid,
            "client": target.client,
            "rings": why.get((target.account_sid, target.client, device.endpoint_id), "yes"),
        }
        for target in reach.targets
        for device in target.endpoints
    ]
    clients = [_shown(target) for target in reach.targets]
    if as_json:
        facts = {"name": reach.name, "shared": reach.shared, "as_of": reach.as_of}
        print_one({**facts, "call": choice.outcome.value, "clients": clients, "devices": devices}, True)
        return
    if reach.shared:
        print_many(clients, COLUMNS, False)
    else:
        print_one({name: value for name, value in _plain(clients[0]).items() if name != "uri"}, False)
    click.echo(f"\na call now: {choice.outcome.value}" + ("\n" if devices else ""))
    print_many([_plain(device) for device in devices], DEVICES, False)


@presence.command()
@click.option("--client", "clients", multiple=True, metavar="NAME", help="This client; may be repeated.")
@click.option("--list", "contact_list", metavar="NAME", help="Those on this contact list.")
@click.option("--prefix", help="Those whose name starts so.")
@account_option
@json_option
@click.pass_obj
def watch(
    deployment: Deployment,
    clients: tuple[str, ...],
    contact_list: str | None,
    prefix: str | None,
    account_sid: str | None,
    as_json: bool,
) -> None:
    """A line for each client now, then for each change, until Ctrl-C. With --json an object a line."""
    demand_one(clients or None, contact_list, prefix)
    with account_presence(deployment, account_sid) as account:
        account.statuses()  # a server that is away is said at once; later, it is waited for
        told = account.watch(list(clients) or None, contact_list=contact_list, prefix=prefix)
        known: dict[str, Event] = {}
        try:
            for message in told:
                for line in _lines(message, known, as_json):
                    click.echo(line)
                known = dict(told.view)
        except KeyboardInterrupt:
            return


def demand_one(*given: object) -> None:
    if sum(one is not None for one in given) > 1:
        raise click.UsageError("name clients, a list or a prefix, not several of them")


def _lines(message: Message, known: dict[str, Event], as_json: bool) -> list[str]:
    if as_json:
        said = [dataclasses.asdict(one) for one in message.clients]
        return [
            json.dumps(one)
            for one in [*said, *({"client": name, "removed": True} for name in message.removed)]
        ]
    return [*(_line(one, known.get(one.client)) for one in message.clients), *map(_left, message.removed)]


def _line(now: Event, before: Event | None) -> str:
    change = (
        now.status
        if before in (None, now) or before.status == now.status
        else f"{before.status} → {now.status}"
    )
    takes = ",".join(now.capabilities)
    return "  ".join(filter(None, (now.at or "", now.client, change, takes, _safe(now.note))))


def _left(name: str) -> str:
    return f"{name}  no longer in view"


def _shown(one: Presence) -> dict[str, Any]:
    facts = dataclasses.asdict(one)
    return {**facts, "devices": len(one.endpoints), "endpoints": facts["endpoints"]}


def _plain(facts: dict[str, Any]) -> dict[str, Any]:
    """For people: lists in words, devices in a table of their own."""
    return {
        name: ", ".join(value) if isinstance(value, list | tuple) else value
        for name, value in facts.items()
        if name != "endpoints"
    }


def _safe(text: str) -> str:
    """What clients say of themselves must not steer the operator's terminal."""
    return text if text.isprintable() else repr(text)[1:-1]
