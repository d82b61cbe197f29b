"""`callrouter calls`: what calls there are, and the ladder of one."""

from typing import Any

import click
from sqlalchemy import Row, select

from callrouter import models
from callrouter.calls import decisions
from callrouter.calls.decisions import DECISIONS
from callrouter.cli.deployment import Deployment
from callrouter.cli.ladder import print_ladder
from callrouter.cli.output import account_option, json_option, moment, print_many
from callrouter.directory.errors import Missing

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
    print_many([_shown(row) for row in rows], COLUMNS, as_json)


@calls.command()
@click.argument("sid", metavar="CA…")
@account_option
@json_option
@click.pass_obj
def show(deployment: Deployment, sid: str, account_sid: str | None, as_json: bool) -> None:
    """One call as a ladder: who told whom what, its legs, and what went wrong."""
    print_ladder(fetch_ladder(deployment, deployment.account(account_sid).account_sid, sid), as_json)


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


def fetch_ladder(deployment: Deployment, account_sid: str, sid: str) -> dict[str, Any]:
    """The call, its legs, its timeline, whom its clients' presence let ring, and its notifications; of a leg, those of
    the whole call."""

    def read(connection: Any) -> dict[str, Any]:
        mine = select(models.Call.__table__).where(CALLS.account_sid == account_sid)
        asked = connection.execute(mine.where(CALLS.sid == sid)).one_or_none()
        if asked is None:
            raise Missing(f"Call {sid}")
        top = asked.parent_call_sid or sid
        legs = mine.where((CALLS.sid == top) | (CALLS.parent_call_sid == top)).order_by(CALLS.date_created)
        found = connection.execute(legs).all()
        entries, notes = models.TimelineEntry.__table__.c, models.Notification.__table__.c
        timeline = select(models.TimelineEntry.__table__).where(
            entries.account_sid == account_sid, entries.call_sid == top
        )
        faults = select(models.Notification.__table__).where(
            notes.account_sid == account_sid, notes.call_sid.in_([leg.sid for leg in found])
        )
        return {
            "call_sid": top,
            "legs": [_shown(leg) for leg in found],
            "timeline": [
                {**_named(row, "source", "target", "summary", "detail"), "at": moment(row.at)}
                for row in connection.execute(timeline.order_by(entries.position))
            ],
            "presence": [
                _decided(row)
                for row in connection.execute(decisions.listed(account_sid, top).order_by(DECISIONS.c.at))
            ],
            "notifications": [
                {
                    **_named(row, "sid", "call_sid", "error_code", "message_text"),
                    "level": "error" if row.log == "0" else "warning",
                    "at": moment(row.message_date),
                }
                for row in connection.execute(faults.order_by(notes.message_date))
            ],
        }

    return deployment.read(read)


def _decided(row: Row[Any]) -> dict[str, Any]:
    what = ("call_sid", "name", "mode", "outcome", "as_of")
    who = ("chosen_account", "chosen_client", "presence_version", "waves", "rung")
    return {"at": moment(row.at), **_named(row, *what, *who), "skipped": decisions.not_rung(row)}


def _shown(call: Row[Any]) -> dict[str, Any]:
    names = ("sid", "parent_call_sid", "direction", "from", "to", "status", "ended_because", "carrier")
    times = ("date_created", "start_time", "end_time")
    return {**_named(call, *names), **{name: moment(call._mapping[name]) for name in times}}


def _named(row: Row[Any], *names: str) -> dict[str, Any]:
    return {name: row._mapping[name] for name in names}
