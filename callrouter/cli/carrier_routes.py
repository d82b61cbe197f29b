"""`callrouter carrier routes`, `route`, `pin`, `ban`: which carrier takes messages to which numbers, and how well.

The rule by which one is chosen stands in `callrouter.messages.routing.score`.
"""

from typing import Any

import click
from sqlalchemy import Connection

from callrouter.cli.deployment import Deployment
from callrouter.cli.output import account_option, json_option, print_many, print_one, public
from callrouter.directory.e164 import E164
from callrouter.messages.routing import routes as directory
from callrouter.messages.routing import tables
from callrouter.messages.routing.choose import choose
from callrouter.messages.routing.routes import Kind, RouteState

COLUMNS = ("carrier", "prefix", "kind", "state", "cost", "weight", *tables.MEASURES)
CONSIDERED = (
    "carrier",
    "route",
    "share",
    "score",
    "rate",
    "doubt",
    "outcomes",
    "wait",
    "latency",
    "cost",
    "out",
)

kind_option = click.option(
    "--kind", type=click.Choice([one.value for one in Kind]), default="sms", show_default=True
)


@click.command()
@click.option("--to", metavar="+1555…", help="Show how a message to this number would be routed now.")
@kind_option
@account_option
@json_option
@click.pass_obj
def routes(deployment: Deployment, to: str | None, kind: str, account_sid: str | None, as_json: bool) -> None:
    """The operator's routes, and what became of messages by destination; with --to, the choice for one number."""
    if to is None:
        print_many(deployment.read(tables.routes), COLUMNS, as_json)
        return
    if not E164.fullmatch(to):
        raise click.BadParameter(
            f"{to!r} is no phone number in E.164 such as +14155550123", param_hint="--to"
        )
    owner, now = deployment.account(account_sid).account_sid, deployment.now()
    decision = deployment.read(lambda c: choose(c, owner, to, kind, now, lambda: 0.0))
    considered: list[dict[str, Any]] = [{**dict.fromkeys(CONSIDERED), **one} for one in decision.considered]
    if not as_json:
        carrier = decision.carrier or "no carrier"
        click.echo(f"{to}: {carrier} ({decision.reason}), by the evidence of {decision.prefix}\n")
    print_many(considered, CONSIDERED, as_json)


@click.command()
@click.argument("name")
@click.argument("prefix", metavar="+44")
@kind_option
@click.option("--cost", type=float, help="Of a segment; the cheaper of two equally good routes is taken.")
@click.option("--weight", type=float, help="Its share among routes that are equal otherwise.")
@click.option("--enable/--disable", default=None, help="Whether messages are routed by it.")
@click.option("--delete", is_flag=True, help="Forget the route.")
@json_option
@click.pass_obj
def route(
    deployment: Deployment,
    name: str,
    prefix: str,
    kind: str,
    cost: float | None,
    weight: float | None,
    enable: bool | None,
    delete: bool,
    as_json: bool,
) -> None:
    """Makes or changes a route: NAME may take messages to numbers that begin with +44. `+` is for all numbers.

    Where there is a route to a destination, only carriers with a route to it get messages. Of a carrier's routes the
    longest prefix that fits counts.
    """
    now = deployment.now()
    if delete:
        deployment.write(lambda c: directory.remove(c, name, prefix, Kind(kind)))
        print_one({"deleted": f"{name} {prefix} {kind}"}, as_json)
        return
    state = None if enable is None else RouteState.ENABLED if enable else RouteState.DISABLED
    put = deployment.write(
        lambda c: directory.put(c, name, prefix, Kind(kind), now, cost=cost, weight=weight, state=state)
    )
    print_one(public(put), as_json)
    warn(deployment)


def warn(deployment: Deployment) -> None:
    """A route takes all messages there from carriers that have none: better said than found out."""
    if names := deployment.read(tables.without_route):
        click.echo(f"Note: there are routes, but none of {', '.join(names)}: see `carrier route`", err=True)


def _marking(name: str, state: RouteState, meaning: str) -> click.Command:
    """A command that pins or bans."""

    @_where
    @json_option
    @click.pass_obj
    def mark(deployment: Deployment, name: str, prefix: str, kind: str | None, as_json: bool) -> None:
        now = deployment.now()
        made = deployment.write(
            lambda c: [directory.mark(c, name, prefix, one, state, now) for one in _kinds(kind)]
        )
        print_many([public(one) for one in made], ("carrier", "prefix", "kind", "state"), as_json)

    return click.command(name, help=meaning)(mark)


def _releasing(name: str, meaning: str) -> click.Command:
    """A command that takes such a mark off."""

    @_where
    @json_option
    @click.pass_obj
    def release(deployment: Deployment, name: str, prefix: str, kind: str | None, as_json: bool) -> None:
        now = deployment.now()

        def unit(connection: Connection) -> list[str]:
            kinds = _kinds(kind)
            if kind is None:
                its = directory.listed(connection, name)
                kinds = [Kind(one.kind) for one in its if one.prefix == prefix] or kinds
            for one in kinds:
                directory.release(connection, name, prefix, one, now)
            return [one.value for one in kinds]

        released = deployment.write(unit)
        print_one({"carrier": name, "prefix": prefix, "released": " ".join(released)}, as_json)

    return click.command(name, help=meaning)(release)


def _where(command: Any) -> Any:
    for option in (
        click.option("--kind", type=click.Choice([one.value for one in Kind]), help="By default both."),
        click.argument("prefix", metavar="[+44]", default=directory.ALL),
        click.argument("name"),
    ):
        command = option(command)
    return command


def _kinds(kind: str | None) -> list[Kind]:
    return [Kind(kind)] if kind else list(Kind)


COMMANDS: tuple[click.Command, ...] = (
    routes,
    route,
    _marking("pin", RouteState.PINNED, "Sends messages there by this carrier, and others so pinned, only."),
    _releasing("unpin", "Lets a pinned carrier compete with the others again."),
    _marking(
        "ban", RouteState.BANNED, "Gives the carrier no more messages to a destination; all by default."
    ),
    _releasing("unban", "Lets a banned carrier take messages again."),
)
