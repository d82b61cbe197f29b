"""Twilio's Python library against messages that are there: lists, redaction, Media, Feedback (twilio-surface 5.8)."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
import requests
from sqlalchemy import select
from twilio_contract import refusal
from writing import PHONE, URL, Writing, write

from callrouter import models
from foundation.sids import new_sid

__all__ = ["write"]


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
