"""Twilio's Python library against Messages: sending (twilio-surface 5.8)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from twilio_contract import refusal
from writing import PHONE, PICTURE, URL, Writing, write

from callrouter import models
from callrouter.messages.status import Status
from foundation.clock import utc_now
from foundation.sids import APPLICATION, MESSAGE, MESSAGE_WITH_MEDIA, new_sid

__all__ = ["write"]


def test_a_message_is_queued_and_shown(write: Writing) -> None:
    made = write(body="hello \u20ac")
    assert made.sid.startswith(MESSAGE)
    assert (made.status, made.direction, made.to, made.from_) == (
        "queued",
        "outbound-api",
        PHONE,
        write.number,
    )
    assert (made.body, made.num_segments, made.num_media, made.api_version) == (
        "hello \u20ac",
        "1",
        "0",
        "2010-04-01",
    )
    assert (made.date_sent, made.error_code, made.error_message, made.messaging_service_sid) == (None,) * 4
    assert made.uri.endswith(f"/Messages/{made.sid}.json")
    assert made.subresource_uris["media"].endswith(f"/Messages/{made.sid}/Media.json")
    assert write.row(made.sid).phone_number_sid == write.number_sid
    assert write.client.messages(made.sid).fetch().body == "hello \u20ac"


@pytest.mark.parametrize(
    ("body", "segments"),
    [("x" * 160, "1"), ("x" * 161, "2"), ("\u4f60" * 70, "1"), ("\u4f60" * 71, "2"), ("|" * 81, "2")],
)
def test_segments(write: Writing, body: str, segments: str) -> None:
    assert write(body=body).num_segments == segments


@pytest.mark.parametrize("written", ["{0}", "{0[0]}{0[1]} ({0[2]}{0[3]}{0[4]}) {1}", "{0[0]}{0[1]}-{2}"])
def test_numbers_may_have_separators(write: Writing, written: str) -> None:
    number = write.number
    text = written.format(number, number[5:], f"{number[2:5]}.{number[5:8]}.{number[8:]}")
    assert write(from_=text).from_ == number


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"to": ""}, 21604),
        ({"to": "nobody"}, 21211),
        ({"to": "5555550123"}, 21211),
        ({"to": "+1555"}, 21211),
        ({"to": "+\uff11" + "5" * 10}, 21211),
        ({"to": "+1555555012x"}, 21211),
        ({"to": "whatsapp:+15555550123"}, 21211),
        ({"to": "client:"}, 21211),
        ({"to": "x" * 301}, 21211),
        ({"from_": ""}, 21603),
        ({"from_": "+12"}, 21212),
        ({"from_": "whatsapp:+15555550123"}, 21212),
        ({"from_": "Much too long a name"}, 21212),
        ({"from_": "+15555550199"}, 21606),
        ({"from_": "54321"}, 21606),
        ({"from_": "Acme"}, 21606),
        ({"from_": "client:alice"}, 21910),
        ({"from_": PHONE}, 21266),
        ({"body": ""}, 21602),
        ({"body": " \n"}, 21602),
        ({"body": "x" * 1601}, 21617),
        ({"body": "a\x00b"}, 20001),
        ({"messaging_service_sid": "MG"}, 21705),
        ({"messaging_service_sid": "MG" + "0" * 32}, 21701),
        ({"media_url": ["nope"]}, 21620),
        ({"media_url": ["ftp://app.example/cat.png"]}, 21620),
        ({"media_url": [PICTURE] * 11}, 21623),
        ({"status_callback": "nope"}, 21609),
        ({"application_sid": new_sid(APPLICATION)}, 21218),
        ({"validity_period": 0}, 21624),
        ({"validity_period": 36_001}, 21624),
        ({"content_sid": "HX" + "0" * 32}, 21655),
        ({"content_retention": "discard"}, 30029),
        ({"address_retention": "obfuscate"}, 30030),
        ({"send_at": datetime(2026, 1, 1, tzinfo=UTC)}, 35126),
        ({"schedule_type": "fixed"}, 35111),
        ({"schedule_type": "fixed", "send_at": datetime(2026, 1, 1, tzinfo=UTC)}, 35118),
        ({"schedule_type": "sometime"}, 35126),
    ],
)
def test_what_is_refused(write: Writing, given: dict[str, Any], code: int) -> None:
    """twilio-surface 7.6, and issue 5: unowned senders, bad numbers, empty and oversized bodies."""
    assert write.refused(**given) == (400, code)


def test_who_said_stop_gets_nothing(write: Writing) -> None:
    write.insert(models.OptOut, sender=write.number, phone=PHONE, date_created=1.0)
    assert write.refused() == (400, 21610)


def test_every_parameter_arrives(write: Writing) -> None:
    made = write(
        media_url=[PICTURE, PICTURE + "?2"],
        status_callback=URL,
        validity_period=60,
        provide_feedback=True,
        body="\u201chello\u201d",
        smart_encoded=True,
    )
    row = write.row(made.sid)
    assert made.sid.startswith(MESSAGE_WITH_MEDIA)
    assert (made.num_media, made.body, row.feedback) == ("2", '"hello"', "unconfirmed")
    assert (row.status_callback, round(row.valid_until - row.date_created)) == (URL, 60)


def test_what_the_library_can_send_besides_is_taken(write: Writing) -> None:
    """twilio-surface 5.8: passed through, or without effect."""
    made = write(
        max_price=0.5,
        attempt=1,
        force_delivery=True,
        content_retention="retain",
        address_retention="retain",
        persistent_action=["geo:1,2"],
        traffic_type="free",
        shorten_urls=True,
        send_as_mms=False,
        content_variables="{}",
        risk_check="disable",
    )
    assert made.status == "queued"


def test_a_message_may_be_a_picture_alone(write: Writing) -> None:
    made = write(body="", media_url=[PICTURE])
    assert (made.body, made.num_media) == ("", "1")


def test_the_callback_of_an_application(write: Writing) -> None:
    """The request's own goes before its application's, and that before the service's (twilio-surface 4.5)."""
    app = new_sid(APPLICATION)
    write.insert(models.Application, sid=app, friendly_name="", message_status_callback=URL)
    service = write.service(write.number_sid, status_callback="https://service.example")
    asked = {"messaging_service_sid": service}
    assert write.row(write(application_sid=app, **asked).sid).status_callback == URL
    own = write(application_sid=app, status_callback="https://own.example", **asked)
    assert write.row(own.sid).status_callback == "https://own.example"
    assert write.row(write(**asked).sid).status_callback == "https://service.example"


def test_a_message_to_a_client(write: Writing) -> None:
    assert write(to="client:alice").to == "client:alice"


@pytest.mark.parametrize("in_from", [False, True])
def test_a_service_chooses_the_sender_later(write: Writing, in_from: bool) -> None:
    """twilio-surface 5.12: `accepted` first, `from` null; the service may stand in From as well."""
    service = write.service(write.number_sid)
    asked = {"from_": service} if in_from else {"from_": "", "messaging_service_sid": service}
    made = write(**asked)
    assert (made.status, made.from_, made.num_segments) == ("accepted", None, "0")
    assert made.messaging_service_sid == service
    assert write.refused(from_=write.service()) == (400, 21704)


def test_a_message_is_scheduled(write: Writing) -> None:
    """From five minutes to 35 days ahead; it can be canceled, once."""
    service, now = write.service(write.number_sid), utc_now()
    fixed = {"schedule_type": "fixed", "messaging_service_sid": service, "from_": ""}
    made = write(send_at=now + timedelta(minutes=6), **fixed)
    assert made.status == "scheduled"
    assert abs(write.row(made.sid).due_at - (now + timedelta(minutes=6)).timestamp()) < 1
    for wrong in (timedelta(minutes=4), timedelta(days=36)):
        assert write.refused(send_at=now + wrong, **fixed) == (400, 35114)
    assert write.refused(send_at="tomorrow", **fixed) == (400, 35114)
    assert write.client.messages(made.sid).update(status="canceled").status == "canceled"
    status, code = refusal(lambda: write.client.messages(made.sid).update(status="canceled"))
    assert (status, code) == (409, 30409)


def test_an_idempotency_key(write: Writing) -> None:
    """OM2: the same request under the same key is the same message; another request is refused."""
    url = f"{write.deployment.url}/2010-04-01/Accounts/{write.account_sid}/Messages.json"

    def post(key: str, body: str = "hello") -> requests.Response:
        form = {"To": PHONE, "From": write.number, "Body": body}
        return requests.post(url, auth=write.account, data=form, headers={"Idempotency-Key": key}, timeout=10)

    first, again, other = post("a"), post("a"), post("b")
    assert [answer.status_code for answer in (first, again, other)] == [201] * 3
    assert first.json()["sid"] == again.json()["sid"] != other.json()["sid"]
    conflict, wrong = post("a", "other"), post("x" * 256)
    assert (conflict.status_code, conflict.json()["code"]) == (409, 20409)
    assert (wrong.status_code, wrong.json()["code"]) == (400, 20001)
    assert len(write.client.messages.list()) == 2


def test_a_status_of_ours_is_one_of_twilios(write: Writing) -> None:
    """The library's client holds each answer against Twilio's enumeration."""
    for status in Status:
        assert write.client.messages(write.stored(status=status)).fetch().status == status
