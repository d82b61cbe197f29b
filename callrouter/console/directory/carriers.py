"""Carriers: the operator's gateways. A secret is shown once; a carrier is named, not numbered."""

import secrets
from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy import Connection

from callrouter import models
from callrouter.console.access import operator_only
from callrouter.console.context import Console
from callrouter.console.directory.fields import Field, Kind, given, wrong
from callrouter.console.directory.resource import to, values_of
from callrouter.console.directory.secrets import shown_once
from callrouter.console.pages import page
from callrouter.directory import carriers
from callrouter.directory.carriers import NAME, Carrier, Status
from callrouter.directory.errors import Missing, Refused
from callrouter.directory.rows import values
from foundation.sids import CARRIER, new_sid

ROOT = "/console/carriers"
NOTE = "Give it to the gateway: both sides sign with it (docs/protocols/carrier.md)."
FIELDS = (
    Field(name="name", label="Name", required=True, fixed=True, hint="a-z, 0-9, - and _"),
    Field(
        name="control_url",
        label="Control URL",
        kind=Kind.URL,
        required=True,
        hint="where the gateway takes our commands",
    ),
    Field(name="messages", label="It takes messages", kind=Kind.CHECK, group="Messages", initial=True),
    Field(
        name="message_rate",
        label="Rate",
        kind=Kind.NUMBER,
        group="Messages",
        hint="segments in a second; 0: no limit",
        initial="0",
    ),
    Field(
        name="message_window",
        label="Window",
        kind=Kind.COUNT,
        group="Messages",
        hint="messages that may be under way at once",
        initial="10",
    ),
    Field(name="sip", label="It takes calls to SIP addresses", kind=Kind.CHECK, group="Calls"),
)
CHANGED = tuple(one for one in FIELDS if not one.fixed)
WORDS = (
    ("control URL", "control_url"),
    ("carrier", "name"),
    ("rate", "message_rate"),
    ("window", "message_window"),
)
"""What a refusal says, and the field that it is about."""


def add(blueprint: Blueprint, console: Console) -> None:
    def form(found: Carrier | None, given_values: Any, status: int = 200, fault: str = "") -> Response:
        return page(
            "console/carrier.html",
            status,
            found=found,
            fields=CHANGED if found else FIELDS,
            values=given_values,
            faults={_about(fault): f"{fault}."} if fault else {},
            saved="saved" in request.args,
        )

    def fetched(name: str) -> Carrier:
        if not NAME.fullmatch(name):
            raise Missing("Carrier")
        return console.read(lambda c: carriers.fetch(c, name))

    @blueprint.get("/carriers", endpoint="carriers")
    def list_() -> Response:
        operator_only()
        query = carriers.listed().order_by(models.Carrier.name)
        return page("console/carriers.html", carriers=console.read(lambda c: values(Carrier, c, query)))

    @blueprint.get("/carriers/new", endpoint="carriers_new")
    def new() -> Response:
        operator_only()
        return form(None, {one.name: one.initial for one in FIELDS})

    @blueprint.post("/carriers", endpoint="carriers_create")
    def create() -> Response:
        operator_only()
        secret, sid, now = secrets.token_urlsafe(32), new_sid(CARRIER), console.now()
        sealed = console.parts.keys.seal(secret)

        def work(connection: Connection) -> Carrier:
            return carriers.create(connection, sid=sid, secret_sealed=sealed, now=now, **wanted)

        try:
            wanted = given(FIELDS, request.form)
            made = console.write(work)
        except Refused as refused:
            return form(None, _typed(), 400, wrong(FIELDS, refused)[1].removesuffix("."))
        return shown_once(f"Carrier {made.name}", {"Secret": secret}, back=f"{ROOT}/{made.name}", note=NOTE)

    @blueprint.get("/carriers/<name>", endpoint="carriers_one")
    def one(name: str) -> Response:
        operator_only()
        found = fetched(name)
        return form(found, values_of(found))

    @blueprint.post("/carriers/<name>", endpoint="carriers_change")
    def change(name: str) -> Response:
        operator_only()
        found, now = fetched(name), console.now()
        try:
            wanted = given(CHANGED, request.form)
            console.write(lambda c: carriers.change(c, name, now=now, **wanted))
        except Missing:
            raise
        except Refused as refused:
            return form(found, _typed(), 400, wrong(CHANGED, refused)[1].removesuffix("."))
        return to(f"{ROOT}/{name}?saved=1")

    @blueprint.post("/carriers/<name>/<any(active, disabled):status>", endpoint="carriers_status")
    def set_status(name: str, status: str) -> Response:
        operator_only()
        found, now = fetched(name), console.now()
        console.write(lambda c: carriers.change(c, found.name, now=now, status=Status(status)))
        return to(f"{ROOT}/{name}?saved=1")

    @blueprint.post("/carriers/<name>/secret", endpoint="carriers_rotate")
    def rotate(name: str) -> Response:
        operator_only()
        fetched(name)
        secret, now = secrets.token_urlsafe(32), console.now()
        sealed = console.parts.keys.seal(secret)
        console.write(lambda c: carriers.rotate(c, name, sealed, now))
        note = f"{NOTE} The one before is still taken from the carrier until the next rotation."
        return shown_once(f"The new secret of {name}", {"Secret": secret}, back=f"{ROOT}/{name}", note=note)

    @blueprint.post("/carriers/<name>/delete", endpoint="carriers_delete")
    def delete(name: str) -> Response:
        operator_only()
        fetched(name)
        console.write(lambda c: carriers.remove(c, name))
        return to(ROOT)


def _typed() -> dict[str, Any]:
    return {
        one.name: (one.name in request.form) if one.kind is Kind.CHECK else request.form.get(one.name, "")
        for one in FIELDS
    }


def _about(fault: str) -> str:
    by_label = next((one.name for one in FIELDS if fault.startswith(one.label)), "")
    return by_label or next((name for word, name in WORDS if word in fault), "")
