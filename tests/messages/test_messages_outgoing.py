"""Messages that go out (callrouter.messages.outgoing, senders): checks, senders, services, keys, and what waits."""

from collections.abc import Iterator
from typing import Any

import pytest
from queue_world import ENGINES, QueueWorld, databases
from sqlalchemy import insert

from callrouter import models
from callrouter.messages import states
from callrouter.messages.queue import entering
from callrouter.messages.status import Status
from foundation.db import Database
from foundation.sids import ALPHA_SENDER, MESSAGING_SERVICE, PHONE_NUMBER, SHORT_CODE, new_sid
from foundation.webserver.errors import ApiError

UK, US = "+447700900001", "+14155550123"


@pytest.fixture(scope="module", params=ENGINES)
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    yield from databases(request, tmp_path_factory.mktemp("outgoing"))


@pytest.fixture
def world(database: Database) -> QueueWorld:
    return QueueWorld(database)


def service(world: QueueWorld, account: str, *senders: str, **settings: Any) -> str:
    """A messaging service with these numbers, short codes or names of the account."""
    sid = new_sid(MESSAGING_SERVICE)
    common = {"account_sid": account, "date_created": 1.0, "date_updated": 1.0}
    row = {**common, "sid": sid, "friendly_name": "s", "inbound_request_url": "", "status_callback": ""}
    row |= {"inbound_method": "POST", "fallback_url": "", "fallback_method": "POST", **settings}
    world.write(lambda c: c.execute(insert(models.MessagingService).values(row)))
    for sender in senders:
        owned = [n.sid for n in world.all(models.PhoneNumber, phone_number=sender)]
        owned += [n.sid for n in world.all(models.ShortCode, short_code=sender)]
        member = {"service_sid": sid, "sender": sender, "sender_sid": (*owned, new_sid(ALPHA_SENDER))[0]}
        world.write(lambda c, m=member: c.execute(insert(models.MessagingSender).values(**common, **m)))
    return sid


def short_code(world: QueueWorld, account: str, digits: str, carrier: str = "") -> str:
    row = {"account_sid": account, "sid": new_sid(SHORT_CODE), "short_code": digits, "friendly_name": digits}
    row |= {"sms_url": "", "sms_fallback_url": "", "carrier": carrier}
    row |= {"date_created": 1.0, "date_updated": 1.0}
    world.write(lambda c: c.execute(insert(models.ShortCode).values(row)))
    return digits


def refused(world: QueueWorld, account: str, from_: str, to: str = UK, **more: Any) -> tuple[int, int]:
    """Status and code of the refusal; nothing was stored."""
    before = len(world.all(models.Message))
    with pytest.raises(ApiError) as refusal:
        world.send(account, from_, to, **more)
    assert len(world.all(models.Message)) == before
    return refusal.value.status, refusal.value.code


def from_(row: Any) -> str:
    return str(row._mapping["from"])


# -- senders


def test_a_number_or_short_code_of_the_account_may_send(world: QueueWorld) -> None:
    account = world.account()
    world.carrier("one")
    for sender in (world.number(account), short_code(world, account, "55555")):
        message = world.message(world.send(account, sender))
        assert from_(message) == sender
        assert message.phone_number_sid[:2] in (PHONE_NUMBER, SHORT_CODE)


@pytest.mark.parametrize("sender", ["+14155559999", "55555", "Brand", "client", "+1", "\u0661\u0662"])
def test_what_the_account_does_not_own_may_not(world: QueueWorld, sender: str) -> None:
    """21606: another account's number is unknown, too (I12)."""
    account, other = world.account(), world.account()
    world.carrier("one")
    world.number(other, "+14155559999")
    short_code(world, other, "55555")
    service(world, other, "Brand")
    assert refused(world, account, sender) == (400, 21606)


def test_one_of_sender_and_service_is_needed(world: QueueWorld) -> None:
    world.carrier("one")
    assert refused(world, world.account(), "") == (400, 21603)


def test_a_name_sends_texts_where_a_service_of_the_account_has_it(world: QueueWorld) -> None:
    account = world.account()
    world.carrier("one")
    service(world, account, "Brand")
    assert world.message(world.send(account, "Brand")).phone_number_sid.startswith(ALPHA_SENDER)
    assert refused(world, account, "Brand", media_urls=["https://x.test/a.png"]) == (400, 21606)


def test_a_client_writes_to_clients_only(world: QueueWorld) -> None:
    account = world.account()
    world.carrier("one")
    assert refused(world, account, "client:alice") == (400, 21910)
    assert world.status(world.send(account, "client:alice", "client:bob")) == "queued"


def test_pr71_what_a_phone_wrote_goes_to_its_client_as_it_came(world: QueueWorld) -> None:
    account = world.account()
    sid = world.send(account, US, "client:alice", session_sid="MS1")
    assert from_(world.message(sid)) == US
    assert refused(world, account, US, UK, session_sid="MS1") == (400, 21606)


def test_the_senders_own_carrier_takes_it_while_there_are_no_routes(world: QueueWorld) -> None:
    account = world.account()
    for name in ("a", "b", "c"):
        world.carrier(name)
    sid = world.send(account, world.number(account, carrier="b"))
    assert world.queued(sid).carrier == "b"
    code = short_code(world, account, "55555", carrier="c")
    assert world.queued(world.send(account, code)).carrier == "c"


# -- what nobody takes


def test_a_body_is_demanded_and_bounded(world: QueueWorld) -> None:
    account = world.account()
    world.carrier("one")
    number = world.number(account)
    assert refused(world, account, number, body="") == (400, 21602)
    assert refused(world, account, number, body="x" * 1601) == (400, 21617)
    assert world.message(world.send(account, number, body="x" * 1600)).num_segments == 11


def test_without_a_carrier_it_says_so(world: QueueWorld) -> None:
    account = world.account()
    assert refused(world, account, world.number(account)) == (400, 21612)
    world.carrier("off")
    world.change_carrier("off", messages=False)
    assert refused(world, account, world.number(account)) == (400, 21612)


def test_who_said_stop_gets_nothing_from_that_sender(world: QueueWorld) -> None:
    """21610, per sender (twilio-surface 3)."""
    account = world.account()
    world.carrier("one")
    number, other = world.number(account), world.number(account)
    row = {"account_sid": account, "sender": number, "phone": UK, "date_created": 1.0}
    world.write(lambda c: c.execute(insert(models.OptOut).values(row)))
    assert refused(world, account, number) == (400, 21610)
    assert world.send(account, other)
    assert world.send(account, number, US)


def test_smart_encoding_makes_the_text_plain_and_shorter(world: QueueWorld) -> None:
    account = world.account()
    world.carrier("one")
    number = world.number(account)
    plain = world.message(world.send(account, number, body="“hi”", smart_encoded=True))
    assert (plain.body, plain.encoding) == ('"hi"', "gsm-7")
    assert world.message(world.send(account, number, body="“hi”")).encoding == "ucs-2"
    longest = "…" * 1600  # as full stops it would be three times as long
    assert world.message(world.send(account, number, body=longest, smart_encoded=True)).body == longest


def test_pq10_a_full_queue_refuses_and_loses_nothing(
    world: QueueWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """21611 with Retry-After; one account's flood leaves room to others, and other queues are tried first."""
    monkeypatch.setattr(entering, "ACCOUNT_CAP", 2)
    monkeypatch.setattr(entering, "CAP", 4)
    flood, other = world.account(), world.account()
    world.carrier("one")
    number = world.number(flood)
    for n in range(2):
        world.send(flood, number, f"+44770090000{n}")
    depth = models.CarrierHealth.__table__.insert()
    world.write(lambda c: c.execute(depth.values(carrier="one", depth=2, date_updated=world.at)))
    with pytest.raises(ApiError) as refusal:
        world.send(flood, number)
    assert (refusal.value.status, refusal.value.code) == (429, 21611)
    assert refusal.value.headers["Retry-After"]
    assert world.send(other, world.number(other))
    world.carrier("two")
    assert world.queued(world.send(flood, number)).carrier == "two"
    world.write(lambda c: c.execute(models.CarrierHealth.__table__.update().values(depth=4)))
    world.change_carrier("two", status="disabled")
    assert refused(world, other, world.number(other)) == (429, 21611)


# -- idempotency keys


def test_om2_the_same_request_under_the_same_key_is_one_message(world: QueueWorld) -> None:
    account, other = world.account(), world.account()
    world.carrier("one")
    number = world.number(account)
    key = {"idempotency_key": "k1", "idempotency_digest": "d1"}
    sid = world.send(account, number, **key)
    assert world.send(account, number, **key) == sid
    assert len(world.all(models.Message)) == 1
    assert refused(world, account, number, idempotency_key="k1", idempotency_digest="d2") == (409, 20409)
    assert world.send(other, world.number(other), **key) != sid
    assert len(world.all(models.QueuedMessage)) == 2


# -- messaging services


def test_a_service_accepts_first_and_chooses_then(world: QueueWorld) -> None:
    account = world.account()
    world.carrier("one")
    number = world.number(account, US)
    sid = service(world, account, number, status_callback="https://app.test/s", validity_period=60)
    message = world.send(account, "", messaging_service_sid=sid)
    row = world.message(message)
    assert (row.status, from_(row), row.due_at, row.valid_until) == ("accepted", "", world.at, world.at + 60)
    sent = world.enqueue(account, message)
    assert [each["payload"]["parameters"]["MessageStatus"] for each in sent.rows] == ["queued"]
    row = world.message(message)
    assert (row.status, from_(row), row.due_at) == ("queued", number, None)
    assert world.enqueue(account, message).rows == []
    assert len(world.all(models.QueuedMessage)) == 1


def test_a_service_that_is_none_or_empty_refuses(world: QueueWorld) -> None:
    account, other = world.account(), world.account()
    world.carrier("one")
    foreign = service(world, other, world.number(other))
    assert refused(world, account, "", messaging_service_sid=foreign) == (400, 21701)
    assert refused(world, account, "", messaging_service_sid=service(world, account)) == (400, 21704)
    in_it = service(world, account, world.number(account))
    assert refused(world, account, world.number(account), messaging_service_sid=in_it) == (400, 21606)


def test_the_sender_of_a_service_is_of_the_recipients_country_near_and_kept(world: QueueWorld) -> None:
    account = world.account()
    world.carrier("one")
    british, far, near = (world.number(account, n) for n in ("+447700900999", "+12125550100", "+14155559998"))
    sid = service(world, account, british, far, near)

    def sender(to: str, service_sid: str = sid) -> str:
        message = world.send(account, "", to, messaging_service_sid=service_sid)
        world.enqueue(account, message)
        return from_(world.message(message))

    assert (sender(UK), sender(US), sender("+12125550199")) == (british, near, far)
    world.write(
        lambda c: c.execute(
            models.MessagingSender.__table__.delete().where(models.MessagingSender.sender == near)
        )
    )
    assert sender(US) == far
    world.write(
        lambda c: c.execute(
            insert(models.MessagingSender).values(
                account_sid=account,
                service_sid=sid,
                sender_sid=world.all(models.PhoneNumber, phone_number=near)[0].sid,
                sender=near,
                date_created=1.0,
                date_updated=1.0,
            )
        )
    )
    assert sender(US) == far  # sticky: a nearer one came, and the recipient knows this one
    assert len(world.all(models.StickySender, to=US)) == 1


def test_a_services_senders_are_used_alike(world: QueueWorld) -> None:
    account = world.account()
    world.carrier("one")
    numbers = [world.number(account, f"+1415555{n:04}") for n in range(4)]
    sid = service(world, account, *numbers, area_code_geomatch=False, sticky_sender=False)
    used = []
    for n in range(40):
        message = world.send(account, "", f"+1212555{n:04}", messaging_service_sid=sid)
        world.enqueue(account, message)
        used.append(from_(world.message(message)))
    assert all(used.count(number) >= 4 for number in numbers)
    assert world.all(models.StickySender) == []


def test_a_name_is_for_texts_to_where_no_number_of_the_country_is(world: QueueWorld) -> None:
    account = world.account()
    world.carrier("one")
    number = world.number(account, US)
    sid = service(world, account, number, "Brand")
    found = []
    for to in (UK, "+14155550124"):
        message = world.send(account, "", to, messaging_service_sid=sid)
        world.enqueue(account, message)
        found.append(from_(world.message(message)))
    assert found == ["Brand", number]


@pytest.mark.parametrize(
    ("change", "code"),
    [("service", 21701), ("pool", 21704), ("stop", 21610), ("carrier", 21612), ("account", 30002)],
)
def test_what_can_not_go_out_when_its_time_comes_fails_with_the_reason(
    world: QueueWorld, change: str, code: int
) -> None:
    """I2: nothing waits for ever without saying why."""
    account = world.account()
    world.carrier("one")
    number = world.number(account)
    sid = service(world, account, number)
    message = world.send(account, "", messaging_service_sid=sid)
    opt_out = {"account_sid": account, "sender": sid, "phone": UK, "date_created": 1.0}
    table = {name: getattr(models, name).__table__ for name in ("MessagingService", "MessagingSender")}
    statement = {
        "service": table["MessagingService"].delete(),
        "pool": table["MessagingSender"].delete(),
        "stop": insert(models.OptOut).values(opt_out),
        "carrier": models.Carrier.__table__.update().values(status="disabled"),
        "account": models.Account.__table__.update().values(status="suspended"),
    }[change]
    world.write(lambda c: c.execute(statement))
    world.enqueue(account, message)
    row = world.message(message)
    assert (row.status, row.error_code, row.due_at) == ("failed", code, None)


# -- scheduling and media


def test_a_scheduled_message_waits_for_its_time_and_is_valid_from_then(world: QueueWorld) -> None:
    account = world.account()
    world.carrier("one")
    sid = service(world, account, world.number(account))
    message = world.send(account, "", messaging_service_sid=sid, send_at=world.at + 900, validity=60)
    row = world.message(message)
    assert (row.status, row.due_at, row.valid_until) == ("scheduled", world.at + 900, world.at + 960)
    assert world.enqueue(account, message).status is Status.SCHEDULED
    world.at += 900
    assert world.enqueue(account, message).status is Status.QUEUED


def test_a_message_with_media_is_queued_once_they_are_there(world: QueueWorld) -> None:
    account = world.account()
    world.carrier("one")
    sent = world.submit(
        world.submission(account, world.number(account), media_urls=["https://x.test/a", "https://x.test/b"])
    )
    assert [row["kind"] for row in sent.rows] == ["message.media"]
    assert len(world.all(models.Outbox, id=sent.rows[0]["id"])) == 1
    row = world.message(sent.sid)
    assert (row.status, row.num_media, world.queued(sent.sid)) == ("queued", 2, None)
    assert world.enqueue(account, sent.sid).status is Status.QUEUED
    assert world.queued(sent.sid) is None
    pieces = models.MessageMedia.__table__
    world.write(lambda c: c.execute(pieces.update().values(size=5, content_type="image/png")))
    world.enqueue(account, sent.sid)
    assert world.queued(sent.sid).kind == "mms"
    (claimed,) = world.claim("one").messages
    first, second = claimed.outgoing.media
    path = f"/2010-04-01/Accounts/{account}/Messages/{sent.sid}/Media/"
    assert first.url == f"https://router.test{path}{first.sid}"
    assert (first.content_type, second.sid == first.sid) == ("image/png", False)


@pytest.mark.parametrize("status", ["canceled", "failed", "sent", "delivered"])
def test_what_is_over_is_not_queued(world: QueueWorld, status: str) -> None:
    account = world.account()
    world.carrier("one")
    sid = service(world, account, world.number(account))
    message = world.send(account, "", messaging_service_sid=sid)
    world.write(lambda c: c.execute(models.Message.__table__.update().values(status=status)))
    assert world.enqueue(account, message).status == status
    assert world.queued(message) is None


def test_provide_feedback_begins_unconfirmed(world: QueueWorld) -> None:
    account = world.account()
    world.carrier("one")
    sid = world.send(account, world.number(account), provide_feedback=True)
    with world.database.read() as connection:
        row = states.found(connection, account, sid)
    assert row is not None
    assert row.feedback == "unconfirmed"
