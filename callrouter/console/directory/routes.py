"""Routes: which carrier takes messages to which destinations, at what cost, and how well that went."""

from collections.abc import Callable

from flask import Blueprint, Response, request
from sqlalchemy import Connection

from callrouter.console.access import operator_only, viewer
from callrouter.console.context import Console
from callrouter.console.directory.choices import carriers
from callrouter.console.directory.fields import Field, Kind, given
from callrouter.console.directory.resource import to
from callrouter.console.pages import page
from callrouter.directory.carriers import NAME
from callrouter.directory.e164 import E164
from callrouter.directory.errors import Missing, Refused
from callrouter.messages.routing import routes, tables
from callrouter.messages.routing.choose import choose
from callrouter.messages.routing.routes import Kind as MessageKind
from callrouter.messages.routing.routes import RouteState

ROOT = "/console/routes"
NUMBERS = (
    Field(name="cost", label="Cost", kind=Kind.NUMBER),
    Field(name="weight", label="Weight", kind=Kind.NUMBER),
)
Change = Callable[[Connection, str, str, MessageKind, float], object]
MARKS: dict[str, Change] = {
    "pin": lambda c, carrier, prefix, kind, now: routes.mark(
        c, carrier, prefix, kind, RouteState.PINNED, now
    ),
    "ban": lambda c, carrier, prefix, kind, now: routes.mark(
        c, carrier, prefix, kind, RouteState.BANNED, now
    ),
    "release": routes.release,
    "disable": lambda c, carrier, prefix, kind, now: routes.put(
        c, carrier, prefix, kind, now, state=RouteState.DISABLED
    ),
    "enable": lambda c, carrier, prefix, kind, now: routes.put(
        c, carrier, prefix, kind, now, state=RouteState.ENABLED
    ),
    "delete": lambda c, carrier, prefix, kind, _now: routes.remove(c, carrier, prefix, kind),
}


def add(blueprint: Blueprint, console: Console) -> None:
    def _page(status: int = 200, fault: str = "") -> Response:
        mine, now, to_number = viewer().account_sid, console.now(), request.args.get("to", "").strip()
        kind = MessageKind.MMS if request.args.get("kind") == "mms" else MessageKind.SMS
        decision = None
        if to_number and not E164.fullmatch(to_number):
            fault = fault or f"{to_number} is no phone number in E.164, such as +14155550123."
            status = 400
        elif to_number:
            decision = console.read(lambda c: choose(c, mine, to_number, kind, now, lambda: 0.0))
        found, lonely, names = console.read(
            lambda c: (tables.routes(c), tables.without_route(c), [name for name, _ in carriers(c) if name])
        )
        return page(
            "console/routes.html",
            status,
            routes=found,
            lonely=lonely,
            carriers=names,
            fault=fault,
            decision=decision,
            to=to_number,
            kind=kind.value,
            given=request.form,
        )

    @blueprint.get("/routes", endpoint="routes")
    def list_() -> Response:
        operator_only()
        return _page()

    @blueprint.post("/routes", endpoint="routes_put")
    def put() -> Response:
        operator_only()
        carrier, prefix, kind = _place()
        now = console.now()
        try:
            measures = given([one for one in NUMBERS if request.form.get(one.name, "").strip()], request.form)
            console.write(lambda c: routes.put(c, carrier, prefix, kind, now, **measures))
        except Refused as refused:
            return _page(400, f"{refused}.")
        return to(ROOT)

    @blueprint.post("/routes/<any(pin, ban, release, enable, disable, delete):what>", endpoint="routes_mark")
    def mark(what: str) -> Response:
        operator_only()
        carrier, prefix, kind = _place()
        now = console.now()
        try:
            console.write(lambda c: MARKS[what](c, carrier, prefix, kind, now))
        except Refused as refused:
            return _page(refused.status, f"{refused}.")
        return to(ROOT)


def _place() -> tuple[str, str, MessageKind]:
    """The route that a form names."""
    carrier, prefix = request.form.get("carrier", ""), request.form.get("prefix", "").strip()
    if not NAME.fullmatch(carrier):
        raise Missing("Carrier")
    return carrier, prefix, MessageKind.MMS if request.form.get("kind") == "mms" else MessageKind.SMS
