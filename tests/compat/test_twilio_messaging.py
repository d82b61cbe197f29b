"""Twilio's Python library against Messaging v1: services and their senders (twilio-surface 5.12)."""

from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from sqlalchemy import insert, select
from twilio.rest import Client
from twilio_contract import refusal
from twilio_world import fresh

from callrouter import models
from callrouter.directory import sender_pools, short_codes
from foundation.clock import utc_now
from foundation.sids import MESSAGING_SERVICE, PHONE_NUMBER, SHORT_CODE, new_sid

URL = "https://app.example/messages"


class Senders:
    """An account's numbers and short codes."""

    def __init__(self, deployment: Any, account_sid: str) -> None:
        self.deployment, self.account_sid = deployment, account_sid

    def number(self, number: str = "") -> str:
        sid = new_sid(PHONE_NUMBER)
        self.insert(models.PhoneNumber, sid=sid, phone_number=number or fresh(), friendly_name="")
        return sid

    def short_code(self) -> tuple[str, str]:
        sid, code = new_sid(SHORT_CODE), fresh()[-5:].lstrip("0").rjust(5, "7")
        made = {"account_sid": self.account_sid, "sid": sid, "short_code": code, "settings": {}, "now": 1.0}
        self.deployment.write(lambda c: short_codes.create(c, **made))
        return sid, code

    def insert(self, model: Any, **columns: Any) -> None:
        row = {"account_sid": self.account_sid, **columns}
        if model is not models.OptOut:
            row = {"date_created": 1.0, "date_updated": 1.0, **row}
        self.deployment.write(lambda c: c.execute(insert(model).values(row)))

    def opted_out(self) -> list[tuple[str, str]]:
        out = models.OptOut
        query = select(out.sender, out.phone).where(out.account_sid == self.account_sid)
        with self.deployment.database.read() as connection:
            return sorted(tuple(row) for row in connection.execute(query))


@pytest.fixture
def senders(deployment: Any, account: tuple[str, str]) -> Senders:
    return Senders(deployment, account[0])


def test_a_service_has_twilios_defaults(client: Client, deployment: Any) -> None:
    before = utc_now().replace(microsecond=0)
    made = client.messaging.v1.services.create(friendly_name="alerts")
    assert made.sid is not None
    assert made.sid.startswith(MESSAGING_SERVICE)
    assert (made.friendly_name, made.usecase, made.validity_period) == ("alerts", "undeclared", 36_000)
    assert (made.inbound_request_url, made.inbound_method, made.status_callback) == (None, "POST", None)
    on = (made.sticky_sender, made.mms_converter, made.smart_encoding, made.area_code_geomatch)
    off = (made.synchronous_validation, made.use_inbound_webhook_on_number, made.fallback_to_long_code)
    assert (on, off) == ((True,) * 4, (False,) * 3)
    assert made.date_created is not None
    assert before <= made.date_created <= datetime.now(UTC)
    assert made.url == f"{deployment.url}/v1/Services/{made.sid}"
    assert made.links is not None
    assert made.links["phone_numbers"] == f"{made.url}/PhoneNumbers"


def test_a_service_is_changed_and_deleted(client: Client, senders: Senders) -> None:
    services = client.messaging.v1.services
    made = services.create(
        friendly_name="alerts",
        inbound_request_url=URL,
        inbound_method="GET",
        fallback_url=URL,
        status_callback=URL,
        sticky_sender=False,
        validity_period=60,
        usecase="marketing",
        scan_message_content="disable",
    )
    assert (made.inbound_request_url, made.inbound_method, made.sticky_sender) == (URL, "GET", False)
    assert (made.validity_period, made.usecase, made.scan_message_content) == (60, "marketing", "disable")
    changed = services(made.sid).update(inbound_request_url="", smart_encoding=False)
    assert (changed.inbound_request_url, changed.smart_encoding, changed.friendly_name) == (
        None,
        False,
        "alerts",
    )
    assert services(made.sid).fetch().fallback_url == URL
    number = senders.number()
    services(made.sid).phone_numbers.create(number)
    assert services(made.sid).delete()
    assert refusal(services(made.sid).fetch) == (404, 20404)
    other = services.create(friendly_name="other")
    assert services(other.sid).phone_numbers.create(number).sid == number, "the sender is free again"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"friendly_name": ""}, 20001),
        ({"friendly_name": "x" * 65}, 20002),
        ({"friendly_name": "x", "inbound_request_url": "nope"}, 21402),
        ({"friendly_name": "x", "inbound_method": "PUT"}, 21403),
        ({"friendly_name": "x", "status_callback": "ftp://app.example"}, 21502),
        ({"friendly_name": "x", "validity_period": 0}, 21624),
        ({"friendly_name": "x", "validity_period": 36_001}, 21624),
        ({"friendly_name": "x", "usecase": "spam"}, 20001),
        ({"friendly_name": "x", "scan_message_content": "maybe"}, 20001),
    ],
)
def test_a_service_that_is_refused(client: Client, given: dict[str, Any], code: int) -> None:
    assert refusal(lambda: client.messaging.v1.services.create(**given)) == (400, code)
    assert client.messaging.v1.services.list() == []


def test_services_come_in_pages_with_absolute_urls(
    client: Client, deployment: Any, account: tuple[str, str]
) -> None:
    """twilio-surface 9.4, number 44: the library follows `meta` on our own host."""
    services = client.messaging.v1.services
    for number in range(5):
        services.create(friendly_name=f"service {number}")
    named = [one.friendly_name for one in services.list(page_size=2)]
    assert named == [f"service {number}" for number in (4, 3, 2, 1, 0)]
    second = services.page(page_size=2).next_page()
    assert second is not None
    assert [one.friendly_name for one in second] == ["service 2", "service 1"]
    first = second.previous_page()
    assert first is not None
    assert [one.friendly_name for one in first] == ["service 4", "service 3"]
    meta = requests.get(f"{deployment.url}/v1/Services?PageSize=2", auth=account, timeout=10).json()["meta"]
    assert (meta["key"], meta["page"], meta["page_size"], meta["previous_page_url"]) == (
        "services",
        0,
        2,
        None,
    )
    assert all(
        meta[name].startswith(f"{deployment.url}/v1/") for name in ("url", "first_page_url", "next_page_url")
    )


def test_a_pool_of_numbers(client: Client, senders: Senders) -> None:
    number, sid = fresh(), ""
    sid = senders.number(number)
    service = client.messaging.v1.services(client.messaging.v1.services.create(friendly_name="a").sid)
    added = service.phone_numbers.create(sid)
    assert (added.sid, added.phone_number, added.country_code) == (sid, number, "US")
    assert added.capabilities == ["Voice", "SMS", "MMS"]
    assert service.phone_numbers.create(sid).sid == sid, "a second time changes nothing"
    assert [one.phone_number for one in service.phone_numbers.list()] == [number]
    assert service.phone_numbers(sid).fetch().service_sid == added.service_sid
    assert refusal(service.short_codes(sid).fetch) == (404, 20404)
    assert service.phone_numbers(sid).delete()
    assert service.phone_numbers.list() == []
    assert refusal(service.phone_numbers(sid).delete) == (404, 20404)


def test_a_sender_is_in_one_service(client: Client, senders: Senders) -> None:
    services, sid = client.messaging.v1.services, senders.number()
    one, other = (services(services.create(friendly_name=name).sid) for name in "ab")
    one.phone_numbers.create(sid)
    assert refusal(lambda: other.phone_numbers.create(sid)) == (409, 21712)
    assert refusal(lambda: other.phone_numbers.create(new_sid(PHONE_NUMBER))) == (400, 21711)
    assert refusal(lambda: other.phone_numbers.create("nonsense")) == (400, 21711)
    assert refusal(lambda: services(new_sid(MESSAGING_SERVICE)).phone_numbers.create(sid)) == (404, 20404)


def test_a_full_pool(client: Client, senders: Senders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender_pools, "LARGEST", 1)
    service = client.messaging.v1.services(client.messaging.v1.services.create(friendly_name="a").sid)
    service.phone_numbers.create(senders.number())
    assert refusal(lambda: service.phone_numbers.create(senders.number())) == (400, 21714)


def test_short_codes_and_names_in_a_pool(client: Client, senders: Senders) -> None:
    service = client.messaging.v1.services(client.messaging.v1.services.create(friendly_name="a").sid)
    sid, code = senders.short_code()
    assert service.short_codes.create(sid).short_code == code
    named = service.alpha_senders.create("Acme & Co")
    assert (named.alpha_sender, named.capabilities) == ("Acme & Co", ["SMS"])
    assert service.alpha_senders.create("Acme & Co").sid == named.sid
    for wrong in ("123456", "x" * 12, "Käse", "a;b"):
        assert refusal(lambda wrong=wrong: service.alpha_senders.create(wrong)) == (400, 20001)
    assert [one.alpha_sender for one in service.alpha_senders.list()] == ["Acme & Co"]
    assert service.alpha_senders(named.sid).delete()
    assert [one.sid for one in service.short_codes.list()] == [sid]


def test_a_number_that_is_given_back_leaves_its_service(client: Client, senders: Senders) -> None:
    service = client.messaging.v1.services(client.messaging.v1.services.create(friendly_name="a").sid)
    sid = senders.number()
    service.phone_numbers.create(sid)
    assert client.incoming_phone_numbers(sid).delete()
    assert service.phone_numbers.list() == []


def test_who_said_stop_to_a_service_said_it_to_its_senders(client: Client, senders: Senders) -> None:
    """A service that is deleted, or a sender that leaves it, must not write to those phones again (21610)."""
    services, phone, number = client.messaging.v1.services, "+15555550123", fresh()
    sid, service = senders.number(number), services.create(friendly_name="a").sid
    services(service).phone_numbers.create(sid)
    for sender, who in ((service, phone), (service, "+15555550124"), (number, phone)):
        senders.insert(models.OptOut, sender=sender, phone=who, date_created=1.0)
    services(service).delete()
    assert [one for one in senders.opted_out() if one[0] == number] == [
        (number, phone),
        (number, "+15555550124"),
    ]


def test_another_accounts_service_is_not_found(client: Client, deployment: Any) -> None:
    """reliability-security 4.10"""
    sid = client.messaging.v1.services.create(friendly_name="mine").sid
    stranger = deployment.client(*deployment.account()).messaging.v1.services
    for attempt in (stranger(sid).fetch, stranger(sid).delete, stranger(sid).phone_numbers.list):
        assert refusal(attempt) == (404, 20404)
    assert stranger.list() == []


def test_who_may_not_ask(deployment: Any, account: tuple[str, str]) -> None:
    answer = requests.get(f"{deployment.url}/v1/Services", auth=(account[0], "wrong"), timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (401, 20003)


def test_short_codes(client: Client, senders: Senders) -> None:
    sid, code = senders.short_code()
    found = client.short_codes(sid).fetch()
    assert (found.short_code, found.friendly_name, found.sms_url, found.sms_method) == (
        code,
        code,
        None,
        "POST",
    )
    changed = client.short_codes(sid).update(friendly_name="votes", sms_url=URL, sms_fallback_method="GET")
    assert (changed.friendly_name, changed.sms_url, changed.sms_fallback_method) == ("votes", URL, "GET")
    other, _ = senders.short_code()
    assert [one.sid for one in client.short_codes.list(friendly_name="votes")] == [sid]
    assert [one.sid for one in client.short_codes.list(short_code=code)] == [sid]
    assert {one.sid for one in client.short_codes.list()} == {sid, other}
    assert refusal(lambda: client.short_codes(sid).update(sms_url="nope")) == (400, 21402)
    assert refusal(client.short_codes(new_sid(SHORT_CODE)).fetch) == (404, 20404)
