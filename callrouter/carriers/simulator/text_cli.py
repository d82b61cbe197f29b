"""`callrouter simulate text`: a phone that writes a message and reads what comes back."""

from __future__ import annotations

import asyncio
import mimetypes
from urllib.parse import urlsplit

import click

from callrouter.audio.narrator import Narrator
from callrouter.carriers.simulator.access import access
from callrouter.carriers.simulator.gateway import SimulatedCarrier
from callrouter.carriers.simulator.link import CallRefused, RouterUnreachable
from callrouter.carriers.simulator.options import (
    INTERRUPTED,
    REFUSED,
    SECONDS,
    UNANSWERED,
    UNREACHABLE,
    carrier_options,
    tell,
)
from foundation.webserver.serve import AddressTaken, stop_on_signals


@click.command("text")
@click.argument("body", default="")
@click.option("--from", "from_", required=True, metavar="NUMBER", help="The phone.")
@click.option("--to", required=True, metavar="NUMBER", help="The number that it writes to.")
@click.option("--media", multiple=True, metavar="URL", help="A picture to go along; may be repeated.")
@click.option("--carrier", "name", default="simulator", show_default=True, help="Which carrier to be.")
@click.option(
    "--wait", type=SECONDS, default=10.0, show_default=True, metavar="S", help="How long to wait for answers."
)
@click.option("--answers", type=click.IntRange(min=0), default=1, show_default=True, help="How many.")
@carrier_options
def text(
    body: str,
    from_: str,
    to: str,
    media: tuple[str, ...],
    name: str,
    wait: float,
    answers: int,
    secret: str | None,
    router_url: str | None,
    listen: str | None,
    as_json: bool,
) -> None:
    """Send BODY into the router, and show the messages to that phone. Exit code: 0 answered, 3 refused, 4 router
    unreachable, 6 not answered, 130 interrupted."""
    key, url, where = access(name, secret, router_url, listen)
    narrator = Narrator(as_json)

    async def write() -> int:
        stop = stop_on_signals()
        async with SimulatedCarrier(name, key, url, listen=where, tell=tell(narrator)) as carrier:
            narrator.say(f"{from_} writes to {to}: {body!r}")
            await carrier.text(from_, to, body, [(each, _content_type(each)) for each in media])
            reading = asyncio.create_task(_read(carrier, from_, answers, wait, narrator))
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait([reading, stopping], return_when=asyncio.FIRST_COMPLETED)
            return reading.result() if reading.done() else INTERRUPTED

    try:
        code = asyncio.run(write())
    except CallRefused as refused:
        narrator.say(f"the router refused the message: {refused}")
        code = REFUSED
    except AddressTaken as fault:
        narrator.say(
            f"{fault}: another program, perhaps another simulator, is carrier {name!r} there; stop it first"
        )
        code = UNREACHABLE
    except RouterUnreachable as fault:
        narrator.say(str(fault))
        code = UNREACHABLE
    raise SystemExit(code)


async def _read(carrier: SimulatedCarrier, phone: str, answers: int, wait: float, narrator: Narrator) -> int:
    """The exit code, when so many messages have come to the phone or the time is over."""
    try:
        async with asyncio.timeout(wait):
            while answers:
                message = await carrier.inbox()
                if message.to == phone:
                    narrator.report(message)
                    answers -= 1
    except TimeoutError:
        return UNANSWERED
    return 0


def _content_type(url: str) -> str:
    """A guess: the router believes only what comes."""
    return mimetypes.guess_type(urlsplit(url).path)[0] or "application/octet-stream"
