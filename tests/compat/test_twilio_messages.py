"""Twilio's Python library against Messages, Media and Feedback (twilio-surface 5.8)."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import requests
from sqlalchemy import insert, select, update
from twilio.rest import Client
from twilio_contract import refusal
from twilio_world import carrier_of_messages, fresh

from callrouter import models
from callrouter.messages.status import Status
from foundation.clock import utc_now
from foundation.sids import (
    APPLICATION,
    MEDIA,
    MESSAGE,
    MESSAGE_WITH_MEDIA,
    PHONE_NUMBER,
    new_sid,
)

PHONE = "+15555550123"
URL = "https://app.example/status"
PICTURE = "https://app.example/cat.png"


class Writing:
    """An account with a number, in a deployment with a carrier that takes messages."""

    def __init__(self, deployment: Any, account: tuple[str, str], client: Client) -> None:
        self.deployment, self.account, self.client = deployment, account, client
        self.account_sid, self.number = account[0], fresh()
        self.number_sid = new_sid(PHONE_NUMBER)
        self.insert(models.PhoneNumber, sid=self.number_sid, phone_number=self.number, friendly_name="")
        deployment.write(carrier_of_messages)

    def __call__(self, **given: Any) -> Any:
        return self.client.messages.create(**{"to": PHONE, "from_": self.number, "body": "hello", **given})

    def refused(self, **given: Any) -> tuple[int, int]:
        """The refusal's status and code; nothing may have been stored."""
        before = len(self.client.messages.list())
        code = refusal(lambda: self(**given))
        assert len(self.client.messages.list()) == before
        return code

    def service(self, *numbers: str, **settings: Any) -> str:
        made = self.client.messaging.v1.services.create(friendly_name="alerts", **settings)
        for sid in numbers:
            self.client.messaging.v1.services(made.sid).phone_numbers.create(sid)
        return str(made.sid)

    def stored(self, **columns: Any) -> str:
        sid, now = new_sid(MESSAGE), utc_now().timestamp()
        row = {"direction": "outbound-api", "from": self.number, "to": PHONE, "body": "hello"}
        row |= {"encoding": "gsm-7", "num_segments": 1, "status": "delivered", "carrier": "compat"}
        self.insert(
            models.Message, **{**row, "sid": sid, "date_created": now, "date_updated": now, **columns}
        )
        return sid

    def picture(self, message_sid: str, position: int = 0, size: int | None = 3) -> str:
        sid = new_sid(MEDIA)
        row = {"message_sid": message_sid, "position": position, "url": PICTURE, "size": size}
        self.insert(models.MessageMedia, sid=sid, content_type="image/png", **row)
        if size:
            self.deployment.media.files[sid] = ("image/png", b"png")
        return sid

    def insert(self, model: Any, **columns: Any) -> None:
        row = {"account_sid": self.account_sid, **columns}
        if "date_updated" in model.__table__.c and "date_created" in model.__table__.c:
            row = {"date_created": 1.0, "date_updated": 1.0, **row}
        self.deployment.write(lambda c: c.execute(insert(model).values(row)))

    def row(self, sid: str) -> Any:
        query = select(models.Message.__table__).where(models.Message.sid == sid)
        with self.deployment.database.read() as connection:
            return connection.execute(query).one()

    def move(self, sid: str, **columns: Any) -> None:
        change = update(models.Message).where(models.Message.sid == sid)
        self.deployment.write(lambda c: c.execute(change.values(columns)))

    def rows(self, model: Any, column: str, sid: str) -> int:
        table = model.__table__
        with self.deployment.database.read() as connection:
            return len(connection.execute(select(table).where(table.c[column] == sid)).all())


@pytest.fixture
def write(deployment: Any, account: tuple[str, str], client: Client) -> Writing:
    return Writing(deployment, account, client)


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


def test_lists_and_their_filters(write: Writing) -> None:
    old = write.stored(date_sent=datetime(2026, 1, 5, 12, tzinfo=UTC).timestamp(), date_created=1.0)
    new = write.stored(
        date_sent=datetime(2026, 1, 6, 12, tzinfo=UTC).timestamp(), date_created=2.0, to="+15555550124"
    )
    waiting = write.stored(status="queued", date_created=3.0)
    messages = write.client.messages

    def sids(**filters: Any) -> list[str]:
        return [str(one.sid) for one in messages.list(**filters)]

    assert sids() == sids(page_size=1) == [waiting, new, old]
    assert sids(to=PHONE) == [waiting, old]
    assert sids(from_=write.number, to="+15555550124") == [new]
    assert sids(date_sent=date(2026, 1, 5)) == [old]
    assert sids(date_sent_after=datetime(2026, 1, 6, tzinfo=UTC)) == [new]
    assert sids(date_sent_before=datetime(2026, 1, 5, 23, tzinfo=UTC)) == [old]


def test_a_failed_message_says_why(write: Writing) -> None:
    failed = write.client.messages(write.stored(status="failed", error_code=30003)).fetch()
    assert (failed.status, failed.error_code) == ("failed", 30003)
    assert "handset" in str(failed.error_message)


def test_redaction(write: Writing) -> None:
    """twilio-surface 9.4, number 11; the webhooks that told the text forget it, too."""
    sid = write.stored(direction="inbound", status="received")
    told = {"kind": "document", "at": 1.0, "method": "POST", "url": URL, "parameters": {"Body": "hello"}}
    write.insert(models.Delivery, id=new_sid("")[:20], call_sid=sid, duration_ms=1, **told)
    changed = write.client.messages(sid).update(body="")
    assert (changed.body, changed.status, changed.num_segments) == ("", "received", "1")
    with write.deployment.database.read() as connection:
        log = models.Delivery.__table__
        assert connection.execute(select(log.c.parameters).where(log.c.call_sid == sid)).scalar() == {}


@pytest.mark.parametrize(
    "given", [{}, {"body": "other"}, {"status": "sent"}, {"body": "", "status": "canceled"}]
)
def test_an_update_that_makes_no_sense(write: Writing, given: dict[str, Any]) -> None:
    sid = write.stored()
    assert refusal(lambda: write.client.messages(sid).update(**given)) == (400, 30400)
    assert write.row(sid).body == "hello"


@pytest.mark.parametrize("status", ["accepted", "scheduled", "queued", "sending", "receiving"])
def test_what_is_on_its_way_stays(write: Writing, status: str) -> None:
    sid = write.stored(status=status)
    message = write.client.messages(sid)
    assert refusal(message.delete) == refusal(lambda: message.update(body="")) == (400, 20009)
    picture = write.picture(sid)
    assert refusal(message.media(picture).delete) == (400, 20009)


def test_what_an_app_still_answers_stays(write: Writing) -> None:
    sid = write.stored(direction="inbound", status="received")
    write.insert(models.MessageProgram, message_sid=sid, state="{}", version=1, date_updated=1.0)
    assert refusal(write.client.messages(sid).delete) == (400, 20009)


def test_a_deleted_message_leaves_nothing(write: Writing) -> None:
    """twilio-surface 9.4, number 12."""
    sid = write.stored(num_media=1)
    picture = write.picture(sid)
    write.insert(models.MessageDecision, **decision(sid))
    note = {"log": "0", "error_code": "11200", "message_text": "x", "message_date": 1.0}
    write.insert(models.Notification, sid=new_sid("NO"), call_sid=sid, **note)
    assert write.client.notifications.list()[0].call_sid is None, "it is no call's"
    assert write.client.messages(sid).delete()
    assert picture not in write.deployment.media.files
    for model, column in (
        (models.Message, "sid"),
        (models.MessageMedia, "message_sid"),
        (models.MessageDecision, "message_sid"),
        (models.Notification, "call_sid"),
    ):
        assert write.rows(model, column, sid) == 0
    assert refusal(write.client.messages(sid).delete) == (404, 20404)


def test_media(write: Writing) -> None:
    """Only what is stored is there; its bytes are for whoever knows the URL, and never run in a browser."""
    sid = write.stored(num_media=3)
    first, second = write.picture(sid), write.picture(sid, 1)
    write.picture(sid, 2, size=None)
    media = write.client.messages(sid).media
    assert {one.sid for one in media.list()} == {first, second}
    found = media(first).fetch()
    assert (found.content_type, found.parent_sid) == ("image/png", sid)
    url = write.deployment.url + str(found.uri).removesuffix(".json")
    answer = requests.get(url, timeout=10)
    assert (answer.status_code, answer.content, answer.headers["Content-Type"]) == (200, b"png", "image/png")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert requests.head(url, timeout=10).status_code == 200
    assert requests.get(url + ".json", timeout=10).status_code == 401, "what it is, is the account's"
    assert media(first).delete()
    assert requests.get(url, timeout=10).status_code == 404
    assert [one.sid for one in media.list()] == [second]


@pytest.mark.parametrize("odd", ["ME0", "%00", "ME" + "0" * 32])
def test_a_picture_that_nobody_has(write: Writing, odd: str) -> None:
    path = f"/2010-04-01/Accounts/{write.account_sid}/Messages/{write.stored()}/Media/{odd}"
    answer = requests.get(write.deployment.url + path, timeout=10)
    assert (answer.status_code, "20404" in answer.text) == (404, True)


def test_feedback(write: Writing) -> None:
    """MR-3, MR-8: the app's word, about a message that it sent."""
    sid = write.stored(status="sent", feedback="unconfirmed", date_sent=1.0)
    feedback = write.client.messages(sid).feedback
    assert feedback.create(outcome="unconfirmed").outcome == "unconfirmed"
    confirmed = feedback.create(outcome="confirmed")
    assert (confirmed.outcome, confirmed.message_sid) == ("confirmed", sid)
    assert feedback.create(outcome="unconfirmed").outcome == "confirmed", "nothing is taken back"
    assert write.row(sid).feedback == "confirmed"
    assert refusal(lambda: feedback.create(outcome="perhaps")) == (400, 20001)
    inbound = write.stored(direction="inbound", status="received")
    assert refusal(lambda: write.client.messages(inbound).feedback.create(outcome="confirmed")) == (
        404,
        20404,
    )


def decision(sid: str, attempt: int = 1) -> dict[str, Any]:
    considered = [{"carrier": "fast", "score": 0.9}, {"carrier": "slow", "out": "it was tried"}]
    made = {"message_sid": sid, "attempt": attempt, "at": float(attempt), "carrier": "fast"}
    return {**made, "reason": "best", "considered": considered}


def test_decisions_on_the_route(write: Writing) -> None:
    """MR-10: every route that was considered, newest decision first."""
    made = write()
    url = f"{write.deployment.url}/2010-04-01/Accounts/{write.account_sid}/Messages"
    (first,) = requests.get(f"{url}/{made.sid}/Decisions.json", auth=write.account, timeout=10).json()[
        "decisions"
    ]
    assert (first["carrier"], first["attempt"], first["message_sid"]) == (
        first["considered"][0]["carrier"],
        1,
        made.sid,
    )
    sid = write.stored()
    for attempt in (1, 2):
        write.insert(models.MessageDecision, **decision(sid, attempt))
    listed = requests.get(f"{url}/{sid}/Decisions.json", auth=write.account, timeout=10).json()["decisions"]
    assert [one["attempt"] for one in listed] == [2, 1]
    assert [one["carrier"] for one in listed[0]["considered"]] == ["fast", "slow"]
    xml = requests.get(f"{url}/{sid}/Decisions", auth=write.account, timeout=10)
    assert "<Decisions" in xml.text


def test_a_decision_on_clients_hides_the_devices_of_others(write: Writing) -> None:
    sid = write.stored(to="client:team")
    ours = {"account_sid": write.account_sid, "client": "alice", "chosen": False, "endpoints": ["desk"]}
    theirs = {"account_sid": "AC" + "0" * 32, "client": "bob", "chosen": True, "endpoints": ["mobile"]}
    row = {**decision(sid), "carrier": "presence", "considered": [ours, {**theirs, "skipped": []}]}
    write.insert(models.MessageDecision, **row)
    url = f"{write.deployment.url}/2010-04-01/Accounts/{write.account_sid}/Messages/{sid}/Decisions.json"
    (shown,) = requests.get(url, auth=write.account, timeout=10).json()["decisions"]
    del theirs["endpoints"]
    assert shown["considered"] == [ours, theirs]


def test_nobody_sees_anothers_messages(write: Writing, deployment: Any) -> None:
    """reliability-security 4.10"""
    sid = write.stored()
    stranger = deployment.client(*deployment.account()).messages
    for attempt in (stranger(sid).fetch, stranger(sid).delete, stranger(sid).media.list):
        assert refusal(attempt) == (404, 20404)
    assert stranger.list() == []


def test_a_status_of_ours_is_one_of_twilios(write: Writing) -> None:
    """The library's client holds each answer against Twilio's enumeration."""
    for status in Status:
        assert write.client.messages(write.stored(status=status)).fetch().status == status
