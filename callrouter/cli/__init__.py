"""The `callrouter` command."""

import click

from callrouter.cli.run import run, up


@click.group()
def main() -> None:
    """Run and look after callrouter."""


main.add_command(run)
main.add_command(up)
