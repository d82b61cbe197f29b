"""`callrouter carrier queue`: what waits for each carrier, and how fast it leaves."""

import time
from functools import partial

import click
from rich.console import Console

from callrouter.cli.deployment import Deployment
from callrouter.cli.output import json_option, print_many
from callrouter.directory import carriers
from callrouter.messages.routing import tables
from callrouter.messages.transport import PRESENCE

COLUMNS = (
    "carrier",
    "depth",
    "segments",
    "leased",
    "doubtful",
    "oldest",
    "in",
    "out",
    "conversion",
    "breaker",
)
ACCOUNTS = ("carrier", "account_sid", "depth", "segments", "leased", "oldest")


@click.command()
@click.argument("name", required=False)
@click.option("--accounts", is_flag=True, help="A line for each account in each queue.")
@click.option("--watch", metavar="SECONDS", type=click.FloatRange(0.1, 3600), help="Look again and again.")
@click.option("--times", type=click.IntRange(1), help="With --watch: how often; for ever by default.")
@json_option
@click.pass_obj
def queue(
    deployment: Deployment,
    name: str | None,
    accounts: bool,
    watch: float | None,
    times: int | None,
    as_json: bool,
) -> None:
    """What waits for each carrier, and for clients: the oldest in seconds, speeds in messages a second, and the
    conversion of the last hour. Doubtful are those that the carrier may have already, because no answer was heard."""
    left, console = (times if watch else 1), Console()
    while True:
        found = deployment.read(lambda c: tables.queues(c, deployment.now(), by_account=accounts))
        if watch and not as_json:
            console.clear()  # on a terminal only
        shown = [one for one in found if name in (None, one["carrier"])]
        if name and not shown and name != PRESENCE:
            deployment.read(partial(carriers.fetch, name=name))
        print_many(shown, ACCOUNTS if accounts else COLUMNS, as_json)
        left = None if left is None else left - 1
        if left == 0 or watch is None:
            return
        time.sleep(watch)
