"""Usage triggers: what is watched, and what has been reached (https://www.twilio.com/docs/usage/api/usage-trigger)."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Select, delete, func, insert, select, update

from callrouter import models
from callrouter.directory.errors import Missing, Refused
from callrouter.directory.rows import value
from callrouter.directory.usage.measuring import Amount, measure, totals
from callrouter.directory.usage.periods import Recurring, View
from callrouter.directory.webhooks import friendly_name as checked_name
from foundation.clock import from_timestamp

LIMIT = 1000


class By(StrEnum):
    """Which number of a record is compared."""

    COUNT = "count"
    USAGE = "usage"
    PRICE = "price"

    def of(self, amount: Amount) -> int:
        return {By.COUNT: amount.count, By.USAGE: amount.usage, By.PRICE: 0}[self]


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """Times are Unix seconds."""

    account_sid: str
    sid: str
    friendly_name: str
    usage_category: str
    trigger_by: str
    trigger_value: str
    recurring: str
    callback_url: str
    callback_method: str
    date_fired: float | None
    date_created: float
    date_updated: float

    @property
    def record_uri(self) -> str:
        """The path of the record that it watches."""
        view = _VIEWS[Recurring(self.recurring)]
        account = f"/2010-04-01/Accounts/{self.account_sid}"
        return f"{account}/Usage/Records/{view}.json?Category={self.usage_category}"


_VIEWS = {
    Recurring.DAILY: View.TODAY,
    Recurring.MONTHLY: View.THIS_MONTH,
    Recurring.YEARLY: View.YEARLY,
    Recurring.ALL_TIME: View.ALL_TIME,
}


def listed(account_sid: str, **filters: str) -> Select[Any]:
    """`filters`: columns and what they are."""
    table = models.UsageTrigger.__table__
    wanted = (table.c[name] == text for name, text in filters.items())
    return select(table).where(table.c.account_sid == account_sid, *wanted)


def fetch(connection: Connection, account_sid: str, sid: str) -> Trigger:
    """The account's trigger; Missing when it has none of that SID."""
    row = connection.execute(listed(account_sid, sid=sid)).one_or_none()
    if row is None:
        raise Missing(f"Usage trigger {sid}")
    return value(Trigger, row)


def create(
    connection: Connection,
    *,
    account_sid: str,
    sid: str,
    usage_category: str,
    trigger_value: str,
    callback_url: str,
    callback_method: str = "POST",
    friendly_name: str = "",
    recurring: str = Recurring.ALL_TIME,
    trigger_by: str = By.USAGE,
    now: float,
) -> Trigger:
    """`trigger_value` with a plus is that much more than now. 20001: the account has too many triggers."""
    count = select(func.count()).where(models.UsageTrigger.account_sid == account_sid)
    if connection.execute(count).scalar_one() >= LIMIT:
        raise Refused(20001, f"An account has at most {LIMIT} usage triggers")
    made = Trigger(
        account_sid=account_sid,
        sid=sid,
        friendly_name=checked_name(friendly_name),
        usage_category=usage_category,
        trigger_by=trigger_by,
        trigger_value=trigger_value,
        recurring=recurring,
        callback_url=callback_url,
        callback_method=callback_method,
        date_fired=None,
        date_created=now,
        date_updated=now,
    )
    row = vars(made) | {"fired_period": ""}
    if trigger_value.startswith("+"):
        row["trigger_value"] = str(
            Decimal(trigger_value) + current(connection, made, from_timestamp(now).date())
        )
    connection.execute(insert(models.UsageTrigger).values(row))
    return fetch(connection, account_sid, sid)


def change(connection: Connection, account_sid: str, sid: str, now: float, **changes: str) -> Trigger:
    """Sets `friendly_name`, `callback_url` or `callback_method`."""
    fetch(connection, account_sid, sid)
    if "friendly_name" in changes:
        checked_name(changes["friendly_name"])
    connection.execute(
        update(models.UsageTrigger).where(*_this(account_sid, sid)).values(**changes, date_updated=now)
    )
    return fetch(connection, account_sid, sid)


def remove(connection: Connection, account_sid: str, sid: str) -> None:
    fetch(connection, account_sid, sid)
    connection.execute(delete(models.UsageTrigger).where(*_this(account_sid, sid)))


def current(connection: Connection, trigger: Trigger, today: date) -> int:
    """What it is compared with: of the account and its subaccounts, in the trigger's period."""
    period = Recurring(trigger.recurring).period(today)
    used = measure(connection, trigger.account_sid, period, subaccounts=True)
    return By(trigger.trigger_by).of(totals(used, [period])[trigger.usage_category, period])


def _this(account_sid: str, sid: str) -> tuple[Any, Any]:
    return models.UsageTrigger.account_sid == account_sid, models.UsageTrigger.sid == sid
