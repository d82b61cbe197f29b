"""Twilio's Python library against OutgoingCallerIds and AvailablePhoneNumbers (twilio-surface 5.9)."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import delete
from twilio.rest import Client
from twilio_contract import refusal

from callrouter.directory import caller_ids, carriers, pool
from callrouter.models import Carrier, PhoneNumber, PoolNumber
from foundation.sids import CARRIER, PHONE_NUMBER, new_sid

MINE = "+15555550102"
OFFERED = ("+14155550171", "+14155550172", "+12125550173", "+18005550174", "+447400123456", "+442079460176")


def verify(deployment: Any, account_sid: str, phone_number: str, name: str | None = None) -> str:
    sid = new_sid(PHONE_NUMBER)
    deployment.write(
        lambda c: caller_ids.create(
            c, account_sid=account_sid, sid=sid, phone_number=phone_number, friendly_name=name, now=1.0
        )
    )
    return sid


def test_a_caller_id_is_listed_renamed_and_deleted(
    deployment: Any, account: tuple[str, str], client: Client
) -> None:
    sid = verify(deployment, account[0], MINE)
    other = verify(deployment, account[0], "+15555550103", "Front desk")
    assert [one.sid for one in client.outgoing_caller_ids.list(phone_number=MINE)] == [sid]
    assert [one.sid for one in client.outgoing_caller_ids.list(friendly_name="Front desk")] == [other]
    shown = client.outgoing_caller_ids(sid).fetch()
    assert (shown.phone_number, shown.friendly_name) == (MINE, "(555) 555-0102")
    assert client.outgoing_caller_ids(sid).update(friendly_name="Home").friendly_name == "Home"
    assert client.outgoing_caller_ids(sid).update().friendly_name == "Home"
    assert refusal(lambda: client.outgoing_caller_ids(sid).update(friendly_name="x" * 65)) == (400, 20002)
    assert client.outgoing_caller_ids(sid).delete() is True
    assert refusal(lambda: client.outgoing_caller_ids(sid).fetch()) == (404, 20404)
    assert [one.sid for one in client.outgoing_caller_ids.list()] == [other]


def test_a_caller_id_of_another_account_is_not_there(deployment: Any, client: Client) -> None:
    """I12."""
    theirs = client.outgoing_caller_ids(verify(deployment, deployment.account()[0], MINE))
    for attempt in (theirs.fetch, theirs.delete, lambda: theirs.update(friendly_name="mine")):
        assert refusal(attempt) == (404, 20404)
    assert client.outgoing_caller_ids.list() == []


def test_a_number_is_not_verified_by_itself(
    deployment: Any, account: tuple[str, str], client: Client
) -> None:
    """The verification call is not spoken in this release, and it says so; nobody's word is taken instead."""
    create = client.validation_requests.create
    assert refusal(lambda: create(phone_number=MINE)) == (405, 20004)
    assert refusal(lambda: create(phone_number="0123")) == (400, 21421)
    assert client.outgoing_caller_ids.list() == []
    verify(deployment, account[0], MINE)
    assert refusal(lambda: create(phone_number=MINE)) == (400, 21450)


@pytest.fixture
def offer(deployment: Any) -> Iterator[str]:
    """The operator offers numbers of all types, through the carrier whose name this is."""
    name = f"pool-{new_sid(CARRIER)[2:10].lower()}"

    def make(connection: Any) -> None:
        carriers.create(
            connection,
            name=name,
            sid=new_sid(CARRIER),
            control_url="http://127.0.0.1:9001/",
            secret_sealed="sealed",
            now=1.0,
        )
        for at, number in enumerate(OFFERED):
            pool.offer(connection, number, carrier=name, now=float(at))

    def clear(connection: Any) -> None:
        connection.execute(delete(PoolNumber))
        connection.execute(delete(PhoneNumber).where(PhoneNumber.phone_number.in_(OFFERED)))
        connection.execute(delete(Carrier).where(Carrier.name == name))

    deployment.write(make)
    yield name
    deployment.write(clear)


def test_offered_numbers_are_found_by_country_type_and_digits(client: Client, offer: str) -> None:
    us, gb = client.available_phone_numbers("US"), client.available_phone_numbers("GB")

    def numbers(found: Any) -> list[str]:
        return [one.phone_number for one in found]

    assert numbers(us.local.list()) == list(OFFERED[:3])
    assert numbers(us.local.list(area_code=415)) == list(OFFERED[:2])
    assert numbers(us.local.list(contains="555017*")) == list(OFFERED[:3])
    assert numbers(us.local.list(contains="415***0172")) == [OFFERED[1]]
    assert numbers(us.local.list(page_size=2, limit=2)) == list(OFFERED[:2])
    assert numbers(us.local.list(sms_enabled=True, mms_enabled=True)) == list(OFFERED[:3])
    assert numbers(us.toll_free.list()) == [OFFERED[3]]
    assert numbers(gb.mobile.list()) == [OFFERED[4]]
    assert numbers(gb.local.list()) == [OFFERED[5]]
    assert us.mobile.list() == us.local.list(fax_enabled=True) == us.local.list(in_region="CA") == []
    first = us.local.list()[0]
    assert (first.friendly_name, first.iso_country, first.locality) == ("(415) 555-0171", "US", None)
    assert first.capabilities == {"voice": True, "sms": True, "mms": True, "fax": False}


@pytest.mark.parametrize(
    ("country", "given", "code"),
    [
        ("US", {"contains": "x"}, (400, 21421)),
        ("US", {"area_code": 41}, (400, 21451)),
        ("US", {"page_size": 1001}, (400, 20007)),
        ("USA", {}, (404, 20404)),
        ("U%00", {}, (404, 20404)),
    ],
)
def test_wrong_searches_are_refused(client: Client, country: str, given: Any, code: tuple[int, int]) -> None:
    assert refusal(lambda: client.available_phone_numbers(country).local.list(**given)) == code


def test_a_number_that_is_taken_is_no_longer_offered_until_it_is_given_back(
    deployment: Any, client: Client, offer: str
) -> None:
    """It comes with the carrier that it is offered with."""
    search = client.available_phone_numbers("US").local
    bought = client.incoming_phone_numbers.create(phone_number=OFFERED[0])
    assert [one.phone_number for one in search.list(area_code=415)] == [OFFERED[1]]
    with deployment.database.read() as connection:
        number = PhoneNumber.__table__.c
        row = connection.execute(PhoneNumber.__table__.select().where(number.sid == bought.sid)).one()
    assert row.carrier == offer
    assert refusal(lambda: client.incoming_phone_numbers.create(phone_number=OFFERED[0])) == (400, 21422)
    assert client.incoming_phone_numbers(bought.sid).delete() is True
    assert len(search.list(area_code=415)) == 2


def test_an_area_code_takes_the_number_that_was_offered_longest(client: Client, offer: str) -> None:
    create = client.incoming_phone_numbers.create
    assert [create(area_code="415").phone_number for _ in "12"] == list(OFFERED[:2])
    assert refusal(lambda: create(area_code="415")) == (400, 21452)
    assert refusal(lambda: create(area_code="4x5")) == (400, 21451)
    assert refusal(lambda: client.incoming_phone_numbers.toll_free.create(phone_number="")) == (400, 21421)
