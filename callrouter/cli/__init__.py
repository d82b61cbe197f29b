"""The command line: `callrouter NOUN VERB`, one file per noun.

It works on the database directly, so the servers need not run. Exit codes: 0 done; 1 refused or not found, with the
reason in one line on standard error; 2 wrong usage. `--json` prints the same facts in a stable shape.
"""

import click

from callrouter import __version__
from callrouter.cli.account import account
from callrouter.cli.app import app
from callrouter.cli.calls import calls
from callrouter.cli.carrier import carrier
from callrouter.cli.db import db
from callrouter.cli.demo import demo
from callrouter.cli.deployment import Deployment
from callrouter.cli.devices import phone, simulate
from callrouter.cli.doctor import doctor
from callrouter.cli.faults import Commands
from callrouter.cli.key import key
from callrouter.cli.number import number
from callrouter.cli.run import run, up
from callrouter.cli.settings import settings
from callrouter.cli.token import token


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="callrouter")
@click.pass_context
def main(context: click.Context) -> None:
    """A self-hosted, Twilio-compatible call and message router with client presence.

    Settings are environment variables; `callrouter settings` shows them.
    """
    context.obj = Deployment()
    context.call_on_close(context.obj.close)


for _command in (
    account,
    app,
    calls,
    carrier,
    db,
    demo,
    doctor,
    key,
    number,
    phone,
    run,
    settings,
    simulate,
    token,
    up,
):
    main.add_command(_command)
