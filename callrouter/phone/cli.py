"""`callrouter phone`: a client device on the command line."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from callrouter.audio.narrator import Narrator
from callrouter.audio.options import digits_option, record_option, sound, sound_options
from callrouter.phone.connection import PhoneRefused, SignalUnreachable
from callrouter.phone.phone import Phone
from callrouter.phone.script import INTERRUPTED, REFUSED, UNREACHABLE, PhoneScript, Reply, place, take
from foundation.webserver.serve import stop_on_signals


@dataclass(frozen=True, kw_only=True)
class PhoneDefaults:
    """What the operator's settings know. `mint` makes an access token for an identity.

    It raises click.ClickException when it can't.
    """

    mint: Callable[[str], str]
    signal: str
    ca: Path | None = None


@dataclass(frozen=True, kw_only=True)
class PhoneLookup:
    """`callrouter` passes one as click's context object; it is asked only when the command runs."""

    find: Callable[[], PhoneDefaults]


@click.command()
@click.option("--identity", help="Who to be; the token is made for it.")
@click.option("--token", help="An access token, instead of --identity.", envvar="CALLROUTER_PHONE_TOKEN")
@click.option("--signal", metavar="HOST[:PORT]", help="The presence server's signalling address.")
@click.option(
    "--ca", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Its authority (PEM)."
)
@click.option("--call", "call_to", metavar="TO", help="Place a call instead of waiting for one.")
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="A further parameter of --call.")
@click.option("--answer-after", type=float, default=1.0, show_default=True, metavar="S")
@click.option("--reject", "reply", flag_value="reject", help="Reject every call.")
@click.option("--ignore", "reply", flag_value="ignore", help="Let every call ring.")
@click.option("--give-up-after", type=float, default=60.0, show_default=True, metavar="S", help="For --call.")
@click.option("--hangup-after", type=float, default=3600.0, metavar="S", help="So long after the answer.")
@sound_options
@record_option
@digits_option
@click.option("--once", is_flag=True, help="Leave after one call.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def phone(
    identity: str | None,
    token: str | None,
    signal: str | None,
    ca: Path | None,
    call_to: str | None,
    params: tuple[str, ...],
    answer_after: float,
    reply: str | None,
    give_up_after: float,
    hangup_after: float,
    tone: float | None,
    wav: Path | None,
    record: Path | None,
    digits: str,
    once: bool,
    as_json: bool,
) -> None:
    """A client phone: registers, answers calls (or places one) with real audio, and says what it hears.

    Exit code of one call (--once, --call): 0 answered and completed, 3 refused by the server, 4 server
    unreachable, 5 busy or rejected, 6 not answered, 7 answered but no audio came, 130 interrupted.
    """
    lookup = click.get_current_context().find_object(PhoneLookup)
    defaults = lookup.find() if lookup and not (token and signal) else None
    if bool(identity) == bool(token):
        raise click.UsageError("Give either --identity or --token.")
    if identity and not defaults:
        raise click.UsageError("--identity needs the operator's settings, not at hand here: give --token.")
    mint = _minting(defaults, identity)
    script = PhoneScript(
        reply=Reply(reply or "answer"),
        answer_after=answer_after,
        give_up_after=give_up_after,
        hangup_after=hangup_after,
        digits=digits,
    )
    narrator = Narrator(as_json)
    said = sound(tone, wav)
    if wrong := [pair for pair in params if "=" not in pair]:
        raise click.UsageError(f"--param is NAME=VALUE, not {wrong[0]!r}")
    extra = dict(pair.split("=", 1) for pair in params)

    async def run() -> int:
        where = signal or (defaults.signal if defaults else "localhost:8443")
        trusted = ca or (defaults.ca if defaults else None)
        first = token or await mint()
        async with Phone(
            where,
            first,
            ca=trusted,
            source=said,
            record=lambda _sid: record,
            renew=mint if identity else None,
        ) as device:
            outgoing = {"To": call_to, **extra} if call_to else None
            work = asyncio.create_task(_live(device, script, narrator, outgoing, once))
            stopping = asyncio.create_task(stop_on_signals().wait())
            await asyncio.wait([work, stopping], return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if work.done():
                return work.result()
            return INTERRUPTED if once or outgoing else 0

    try:
        code = asyncio.run(run())
    except PhoneRefused as refused:
        narrator.say(f"the server refused this phone: {refused}")
        code = REFUSED
    except SignalUnreachable as fault:
        narrator.say(f"the server can't be reached: {fault}")
        code = UNREACHABLE
    raise SystemExit(code)


async def _live(
    device: Phone, script: PhoneScript, narrator: Narrator, outgoing: Mapping[str, str] | None, once: bool
) -> int:
    if outgoing is not None:
        return await place(device, outgoing, script, narrator)
    narrator.say(f"registered as {await device.register()}")
    while True:
        code = await take(device, script, narrator)
        if once:
            return code


def _minting(defaults: PhoneDefaults | None, identity: str | None) -> Callable[[], Awaitable[str]]:
    async def mint() -> str:
        assert defaults is not None, "the options were checked"
        return await asyncio.to_thread(defaults.mint, identity or "")

    return mint
