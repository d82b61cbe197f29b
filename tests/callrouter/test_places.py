"""Geo parameters of webhooks (twilio-surface 4.1 and 4.5): always there, empty where nothing is known."""

import pytest

from callrouter.directory import places


@pytest.mark.parametrize(
    ("address", "country"),
    [
        ("+14155550100", "US"),
        ("+16045550100", "CA"),
        ("+447700900123", "GB"),
        ("+4915112345678", "DE"),
        ("+999123456789", ""),
        ("client:ann", ""),
        ("sip:ann@example.org", ""),
        ("12345", ""),
        ("ACME", ""),
        ("", ""),
        ("+1415555010０", ""),
    ],
)
def test_the_country_is_told_and_the_rest_is_empty(address: str, country: str) -> None:
    told = places.parameters("From", address)
    assert told == {"FromCity": "", "FromState": "", "FromZip": "", "FromCountry": country}
