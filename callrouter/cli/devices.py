"""`callrouter simulate` and `callrouter phone`, told what the operator's records know."""

from typing import Any

import click

from callrouter.carriers.simulator.access import CarrierAccess, CarrierLookup
from callrouter.carriers.simulator.cli import simulate as carrier_simulate
from callrouter.cli.deployment import Deployment
from callrouter.cli.token import mint_for
from callrouter.directory import carriers
from callrouter.directory.errors import Missing
from callrouter.phone.cli import PhoneDefaults, PhoneLookup, phone
from callrouter.scenario.cli import scenario

__all__ = ["carrier_lookup", "phone", "simulate"]


class _Simulate(click.Group):
    """What is neither an option nor one of its commands is the file of a scenario."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        first = next((word for word in args if word == "-" or not word.startswith("-")), None)
        if first is not None and first not in self.commands:
            args = ["scenario", *args]
        return super().parse_args(ctx, args)

    def format_usage(self, ctx: click.Context, formatter: Any) -> None:
        formatter.write_usage(ctx.command_path, "FILE.scenario… | COMMAND [OPTIONS]")


simulate = _Simulate(
    "simulate",
    commands={**carrier_simulate.commands, "scenario": scenario},
    help="Play FILE.scenario on a callrouter of its own, or be a carrier made of software: it brings calls and "
    "messages to the router and takes them from it.",
)


def _carrier(name: str) -> CarrierAccess:
    deployment = _deployment()
    try:
        known = deployment.read(lambda connection: carriers.fetch(connection, name))
    except Missing as missing:
        remedy = f"make it with `callrouter carrier create {name} --control-url http://127.0.0.1:9000/{name}`"
        raise click.ClickException(f"there is no carrier {name}; {remedy}") from missing
    return CarrierAccess(
        router_url=deployment.settings.router_base(),
        secret=deployment.keys.open(known.secrets_sealed[0]),
        control_url=known.control_url,
    )


def _phone() -> PhoneDefaults:
    deployment = _deployment()
    settings = deployment.settings
    authority = settings.data_dir / "tls" / "ca.pem"
    return PhoneDefaults(
        mint=lambda identity: mint_for(deployment, identity),
        signal=settings.signal_name(),
        ca=authority if not settings.tls_certificate and authority.exists() else None,
    )


def _deployment() -> Deployment:
    found = click.get_current_context().find_object(Deployment)
    if found is None:
        raise click.ClickException("this command belongs to `callrouter`")
    return found


carrier_lookup = CarrierLookup(find=_carrier)
simulate.context_settings["obj"] = carrier_lookup
phone.context_settings["obj"] = PhoneLookup(find=_phone)
