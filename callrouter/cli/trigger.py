"""`callrouter trigger`: makes something happen on the deployment that runs, by a simulated carrier."""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import click
from sqlalchemy import Connection, select

from callrouter import models
from callrouter.audio.narrator import Narrator
from callrouter.audio.options import digits_option, sound, sound_options
from callrouter.audio.sources import Sound, Source
from callrouter.audio.wav import read_wav
from callrouter.calls import recovery
from callrouter.calls.status import Status
from callrouter.carriers.simulator.call import Cause, SimulatedCall
from callrouter.carriers.simulator.gateway import SimulatedCarrier
from callrouter.carriers.simulator.link import CallRefused, RouterLink, RouterUnreachable
from callrouter.carriers.simulator.options import INTERRUPTED, REFUSED, UNREACHABLE
from callrouter.carriers.simulator.talk import talk
from callrouter.cli import standin
from callrouter.cli.deployment import Deployment
from callrouter.cli.happenings import Happenings
from callrouter.cli.output import account_option, json_option, print_one
from callrouter.directory import carriers
from callrouter.directory.errors import Missing, Refused
from callrouter.ladders.text import plain
from callrouter.media.speech import engines
from callrouter.media.speech.speaker import SpeechFailed, Utterance
from foundation.sids import is_sid, new_sid
from foundation.webserver.serve import AddressTaken, stop_on_signals

LOOK_SECONDS = 0.3
"""Between two looks at what the router has written down about the call."""
JUST_NOW = 5.0
"""Seconds: the router wrote down that the call came before we knew that it had."""
TAKEN_SECONDS = 5.0
"""For which the router may still be writing when the call is over here."""
AWAY_SECONDS = 20.0
"""For which no router need hold a lease, which outlives its router by half a minute: one is being started again."""
KEYS = frozenset("0123456789*#")

carrier_option = click.option(
    "--carrier", "name", help="Which carrier to be; by default a simulator, made when there is none."
)


@click.group()
def trigger() -> None:
    """Make something happen on the running deployment: a call comes, a message comes, a caller presses or hangs up.

    Nothing is faked in the router: a simulated carrier speaks the carrier protocol with it, sound and all.
    """


@trigger.command("incoming-call")
@click.option(
    "--from", "caller", default="+14155550100", show_default=True, metavar="NUMBER", help="The caller."
)
@click.option("--to", required=True, metavar="NUMBER", help="The number of yours that is called.")
@click.option("--say", metavar="TEXT", help="What the caller says, spoken by the engine of <Say>.")
@sound_options
@digits_option
@click.option("--give-up-after", type=float, default=60.0, show_default=True, metavar="S")
@click.option(
    "--hangup-after", type=float, default=3600.0, metavar="S", help="Hang up so long after the answer."
)
@carrier_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@click.pass_obj
def incoming_call(
    deployment: Deployment,
    caller: str,
    to: str,
    say: str | None,
    tone: float | None,
    wav: Path | None,
    digits: str,
    give_up_after: float,
    hangup_after: float,
    name: str | None,
    as_json: bool,
) -> None:
    """Lets a call come in, and prints what happens until it is over; Ctrl-C hangs up.

    Exit code: 0 answered, 3 refused, 4 the router is not reached, 5 busy or rejected, 6 not answered, 130 interrupted.
    """
    said = sound(tone, wav) if say is None else _spoken(deployment, say)
    narrator = Narrator(as_json)

    async def place(carrier: SimulatedCarrier) -> int:
        stop = stop_on_signals()
        narrator.say(f"{caller} calls {to}")
        call = await carrier.call(caller, to, source=said)
        narrator.say(f"the call is {call.call_sid}", call.call_sid)
        watching = asyncio.create_task(_watch(deployment, call, narrator))
        talking = asyncio.create_task(talk(call, digits, give_up_after, hangup_after))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([talking, stopping, watching], return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            watching.result()  # raises when nobody is there any more who could be told of the end
        code = talking.result() if talking.done() else 0 if watching.done() else INTERRUPTED
        await call.hangup()
        with suppress(TimeoutError):
            await asyncio.wait_for(watching, TAKEN_SECONDS)
        narrator.report(call.report())
        if not as_json:
            click.echo(f"  callrouter calls show {call.call_sid}   shows all of it")
        return code

    raise SystemExit(_as_carrier(deployment, name, narrator, place))


@trigger.command()
@click.option(
    "--from", "phone", default="+14155550100", show_default=True, metavar="NUMBER", help="The phone."
)
@click.option("--to", required=True, metavar="NUMBER", help="The number of yours that it writes to.")
@click.argument("text")
@click.option(
    "--wait", type=float, default=5.0, show_default=True, metavar="S", help="How long to wait for an answer."
)
@carrier_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@click.pass_obj
def sms(
    deployment: Deployment, phone: str, to: str, text: str, wait: float, name: str | None, as_json: bool
) -> None:
    """Lets a message with this TEXT come in, prints its SID, and the answer if one comes soon.

    Exit code: 0 taken, 3 refused, 4 the router is not reached.
    """
    narrator = Narrator(as_json)

    async def write(carrier: SimulatedCarrier) -> int:
        taken = await carrier.text(phone, to, text)
        narrator.say(f"the message is {taken.message_sid}", taken.message_sid)
        with suppress(TimeoutError):
            answer = await asyncio.wait_for(carrier.inbox(), wait)
            narrator.say(plain(f"{answer.to} gets {answer.body!r} from {answer.from_}"), answer.message_sid)
        if not as_json:
            click.echo(f"  callrouter messages show {taken.message_sid}   shows what became of it")
        return 0

    raise SystemExit(_as_carrier(deployment, name, narrator, write))


@trigger.command()
@click.argument("sid", metavar="CA…")
@account_option
@json_option
@click.pass_obj
def hangup(deployment: Deployment, sid: str, account_sid: str | None, as_json: bool) -> None:
    """Lets the phone at the other end of a call that lives hang up."""
    _tell(deployment, account_sid, sid, {"type": "hangup", "cause": Cause.NORMAL})
    print_one({"call_sid": sid, "triggered": "hangup"}, as_json)


@trigger.command()
@click.argument("sid", metavar="CA…")
@click.argument("digits")
@account_option
@json_option
@click.pass_obj
def dtmf(deployment: Deployment, sid: str, digits: str, account_sid: str | None, as_json: bool) -> None:
    """Lets the phone at the other end of a call that lives press DIGITS: of 0 to 9, * and #."""
    if not digits or set(digits) - KEYS:
        raise click.UsageError(f"{digits!r} are no keys: give some of 0 to 9, * and #, such as 1 or 42#.")
    _tell(deployment, account_sid, sid, {"type": "dtmf", "digits": digits})
    print_one({"call_sid": sid, "triggered": "dtmf", "digits": digits}, as_json)


def _as_carrier(
    deployment: Deployment,
    name: str | None,
    narrator: Narrator,
    act: Callable[[SimulatedCarrier], Awaitable[int]],
) -> int:
    """Acts as the first of the simulators whose address is free, and answers with the exit code."""

    async def run(name: str) -> int:
        known = standin.ensure(deployment, name)
        async with SimulatedCarrier(name, known.secret, known.router_url, listen=known.listen) as carrier:
            return await act(carrier)

    taken: AddressTaken | None = None
    for each in standin.names(name):
        try:
            return asyncio.run(run(each))
        except AddressTaken as fault:
            taken = fault  # a simulator stands by there: be another
        except CallRefused as refused:
            narrator.say(f"the router refused it: {refused}")
            return REFUSED
        except RouterUnreachable as fault:
            narrator.say(f"{fault} `callrouter up` starts it")
            return UNREACHABLE
    raise click.ClickException(f"{taken}; name another carrier by --carrier")


async def _watch(deployment: Deployment, call: SimulatedCall, narrator: Narrator) -> None:
    """Tells what the router writes down about the call, until it has ended there too. RouterUnreachable: it stopped."""
    happenings, there, over = Happenings(call.call_sid, deployment.now() - JUST_NOW), time.monotonic(), False

    def look(connection: Connection) -> tuple[bool, list[str], bool]:
        lease_time = recovery.lease_time(connection, deployment.now())
        return *happenings.news(connection), recovery.alive(connection, lease_time)

    while not over:
        over, lines, alive = await asyncio.to_thread(deployment.read, look)
        for line in lines:
            narrator.say(line, call.call_sid)
        there = time.monotonic() if alive else there
        if time.monotonic() - there > AWAY_SECONDS:
            shown = f"`callrouter calls show {call.call_sid}` shows what came of it,"
            raise RouterUnreachable(f"the router stopped while the call lived; {shown}")
        await asyncio.sleep(0 if over else LOOK_SECONDS)


def _spoken(deployment: Deployment, text: str) -> Source:
    """The text as sound; a ClickException when there is no engine that can say it."""
    setting = deployment.settings.speech_engine
    speaker = engines.speaker(setting)
    if speaker is None:
        raise click.ClickException(f"{engines.NO_ENGINE} Or give a file by --wav.")
    try:
        audio = speaker.say(Utterance(text=text, markup=False, voice="", language="en-US"))
    except SpeechFailed as failed:
        raise click.ClickException(f"the speech engine ({setting}) failed: {failed.message}") from failed
    finally:
        speaker.close()
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        file.write(audio.body)
        file.flush()
        try:
            return Sound(samples=read_wav(Path(file.name)))
        except ValueError as fault:
            raise click.ClickException(f"the speech engine ({setting}) made no WAV file") from fault


def _tell(deployment: Deployment, account_sid: str | None, sid: str, event: dict[str, str]) -> None:
    """Tells the router about a call of its carrier's, as the gateway does."""
    owner, calls = deployment.account(account_sid).account_sid, models.Call
    found = deployment.read(
        lambda c: c.execute(
            select(calls.status, calls.carrier, calls.carrier_call_id).where(
                calls.account_sid == owner, calls.sid == (sid if is_sid(sid) else "")
            )
        ).one_or_none()
    )
    if found is None:
        raise Missing(f"Call {sid}")
    if Status(found.status).final:
        raise Refused(21220, f"Call {sid} is over: {found.status}")
    if not found.carrier:
        raise Refused(
            21220, f"Call {sid} is a client's, not a phone's; `callrouter calls show {sid}` lists its legs"
        )
    carrier = deployment.read(lambda c: carriers.fetch(c, found.carrier))
    known = standin.access_of(deployment, carrier)

    async def post() -> None:
        link = RouterLink(known.router_url, known.secret)
        try:
            path = f"/carriers/{found.carrier}/calls/{found.carrier_call_id}/events"
            await link.post(path, {"event_id": f"trigger-{new_sid('')}", **event})
        finally:
            link.close()

    try:
        asyncio.run(post())
    except (CallRefused, RouterUnreachable) as fault:
        raise click.ClickException(str(fault)) from fault
