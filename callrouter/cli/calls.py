"""`callrouter calls`: what calls there are, and the ladder of one."""

import click
from sqlalchemy import select

from callrouter import models
from callrouter.calls import decisions
from callrouter.calls.decisions import DECISIONS
from callrouter.cli.deployment import Deployment
from callrouter.cli.ladder import show_call, watch_option, watched
from callrouter.cli.output import account_option, json_option, print_many
from callrouter.directory.errors import Missing
from callrouter.ladders.calls import fetch, leg_shown

CALLS = models.Call.__table__.c
COLUMNS = ("sid", "date_created", "direction", "from", "to", "status", "parent_call_sid")


@click.group()
def calls() -> None:
    """Calls in progress and calls of the past."""


@calls.command("list")
@click.option("--status", help="Only those of this status.")
@click.option("--from", "caller", help="Only those from this number or client.")
@click.option("--to", help="Only those to this number or client.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True)
@account_option
@json_option
@click.pass_obj
def list_(
    deployment: Deployment,
    status: str | None,
    caller: str | None,
    to: str | None,
    limit: int,
    account_sid: str | None,
    as_json: bool,
) -> None:
    """The account's calls, newest first."""
    query = select(models.Call.__table__).where(
        CALLS.account_sid == deployment.account(account_sid).account_sid
    )
    for column, wanted in ((CALLS.status, status), (CALLS["from"], caller), (CALLS.to, to)):
        if wanted is not None:
            query = query.where(column == wanted)
    query = query.order_by(CALLS.date_created.desc(), CALLS.sid.desc()).limit(limit)
    rows = deployment.read(lambda c: c.execute(query).all())
    print_many([leg_shown(row) for row in rows], COLUMNS, as_json)


@calls.command()
@click.argument("sid", metavar="CA…")
@watch_option
@account_option
@json_option
@click.pass_obj
def show(
    deployment: Deployment, sid: str, watch: float | None, account_sid: str | None, as_json: bool
) -> None:
    """One call as a ladder: who told whom what, its legs, and what went wrong."""
    owner = deployment.account(account_sid).account_sid
    watched(lambda: deployment.read(lambda c: fetch(c, owner, sid)), show_call, watch, as_json)


@calls.command()
@click.argument("sid", metavar="CA…")
@account_option
@json_option
@click.pass_obj
def replay(deployment: Deployment, sid: str, account_sid: str | None, as_json: bool) -> None:
    """Decides again whom each <Client> of a call rings, on what the presence server said then.

    Exit status 1: this release would decide otherwise.
    """
    owner = deployment.account(account_sid).account_sid
    rows = deployment.read(lambda c: c.execute(decisions.listed(owner, sid).order_by(DECISIONS.c.at)).all())
    if not rows:
        raise Missing(f"Decision on presence for call {sid}")
    again = [(row, decisions.replayed(row)) for row in rows]
    shown = [
        {
            "call_sid": row.call_sid,
            "to": f"client:{row.name}",
            "decided": row.outcome,
            "again": decision.choice.outcome.value if decision else None,
            "same": decision is None or decisions.same(row, decision),
        }
        for row, decision in again
    ]
    print_many(shown, ("call_sid", "to", "decided", "again", "same"), as_json)
    if not all(one["same"] for one in shown):
        raise SystemExit(1)
