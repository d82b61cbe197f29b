"""`callrouter messages`: what was written, sending a message, and the ladder of one."""

import re
from random import random
from typing import Any

import click
from sqlalchemy import Row, select
from werkzeug.datastructures import MultiDict

from callrouter import models
from callrouter.api.message_create import submission
from callrouter.calls.recovery import alive
from callrouter.cli.deployment import Deployment
from callrouter.cli.ladder import watch_option, watched
from callrouter.cli.message_ladder import show_message
from callrouter.cli.message_sessions import message_sessions
from callrouter.cli.output import account_option, json_option, moment, print_many, print_one
from callrouter.directory.errors import Refused
from callrouter.ladders.messages import fetch
from callrouter.ladders.shown import named
from callrouter.messages import outgoing
from callrouter.messages.status import Status
from foundation.webserver.errors import ApiError

MESSAGES = models.Message.__table__.c
OPTIONS = {
    "From": "--from",
    "MessagingServiceSid": "--service",
    "MediaUrl": "--media",
    "StatusCallback": "--status-callback",
    "ValidityPeriod": "--validity",
    "SendAt": "--at",
}
OPTION = re.compile(rf"\b({'|'.join(OPTIONS)})\b")
"""REST's names, which refusals use, and the command line's."""
COLUMNS = ("sid", "date_created", "direction", "from", "to", "status", "error_code", "body")


@click.group()
def messages() -> None:
    """Messages that came in, and messages that go out."""


@messages.command()
@click.argument("to", metavar="+1555…|client:NAME")
@click.argument("body", default="")
@click.option(
    "--from", "From", metavar="+1555…|12345|NAME", help="The number, short code or name that sends it."
)
@click.option("--service", "MessagingServiceSid", metavar="MG…", help="The messaging service that sends it.")
@click.option("--media", multiple=True, metavar="URL", help="A picture or other file; up to ten.")
@click.option("--status-callback", "StatusCallback", metavar="URL", help="Told what becomes of it.")
@click.option("--validity", "ValidityPeriod", metavar="SECONDS", help="Not sent later than that.")
@click.option("--at", "SendAt", metavar="YYYY-MM-DDTHH:MM:SSZ", help="Sent then; needs a service.")
@account_option
@json_option
@click.pass_obj
def send(
    deployment: Deployment,
    /,
    to: str,
    body: str,
    media: tuple[str, ...],
    account_sid: str | None,
    as_json: bool,
    **options: str | None,
) -> None:
    """Stores a message, as POST on /Messages does; a router that runs sends it."""
    owner, now = deployment.account(account_sid).account_sid, deployment.now()
    form = MultiDict({"To": to, "Body": body, **{name: text for name, text in options.items() if text}})
    if "SendAt" in form:
        form["ScheduleType"] = "fixed"
    form.setlist("MediaUrl", media)
    try:
        wanted = deployment.read(lambda c: submission(c, owner, form, now))
        made = deployment.write(lambda c: outgoing.submit(c, wanted, now, owner="", random=random), owner)
    except ApiError as error:
        reason = OPTION.sub(lambda name: OPTIONS[name[0]], error.message)
        raise Refused(error.code, f"{error.code}: {reason}", error.status) from error
    print_one({"sid": made.sid, "status": made.status}, as_json)
    if not as_json and not deployment.read(lambda c: alive(c, now)):
        click.echo("Note: no router runs; one will send it when it does", err=True)


@messages.command("list")
@click.option("--status", type=click.Choice([one.value for one in Status]), help="Only those of this status.")
@click.option("--from", "sender", help="Only those from this number, short code, name or client.")
@click.option("--to", help="Only those to this number or client.")
@click.option("--service", metavar="MG…", help="Only those of this messaging service.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True)
@account_option
@json_option
@click.pass_obj
def list_(
    deployment: Deployment,
    status: str | None,
    sender: str | None,
    to: str | None,
    service: str | None,
    limit: int,
    account_sid: str | None,
    as_json: bool,
) -> None:
    """The account's messages, newest first."""
    owner = deployment.account(account_sid).account_sid
    query = select(models.Message.__table__).where(MESSAGES.account_sid == owner)
    for column, wanted in (
        (MESSAGES.status, status),
        (MESSAGES["from"], sender),
        (MESSAGES.to, to),
        (MESSAGES.messaging_service_sid, service),
    ):
        if wanted is not None:
            query = query.where(column == wanted)
    query = query.order_by(MESSAGES.date_created.desc(), MESSAGES.sid.desc()).limit(limit)
    rows = deployment.read(lambda c: c.execute(query).all())
    print_many([_listed(row) for row in rows], COLUMNS, as_json)


@messages.command()
@click.argument("sid", metavar="SM…|MM…")
@watch_option
@account_option
@json_option
@click.pass_obj
def show(
    deployment: Deployment, sid: str, watch: float | None, account_sid: str | None, as_json: bool
) -> None:
    """One message as a ladder: who had it when, the routes that were considered, its media, its webhooks."""
    owner = deployment.account(account_sid).account_sid

    def look() -> dict[str, Any]:
        return deployment.read(lambda c: fetch(c, owner, sid, now=deployment.now()))

    watched(look, show_message, watch, as_json)


messages.add_command(message_sessions)


def _listed(row: Row[Any]) -> dict[str, Any]:
    return {**named(row, *COLUMNS), "date_created": moment(row.date_created)}
