"""Phone numbers: take one, and say what is asked when a call or a message comes for it."""

from flask import Blueprint

from callrouter import models
from callrouter.console.context import Console
from callrouter.console.directory import choices
from callrouter.console.directory.addresses import CARRIER, MESSAGE_URLS, MESSAGES, address, named_after
from callrouter.console.directory.fields import Field, Kind, url
from callrouter.console.directory.resource import Column, Resource, add_resource
from callrouter.directory import numbers
from callrouter.directory.numbers import INVALID_APPLICATION
from foundation.sids import PHONE_NUMBER

TABLE = models.PhoneNumber.__table__.c
VOICE = "When a call comes"

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
    fields=(
        address(
            "phone_number",
            "Phone number",
            "in E.164, such as +14155550199; those on offer are listed as you type",
            choices=choices.offered,
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
        *MESSAGE_URLS,
        Field(
            name="sms_application_sid",
            label="Message application",
            kind=Kind.CHOICE,
            group=MESSAGES,
            choices=choices.applications,
        ),
        CARRIER,
    ),
    query=lambda account_sid, wanted: numbers.listed(account_sid, phone_number=wanted),
    searched="Number, or a part of it",
    order=(TABLE.date_created, TABLE.sid),
    fetch=numbers.fetch,
    create=named_after(numbers.create, "phone_number"),
    change=numbers.change,
    remove=lambda connection, account_sid, sid, _now: numbers.remove(connection, account_sid, sid),
    template="console/number.html",
)


def add(blueprint: Blueprint, console: Console) -> None:
    add_resource(blueprint, console, NUMBERS)
