"""`callrouter doctor`: is this deployment in order, and if not, what is to be done?"""

import dataclasses

import click
from rich.console import Console
from rich.markup import escape

from callrouter.cli import checks, checks_running
from callrouter.cli.checks import Finding, State
from callrouter.cli.deployment import Deployment
from callrouter.cli.output import json_option, print_many
from foundation.settings import SettingsError

COLOURS = {State.OK: "green", State.NOTE: "yellow", State.FAULT: "red"}


@click.command()
@json_option
@click.pass_obj
@click.pass_context
def doctor(context: click.Context, deployment: Deployment, as_json: bool) -> None:
    """Looks at settings, keys, databases, clocks, disk, ports, the public URL, certificates, signatures and queues.

    Each finding says what to do about it. Exit code 1: there is a fault."""
    findings = examine(deployment)
    if as_json:
        print_many([dataclasses.asdict(one) for one in findings], (), as_json)
    else:
        console = Console(highlight=False, soft_wrap=True)
        for one in findings:
            console.print(f"[{COLOURS[one.state]}]{one.state:<5}[/] {one.check:<18} {escape(one.detail)}")
            if one.remedy:
                console.print(f"{'':<25}→ {escape(one.remedy)}")
    if any(one.state is State.FAULT for one in findings):
        context.exit(1)


def examine(deployment: Deployment) -> list[Finding]:
    """All findings; without settings there is nothing more to look at."""
    try:
        settings = deployment.settings
    except SettingsError as error:
        return [Finding(check="settings", state=State.FAULT, detail=" ".join(str(error).split()))]
    return [
        Finding(check="settings", state=State.OK, detail="read"),
        checks.data_dir(settings),
        *(checks.database(settings, name) for name in ("router", "presence")),
        checks.keys(deployment),
        checks.clock(deployment),
        checks.certificate(settings, deployment.now()),
        checks.speech(settings),
        checks.recognition(settings),
        checks_running.disk(settings),
        *checks.processes(settings),
        checks_running.public_url(settings),
        checks_running.tls(settings),
        *checks_running.signatures(deployment),
        *checks_running.stored(deployment),
    ]
