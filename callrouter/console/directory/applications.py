"""TwiML applications: webhooks under one name; what runs when a client places a call."""

from flask import Blueprint

from callrouter import models
from callrouter.console.context import Console
from callrouter.console.directory.fields import Field, Kind, url
from callrouter.console.directory.resource import Column, Resource, add_resource
from callrouter.directory import applications
from foundation.sids import APPLICATION

TABLE = models.Application.__table__.c
VOICE, MESSAGES = "Calls", "Messages"

APPLICATIONS = Resource(
    one="application",
    many="Applications",
    path="applications",
    prefix=APPLICATION,
    about="Webhooks under one name: for numbers that share them, and for what runs when a client places a call.",
    columns=(
        Column(label="Name", name="friendly_name"),
        Column(label="SID", name="sid", kind="mono"),
        Column(label="Voice URL", name="voice_url"),
        Column(label="Message URL", name="sms_url"),
    ),
    fields=(
        Field(name="friendly_name", label="Name", codes=(20002,)),
        url("voice_url", "Voice URL", VOICE, hint="where your app answers with TwiML"),
        url("voice_fallback_url", "Fallback URL", VOICE, hint="asked when the voice URL fails"),
        url("status_callback", "Status callback", VOICE, hint="told when a call has ended"),
        url("sms_url", "Message URL", MESSAGES),
        url("sms_fallback_url", "Message fallback URL", MESSAGES),
        url("message_status_callback", "Message status callback", MESSAGES, method=False),
        Field(
            name="public_application_connect_enabled",
            label="Other accounts may connect calls to it",
            kind=Kind.CHECK,
            group="Sharing",
        ),
    ),
    query=lambda account_sid, _wanted: applications.listed(account_sid),
    order=(TABLE.date_created, TABLE.sid),
    fetch=applications.fetch,
    create=lambda connection, account_sid, sid, settings, now: applications.create(
        connection, account_sid=account_sid, sid=sid, settings=settings, now=now
    ),
    change=applications.change,
    remove=lambda connection, account_sid, sid, _now: applications.remove(connection, account_sid, sid),
)


def add(blueprint: Blueprint, console: Console) -> None:
    add_resource(blueprint, console, APPLICATIONS)
