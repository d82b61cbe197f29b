"""`callrouter settings`: what the processes will work with."""

import dataclasses
from typing import Any

import click
from sqlalchemy import make_url

from callrouter.cli.deployment import Deployment
from callrouter.cli.output import json_option, print_one
from foundation.settings import Settings

DATABASES = ("router", "presence")
SECRETS = ("turn_secret", "operator_key", "metrics_token")


@click.command()
@json_option
@click.pass_obj
def settings(deployment: Deployment, as_json: bool) -> None:
    """Prints the effective settings, without secrets. Each is the variable CALLROUTER_<NAME>."""
    print_one(effective(deployment.settings), as_json)


def effective(settings: Settings) -> dict[str, Any]:
    """Every option by name; keys only counted, passwords hidden, defaults that depend on others worked out."""
    shown = {option.name: getattr(settings, option.name) for option in dataclasses.fields(settings)}
    shown = {name: list(value) if isinstance(value, tuple) else value for name, value in shown.items()}
    return shown | {
        "data_dir": str(settings.data_dir),
        "secret_keys": f"{len(settings.secret_keys)} given" if settings.secret_keys else "in data_dir",
        "operator_key": "given" if settings.operator_key else "in data_dir",
        **{name: "given" if getattr(settings, name) else "" for name in SECRETS},
        "router_url": settings.router_base(),
        "presence_url": settings.presence_base(),
        "signal_host": settings.signal_name(),
        **{
            f"{name}_database_url": make_url(settings.database_url(name)).render_as_string(hide_password=True)
            for name in DATABASES
        },
    }
