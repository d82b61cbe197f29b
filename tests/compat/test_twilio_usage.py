"""Twilio's Python library against Usage: records, and triggers that fire (twilio-surface 5.11)."""

import asyncio
import itertools
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select, update
from twilio.rest import Client
from twilio_contract import refusal

from callrouter import models
from callrouter.directory.usage import watch
from callrouter.directory.usage.periods import Period, Recurring, View, month, periods, year
from foundation.clock import utc_now
from foundation.sids import CALL, MESSAGE, PHONE_NUMBER, RECORDING, TRANSCRIPTION, new_sid

URL = "https://app.example/usage"
DAY = timedelta(days=1)


class Used:
    """An account that is 800 days old, and what it did."""

    def __init__(self, deployment: Any, account_sid: str) -> None:
        self.deployment, self.account_sid = deployment, account_sid
        self.today = utc_now().date()
        self.age(account_sid)

    def age(self, account_sid: str) -> None:
        made = self.noon(800)
        older = update(models.Account).where(models.Account.account_sid == account_sid)
        self.deployment.write(lambda c: c.execute(older.values(date_created=made)))

    def noon(self, days_ago: float) -> float:
        return (datetime.combine(self.today, time(12), UTC) - days_ago * DAY).timestamp()

    def call(self, days_ago: int = 0, seconds: float = 61, **columns: Any) -> None:
        ended = self.noon(days_ago)
        row = {"from": "+15555550100", "to": "+15555550199", "direction": "inbound", "status": "completed"}
        times = {"start_time": ended - seconds, "end_time": ended}
        self.insert(models.Call, days_ago, sid=new_sid(CALL), leg="", **{**row, **times, **columns})

    def message(self, days_ago: int = 0, **columns: Any) -> None:
        row = {"from": "+15555550100", "to": "+15555550199", "direction": "outbound-api", "body": "hello"}
        row |= {"encoding": "gsm-7", "num_segments": 3, "status": "delivered", "carrier": "fast"}
        self.insert(models.Message, days_ago, **{"sid": new_sid(MESSAGE), **row, **columns})

    def recording(self, days_ago: int = 0, **columns: Any) -> None:
        row = {"call_sid": new_sid(CALL), "source": "RecordVerb", "track": "inbound", "channels": 1}
        row |= {"status": "completed", "duration": 30, "start_time": 1.0, "callback_method": "POST"}
        self.insert(
            models.Recording, days_ago, sid=new_sid(RECORDING), callback_events="", **{**row, **columns}
        )

    def transcription(self) -> None:
        row = {"recording_sid": new_sid(RECORDING), "status": "completed", "text": "hello", "duration": 121}
        self.insert(models.Transcription, 0, sid=new_sid(TRANSCRIPTION), **row)

    def number(self, phone_number: str) -> None:
        row = {"sid": new_sid(PHONE_NUMBER), "phone_number": phone_number, "friendly_name": ""}
        self.insert(models.PhoneNumber, 0, **row)

    def insert(self, model: Any, days_ago: int, **columns: Any) -> None:
        at = self.noon(days_ago)
        row = {"account_sid": self.account_sid, "date_created": at, "date_updated": at, **columns}
        self.deployment.write(lambda c: c.execute(insert(model).values(row)))

    def look(self, days_ahead: float = 0) -> list[dict[str, Any]]:
        """The watch looks at that day's noon: the callbacks that it left for this account, oldest first."""
        now = self.noon(-days_ahead)
        asyncio.run(watch.look(self.deployment.database, now, "https://calls.example"))
        box = models.Outbox
        left = select(box.payload).where(box.account_sid == self.account_sid, box.kind == "callback")
        with self.deployment.database.read() as connection:
            return list(connection.execute(left.order_by(box.created_at, box.id)).scalars())


@pytest.fixture
def used(deployment: Any, account: tuple[str, str]) -> Used:
    return Used(deployment, account[0])


def amounts(records: Any) -> dict[str, tuple[str, str]]:
    return {one.category: (one.count, one.usage) for one in records if one.count != "0"}


def test_calls_count_where_they_went(client: Client, used: Used) -> None:
    used.call()
    used.call(seconds=60, direction="outbound-dial", identity="alice", to="client:alice")
    used.call(seconds=0.2, direction="outbound-api")
    used.call(direction="outbound-dial", to="sip:bob@example.com")
    used.call(status="busy", start_time=used.noon(0))
    used.call(status="in-progress", end_time=None)
    assert amounts(client.usage.records.list()) == {
        "calls": ("4", "5"),
        "calls-inbound": ("1", "2"),
        "calls-outbound": ("1", "0"),
        "calls-client": ("1", "1"),
        "calls-sip": ("1", "2"),
        "calls-sip-outbound": ("1", "2"),
    }


def test_messages_count_when_they_were_exchanged_with_phones(client: Client, used: Used) -> None:
    """SMS in segments, MMS in messages; what never left and what clients wrote each other costs no carrier."""
    used.message(direction="inbound", status="received")
    used.message(num_segments=1, status="sent")
    used.message(status="undelivered")
    used.message(direction="outbound-reply", num_media=2)
    used.message(direction="inbound", status="received", num_media=1)
    for status in ("queued", "failed", "canceled", "scheduled"):
        used.message(status=status, carrier=None)
    used.message(carrier="presence", to="client:alice")
    assert amounts(client.usage.records.list()) == {
        "sms": ("3", "7"),
        "sms-inbound": ("1", "3"),
        "sms-outbound": ("2", "4"),
        "mms": ("2", "2"),
        "mms-inbound": ("1", "1"),
        "mms-outbound": ("1", "1"),
    }


def test_a_scheduled_message_counts_on_the_day_on_which_it_left(client: Client, used: Used) -> None:
    used.message(30, date_sent=used.noon(0))
    assert amounts(client.usage.records.today.list()) == {"sms": ("1", "3"), "sms-outbound": ("1", "3")}
    assert amounts(client.usage.records.yesterday.list()) == {}


def test_recordings_transcriptions_and_numbers_count(client: Client, used: Used) -> None:
    used.recording()
    used.recording(status="in-progress", duration=None)
    used.transcription()
    used.number("+15555557001")
    recordings = dict.fromkeys(("calls-recordings", "recordings", "recordingstorage"), ("1", "1"))
    found = client.usage.records.all_time.list()
    assert amounts(found) == {**recordings, "transcriptions": ("1", "3"), "phonenumbers": ("1", "1")}
    (record,) = [one for one in found if one.category == "recordings"]
    assert (record.count_unit, record.usage_unit, record.price, record.price_unit) == (
        "recordings",
        "minutes",
        0,
        "usd",
    )
    assert (record.start_date, record.end_date) == (used.today - 800 * DAY, used.today)


def test_each_view_has_its_days(client: Client, used: Used) -> None:
    for days_ago in (0, 1, 40, 500):
        used.call(days_ago)
    records = client.usage.records

    def calls(view: Any) -> list[str]:
        return [one.count for one in view.list(category="calls")]

    assert calls(records) == calls(records.all_time) == ["4"]
    assert calls(records.today) == calls(records.yesterday) == ["1"]
    this, last = month(used.today), month(month(used.today).first - DAY)
    days = [used.today - ago * DAY for ago in (0, 1, 40, 500)]
    assert calls(records.this_month) == [str(sum(day >= this.first for day in days))]
    assert calls(records.last_month) == [str(sum(last.first <= day <= last.last for day in days))]
    daily = records.daily.list(category="calls", start_date=used.today - 2 * DAY)
    assert [(one.start_date, one.count) for one in daily] == [
        (used.today, "1"),
        (used.today - DAY, "1"),
        (used.today - 2 * DAY, "0"),
    ]
    monthly, yearly = records.monthly.list(category="calls"), records.yearly.list(category="calls")
    for view in (monthly, yearly):
        assert sum(int(one.count) for one in view) == 4
        assert view[0].end_date == used.today
        assert view[-1].start_date == used.today - 800 * DAY
    assert len(yearly) in (3, 4)


def test_dates_may_be_days_from_today(client: Client, used: Used) -> None:
    for days_ago in (0, 3, 6):
        used.call(days_ago)

    def count(**dates: Any) -> str | None:
        return client.usage.records.list(category="calls", **dates)[0].count

    assert count(start_date="-3days") == "2"
    assert count(start_date="-6days", end_date="-1days") == "2"
    assert count(end_date="+30days") == "3"
    assert count(start_date=date(2000, 1, 1)) == "3"
    assert client.usage.records.list(start_date="+1days") == []
    for wrong in (
        {"start_date": "soon"},
        {"end_date": "2020-02-30"},
        {"start_date": "-1days", "end_date": "-2days"},
    ):
        assert refusal(lambda wrong=wrong: client.usage.records.list(**wrong)) == (400, 20001)


def test_an_owner_counts_its_subaccounts_too(deployment: Any, client: Client, used: Used) -> None:
    branch, token = deployment.account(owner=used.account_sid)
    theirs = Used(deployment, branch)
    theirs.call()
    used.call()
    assert client.usage.records.list(category="calls")[0].count == "2"
    assert client.usage.records.list(category="calls", include_subaccounts=False)[0].count == "1"
    assert deployment.client(branch, token).usage.records.list(category="calls")[0].count == "1"


def test_records_come_in_pages(client: Client, used: Used) -> None:
    client.http_client.requests.clear()
    whole = client.usage.records.daily.list(start_date="-4days")
    paged = client.usage.records.daily.list(start_date="-4days", page_size=7)

    def key(one: Any) -> Any:
        return one.start_date, one.category

    assert list(map(key, paged)) == list(map(key, whole))
    assert len(set(map(key, whole))) == len(whole) == 5 * 19
    last = client.usage.records.daily.page(start_date="-4days", page_size=50).next_page()
    assert len(list(last)) == 45
    assert len(list(last.previous_page())) == 50
    gone = "PAnothing-0000000000000000"
    assert refusal(lambda: client.usage.records.page(page_token=gone)) == (400, 21481)


@given(
    view=st.sampled_from(View),
    today=st.dates(date(2000, 1, 1), date(2100, 1, 1)),
    first=st.integers(0, 900),
    length=st.integers(0, 900),
)
def test_periods_part_the_bounds(view: View, today: date, first: int, length: int) -> None:
    """Newest first, within the bounds, no day twice; the views without an end of their own leave out no day."""
    bounds = Period(first=today - first * DAY, last=min(today, today - (first - length) * DAY))
    found = periods(view, bounds, today)
    assert found == sorted(found, reverse=True)
    assert all(later.first > earlier.last for later, earlier in itertools.pairwise(found))
    days = sum((one.last - one.first).days + 1 for one in found)
    assert days <= (bounds.last - bounds.first).days + 1
    if view in (View.RECORDS, View.ALL_TIME, View.DAILY, View.MONTHLY, View.YEARLY):
        assert days == (bounds.last - bounds.first).days + 1


@pytest.mark.parametrize("recurring", Recurring)
def test_today_is_in_its_period(recurring: Recurring) -> None:
    for today in (date(2024, 2, 29), date(2024, 12, 31), date(2025, 1, 1)):
        period = recurring.period(today)
        assert period.first <= today <= period.last
    assert month(date(2024, 2, 1)) == Period(first=date(2024, 2, 1), last=date(2024, 2, 29))
    assert year(date(2024, 2, 1)).last == date(2024, 12, 31)


def trigger(client: Client, value: str = "2", **settings: Any) -> Any:
    wanted = {"usage_category": "calls", "trigger_by": "count", "callback_url": URL, **settings}
    return client.usage.triggers.create(trigger_value=value, **wanted)


def test_a_trigger_is_made_listed_changed_and_deleted(client: Client, used: Used) -> None:
    used.call()
    made = trigger(client, friendly_name="many", recurring="monthly", callback_method="GET")
    assert (made.trigger_value, made.recurring, made.usage_category) == ("2", "monthly", "calls")
    assert (made.callback_url, made.callback_method, made.date_fired) == (URL, "GET", None)
    one = client.usage.triggers(made.sid)
    assert one.fetch().current_value == "1"
    assert one.update(friendly_name="more", callback_url=f"{URL}/2").friendly_name == "more"
    trigger(client, usage_category="sms", trigger_by="usage")
    assert [each.friendly_name for each in client.usage.triggers.list(recurring="monthly")] == ["more"]
    assert len(client.usage.triggers.list(trigger_by="usage")) == 1
    assert [each.friendly_name for each in client.usage.triggers.list(usage_category="calls")] == ["more"]
    assert one.delete()
    assert refusal(one.fetch) == (404, 20404)


def test_a_value_may_be_an_offset(client: Client, used: Used) -> None:
    used.call()
    used.call()
    assert trigger(client, "+5").trigger_value == "7"
    assert trigger(client, "+5", trigger_by="usage").trigger_value == "9"


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"callback_url": "nowhere"}, 21502),
        ({"callback_url": ""}, 21502),
        ({"callback_method": "PUT"}, 21403),
        ({"friendly_name": "x" * 65}, 20002),
        ({"usage_category": "balloons"}, 20001),
        ({"recurring": "hourly"}, 20001),
        ({"trigger_by": "weight"}, 20001),
        ({"value": "much"}, 20001),
        ({"value": "-1"}, 20001),
        ({"value": ""}, 20001),
    ],
)
def test_wrong_triggers_are_refused(client: Client, wrong: dict[str, Any], code: int) -> None:
    assert refusal(lambda: trigger(client, **wrong)) == (400, code)


def test_a_trigger_fires_once(client: Client, used: Used) -> None:
    made = trigger(client)
    used.call()
    assert used.look() == []
    used.call(5)
    (callback,) = used.look()
    assert (callback["url"], callback["method"]) == (URL, "POST")
    parameters = callback["parameters"]
    assert parameters.pop("DateFired").endswith("+0000")
    path = f"/2010-04-01/Accounts/{used.account_sid}/Usage/Records/AllTime.json?Category=calls"
    assert parameters == {
        "AccountSid": used.account_sid,
        "UsageTriggerSid": made.sid,
        "UsageCategory": "calls",
        "Recurring": "",
        "TriggerBy": "count",
        "TriggerValue": "2",
        "CurrentValue": "2",
        "UsageRecordUri": f"https://calls.example{path}",
        "IdempotencyToken": f"usage:{made.sid}:0001-01-01",
    }
    assert made.fetch().date_fired is not None
    used.call()
    assert len(used.look()) == len(used.look(days_ahead=400)) == 1, "once"


def test_a_recurring_trigger_fires_once_in_each_period(client: Client, used: Used) -> None:
    trigger(client, "1", recurring="daily")
    used.call()
    assert len(used.look()) == len(used.look()) == 1
    assert len(used.look(days_ahead=1)) == 1, "nothing was used that day"
    used.call(-1)
    assert len(used.look(days_ahead=1)) == 2


def test_what_is_used_last_in_a_day_fires_after_midnight(client: Client, used: Used) -> None:
    """Not for a trigger that was made since."""
    used.call(-1)
    trigger(client, "1", recurring="daily")
    assert used.look(days_ahead=1.6) == [], "tomorrow is over for too long"
    ((parameters),) = [callback["parameters"] for callback in used.look(days_ahead=1.51)]
    assert parameters["IdempotencyToken"].endswith(str(used.today + DAY))
    trigger(client, "1", recurring="daily")
    made = update(models.UsageTrigger).where(models.UsageTrigger.account_sid == used.account_sid)
    used.deployment.write(lambda c: c.execute(made.values(date_created=used.noon(-1.505))))
    assert len(used.look(days_ahead=1.51)) == 1


def test_a_price_is_never_reached(client: Client, used: Used) -> None:
    trigger(client, "0.01", usage_category="totalprice", trigger_by="price")
    used.call()
    assert used.look() == []


def test_of_two_routers_one_fires(client: Client, used: Used, deployment: Any) -> None:
    trigger(client, "1")
    used.call()
    with deployment.database.read() as connection:
        found = [
            each for each in watch.reached(connection, used.today) if each[0].account_sid == used.account_sid
        ]

    def fire(connection: Any) -> bool:
        return watch.fire(connection, found[0][0], came_to=1, base_url="", day=used.today, now=used.noon(0))

    assert [deployment.write(fire), deployment.write(fire)] == [True, False]
