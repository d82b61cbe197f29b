"""`callrouter messages sessions`: which phones and clients write to each other (PR-71)."""

import click

from callrouter.cli.deployment import Deployment
from callrouter.cli.output import account_option, json_option, moment, print_many
from callrouter.ladders.shown import named
from callrouter.messages import sessions
from callrouter.models import MessageSession

STATUSES = (sessions.OPEN, sessions.CLOSED, sessions.TIMED_OUT)
ROWS = MessageSession.__table__.c
COLUMNS = ("sid", "phone", "number", "client", "status", "otherwise", "date_created", "date_ends")


@click.command("sessions")
@click.option("--status", type=click.Choice(STATUSES), help="Only those of this status.")
@click.option("--client", default="", help="Only those of this client.")
@click.option("--phone", default="", metavar="+1555…", help="Only those of this phone.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True)
@account_option
@json_option
@click.pass_obj
def message_sessions(
    deployment: Deployment,
    status: str | None,
    client: str,
    phone: str,
    limit: int,
    account_sid: str | None,
    as_json: bool,
) -> None:
    """Phones and clients that write to each other, newest first; a session that ended says how."""
    owner, now = deployment.account(account_sid).account_sid, deployment.now()
    wanted = {"status": status or "", "client": client.removeprefix("client:"), "phone": phone}
    query = sessions.listed(owner, now, **wanted)
    query = query.order_by(ROWS.date_created.desc(), ROWS.sid.desc()).limit(limit)
    rows = deployment.read(lambda c: c.execute(query).all())
    shown = [
        {
            **named(row, *COLUMNS[:4], "otherwise"),
            "status": sessions.status(row, now),
            "date_created": moment(row.date_created),
            "date_ends": moment(row.ends_at),
        }
        for row in rows
    ]
    print_many(shown, COLUMNS, as_json)
