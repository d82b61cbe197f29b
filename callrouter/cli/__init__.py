"""The command line: `callrouter NOUN VERB`, one file per noun.

It works on the database directly, so the servers need not run; only who is there, the presence server alone knows.
Exit codes: 0 done; 1 refused or not found, with the reason in one line on standard error; 2 wrong usage. `--json`
prints the same facts in a stable shape.
"""

import click

from callrouter import __version__
from callrouter.cli.commands import Commands
from callrouter.cli.deployment import Deployment
from callrouter.cli.summaries import SUMMARIES

MODULES = {
    "account": "account",
    "app": "app",
    "backup": "backup",
    "callerid": "callerid",
    "calls": "calls",
    "carrier": "carrier",
    "client": "client",
    "completion": "completion",
    "console": "console",
    "contacts": "contacts",
    "db": "db",
    "demo": "demo",
    "destination": "destination",
    "doctor": "doctor",
    "export": "exports",
    "import": "imports",
    "key": "key",
    "listen": "listen",
    "messages": "messages",
    "number": "number",
    "phone": "devices",
    "presence": "presence",
    "restore": "backup",
    "run": "run",
    "settings": "settings",
    "shortcode": "shortcode",
    "simulate": "devices",
    "status": "status",
    "tail": "tail",
    "token": "token",
    "trigger": "trigger",
    "up": "run",
}
"""Every command and the module that has it."""


@click.group(
    cls=Commands,
    modules=MODULES,
    summaries=SUMMARIES,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="callrouter")
@click.pass_context
def main(context: click.Context) -> None:
    """A self-hosted, Twilio-compatible call and message router with client presence.

    Settings are environment variables; `callrouter settings` shows them.
    """
    context.obj = Deployment()
    context.call_on_close(context.obj.close)
