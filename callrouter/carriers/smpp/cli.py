"""`callrouter run smpp`: one gateway, for one carrier and one SMSC."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import click

from callrouter.carriers.simulator.access import access
from callrouter.carriers.smpp import pdu
from callrouter.carriers.smpp.gateway import Gateway, Options
from callrouter.carriers.smpp.link import Bind
from callrouter.carriers.smpp.receipts import Ids
from callrouter.carriers.smpp.session import Smsc
from foundation import logs
from foundation.db import DatabaseUnusable
from foundation.settings import address, load
from foundation.webserver.serve import AddressTaken, stop_on_signals

PLAIN_PORT = 2775


@click.command("smpp")
@click.option("--carrier", required=True, metavar="NAME", help="The carrier that this link is to the router.")
@click.option("--smsc", required=True, metavar="HOST:PORT", help=f"The SMSC; the usual port is {PLAIN_PORT}.")
@click.option("--system-id", required=True, help="Our name there.")
@click.option("--password", required=True, envvar="SMPP_PASSWORD", show_envvar=True, help="At most 8.")
@click.option("--system-type", default="", help="As the SMSC's operator says; mostly nothing.")
@click.option(
    "--bind",
    type=click.Choice([bind.name.lower() for bind in Bind]),
    default="transceiver",
    show_default=True,
    help="One session for both directions, or a receiver and a transmitter.",
)
@click.option("--tls", is_flag=True, help="Speak TLS, and verify the SMSC's certificate.")
@click.option("--tls-ca", type=click.Path(exists=True, dir_okay=False), help="PEM file to verify it by.")
@click.option(
    "--window",
    type=click.IntRange(1, 1000),
    default=10,
    show_default=True,
    help="Requests without an answer.",
)
@click.option(
    "--rate",
    type=click.FloatRange(0.1, 10_000),
    default=20.0,
    show_default=True,
    help="Segments in a second.",
)
@click.option(
    "--enquire",
    type=click.FloatRange(1, 600),
    default=30.0,
    show_default=True,
    metavar="S",
    help="Seconds between enquire_link requests.",
)
@click.option(
    "--answer",
    type=click.FloatRange(1, 120),
    default=30.0,
    show_default=True,
    metavar="S",
    help="How long the SMSC may take for an answer.",
)
@click.option(
    "--receipt-ids",
    type=click.Choice([ids.value for ids in Ids]),
    default="same",
    show_default=True,
    help="How receipts write the message ids: as the answers do, or converted.",
)
@click.option(
    "--parts",
    type=click.FloatRange(1, 86_400),
    default=180.0,
    show_default=True,
    metavar="S",
    help="How long missing parts of a phone's message are awaited.",
)
@click.option(
    "--store",
    type=click.Path(path_type=Path, dir_okay=False),
    help="SQLite file of this gateway; without it smpp-NAME.sqlite3 in the data directory.",
)
@click.option(
    "--secret", envvar="SMPP_CARRIER_SECRET", show_envvar=True, help="The carrier's secret, if not on record."
)
@click.option("--router", "router_url", metavar="URL", help="The router's base URL.")
@click.option("--listen", metavar="HOST:PORT", help="Where messages arrive: the carrier's control URL.")
def smpp(
    carrier: str,
    smsc: str,
    system_id: str,
    password: str,
    system_type: str,
    bind: str,
    tls: bool,
    tls_ca: str | None,
    window: int,
    rate: float,
    enquire: float,
    answer: float,
    receipt_ids: str,
    parts: float,
    store: Path | None,
    secret: str | None,
    router_url: str | None,
    listen: str | None,
) -> None:
    """An SMPP 3.4 link for a carrier's messages: see docs/how-to/smpp.md."""
    try:
        host, port = address(smsc)
        pdu.bind(system_id, password, system_type)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    settings = load()
    logs.configure(settings, "smpp")
    key, url, where = access(carrier, secret, router_url, listen)
    options = Options(
        carrier=carrier,
        secret=key,
        router_url=url,
        listen=where,
        store=store or settings.data_dir / f"smpp-{carrier}.sqlite3",
        smsc=Smsc(
            host=host,
            port=port,
            system_id=system_id,
            password=password,
            system_type=system_type,
            tls=ssl.create_default_context(cafile=tls_ca) if tls else None,
            answer_seconds=answer,
            enquire_seconds=enquire,
        ),
        bind=Bind[bind.upper()],
        window=window,
        rate=rate,
        ids=Ids(receipt_ids),
        piece_seconds=parts,
    )
    try:
        asyncio.run(_run(options))
    except (AddressTaken, DatabaseUnusable) as error:
        raise click.ClickException(str(error)) from error


async def _run(options: Options) -> None:
    stop = stop_on_signals()
    async with Gateway(options):
        await stop.wait()
