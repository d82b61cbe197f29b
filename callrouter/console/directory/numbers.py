"""Phone numbers: take one, and say what is asked when a call or a message comes for it."""

from typing import Any

from flask import Blueprint
from sqlalchemy import Connection

from callrouter import models
from callrouter.console.context import Console
from callrouter.console.directory import choices
from callrouter.console.directory.fields import Field, Kind, url
from callrouter.console.directory.resource import Column, Resource, add_resource
from callrouter.directory import numbers
from callrouter.directory.numbers import INVALID_APPLICATION, Number
from foundation.sids import PHONE_NUMBER

TABLE = models.PhoneNumber.__table__.c
VOICE, MESSAGES = "When a call comes", "When a message comes"
FIELDS = (
    Field(
        name="phone_number",
        label="Phone number",
        hint="in E.164, such as +14155550199; those on offer are listed as you type",
        choices=choices.offered,
        codes=(21421, 21422),
        required=True,
        fixed=True,
        initial="+",
    ),
    Field(name="friendly_name", label="Name", codes=(20002,), hint="empty: the number itself"),
    url("voice_url", "Voice URL", VOICE, hint="where your app answers with TwiML"),
    url("voice_fallback_url", "Fallback URL", VOICE, hint="asked when the voice URL fails"),
    url("status_callback", "Status callback", VOICE, hint="told when a call has ended"),
    Field(
        name="voice_application_sid",
        label="Application",
        kind=Kind.CHOICE,
        group=VOICE,
        choices=choices.applications,
        codes=(INVALID_APPLICATION,),
        hint="its URLs are asked instead of those above",
    ),
    url("sms_url", "Message URL", MESSAGES),
    url("sms_fallback_url", "Message fallback URL", MESSAGES),
    Field(
        name="sms_application_sid",
        label="Message application",
        kind=Kind.CHOICE,
        group=MESSAGES,
        choices=choices.applications,
    ),
    Field(
        name="carrier",
        label="Carrier",
        kind=Kind.CHOICE,
        group="Operator",
        choices=choices.carriers,
        operator=True,
    ),
)


def add(blueprint: Blueprint, console: Console) -> None:
    add_resource(blueprint, console, NUMBERS)


def _create(
    connection: Connection, account_sid: str, sid: str, settings: dict[str, Any], now: float
) -> Number:
    wanted = dict(settings)
    number = wanted.pop("phone_number", "")
    if not wanted.get("friendly_name"):
        wanted.pop("friendly_name", None)
    return numbers.create(
        connection, account_sid=account_sid, sid=sid, phone_number=number, settings=wanted, now=now
    )


NUMBERS = Resource(
    one="phone number",
    many="Phone numbers",
    path="numbers",
    prefix=PHONE_NUMBER,
    about="What is asked when a call or a message comes for a number of yours.",
    columns=(
        Column(label="Number", name="phone_number", kind="mono"),
        Column(label="Name", name="friendly_name"),
        Column(label="Voice URL", name="voice_url"),
        Column(label="Message URL", name="sms_url"),
    ),
    fields=FIELDS,
    query=lambda account_sid, wanted: numbers.listed(account_sid, phone_number=wanted),
    searched="Number, or a part of it",
    order=(TABLE.date_created, TABLE.sid),
    fetch=numbers.fetch,
    create=_create,
    change=numbers.change,
    remove=lambda connection, account_sid, sid, _now: numbers.remove(connection, account_sid, sid),
    template="console/number.html",
)
