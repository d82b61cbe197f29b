"""`callrouter demo`: everything at once, a call through it, and the proof that it worked."""

import asyncio
import os
import sys
import tempfile
from pathlib import Path

import click
from rich.console import Console

from callrouter.cli.databases import upgrade_databases
from callrouter.cli.deployment import Deployment
from callrouter.console.access import sign_in_link
from callrouter.demo import app, play, stage
from callrouter.processes import Supervisor
from callrouter.scenario.ports import free_port
from foundation.webserver.serve import stop_on_signals

START = f"/console/try?client={play.CLIENT}"
"""The page that the link opens: a button, a phone, and the ladder."""


@click.command()
@click.option(
    "--stay/--no-stay", default=None, help="Keep running afterwards; by default only on a terminal."
)
def demo(stay: bool | None) -> None:
    """Run everything, let a call come in, and show that both sides hear each other.

    Exit code 0 when both tones were heard, else 1.
    """
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory(prefix="callrouter-demo-") as folder:
        os.environ.update(stage.environment(Path(folder)))
        deployment = Deployment()
        try:
            good = asyncio.run(_demo(deployment, console, sys.stdin.isatty() if stay is None else stay))
        except play.DemoFailed as failure:
            raise click.ClickException(str(failure)) from failure
        finally:
            deployment.close()
    if not good:
        raise SystemExit(1)


async def _demo(deployment: Deployment, console: Console, stay: bool) -> bool:
    stop = stop_on_signals()
    settings = deployment.settings
    upgrade_databases(settings)
    customer = app.serve(play.CLIENT)
    running = asyncio.create_task(Supervisor(os.environ).run(stop))
    try:
        console.print(
            "\n[bold]callrouter demo[/]: four processes, two SQLite databases, real sockets, real audio\n"
        )
        await play.until_up([settings.router_base(), settings.presence_base()])
        made = stage.build(
            deployment,
            f"http://127.0.0.1:{customer.server_port}",
            f"http://127.0.0.1:{free_port()}/{stage.CARRIER_NAME}",
        )
        await play.settled(deployment)
        console.print(
            f"  {stage.NUMBER} asks the sample app, which answers <Dial><Client>{play.CLIENT}</Client></Dial>"
        )
        proof = await play.play(deployment, os.environ, console)
        _conclude(console, proof)
        if stay and not stop.is_set():
            link = sign_in_link(deployment.keys, settings.router_base(), then=START)
            _invite(console, settings.router_base(), made, link)
            await stop.wait()
        return proof.good
    finally:
        stop.set()
        await running
        customer.shutdown()


def _conclude(console: Console, proof: play.Proof) -> None:
    mark = "[green]✔[/]" if proof.good else "[red]✘[/]"
    console.print(
        f"\n  {mark} the caller sent {play.CALLER_HZ} Hz, {play.CLIENT} heard {_hertz(proof.client_heard)}"
    )
    console.print(
        f"  {mark} {play.CLIENT} sent {play.CLIENT_HZ} Hz, the caller heard {_hertz(proof.caller_heard)}\n"
    )


def _hertz(heard: float | None) -> str:
    return "nothing" if heard is None else f"{heard:.0f} Hz"


def _invite(console: Console, base: str, made: stage.Stage, link: str) -> None:
    console.print(f"  [bold]Answer a call yourself:[/] open this link, and press “Call {play.CLIENT}”.\n")
    console.print(f"  [cyan]{link}[/]\n", soft_wrap=True)
    where = " ".join(
        f"{name}={os.environ[name]}" for name in ("CALLROUTER_DATA_DIR", "CALLROUTER_ROUTER_BIND")
    )
    console.print("  It works once, for ten minutes. Another one is printed by")
    console.print(f"  {where} callrouter console --page '{START}'\n", soft_wrap=True)
    rest = f"{base}/2010-04-01/Accounts/{made.account_sid}.json"
    console.print(f"  REST: {rest}, auth token {made.auth_token}", soft_wrap=True)
    console.print("  Stop with Ctrl-C.\n")
