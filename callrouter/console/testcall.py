"""Test calls: one comes in to a number, or one is placed as by REST; a phone and the ladder are on the same page."""

import html
from contextlib import suppress

from flask import Blueprint, Response, jsonify, request
from sqlalchemy import Connection, select
from werkzeug.datastructures import MultiDict

from callrouter.api.addresses import phone
from callrouter.api.call_create import placement
from callrouter.carriers.rehearsal import HEARD, Rehearsal, RehearsalFailed, sound
from callrouter.carriers.simulator.access import CarrierAccess
from callrouter.console.access import viewer
from callrouter.console.calls import if_other
from callrouter.console.context import Console
from callrouter.console.pages import page
from callrouter.console.softphone import is_identity, numbers, phone_facts
from callrouter.directory import carriers, credentials
from callrouter.directory.carriers import Carrier
from callrouter.directory.errors import Missing
from callrouter.media.client import MediaUnavailable
from callrouter.models import Call, PhoneNumber
from callrouter.scenario.ports import free_port
from foundation.sids import CARRIER, new_sid
from foundation.webserver.errors import ApiError

SIMULATOR = "simulator"
CALLER = "+14155550100"
SPOKEN = (
    "Hello! This is a test call from call router. If you hear me, this direction works. "
    "Now say something: the page shows what I hear. When you have heard enough, hang up."
)
SAYS = ("voice", "tone", "silence")
ONLY_SIMULATED = (
    "Test calls come in by a simulated carrier, and that is there in development only: start the router with "
    "CALLROUTER_DEVELOPMENT=true. Here, call the number with a phone, or press “Place the call”."
)


def add(blueprint: Blueprint, console: Console) -> None:
    rehearsal = Rehearsal(console.parts.settings.router_base())
    console.parts.closing.callback(rehearsal.close)

    @blueprint.get("/try")
    def try_it() -> Response:
        mine, named = viewer().account_sid, request.args.get("client", "")
        client = named if is_identity(named) else ""
        return page(
            "console/try.html",
            numbers=console.read(lambda connection: numbers(connection, mine)),
            chosen=request.args.get("number", ""),
            client=client,
            caller=CALLER,
            simulated=console.parts.settings.development,
            only_simulated=ONLY_SIMULATED,
            **phone_facts(console, client or "alice"),
        )

    @blueprint.post("/try/incoming")
    def try_incoming() -> Response:
        """A call comes in to a number of the account."""
        mine, says = viewer().account_sid, request.form.get("says", "voice")
        to, from_ = request.form.get("to", ""), phone("From", request.form.get("from", CALLER), 21212)
        if says not in SAYS:
            raise ApiError(400, 20001, f"The caller can say: {', '.join(SAYS)}.")
        if not console.read(lambda connection: _owns(connection, mine, to)):
            raise ApiError(404, 20404, f"The account has no number {to[:40]}.")
        access = _simulator(console)
        said = sound(says, _spoken(console, mine) if says == "voice" else None)
        try:
            sid = rehearsal.call(SIMULATOR, access.secret, access.listen, from_=from_, to=to, says=said)
        except RehearsalFailed as failed:
            raise ApiError(409, 20409, str(failed)) from failed
        return jsonify(call_sid=sid)

    @blueprint.get("/try/incoming/<sid>.json")
    def try_caller(sid: str) -> Response:
        """What the simulated caller hears, and whether by now that comes from somebody who was dialled."""
        state = rehearsal.state(_own(console, sid))
        if state is None:
            raise ApiError(404, 20404, "This call has no simulated caller here.")
        mine, since = viewer().account_sid, console.now() - HEARD
        return jsonify(state | {"connected": console.read(lambda c: _connected(c, mine, sid, since))})

    @blueprint.post("/try/incoming/<sid>/hang-up")
    def try_hang_up(sid: str) -> Response:
        rehearsal.hang_up(_own(console, sid))
        return jsonify({})

    @blueprint.post("/try/outgoing")
    def try_outgoing() -> Response:
        """What REST's POST on Calls does, with a sentence as its document."""
        form = MultiDict({"To": request.form.get("to", "").strip(), "From": request.form.get("from", "")})
        says = html.escape(request.form.get("says", ""), quote=False)
        form["Twiml"] = f"<Response><Say>{says}</Say></Response>"
        if not viewer().active:
            raise ApiError(403, 20005, "This account is suspended or closed: it places no calls.")
        wanted = console.read(lambda connection: placement(connection, viewer().account_sid, form))
        if console.parts.settings.development and not form["To"].startswith("client:"):
            access = _simulator(console)
            with suppress(RehearsalFailed):  # then `callrouter simulate carrier` runs, and takes the call
                rehearsal.open(SIMULATOR, access.secret, access.listen)
        return jsonify(call_sid=console.parts.front.place(wanted))

    @blueprint.get("/ladder/<sid>.json")
    def ladder_json(sid: str) -> Response:
        """The ladder of a call, for what shows it beside a phone."""
        names = ("call_sid", "legs", "rows")
        return if_other(console, sid, lambda ladder: {name: ladder[name] for name in names})


def _own(console: Console, sid: str) -> str:
    """The call's SID, if it is the account's."""
    mine = Call.account_sid == viewer().account_sid, Call.sid == sid
    if console.read(lambda connection: connection.execute(select(Call.sid).where(*mine)).first()) is None:
        raise ApiError(404, 20404, "There is no such call in this account.")
    return sid


def _connected(connection: Connection, account_sid: str, sid: str, since: float) -> bool:
    """Somebody who was dialled talks for so long that no ringing tone is among what the caller heard last."""
    dialled = Call.account_sid == account_sid, Call.parent_call_sid == sid
    talks = Call.status == "in-progress", Call.start_time < since
    return connection.execute(select(Call.sid).where(*dialled, *talks)).first() is not None


def _owns(connection: Connection, account_sid: str, number: str) -> bool:
    mine = PhoneNumber.account_sid == account_sid, PhoneNumber.phone_number == number
    return connection.execute(select(PhoneNumber.sid).where(*mine)).first() is not None


def _simulator(console: Console) -> CarrierAccess:
    """The simulated carrier, which is made when there is none yet. ApiError outside of development."""
    settings, keys = console.parts.settings, console.parts.keys
    if not settings.development:
        raise ApiError(403, 20403, ONLY_SIMULATED)
    known = console.write(lambda connection: _ensured(console, connection), SIMULATOR)
    if known.status != carriers.Status.ACTIVE:
        raise ApiError(409, 20409, f"The carrier {SIMULATOR} is disabled: enable it, and try again.")
    return CarrierAccess(
        router_url=settings.router_base(),
        secret=keys.open(known.secrets_sealed[0]),
        control_url=known.control_url,
    )


def _ensured(console: Console, connection: Connection) -> Carrier:
    """Looked for and made in one unit: of two who try at once, one makes it and the other finds it."""
    try:
        return carriers.fetch(connection, SIMULATOR)
    except Missing:
        return carriers.create(
            connection,
            name=SIMULATOR,
            sid=new_sid(CARRIER),
            control_url=f"http://127.0.0.1:{free_port()}/{SIMULATOR}",
            secret_sealed=console.parts.keys.seal(credentials.new_secret()),
            now=console.now(),
        )


def _spoken(console: Console, account_sid: str) -> bytes | None:
    try:
        return console.parts.media.speech(account_sid, SPOKEN)
    except MediaUnavailable:
        return None
