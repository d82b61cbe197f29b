"""Short codes: the operator gives them to accounts; an account says what is asked when a message comes."""

from flask import Blueprint

from callrouter import models
from callrouter.console.context import Console
from callrouter.console.directory.addresses import CARRIER, MESSAGE_URLS, address, named_after
from callrouter.console.directory.fields import Field
from callrouter.console.directory.resource import Column, Resource, add_resource
from callrouter.directory import short_codes
from foundation.sids import SHORT_CODE

TABLE = models.ShortCode.__table__.c

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
        address("short_code", "Short code", "3 to 6 digits"),
        Field(name="friendly_name", label="Name", codes=(20002,), hint="empty: the code itself"),
        *MESSAGE_URLS,
        CARRIER,
    ),
    query=lambda account_sid, _wanted: short_codes.listed(account_sid),
    order=(TABLE.date_created, TABLE.sid),
    fetch=short_codes.fetch,
    create=named_after(short_codes.create, "short_code"),
    change=short_codes.change,
    remove=lambda connection, account_sid, sid, _now: short_codes.remove(connection, account_sid, sid),
    made_by_operator=True,
)


def add(blueprint: Blueprint, console: Console) -> None:
    add_resource(blueprint, console, SHORT_CODES)
