"""The rows of streams."""

from typing import Any

from sqlalchemy import Table, bindparam, insert, update

from callrouter.calls.steps.draft import Step
from callrouter.models import Stream

IN_PROGRESS, STOPPED = "in-progress", "stopped"

assert isinstance(Stream.__table__, Table)
_STREAMS = Stream.__table__
INSERT_STREAM = insert(_STREAMS)
END_STREAM = (
    update(_STREAMS)
    .where(_STREAMS.c.account_sid == bindparam("its_account"), _STREAMS.c.sid == bindparam("its_sid"))
    .values(status=STOPPED, date_updated=bindparam("date_updated"))
)


def new_rows(account_sid: str, step: Step) -> list[dict[str, Any]]:
    return [
        {
            "account_sid": account_sid,
            "sid": new.sid,
            "call_sid": new.call_sid,
            "name": new.title,
            "status": STOPPED if new.sid in step.ended_streams else IN_PROGRESS,
            "date_created": step.at,
            "date_updated": step.at,
        }
        for new in step.streams
    ]


def end_rows(account_sid: str, step: Step) -> list[dict[str, Any]]:
    """For those that an earlier step began: statements of a batch of steps run in any order."""
    just_begun = {new.sid for new in step.streams}
    return [
        {"its_account": account_sid, "its_sid": sid, "date_updated": step.at}
        for sid in step.ended_streams
        if sid not in just_begun
    ]
