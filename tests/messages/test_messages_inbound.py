"""Messages that come in: stored once, their app asked, its replies queued with its next state in one transaction."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from inbound_world import APP, FALLBACK, NUMBER, PHONE, World, answer, world
from sqlalchemy import insert

from callrouter import models
from callrouter.calls.dispatch import CRASHES, Dispatcher, Done, Later
from callrouter.directory import places
from callrouter.messages import optouts, targets
from callrouter.messages.abandoning import abandon
from callrouter.messages.asking import PAUSES
from foundation.outbound.errors import OriginFault, Overloaded
from foundation.webserver.errors import ApiError


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


def says(w: World, *answers: object) -> None:
    w.apps.answers[APP] = list(answers)  # type: ignore[arg-type]


def test_a_message_is_stored_and_its_app_is_asked_with_twilios_parameters(w: World) -> None:
    """twilio-surface 4.5."""
    says(w, answer("<Response/>"))
    received = w.arrive("Hello ü")
    w.run()
    (asked,) = w.asked()
    sid = received.message_sid
    assert asked == (
        APP,
        {
            "MessageSid": sid,
            "SmsSid": sid,
            "SmsMessageSid": sid,
            "AccountSid": w.account,
            "From": PHONE,
            "To": NUMBER,
            **places.parameters("From", PHONE),
            **places.parameters("To", NUMBER),
            "Body": "Hello ü",
            "NumSegments": "1",
            "NumMedia": "0",
            "SmsStatus": "received",
            "ApiVersion": "2010-04-01",
        },
    )
    (row,) = w.rows(models.Message)
    assert (row.status, row.direction, row.carrier, row.carrier_message_id) == (
        "received",
        "inbound",
        "acme",
        "c1",
    )
    assert w.rows(models.MessageProgram) == w.rows(models.Outbox) == []
    (delivery,) = w.rows(models.Delivery)
    assert (delivery.call_sid, delivery.kind, delivery.response_status) == (sid, "document", 200)


def test_a_reply_goes_back_to_the_sender_and_is_queued_in_the_programs_transaction(w: World) -> None:
    """IM10: the reply, the end of the program and the end of its entry are one commit."""
    says(w, answer("<Response><Message>Hi there</Message></Response>"))
    received = w.arrive()
    w.run()
    (reply,) = w.replies()
    assert (reply._mapping["from"], reply.to, reply.body, reply.answers, reply.status) == (
        NUMBER,
        PHONE,
        "Hi there",
        received.message_sid,
        "queued",
    )
    (queued,) = w.rows(models.QueuedMessage)
    assert (queued.message_sid, queued.carrier) == (reply.sid, "acme")
    assert w.pokes == 1


def test_the_same_message_again_changes_nothing(w: World) -> None:
    """I7, F23: 200 and the first SID, whatever else it says by now."""
    says(w, answer("<Response><Message>Hi</Message></Response>"))
    first = w.arrive()
    again = w.arrive("another body")
    assert (again.message_sid, again.repeated, again.rows) == (first.message_sid, True, [])
    w.run()
    assert w.arrive().message_sid == first.message_sid
    assert len(w.replies()) == len(w.asked()) == 1


def test_a_deleted_message_that_comes_again_is_not_a_new_one(w: World) -> None:
    says(w, answer())
    first = w.arrive()
    w.run()
    w.write(lambda c: c.execute(models.Message.__table__.delete()))
    assert w.arrive().message_sid == first.message_sid
    assert w.rows(models.Message) == []


def test_an_id_of_ours_that_comes_back_is_refused_not_lost(w: World) -> None:
    """A carrier that gives a message to another number of ours the id under which it took it from us."""
    says(w, answer("<Response><Message>Hi</Message></Response>"))
    w.arrive()
    w.run()
    sid = w.replies()[0].sid
    table = models.Message.__table__
    taken = table.update().where(table.c.sid == sid).values(carrier="acme", carrier_message_id=sid)
    w.write(lambda c: c.execute(taken))
    with pytest.raises(ApiError) as refusal:
        w.arrive(id=sid)
    assert (refusal.value.status, refusal.value.code) == (409, 20409)


def test_an_entry_carried_out_twice_replies_once(w: World) -> None:
    """IM10: the answer to the commit got lost, or another process was quicker."""
    says(w, answer("<Response><Message>Hi</Message></Response>"))
    entry = w.arrive().rows[0]
    w.carry_out()
    w.waiting.append(entry)
    w.carry_out()
    assert len(w.asked()) == 2
    assert len(w.replies()) == 1


def test_an_answer_that_is_plain_text_is_the_reply(w: World) -> None:
    says(w, answer("Plainly", type="text/plain; charset=utf-8"))
    w.arrive()
    w.run()
    assert [reply.body for reply in w.replies()] == ["Plainly"]


@pytest.mark.parametrize(
    ("failure", "code"), [(answer(status=500), "11200"), (OriginFault(11202, "refused"), "11202")]
)
def test_the_fallback_is_asked_once_with_the_code(w: World, failure: object, code: str) -> None:
    """I9."""
    says(w, failure)
    w.apps.answers[FALLBACK] = [answer("<Response><Message>Sorry</Message></Response>")]
    w.arrive()
    w.run()
    (_, (url, told)) = w.asked()
    assert (url, told["ErrorCode"], told["ErrorUrl"], told["Body"]) == (FALLBACK, code, APP, "hi")
    assert [reply.body for reply in w.replies()] == ["Sorry"]
    assert w.codes() == [code]


def test_an_app_that_we_had_no_room_to_ask_is_asked_later(w: World) -> None:
    """A fault of ours costs time, and no answer; but not for ever (I6)."""
    full = Overloaded(12400, "our queue is full")
    says(w, full, answer("<Response><Message>Hi</Message></Response>"))
    w.arrive()
    later = w.carry_out()
    assert isinstance(later, Later)
    assert later.seconds == PAUSES[0]
    w.run()
    assert ([reply.body for reply in w.replies()], w.codes()) == (["Hi"], [])
    says(w, full)
    w.apps.answers[FALLBACK] = [answer()]
    w.arrive(id="c2")
    w.run()
    assert w.codes() == ["12400"]


def test_no_url_means_no_question_and_no_fault(w: World) -> None:
    """twilio-surface 4.2."""
    table = models.PhoneNumber.__table__
    w.write(lambda c: c.execute(table.update().values(sms_url="", sms_fallback_url="")))
    assert w.arrive().rows == []
    assert w.rows(models.Notification) == w.rows(models.Outbox) == []


def test_an_action_is_asked_with_what_became_of_the_reply(w: World) -> None:
    says(w, answer("<Response><Message action='/sent'>One</Message><Message>Never</Message></Response>"))
    w.apps.answers["https://app.test/sent"] = [answer("<Response><Message>Two</Message></Response>")]
    w.arrive()
    w.run()
    first = w.replies()[0]
    told = w.asked()[1][1]
    assert (told["MessageSid"], told["MessageStatus"]) == (first.sid, "queued")
    assert (told["To"], told["From"]) == (PHONE, NUMBER)
    assert sorted(reply.body for reply in w.replies()) == ["One", "Two"]


def test_a_reply_that_can_not_be_sent_is_noted_and_the_others_go_out(w: World) -> None:
    says(w, answer("<Response><Message from='+14155559999'>No</Message><Message>Yes</Message></Response>"))
    w.arrive()
    w.run()
    assert [reply.body for reply in w.replies()] == ["Yes"]
    assert w.codes() == ["21606"]


def test_stop_is_told_to_the_app_and_nothing_more_is_sent_until_start(w: World) -> None:
    """21610."""
    says(w, answer("<Response><Message>Bye</Message></Response>"))
    w.arrive(" stop ", id="c1")
    w.run()
    assert w.asked()[0][1]["Body"] == " stop "
    assert (w.replies(), w.codes()) == ([], ["21610"])
    with w.database.read() as connection:
        assert optouts.blocked(connection, w.account, NUMBER, None, PHONE)
        assert not optouts.blocked(connection, w.account, NUMBER, None, "+14155550199")
        assert not optouts.blocked(connection, w.account, "+14155550198", None, PHONE)
    w.arrive("Start", id="c2")
    w.run()
    assert len(w.replies()) == 1


def test_two_machines_that_answer_each_other_are_parted(w: World) -> None:
    """14107: fifteen replies between two numbers in 30 s."""
    says(w, answer("<Response><Message>Ping</Message></Response>"))
    for number in range(16):
        w.arrive(id=f"c{number}")
        w.run()
    assert len(w.replies()) == 15
    assert w.codes() == ["14107"]
    w.arrive(id="another", from_="+14155550199")
    w.now += 31
    w.arrive(id="later")
    w.run()
    assert len(w.replies()) == 17


def test_cookies_are_kept_for_the_phone_and_number_for_four_hours(w: World) -> None:
    cookie = {
        "name": "n",
        "value": "1",
        "domain": "app.test",
        "path": "/",
        "secure": False,
        "expires": None,
    }
    says(w, answer(cookies=(cookie,)), answer())
    for passing, expected in ((0, ()), (4 * 3600 - 1, (cookie,)), (2, ())):
        w.now += passing
        w.arrive(id=str(w.now))
        w.run()
        assert w.apps.asked[-1].cookies == expected
    w.arrive(id="other", from_="+14155550199")
    w.run()
    assert w.apps.asked[-1].cookies == ()


def test_messages_of_a_deleted_account_or_message_end_quietly(w: World) -> None:
    says(w, answer("<Response><Message>Hi</Message></Response>"))
    w.arrive()
    w.write(lambda c: c.execute(models.Message.__table__.delete()))
    w.run()
    assert w.replies() == w.rows(models.Outbox) == []


def test_whose_number_it_is(w: World) -> None:
    with w.database.read() as connection:
        assert targets.find(connection, "+14155559999") is None
        found = targets.find(connection, NUMBER)
    assert found is not None
    assert (found.account_sid, found.active, found.url, found.service_sid) == (w.account, True, APP, None)


def test_work_that_always_fails_is_given_up_and_told(w: World) -> None:
    """F43, I6: the dispatcher drops the entry after its tries, and stores this with it."""
    w.arrive(media=("https://cdn.test/cat.png",))
    (entry,) = w.waiting
    w.write(lambda c: abandon(c, entry, w.now))
    assert [row.status for row in w.rows(models.Message)] == ["received"]
    says(w, answer())
    asking = w.arrive(id="c2").rows[0]
    w.write(lambda c: abandon(c, asking, w.now))
    assert w.rows(models.MessageProgram) == []
    assert w.codes() == ["12400", "12400"]


def test_the_dispatcher_gives_work_up_after_its_tries(w: World) -> None:
    """F43: the entry is gone, and what waits for it is ended in the same transaction."""
    w.arrive(media=("https://cdn.test/cat.png",))
    (entry,) = w.waiting
    entry["attempts"] = CRASHES - 1

    async def broken(_row: dict[str, Any]) -> Done:
        raise ZeroDivisionError

    async def run() -> None:
        kinds = {"message.media": broken}
        dispatcher = Dispatcher(w.engine, w.database, kinds, {"message.media": abandon})
        dispatcher.submit([entry])
        async with asyncio.timeout(10):
            while w.rows(models.Outbox):
                await asyncio.sleep(0.01)
        await dispatcher.stop()

    asyncio.run(run())
    assert [row.status for row in w.rows(models.Message)] == ["received"]
    assert w.codes() == ["12400"]


def test_a_session_is_opened_by_a_reply_and_then_the_client_gets_what_the_phone_writes(w: World) -> None:
    """PR-70, PR-71: from the second message on, the app is not asked; what it said of an absent client goes for all."""
    opens = "<Message to='client:alice' session='600' otherwise='tell'>Phone calling</Message>"
    says(w, answer(f"<Response>{opens}</Response>"))
    w.arrive("First", id="c1")
    w.run()
    (session,) = w.rows(models.MessageSession)
    assert (session.client, session.phone, session.number, session.timeout) == ("alice", PHONE, NUMBER, 600)
    w.arrive("Second", id="c2")
    w.run()
    assert [told["Body"] for _, told in w.asked()] == ["First"]
    first, second = sorted(w.replies(), key=lambda row: row.body)
    assert (first.body, second.body) == ("Phone calling", "Second")
    assert (second._mapping["from"], second.to, second.answers) == (
        PHONE,
        "client:alice",
        next(row.sid for row in w.rows(models.Message) if row.carrier_message_id == "c2"),
    )
    assert {row.session_sid for row in w.rows(models.Message)} == {session.sid}
    assert {row.carrier for row in w.rows(models.QueuedMessage)} == {"presence"}
    assert (first.otherwise, second.otherwise) == ("tell", "tell")
    w.now += 601
    w.arrive("Third", id="c3")
    w.run()
    assert [told["Body"] for _, told in w.asked()] == ["First", "Third"]


SERVICE = {"sid": "MG" + "0" * 32, "friendly_name": "S", "date_created": 1.0, "date_updated": 1.0}


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({"inbound_request_url": "https://app.test/service"}, "https://app.test/service"),
        (
            {"inbound_request_url": "https://app.test/service", "use_inbound_webhook_on_number": True},
            APP,
        ),
        ({}, APP),
    ],
)
def test_a_messaging_service_answers_for_its_numbers(w: World, settings: dict[str, Any], url: str) -> None:
    """twilio-surface 4.2; MessagingServiceSid is told either way, and STOP holds for the whole service."""
    (number,) = w.rows(models.PhoneNumber)
    sender = {"sender_sid": number.sid, "sender": NUMBER, "date_created": 1.0, "date_updated": 1.0}
    mine = {"account_sid": w.account}

    def unit(connection: Any) -> None:
        connection.execute(insert(models.MessagingService), [{**mine, **SERVICE, **settings}])
        connection.execute(
            insert(models.MessagingSender), [{**mine, **sender, "service_sid": SERVICE["sid"]}]
        )

    w.write(unit)
    w.apps.answers = {url: [answer()]}
    w.arrive("STOP")
    w.run()
    ((asked, told),) = w.asked()
    assert (asked, told["MessagingServiceSid"]) == (url, SERVICE["sid"])
    with w.database.read() as connection:
        assert optouts.blocked(connection, w.account, NUMBER, None, PHONE)
        assert optouts.blocked(connection, w.account, "another", str(SERVICE["sid"]), PHONE)


def test_an_application_answers_in_place_of_its_number(w: World) -> None:
    application = {"sid": "AP" + "0" * 32, "friendly_name": "A", "sms_url": "https://app.test/application"}

    def unit(connection: Any) -> None:
        dates = {"date_created": 1.0, "date_updated": 1.0}
        connection.execute(insert(models.Application), [{"account_sid": w.account, **application, **dates}])
        connection.execute(
            models.PhoneNumber.__table__.update().values(sms_application_sid=application["sid"])
        )

    w.write(unit)
    with w.database.read() as connection:
        found = targets.find(connection, NUMBER)
    assert found is not None
    assert found.url == application["sms_url"]


def test_a_short_code_is_a_number_too(w: World) -> None:
    code = {"sid": "SC" + "0" * 32, "short_code": "12345", "friendly_name": "C", "sms_url": APP}
    dates = {"date_created": 1.0, "date_updated": 1.0}
    w.write(lambda c: c.execute(insert(models.ShortCode), [{"account_sid": w.account, **code, **dates}]))
    with w.database.read() as connection:
        found = targets.find(connection, "12345")
    assert found is not None
    assert (found.sid, found.url, found.account_sid) == (code["sid"], APP, w.account)
