"""Twilio's Python library against AvailablePhoneNumbers: what the operator offers (twilio-surface 5.9)."""

from collections.abc import Iterator
from typing import Any

import pytest
from twilio.rest import Client
from twilio_contract import refusal

from callrouter.directory import pool

OFFERED = {
    "local": "+442071838751",
    "mobile": "+447400123457",
    "national": "+443001234568",
    "shared_cost": "+491803123456",
    "toll_free": "+448001234568",
    "voip": "+445612345679",
}


@pytest.fixture(autouse=True)
def offered(deployment: Any) -> Iterator[None]:
    for number in OFFERED.values():
        deployment.write(lambda c, number=number: pool.offer(c, number, carrier="", now=1.0))
    yield
    for number in OFFERED.values():
        deployment.write(lambda c, number=number: pool.withdraw(c, number))


@pytest.mark.parametrize("kind", [*OFFERED, "machine_to_machine"])
def test_each_number_is_in_one_list(client: Client, kind: str) -> None:
    country = "DE" if kind == "shared_cost" else "GB"
    found = getattr(client.available_phone_numbers(country), kind).list()
    assert [one.phone_number for one in found] == ([OFFERED[kind]] if kind in OFFERED else [])
    assert getattr(client.available_phone_numbers("FR"), kind).list() == []


def test_countries_are_those_of_the_numbers(client: Client, account: tuple[str, str]) -> None:
    there = {one.country_code: one for one in client.available_phone_numbers.list()}
    assert {"DE", "GB"} <= set(there)
    assert "FR" not in there
    assert client.available_phone_numbers("GB").fetch().country_code == "GB"
    assert set(there["GB"].subresource_uris) == {*OFFERED, "machine_to_machine"}
    for odd in ("FR", "gbr", "%F0"):
        assert refusal(lambda odd=odd: client.available_phone_numbers(odd).fetch()) == (404, 20404)


def test_a_taken_number_is_not_on_offer(client: Client) -> None:
    number = client.incoming_phone_numbers.create(phone_number=OFFERED["voip"])
    assert client.available_phone_numbers("GB").voip.list() == []
    number.delete()
    assert len(client.available_phone_numbers("GB").voip.list()) == 1
