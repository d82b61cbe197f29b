"""Twilio's Python library against Calls, their Events, and Notifications (twilio-surface 5.7, 5.11)."""

import itertools
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import func, insert, select
from twilio.rest import Client
from twilio_contract import refusal

from callrouter.models import Call, Delivery, Notification, TimelineEntry
from foundation.sids import CALL, NOTIFICATION, new_sid

NOON = datetime(2026, 3, 5, 12, tzinfo=UTC).timestamp()
DAY = 86_400
_SECONDS = itertools.count()


class Fixture:
    """Writes calls and what hangs on them, as the engine would."""

    def __init__(self, deployment: Any, account_sid: str) -> None:
        self.deployment, self.account_sid = deployment, account_sid

    def call(self, status: str = "in-progress", **columns: Any) -> str:
        sid, at = new_sid(CALL), NOON + next(_SECONDS)
        row = {
            "from": "+15555550100",
            "to": "+15555550199",
            "direction": "inbound",
            "date_created": at,
            "date_updated": at,
            **columns,
        }
        self._insert(Call, sid=sid, status=status, **row)
        return sid

    def notification(self, call_sid: str | None, log: str = "0", at: float = NOON) -> str:
        sid = new_sid(NOTIFICATION)
        self._insert(
            Notification,
            sid=sid,
            call_sid=call_sid,
            log=log,
            error_code="11200",
            message_text="Msg=HTTP+retrieval+failure",
            message_date=at,
            request_method="POST",
            request_url="https://app.example/voice",
            request_variables="CallSid=CA1",
            response_headers="",
            response_body="<oops>",
        )
        return sid

    def delivery(self, call_sid: str, id: str, at: float) -> None:
        self._insert(
            Delivery,
            id=id,
            call_sid=call_sid,
            kind="document",
            at=at,
            method="POST",
            url="https://app.example/voice",
            parameters={"CallSid": call_sid, "From": "+15555550100"},
            response_status=200,
            content_type="text/xml",
            response_body="<Response/>",
            duration_ms=12,
        )

    def ladder(self, call_sid: str) -> None:
        self._insert(
            TimelineEntry,
            call_sid=call_sid,
            position=1,
            at=NOON,
            source="caller",
            target="router",
            summary="call",
            detail={},
        )

    def count(self, table: Any, call_sid: str) -> int:
        with self.deployment.database.read() as connection:
            return connection.execute(select(func.count()).where(table.call_sid == call_sid)).scalar_one()

    def _insert(self, model: Any, **columns: Any) -> None:
        row = {"account_sid": self.account_sid, **columns}
        self.deployment.write(lambda c: c.execute(insert(model.__table__).values(row)))


@pytest.fixture
def made(deployment: Any, account: tuple[str, str]) -> Fixture:
    return Fixture(deployment, account[0])


def test_a_call_is_shown_as_twilio_does(client: Client, made: Fixture) -> None:
    times = {"start_time": NOON, "end_time": NOON + 61.7}
    sid = made.call("completed", caller_name="Ann", **times)
    call = client.calls(sid).fetch()
    assert (call._from, call.from_formatted) == ("+15555550100", "(555) 555-0100")
    assert (call.duration, call.status, call.direction) == ("62", "completed", "inbound")
    assert call.start_time == datetime(2026, 3, 5, 12, tzinfo=UTC)
    assert (call.price, call.price_unit, call.queue_time) == (None, "USD", "0")
    assert call.uri == f"/2010-04-01/Accounts/{made.account_sid}/Calls/{sid}.json"


def test_an_unanswered_call_lasted_nothing_and_a_live_one_has_no_duration(
    client: Client, made: Fixture
) -> None:
    missed = made.call("no-answer", start_time=NOON + 30, end_time=NOON + 30)
    assert client.calls(missed).fetch().duration == "0"
    assert client.calls(made.call("ringing")).fetch().duration is None


def test_rest_never_shows_initiated(client: Client, made: Fixture) -> None:
    sid = made.call("initiated", **{"to": "client:alice"}, parent_call_sid=made.call())
    call = client.calls(sid).fetch()
    assert (call.status, call.to, call.to_formatted) == ("queued", "client:alice", "client:alice")
    assert [one.sid for one in client.calls.list(status="queued")] == [sid]


def test_calls_are_filtered(client: Client, made: Fixture) -> None:
    """Conformance check 8."""
    first = made.call("completed", start_time=NOON, end_time=NOON + 60)
    later = made.call("busy", start_time=NOON + DAY, end_time=NOON + DAY, to="+15555550177")
    child = made.call("ringing", parent_call_sid=first, **{"from": "client:bob"})

    def found(**filters: Any) -> list[str]:
        return [one.sid for one in client.calls.list(**filters)]

    assert found() == [child, later, first]
    assert found(page_size=1) == [child, later, first]
    assert found(to="+15555550177") == [later]
    assert found(from_="client:bob") == [child]
    assert found(parent_call_sid=first) == [child]
    assert found(status="busy") == [later]
    assert found(start_time=date(2026, 3, 5)) == [first]
    assert found(start_time_after=date(2026, 3, 6)) == [later]
    assert found(start_time_before=date(2026, 3, 6), page_size=1) == [first]
    assert found(start_time_after=datetime(2026, 3, 5, 12, tzinfo=UTC)) == [later, first]
    assert found(start_time_after=datetime(2026, 3, 5, 12, 0, 1, tzinfo=UTC)) == [later]
    assert found(start_time_before=datetime(2026, 3, 5, 12, tzinfo=UTC)) == [first]
    assert found(end_time=datetime(2026, 3, 5, 12, 1, tzinfo=UTC)) == [first]
    day: Any = "2026-03-05"  # what a library does not write, but people do
    assert found(start_time_before=day) == found(start_time=day) == [first]
    assert refusal(lambda: found(status="asleep")) == (400, 20001)
    nonsense: Any = "yesterday"
    assert refusal(lambda: found(start_time=nonsense)) == (400, 20001)


def test_a_live_call_is_hung_up(deployment: Any, client: Client, made: Fixture) -> None:
    """Conformance check 5."""
    sid = made.call()
    assert client.calls(sid).update(status="completed").sid == sid
    assert _asked(deployment, sid) == [("end", "completed")]


def test_an_ended_call_cannot_be_changed(deployment: Any, client: Client, made: Fixture) -> None:
    """Conformance check 5: 21220, by the record or by the engine that knows better."""
    sid = made.call("completed", start_time=NOON, end_time=NOON)
    assert refusal(lambda: client.calls(sid).update(status="completed")) == (400, 21220)
    assert refusal(lambda: client.calls(sid).update(status_callback="http://a.example")) == (400, 21220)
    racing = made.call()
    deployment.live.dead.add(racing)
    assert refusal(lambda: client.calls(racing).update(twiml="<Response/>")) == (400, 21220)


def test_cancel_is_for_calls_that_were_not_answered(deployment: Any, client: Client, made: Fixture) -> None:
    """Conformance check 6: an answered call refuses it."""
    answered, ringing = made.call(), made.call("ringing")
    assert refusal(lambda: client.calls(answered).update(status="canceled")) == (400, 21220)
    client.calls(ringing).update(status="canceled")
    assert _asked(deployment, answered) == []
    assert _asked(deployment, ringing) == [("end", "canceled")]


def test_a_live_call_gets_another_document(deployment: Any, client: Client, made: Fixture) -> None:
    sid = made.call()
    client.calls(sid).update(url="https://app.example/next", method="GET", fallback_url="http://b.example/")
    client.calls(sid).update(twiml="<Response><Hangup/></Response>")
    client.calls(sid).update(url="https://app.example/wins", twiml="<Response/>")
    plain = {"method": "POST", "fallback_url": None, "fallback_method": "POST"}
    assert _asked(deployment, sid) == [
        (
            "replace",
            {
                **plain,
                "url": "https://app.example/next",
                "method": "GET",
                "twiml": None,
                "fallback_url": "http://b.example/",
            },
        ),
        ("replace", {**plain, "url": None, "twiml": "<Response><Hangup/></Response>"}),
        ("replace", {**plain, "url": "https://app.example/wins", "twiml": None}),
    ]


def test_callbacks_and_limits_change_in_place(deployment: Any, client: Client, made: Fixture) -> None:
    sid = made.call()
    client.calls(sid).update(status_callback="https://app.example/s", time_limit=60)
    client.calls(sid).update()
    changes = {
        "status_callback": "https://app.example/s",
        "status_callback_method": None,
        "time_limit": 60,
    }
    assert _asked(deployment, sid) == [("adjust", changes)]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"status": "paused"}, 20001),
        ({"url": "nope"}, 21205),
        ({"url": "https://a.example", "method": "PUT"}, 21209),
        ({"twiml": "x" * 4001}, 32018),
        ({"status_callback": "nope"}, 21609),
        ({"time_limit": 0}, 20001),
        ({"time_limit": "\uff11"}, 20001),
    ],
)
def test_wrong_changes_are_refused(
    deployment: Any, client: Client, made: Fixture, given: Any, code: int
) -> None:
    sid = made.call()
    assert refusal(lambda: client.calls(sid).update(**given)) == (400, code)
    assert _asked(deployment, sid) == []


def test_a_call_is_deleted_with_what_hangs_on_it_once_it_has_ended(client: Client, made: Fixture) -> None:
    """20009 before that (twilio-surface 5.7)."""
    live = made.call("ringing")
    assert refusal(lambda: client.calls(live).delete()) == (400, 20009)
    sid = made.call("completed", start_time=NOON, end_time=NOON)
    made.notification(sid)
    made.delivery(sid, "d1" + sid, NOON)
    made.ladder(sid)
    assert client.calls(sid).delete() is True
    assert [made.count(table, sid) for table in (Notification, Delivery, TimelineEntry)] == [0, 0, 0]
    assert refusal(lambda: client.calls(sid).delete()) == (404, 20404)


def test_events_show_every_webhook(client: Client, made: Fixture) -> None:
    sid = made.call()
    for number in range(3):
        made.delivery(sid, f"{sid}:{number}", NOON + number)
    events = client.calls(sid).events.list(page_size=2)
    assert len(events) == 3
    assert events[0].request["parameters"] == {"CallSid": sid, "From": "+15555550100"}
    assert events[0].response["response_code"] == 200
    assert events[0].response["date_created"] == "Thu, 05 Mar 2026 12:00:02 +0000"
    assert refusal(lambda: client.calls(new_sid(CALL)).events.list()) == (404, 20404)


def test_notifications_of_the_account_and_of_a_call(client: Client, made: Fixture) -> None:
    sid = made.call()
    error = made.notification(sid)
    warning = made.notification(sid, log="1", at=NOON + DAY)
    other = made.notification(None, at=NOON - DAY)

    def sids(found: Any) -> list[str]:
        return [one.sid for one in found]

    assert sids(client.notifications.list()) == [warning, error, other]
    assert sids(client.notifications.list(log=0, page_size=1)) == [error, other]
    assert sids(client.notifications.list(message_date=date(2026, 3, 5))) == [error]
    assert sids(client.notifications.list(message_date_after=date(2026, 3, 5))) == [warning, error]
    of_call = client.calls(sid).notifications
    assert sids(of_call.list()) == [warning, error]
    assert of_call(error).fetch().response_body == "<oops>"
    shown = client.notifications(error).fetch()
    assert (shown.error_code, shown.more_info) == ("11200", "https://www.twilio.com/docs/errors/11200")
    assert refusal(lambda: of_call(other).fetch()) == (404, 20404)


def _asked(deployment: Any, call_sid: str) -> list[tuple[str, Any]]:
    return [(what, how) for what, _account, call, how in deployment.live.asked if call == call_sid]
