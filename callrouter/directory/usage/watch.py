"""Fires usage triggers: a unit of the router's that looks once in a while.

Several routers may look at once: the trigger's row lets one of them fire, and the callback is in the outbox when that
is stored.
"""

import asyncio
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection, and_, insert, or_, select, update

from callrouter.directory.rows import values
from callrouter.directory.usage.measuring import measure, totals
from callrouter.directory.usage.periods import Recurring
from callrouter.directory.usage.triggers import By, Trigger
from callrouter.models import Outbox, UsageTrigger
from foundation.clock import from_timestamp, rfc2822
from foundation.db import Database

log = structlog.get_logger(__name__)

SECONDS = 60.0
"""Between two looks."""
GRACE_SECONDS = 3600
"""For which what a day used may still fire after its end."""


async def look(database: Database, now: float, base_url: str) -> None:
    """Fires what is to fire: of today, and of the day that ended a moment ago."""
    days = sorted({from_timestamp(at).date() for at in (now - GRACE_SECONDS, now)})

    def find(day: date) -> list[tuple[Trigger, int]]:
        with database.read() as connection:
            return list(reached(connection, day))

    for day in days:
        for trigger, came_to in await asyncio.to_thread(find, day):
            unit = partial(fire, trigger=trigger, came_to=came_to, base_url=base_url, day=day, now=now)
            if await database.commit(unit, trigger.account_sid):
                log.info("usage trigger fired", account_sid=trigger.account_sid, sid=trigger.sid)


def reached(connection: Connection, day: date) -> Iterator[tuple[Trigger, int]]:
    """Triggers that are to fire, and how far their usage came; an account is measured once for each kind of period."""
    unfired = (
        and_(UsageTrigger.recurring == each, UsageTrigger.fired_period < _name(each, day))
        for each in Recurring
    )
    tomorrow = datetime.combine(day + timedelta(days=1), time(), UTC).timestamp()
    query = select(UsageTrigger.__table__).where(or_(*unfired), UsageTrigger.date_created < tomorrow)
    measured: tuple[Any, Any] = None, None
    for trigger in values(
        Trigger, connection, query.order_by(UsageTrigger.account_sid, UsageTrigger.recurring)
    ):
        period = Recurring(trigger.recurring).period(day)
        if measured[0] != (trigger.account_sid, period):
            usage = measure(connection, trigger.account_sid, period, subaccounts=True)
            measured = (trigger.account_sid, period), totals(usage, [period])
        came_to = By(trigger.trigger_by).of(measured[1][trigger.usage_category, period])
        if came_to >= Decimal(trigger.trigger_value):
            yield trigger, came_to


def fire(
    connection: Connection, trigger: Trigger, *, came_to: int, base_url: str, day: date, now: float
) -> bool:
    """Notes it and stores the callback; False when another router was quicker, or the trigger is gone."""
    period = _name(trigger.recurring, day)
    mine = (UsageTrigger.account_sid == trigger.account_sid, UsageTrigger.sid == trigger.sid)
    note = update(UsageTrigger).where(*mine, UsageTrigger.fired_period < period)
    if not connection.execute(note.values(fired_period=period, date_fired=now)).rowcount:
        return False
    entry = f"usage:{trigger.sid}:{period}"
    payload = {
        "url": trigger.callback_url,
        "method": trigger.callback_method,
        "call_sid": None,
        "parameters": {
            "AccountSid": trigger.account_sid,
            "UsageTriggerSid": trigger.sid,
            "UsageCategory": trigger.usage_category,
            "Recurring": "" if trigger.recurring == Recurring.ALL_TIME else trigger.recurring,
            "TriggerBy": trigger.trigger_by,
            "TriggerValue": trigger.trigger_value,
            "CurrentValue": str(came_to),
            "DateFired": rfc2822(from_timestamp(now)),
            "UsageRecordUri": base_url + trigger.record_uri,
            "IdempotencyToken": entry,
        },
    }
    connection.execute(
        insert(Outbox).values(
            id=entry,
            account_sid=trigger.account_sid,
            call_sid="",
            lane=f"usage:{trigger.sid}",
            position=1,
            kind="callback",
            payload=payload,
            due_at=now,
            owner="",
            created_at=now,
        )
    )
    return True


def _name(recurring: str, day: date) -> str:
    return Recurring(recurring).period(day).first.isoformat()
