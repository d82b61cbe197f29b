"""Short codes: the operator gives them to accounts; an account says what is asked when a message comes."""

from typing import Any

from flask import Blueprint
from sqlalchemy import Connection

from callrouter import models
from callrouter.console.context import Console
from callrouter.console.directory import choices
from callrouter.console.directory.fields import Field, Kind, url
from callrouter.console.directory.resource import Column, Resource, add_resource
from callrouter.directory import short_codes
from callrouter.directory.short_codes import ShortCode
from foundation.sids import SHORT_CODE

TABLE = models.ShortCode.__table__.c
MESSAGES = "When a message comes"


def add(blueprint: Blueprint, console: Console) -> None:
    add_resource(blueprint, console, SHORT_CODES)


def _create(
    connection: Connection, account_sid: str, sid: str, settings: dict[str, Any], now: float
) -> ShortCode:
    wanted = dict(settings)
    code = wanted.pop("short_code", "")
    if not wanted.get("friendly_name"):
        wanted.pop("friendly_name", None)
    return short_codes.create(
        connection, account_sid=account_sid, sid=sid, short_code=code, settings=wanted, now=now
    )


SHORT_CODES = Resource(
    one="short code",
    many="Short codes",
    path="short-codes",
    prefix=SHORT_CODE,
    about="Numbers of 3 to 6 digits that send and get messages. The operator gives them to accounts.",
    columns=(
        Column(label="Short code", name="short_code", kind="mono"),
        Column(label="Name", name="friendly_name"),
        Column(label="Message URL", name="sms_url"),
    ),
    fields=(
        Field(
            name="short_code",
            label="Short code",
            hint="3 to 6 digits",
            codes=(21421, 21422),
            required=True,
            fixed=True,
        ),
        Field(name="friendly_name", label="Name", codes=(20002,)),
        url("sms_url", "Message URL", MESSAGES),
        url("sms_fallback_url", "Message fallback URL", MESSAGES),
        Field(
            name="carrier",
            label="Carrier",
            kind=Kind.CHOICE,
            group="Operator",
            choices=choices.carriers,
            operator=True,
        ),
    ),
    query=lambda account_sid, _wanted: short_codes.listed(account_sid),
    order=(TABLE.date_created, TABLE.sid),
    fetch=short_codes.fetch,
    create=_create,
    change=short_codes.change,
    remove=lambda connection, account_sid, sid, _now: short_codes.remove(connection, account_sid, sid),
    made_by_operator=True,
)
