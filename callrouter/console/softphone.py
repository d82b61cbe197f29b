"""The softphone: a page that is a client of the account, for trying things and for answering in earnest."""

from typing import Any

from flask import Blueprint, Response, jsonify, redirect, request
from sqlalchemy import Connection, select

from callrouter.api.addresses import phone
from callrouter.console.access import viewer
from callrouter.console.context import Console
from callrouter.console.pages import page
from callrouter.console.signal_line import signal_origin
from callrouter.directory import applications
from callrouter.directory.tokens import access_token, newest_key
from callrouter.models import Application, PhoneNumber
from callrouter.playground import store
from foundation.webserver.errors import ApiError

TOKEN_SECONDS = 3600
LONGEST_IDENTITY = 121
OFFERED = 100
"""Applications and numbers in a page's lists."""
INVALID_TO = 21211


def add(blueprint: Blueprint, console: Console) -> None:
    @blueprint.get("/softphone")
    def softphone() -> Response:
        mine = viewer().account_sid
        choices = console.read(lambda connection: _applications(connection, mine))
        return page("console/softphone.html", applications=choices, **phone_facts(console))

    @blueprint.post("/softphone/token")
    def softphone_token() -> Response:
        """A token of the account that is looked at. `application_sid`: what its own calls are for."""
        app = request.form.get("application_sid") or None
        if app is not None:
            console.read(lambda connection: applications.fetch(connection, viewer().account_sid, app))
        identity = request.form.get("identity", "")
        return jsonify(token=mint(console, identity, incoming=True, application_sid=app))

    @blueprint.post("/softphone/direct")
    def softphone_direct() -> Response:
        """A token for one call without an application: to a client by its name, or to a number."""
        twiml = console.read(lambda connection: _direct(connection, request.form.get("to", "").strip()))
        mine, now = viewer().account_sid, console.now()
        document = console.write(lambda connection: store.keep(connection, mine, twiml, now), mine)
        identity = request.form.get("identity", "")
        return jsonify(token=mint(console, identity, incoming=True, application_sid=document))


def create_old_address() -> Blueprint:
    """`/softphone` of earlier versions, in development."""
    blueprint = Blueprint("softphone", __name__)

    @blueprint.get("/softphone")
    def moved() -> Any:
        query = request.query_string.decode("ascii", "replace")
        return redirect("/console/softphone" + (f"?{query}" if query else ""))

    return blueprint


def phone_facts(console: Console, identity: str = "alice") -> dict[str, Any]:
    """What a page with a phone tells its script."""
    settings = console.parts.settings
    wanted = request.args.get("identity", identity)
    return {
        "signal": f"{signal_origin(settings)}/signal",
        "trust": ""
        if signal_origin(settings).startswith("ws:")
        else f"https://{settings.signal_name()}/livez",
        "identity": wanted if is_identity(wanted) else identity,
    }


def mint(console: Console, identity: str, *, incoming: bool, application_sid: str | None) -> str:
    """An access token for an hour; ApiError in words that the page shows."""
    if not is_identity(identity):
        raise ApiError(400, 31105, f"A name has 1 to {LONGEST_IDENTITY} letters, digits and underscores.")
    seen = viewer()
    if not seen.active:
        raise ApiError(403, 20005, "This account is suspended or closed: its clients cannot register.")
    key = console.read(lambda connection: newest_key(connection, seen.account_sid))
    if key is None:
        raise ApiError(
            404, 20404, "The account has no API key to sign tokens with: create one on the page API keys."
        )
    return access_token(
        key,
        console.parts.keys.open(key.secret_sealed),
        identity=identity,
        incoming=incoming,
        application_sid=application_sid,
        ttl=TOKEN_SECONDS,
        now=int(console.now()),
    )


def numbers(connection: Connection, account_sid: str) -> list[Any]:
    """The account's numbers as a page offers them."""
    table = PhoneNumber.__table__.c
    query = select(table.sid, table.phone_number, table.friendly_name).where(table.account_sid == account_sid)
    return list(connection.execute(query.order_by(table.date_created, table.sid).limit(OFFERED)))


def is_identity(identity: str) -> bool:
    """Whether a client of the console may have this name: a word, as Twilio advises."""
    word = identity.isascii() and identity.replace("_", "a").isalnum()
    return word and len(identity) <= LONGEST_IDENTITY


def _applications(connection: Connection, account_sid: str) -> list[Any]:
    table = Application.__table__.c
    query = select(table.sid, table.friendly_name).where(
        table.account_sid == account_sid, table.voice_url != ""
    )
    return list(connection.execute(query.order_by(table.date_created, table.sid).limit(OFFERED)))


def _direct(connection: Connection, to: str) -> str:
    """The document that dials a client or a number; a number sees the account's first number as its caller."""
    if not to.startswith("+"):
        name = to.removeprefix("client:")
        if not is_identity(name):
            raise ApiError(
                400, INVALID_TO, "Call a client by its name, such as bob, or a number, such as +14155550100."
            )
        return f"<Response><Dial><Client>{name}</Client></Dial></Response>"
    own = numbers(connection, viewer().account_sid)
    if not own:
        raise ApiError(400, 21210, "To call a phone the account needs a number of its own to call from.")
    number = phone("To", to, INVALID_TO)
    return f'<Response><Dial callerId="{own[0].phone_number}"><Number>{number}</Number></Dial></Response>'
