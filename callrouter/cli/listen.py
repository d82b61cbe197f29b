"""`callrouter listen`: while it runs, numbers ask the app that a developer works on."""

import json
import signal
import socket
import threading
from ipaddress import ip_address
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

import click
from rich.console import Console

from callrouter.cli import forwarding
from callrouter.cli.deployment import Deployment
from callrouter.cli.forwarding import Forwarding
from callrouter.cli.ladder import safe
from callrouter.cli.output import account_option
from callrouter.directory import numbers
from callrouter.directory.errors import Missing
from callrouter.directory.numbers import Number
from callrouter.directory.rows import values
from callrouter.directory.webhooks import url as checked_url
from callrouter.ladders import feed
from callrouter.ladders.text import explained
from callrouter.models import PhoneNumber
from foundation.outbound.errors import Refused as UrlRefused
from foundation.outbound.guard import Guard

PAUSE = 0.4
"""Seconds between two looks."""


@click.command()
@click.option(
    "--forward-to", "target", metavar="URL", help="Your app, such as http://localhost:5000 or …:5000/voice."
)
@click.option(
    "--number", "wanted", metavar="+1555…", multiple=True, help="Only this number; may be repeated."
)
@click.option("--all", "everything", is_flag=True, help="All numbers of the account.")
@click.option("--restore", is_flag=True, help="Only give back what a process left that died.")
@click.option("--for", "seconds", type=click.FloatRange(0, 86400), help="End after so many seconds.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line.")
@account_option
@click.pass_obj
def listen(
    deployment: Deployment,
    target: str | None,
    wanted: tuple[str, ...],
    everything: bool,
    restore: bool,
    seconds: float | None,
    as_json: bool,
    account_sid: str | None,
) -> None:
    """Lets numbers ask the app that you work on, and prints every request with its answer, until Ctrl-C.

    Calls, messages and status callbacks of the numbers go to --forward-to: to the path that each URL has now, unless
    you give one. Afterwards the numbers ask what they asked before; after a crash, the next `callrouter listen` sees to
    it. No tunnel is needed: the router must only be allowed to call your machine.
    """
    account = deployment.account(account_sid)
    for number in forwarding.mend(deployment):
        click.echo(f"{number} asks again what it asked before a listener died", err=True)
    if restore:
        return
    if target is None:
        raise click.UsageError("Say where your app is, such as --forward-to http://localhost:5000.")
    chosen = _chosen(deployment, account.account_sid, wanted, everything)
    check_target(deployment, target)
    stop = _stop_on_signals()
    start = deployment.now()
    with Forwarding(deployment, chosen, target):
        for one in chosen:
            click.echo(f"{one.phone_number} asks {target}; Ctrl-C gives it back", err=True)
        _print_requests(deployment, account.account_sid, start, stop, seconds, as_json)
    click.echo("all numbers ask again what they asked before", err=True)


def check_target(deployment: Deployment, target: str) -> None:
    """ClickException when the router would refuse to call it, with the setting that allows it."""
    checked_url("--forward-to", target)
    guard = Guard.of(deployment.settings.outbound_allow)
    try:
        parsed = guard.check_url(target)
    except UrlRefused as refused:
        host = urlsplit(target).hostname or ""
        raise click.ClickException(_remedy(target, str(refused.reason), host)) from refused
    try:
        found = {info[4][0] for info in socket.getaddrinfo(parsed.host, parsed.port, type=socket.SOCK_STREAM)}
    except OSError as error:
        raise click.ClickException(f"{parsed.host} has no address: {error.strerror or error}") from error
    refusals = []
    for address in found:
        try:
            guard.check_address(parsed, ip_address(str(address).partition("%")[0]))
            return
        except UrlRefused as refused:
            refusals.append(str(refused.reason))
    raise click.ClickException(_remedy(target, refusals[0], parsed.host))


def _remedy(target: str, reason: str, host: str) -> str:
    block = "127.0.0.0/8" if host == "localhost" or host.startswith("127.") else host
    return (
        f"the router may not call {target} ({reason}); "
        f"start it, and this command, with CALLROUTER_OUTBOUND_ALLOW={block}"
    )


def _chosen(deployment: Deployment, owner: str, wanted: tuple[str, ...], everything: bool) -> list[Number]:
    """The numbers that are meant: the named ones, all, or the only one."""
    query = numbers.listed(owner).order_by(PhoneNumber.phone_number)
    mine = deployment.read(lambda c: values(Number, c, query))
    if not mine:
        raise click.ClickException("the account has no number yet; run `callrouter number create +1555…`")
    if wanted:
        by_name = {one.phone_number: one for one in mine} | {one.sid: one for one in mine}
        for name in wanted:
            if name not in by_name:
                raise Missing(f"Phone number {name}")
        chosen = [by_name[name] for name in dict.fromkeys(wanted)]
    elif everything or len(mine) == 1:
        chosen = mine
    else:
        raise click.UsageError("The account has several numbers: name one by --number, or take --all.")
    taken = forwarding.busy(deployment)
    for one in chosen:
        if one.sid in taken:
            raise click.ClickException(
                f"{one.phone_number} is forwarded already, by process {taken[one.sid]}; stop that one first"
            )
    return chosen


def _print_requests(
    deployment: Deployment,
    owner: str,
    start: float,
    stop: threading.Event,
    seconds: float | None,
    as_json: bool,
) -> None:
    console, cursor = Console(highlight=False, soft_wrap=True), feed.beginning(start)
    ends = None if seconds is None else deployment.now() + seconds
    while not stop.is_set() and (ends is None or deployment.now() < ends):
        items, cursor = deployment.read(lambda c, place=cursor: feed.since(c, owner, place))  # type: ignore[misc]
        for item in items:
            if item["kind"] == "row":
                continue
            if as_json:
                click.echo(json.dumps(item))
            else:
                console.print(*_lines(item), sep="\n")
        if not items:
            stop.wait(PAUSE)


def _lines(item: dict[str, Any]) -> list[str]:
    """What is printed for a request or a fault; all text of others is plain."""
    clock = f"[dim]{(item['at'] or '')[11:23]}[/]"
    if item["kind"] == "fault":
        colour = "red" if item["level"] == "error" else "yellow"
        first, *rest = map(safe, explained(item))
        return [f"{clock} [{colour}]{first}[/]", *rest]
    status = item["response_status"]
    colour = "green" if status and status < 300 else "red"
    told = status or f"no answer ({item['error_code']})"
    return [
        f"{clock} [{colour}]{told:<3}[/] {safe(item['method'])} {safe(item['url'])} "
        f"{item['duration_ms']} ms [dim]{safe(item['sid'] or '')}[/]"
    ]


def _stop_on_signals() -> threading.Event:
    """Set by Ctrl-C, by SIGTERM, and when the terminal goes away; the numbers are given back in all three cases."""
    stop = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, end)
    return stop
