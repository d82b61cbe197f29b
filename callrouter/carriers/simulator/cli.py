"""`callrouter simulate`: a carrier on the command line, and its calls."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from callrouter.audio.narrator import Narrator
from callrouter.audio.options import digits_option, record_option, sound, sound_options
from callrouter.carriers.simulator.access import access
from callrouter.carriers.simulator.call import SimulatedCall
from callrouter.carriers.simulator.gateway import SimulatedCarrier
from callrouter.carriers.simulator.link import CallRefused, RouterUnreachable
from callrouter.carriers.simulator.options import (
    DEAF,
    INTERRUPTED,
    REFUSED,
    UNREACHABLE,
    carrier_options,
    tell,
    texting_options,
    texting_script,
)
from callrouter.carriers.simulator.script import DialScript, Outcome
from callrouter.carriers.simulator.talk import talk
from callrouter.carriers.simulator.text_cli import text
from foundation.webserver.serve import AddressTaken, stop_on_signals


@click.group()
def simulate() -> None:
    """A carrier made of software: it brings calls and messages to the router and takes them from it."""


simulate.add_command(text)


@simulate.command("call")
@click.option("--from", "from_", required=True, metavar="NUMBER", help="The caller.")
@click.option("--to", required=True, metavar="NUMBER", help="The number that is called.")
@click.option("--carrier", "name", default="simulator", show_default=True, help="Which carrier to be.")
@sound_options
@record_option
@digits_option
@click.option("--give-up-after", type=float, default=60.0, show_default=True, metavar="S")
@click.option(
    "--hangup-after", type=float, default=3600.0, metavar="S", help="Hang up so long after the answer."
)
@carrier_options
def call(
    from_: str,
    to: str,
    name: str,
    tone: float | None,
    wav: Path | None,
    record: Path | None,
    digits: str,
    give_up_after: float,
    hangup_after: float,
    secret: str | None,
    router_url: str | None,
    listen: str | None,
    as_json: bool,
) -> None:
    """Place one call into the router. Exit code: 0 answered and completed, 3 refused, 4 router unreachable,
    5 busy or rejected, 6 not answered, 7 answered but no audio came, 130 interrupted."""
    key, url, where = access(name, secret, router_url, listen)
    said, narrator = sound(tone, wav), Narrator(as_json)

    async def place() -> int:
        stop = stop_on_signals()
        async with SimulatedCarrier(name, key, url, listen=where, tell=tell(narrator)) as carrier:
            narrator.say(f"{from_} calls {to}")
            placed = await carrier.call(from_, to, source=said, record=record)
            talking = asyncio.create_task(talk(placed, digits, give_up_after, hangup_after))
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait([talking, stopping], return_when=asyncio.FIRST_COMPLETED)
            code = talking.result() if talking.done() else INTERRUPTED
            await placed.hangup()
            narrator.report(placed.report())
            return code or (0 if placed.report().packets_received else DEAF)

    try:
        code = asyncio.run(place())
    except CallRefused as refused:
        narrator.say(f"the router refused the call: {refused}")
        code = REFUSED
    except (RouterUnreachable, AddressTaken) as fault:
        narrator.say(str(fault))
        code = UNREACHABLE
    raise SystemExit(code)


@simulate.command("carrier")
@click.option("--name", default="simulator", show_default=True, help="Which carrier to be.")
@click.option("--answer-after", type=float, default=1.0, show_default=True, metavar="S")
@click.option("--busy", "outcome", flag_value="busy", help="Every called number is busy.")
@click.option("--no-answer", "outcome", flag_value="no-answer", help="They ring and nobody answers.")
@click.option("--reject", "outcome", flag_value="rejected", help="They refuse.")
@click.option("--fail", "outcome", flag_value="failed", help="They can't be reached.")
@click.option("--hangup-after", type=float, metavar="S", help="They hang up so long after the answer.")
@sound_options
@click.option(
    "--record", type=click.Path(path_type=Path, file_okay=False), help="Folder: a WAV file per call."
)
@texting_options
@carrier_options
def carrier(
    name: str,
    answer_after: float,
    outcome: str | None,
    hangup_after: float | None,
    tone: float | None,
    wav: Path | None,
    record: Path | None,
    secret: str | None,
    router_url: str | None,
    listen: str | None,
    as_json: bool,
    **texting: Any,
) -> None:
    """Stand by as a carrier that takes the router's outgoing calls and messages, until interrupted."""
    key, url, where = access(name, secret, router_url, listen)
    script = DialScript(
        outcome=Outcome(outcome or "answer"),
        answer_after=answer_after,
        hangup_after=hangup_after,
        source=sound(tone, wav),
    )
    narrator = Narrator(as_json)

    def file(call_sid: str) -> Path | None:
        return None if record is None else record / f"{_file_name(call_sid)}.wav"

    async def stand() -> None:
        stop = stop_on_signals()
        async with SimulatedCarrier(
            name,
            key,
            url,
            listen=where,
            script=script,
            texting=texting_script(texting),
            seed=texting["seed"],
            record=file,
            tell=tell(narrator),
        ) as standing:
            narrator.say(f"carrier {name} takes calls and messages at {standing.control_url}")
            waiting = asyncio.create_task(stop.wait())
            while not stop.is_set():
                dialled = asyncio.create_task(standing.dialled())
                await asyncio.wait([waiting, dialled], return_when=asyncio.FIRST_COMPLETED)
                if dialled.done():
                    _report_at_end(dialled.result(), narrator)
                else:
                    dialled.cancel()

    if record is not None:
        record.mkdir(parents=True, exist_ok=True)
    try:
        asyncio.run(stand())
    except AddressTaken as fault:
        narrator.say(str(fault))
        raise SystemExit(UNREACHABLE) from fault


def _report_at_end(call: SimulatedCall, narrator: Narrator) -> None:
    call.ended.add_done_callback(lambda _: narrator.report(call.report()))


def _file_name(call_sid: str) -> str:
    """The router names the call: nothing of it may lead out of the folder."""
    return "".join(letter for letter in call_sid if letter.isalnum())[:64] or "call"
