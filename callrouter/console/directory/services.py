"""Messaging services: senders that are used as one, and the phones that want no more messages from them."""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy import Connection, select

from callrouter import models
from callrouter.console.access import viewer
from callrouter.console.context import Console
from callrouter.console.directory.choices import OFFERED
from callrouter.console.directory.fields import Field, Kind, url
from callrouter.console.directory.resource import Column, Resource, add_resource, demand_active, to
from callrouter.directory import messaging_services, sender_pools
from callrouter.directory.errors import Missing, Refused
from callrouter.directory.messaging_services import Service
from callrouter.directory.rows import values
from callrouter.directory.sender_pools import Sender
from foundation.sids import ALPHA_SENDER, MESSAGING_SERVICE, PHONE_NUMBER, SHORT_CODE, is_sid, new_sid

TABLE = models.MessagingService.__table__.c
INBOUND, SENDING = "When a message comes", "When messages are sent"
LONGEST_VALIDITY = 36_000
OPT_OUTS = 100
"""The latest, that the page shows."""


def add(blueprint: Blueprint, console: Console) -> None:
    add_resource(blueprint, console, SERVICES)

    def settled(sid: str, work: Callable[[Connection, str], object]) -> Response:
        """Does `work`, of an account, on the service's senders, and shows the service again."""
        demand_active()
        if not is_sid(sid, MESSAGING_SERVICE):
            raise Missing("Messaging service")
        mine = viewer().account_sid
        console.write(lambda connection: work(connection, mine))
        return to(f"{SERVICES.root}/{sid}?saved=1")

    @blueprint.post("/services/<sid>/senders", endpoint="services_add_sender")
    def add_sender(sid: str) -> Response:
        """A number or short code by its SID, or a name."""
        wanted, name = request.form.get("sender", ""), request.form.get("name", "").strip()
        new, now = new_sid(ALPHA_SENDER), console.now()

        def work(connection: Connection, mine: str) -> None:
            if name:
                sender_pools.add_name(connection, mine, sid, new, name, now)
            elif is_sid(wanted, PHONE_NUMBER) or is_sid(wanted, SHORT_CODE):
                sender_pools.add(connection, mine, sid, wanted, now)
            else:
                raise Refused(sender_pools.NOT_OURS, "Choose a number or short code, or give a name")

        return settled(sid, work)

    @blueprint.post("/services/<sid>/senders/<sender_sid>/delete", endpoint="services_remove_sender")
    def remove_sender(sid: str, sender_sid: str) -> Response:
        if not is_sid(sender_sid):
            raise Missing("Sender")
        return settled(sid, lambda connection, mine: sender_pools.remove(connection, mine, sid, sender_sid))


def _beside(connection: Connection, service: Service) -> dict[str, Any]:
    """Its senders, those that could join, and who opted out."""
    mine, out = service.account_sid, models.OptOut
    senders = values(Sender, connection, sender_pools.listed(mine, service.sid))
    taken = {row.sender_sid for row in connection.execute(_senders(mine))}
    offered = [
        (row.sid, row.label)
        for table, label in (
            (models.PhoneNumber, models.PhoneNumber.phone_number),
            (models.ShortCode, models.ShortCode.short_code),
        )
        for row in connection.execute(
            select(table.sid, label.label("label"))
            .where(table.account_sid == mine)
            .order_by(label)
            .limit(OFFERED)
        )
        if row.sid not in taken
    ]
    opted = select(out.phone, out.sender, out.date_created).where(
        out.account_sid == mine, out.sender.in_([service.sid, *(one.sender for one in senders)])
    )
    opted = opted.order_by(out.date_created.desc(), out.phone).limit(OPT_OUTS)
    return {"senders": senders, "offered": offered, "opt_outs": connection.execute(opted).all()}


def _senders(account_sid: str) -> Any:
    sender = models.MessagingSender
    return select(sender.sender_sid).where(sender.account_sid == account_sid)


def _checked(settings: dict[str, Any]) -> dict[str, Any]:
    """What REST checks before the directory does."""
    if not 1 <= settings.get("validity_period", 1) <= LONGEST_VALIDITY:
        raise Refused(21624, f"validity_period is from 1 to {LONGEST_VALIDITY} seconds")
    return settings


def _create(
    connection: Connection, account_sid: str, sid: str, settings: dict[str, Any], now: float
) -> Service:
    return messaging_services.create(
        connection, account_sid=account_sid, sid=sid, settings=_checked(settings), now=now
    )


def _change(
    connection: Connection, account_sid: str, sid: str, settings: dict[str, Any], now: float
) -> Service:
    return messaging_services.change(connection, account_sid, sid, _checked(settings), now)


SERVICES = Resource(
    one="messaging service",
    many="Messaging services",
    path="services",
    prefix=MESSAGING_SERVICE,
    about="Senders that are used as one: a message goes out from the one that suits its recipient.",
    columns=(
        Column(label="Name", name="friendly_name"),
        Column(label="SID", name="sid", kind="mono"),
        Column(label="Message URL", name="inbound_request_url"),
    ),
    fields=(
        Field(name="friendly_name", label="Name", codes=(20002,), required=True),
        Field(
            name="inbound_request_url",
            label="Message URL",
            kind=Kind.URL,
            group=INBOUND,
            method="inbound_method",
        ),
        url("fallback_url", "Fallback URL", INBOUND),
        Field(
            name="use_inbound_webhook_on_number",
            label="Ask the number's own URL instead",
            kind=Kind.CHECK,
            group=INBOUND,
        ),
        url("status_callback", "Status callback", SENDING, method=False),
        Field(
            name="sticky_sender",
            label="Keep the sender that a recipient knows",
            kind=Kind.CHECK,
            group=SENDING,
            initial=True,
        ),
        Field(
            name="area_code_geomatch",
            label="Prefer a sender of the recipient's area",
            kind=Kind.CHECK,
            group=SENDING,
            initial=True,
        ),
        Field(
            name="smart_encoding",
            label="Replace characters that double the cost",
            kind=Kind.CHECK,
            group=SENDING,
            initial=True,
        ),
        Field(
            name="mms_converter",
            label="Send media as a link where it cannot go",
            kind=Kind.CHECK,
            group=SENDING,
            initial=True,
        ),
        Field(
            name="validity_period",
            label="Give up after",
            kind=Kind.COUNT,
            group=SENDING,
            hint=f"seconds in the queue, at most {LONGEST_VALIDITY}",
            codes=(21624,),
            initial=LONGEST_VALIDITY,
        ),
    ),
    query=lambda account_sid, _wanted: messaging_services.listed(account_sid),
    order=(TABLE.date_created, TABLE.sid),
    fetch=messaging_services.fetch,
    create=_create,
    change=_change,
    remove=lambda connection, account_sid, sid, _now: messaging_services.remove(connection, account_sid, sid),
    beside=_beside,
    template="console/service.html",
)
