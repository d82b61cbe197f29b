"""Twilio's Python library against IncomingPhoneNumbers (twilio-surface 5.9)."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client
from twilio_contract import refusal

_LINES = itertools.count(1000)


def fresh() -> str:
    """A number that no other test has."""
    return f"+1555555{next(_LINES)}"


def test_a_number_is_taken_configured_and_given_back(client: Client) -> None:
    phone = fresh()
    made = client.incoming_phone_numbers.create(
        phone_number=phone, voice_url="https://app.example/voice#rc=2", voice_method="get"
    )
    assert (made.phone_number, made.voice_url) == (phone, "https://app.example/voice#rc=2")
    assert made.voice_method == "GET"
    assert made.friendly_name == f"(555) 555-{phone[-4:]}"
    assert made.capabilities["voice"] is True
    one = client.incoming_phone_numbers(made.sid)
    changed = one.update(friendly_name="Front desk", sms_url="http://localhost:5000/sms")
    assert (changed.friendly_name, changed.sms_url) == ("Front desk", "http://localhost:5000/sms")
    assert one.fetch().voice_url == "https://app.example/voice#rc=2", "what is not given stays"
    assert one.update(voice_url="").voice_url == ""
    assert one.delete() is True
    assert refusal(one.fetch) == (404, 20404)
    assert refusal(one.delete) == (404, 20404)


def test_a_number_belongs_to_one_account(deployment: Any, client: Client) -> None:
    phone = fresh()
    client.incoming_phone_numbers.create(phone_number=phone)
    other = deployment.client(*deployment.account())
    assert refusal(lambda: other.incoming_phone_numbers.create(phone_number=phone)) == (400, 21422)


def test_of_many_that_want_a_number_one_gets_it(deployment: Any) -> None:
    """PostgreSQL has several writers: the unique index decides, and nobody sees an error of ours."""
    phone, clients = fresh(), [deployment.client(*deployment.account()) for _ in range(6)]

    def take(client: Client) -> int:
        try:
            client.incoming_phone_numbers.create(phone_number=phone)
        except TwilioRestException as refused:
            return int(refused.code or 0)
        return 0

    with ThreadPoolExecutor(len(clients)) as threads:
        codes = sorted(threads.map(take, clients))
    assert codes[0] == 0
    assert set(codes[1:]) <= {21422, 20409}


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({}, 21421),
        ({"area_code": "510"}, 21452),
        ({"phone_number": "555-1234"}, 21421),
        ({"phone_number": "++15555551234"}, 21421),
        ({"phone_number": "\uff0b15555551234"}, 21421),
        ({"phone_number": "+1555555123\u0664"}, 21421),
        ({"phone_number": "+1800FLOWERS"}, 21421),
        ({"phone_number": "+15555550001", "voice_url": "nope"}, 21402),
        ({"phone_number": "+15555550001", "voice_url": "ftp://app.example/"}, 21402),
        ({"phone_number": "+15555550001", "voice_url": "http://127.0.0.1\\@evil.example/"}, 21402),
        ({"phone_number": "+15555550001", "sms_fallback_url": "//app.example"}, 21402),
        ({"phone_number": "+15555550001", "status_callback": "mailto:a@example.org"}, 21502),
        ({"phone_number": "+15555550001", "voice_method": "PUT"}, 21403),
        ({"phone_number": "+15555550001", "friendly_name": "x" * 65}, 20002),
        ({"phone_number": "+15555550001", "friendly_name": "a\x00b"}, 20001),
        ({"phone_number": "+15555550001", "voice_application_sid": "AP" + "0" * 32}, 21420),
    ],
)
def test_what_is_refused(client: Client, given: dict[str, str], code: int) -> None:
    """Conformance check 15, M12, M8, M10: and nothing is stored."""
    assert refusal(lambda: client.incoming_phone_numbers.create(**given)) == (400, code)
    assert client.incoming_phone_numbers.list() == []


def test_a_number_uses_only_applications_of_its_account(deployment: Any, client: Client) -> None:
    """API tenancy (reliability-security 4.10)."""
    other = deployment.client(*deployment.account())
    theirs, mine = other.applications.create(), client.applications.create()
    made = client.incoming_phone_numbers.create(phone_number=fresh(), voice_application_sid=mine.sid)
    assert made.voice_application_sid == mine.sid
    one = client.incoming_phone_numbers(made.sid)
    assert refusal(lambda: one.update(sms_application_sid=theirs.sid)) == (400, 21420)
    assert one.update(voice_application_sid="").voice_application_sid is None


def test_numbers_are_listed_by_name_part_and_type(client: Client) -> None:
    local = client.incoming_phone_numbers.create(phone_number="+12125550123", friendly_name="Desk")
    free = client.incoming_phone_numbers.create(phone_number="+18005550123")
    mobile = client.incoming_phone_numbers.create(phone_number="+447911123456")

    def sids(found: Any) -> list[str]:
        return [one.sid for one in found]

    everything = client.incoming_phone_numbers
    assert sids(everything.list()) == [mobile.sid, free.sid, local.sid]
    assert sids(everything.list(friendly_name="Desk")) == [local.sid]
    assert sids(everything.list(phone_number="5550123")) == [free.sid, local.sid]
    assert sids(everything.list(phone_number="+1800*550")) == [free.sid]
    assert sids(everything.local.list()) == [local.sid]
    assert sids(everything.toll_free.list()) == [free.sid]
    assert sids(everything.mobile.list(page_size=1)) == [mobile.sid]
    assert refusal(lambda: everything.list(phone_number="5%")) == (400, 21421)
    made = everything.local.create(phone_number=fresh())
    assert made.phone_number.startswith("+1555")
    for one in everything.list():
        one.delete()


def test_a_number_moves_between_accounts_of_one_owner(deployment: Any, client: Client, account: Any) -> None:
    """AccountSid of an update (twilio-surface 5.9); the applications stay behind."""
    branch, _ = deployment.account(owner=account[0])
    stranger, _ = deployment.account()
    application = client.applications.create()
    made = client.incoming_phone_numbers.create(phone_number=fresh(), voice_application_sid=application.sid)
    one = client.incoming_phone_numbers(made.sid)
    assert refusal(lambda: one.update(account_sid=stranger)) == (404, 20404)
    moved = one.update(account_sid=branch)
    assert (moved.account_sid, moved.voice_application_sid) == (branch, None)
    assert client.incoming_phone_numbers.list() == []
    assert client.api.v2010.accounts(branch).incoming_phone_numbers(made.sid).fetch().sid == made.sid
