"""`callrouter simulate` and `callrouter phone`, told what the operator's records know."""

import click

from callrouter.carriers.simulator.access import CarrierAccess, CarrierLookup
from callrouter.carriers.simulator.cli import simulate
from callrouter.cli.deployment import Deployment
from callrouter.cli.token import mint_for
from callrouter.directory import carriers
from callrouter.directory.errors import Missing
from callrouter.phone.cli import PhoneDefaults, PhoneLookup, phone

__all__ = ["carrier_lookup", "phone", "simulate"]


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
