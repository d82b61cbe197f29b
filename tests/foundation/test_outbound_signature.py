"""Signatures: Twilio surface 4.8, reliability 4.9 and M9."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator
from werkzeug.datastructures import MultiDict

from foundation.outbound.signature import (
    SignatureRefused,
    body_sha256_query,
    sign_body,
    twilio_signature,
    verify_body,
    verify_twilio_signature,
)

URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
CALL = (
    ("CallSid", "CA1234567890ABCDE"),
    ("Caller", "+14158675309"),
    ("Digits", "1234"),
    ("From", "+14158675309"),
    ("To", "+18005551212"),
)
REPEATED = (
    ("Sid", "CA123"),
    ("SidAccount", "AC123"),
    ("Digits", "5678"),
    ("Digits", "1234"),
    ("Digits", "1234"),
)
JSON = b'{"property": "value", "boolean": true}'


@pytest.mark.parametrize(
    ("url", "params", "signature"),
    [
        (URL, CALL, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        (URL.replace(".com", ".com:443"), CALL, "kvajT1Ptam85bY51eRf/AJRuM3w="),
        (URL, (), "zYQTYrRWXE7LtzbG4PfP7/bkkGo="),
        ("https://mycompany.com/myapp.php?CallSid=CA123&From=%2B1415", (), "THBtMY3Ms+WNb+g5sFlgI9bMhgM="),
        (f"{URL}&{body_sha256_query(JSON)}", (), "a9nBmqA0ju/hNViExpshrM61xv4="),
        (URL, REPEATED, "IK+Dwps556ElfBT0I3Rgjkr1wJU="),
    ],
)
def test_twilio_vectors(url: str, params: tuple[tuple[str, str], ...], signature: str) -> None:
    assert twilio_signature("12345", url, params) == signature
    assert verify_twilio_signature("12345", url, params, signature)
    assert not verify_twilio_signature("12346", url, params, signature)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(st.lists(st.tuples(TEXT, TEXT), max_size=6), st.text("abc123", min_size=1))
def test_twilios_own_validator_accepts_what_we_sign(params: list[tuple[str, str]], token: str) -> None:
    signature = twilio_signature(token, URL, params)
    assert RequestValidator(token).validate(URL, MultiDict(params), signature)


@pytest.mark.parametrize("junk", ["", "é", "\ud800", "A" * 28])
def test_m9_a_bad_signature_of_any_text_is_false_and_no_error(junk: str) -> None:
    assert not verify_twilio_signature("12345", URL, CALL, junk)


NOW = 1_790_000_000
BODY = b'{"id":"c1"}'


def test_v1_is_the_documented_hmac() -> None:
    signature = sign_body("secret", NOW, BODY)
    assert signature.startswith("v1=")
    assert len(signature) == 3 + hashlib.sha256().digest_size * 2
    verify_body(["secret"], str(NOW), signature, BODY, NOW)


@pytest.mark.parametrize("offset", [-300, 0, 300])
def test_v1_within_the_window(offset: int) -> None:
    verify_body(["secret"], str(NOW), sign_body("secret", NOW, BODY), BODY, NOW + offset)


def test_v1_rotation_several_secrets_and_several_signatures() -> None:
    both = sign_body("old", NOW, BODY) + " " + sign_body("new", NOW, BODY)
    verify_body(["new"], str(NOW), both, BODY, NOW)
    verify_body(["newest", "old"], str(NOW), sign_body("old", NOW, BODY), BODY, NOW)


GOOD = sign_body("secret", NOW, BODY)


@pytest.mark.parametrize(
    ("secrets", "timestamp", "signature", "body", "now", "why"),
    [
        ([], str(NOW), GOOD, BODY, NOW, "no secret"),
        ([""], str(NOW), sign_body("", NOW, BODY), BODY, NOW, "no secret"),
        (["secret"], None, GOOD, BODY, NOW, "missing"),
        (["secret"], str(NOW), None, BODY, NOW, "missing"),
        (["secret"], "٣", GOOD, BODY, NOW, "whole number"),
        (["secret"], f" {NOW}", GOOD, BODY, NOW, "whole number"),
        (["secret"], "9" * 13, GOOD, BODY, NOW, "whole number"),
        (["secret"], str(NOW), GOOD, BODY, NOW + 301, "300 seconds"),
        (["secret"], str(NOW), GOOD, BODY, NOW - 301, "300 seconds"),
        (["secret"], str(NOW + 1), GOOD, BODY, NOW, "no signature fits"),
        (["secret"], str(NOW), GOOD, BODY + b" ", NOW, "no signature fits"),
        (["other"], str(NOW), GOOD, BODY, NOW, "no signature fits"),
        (["secret"], str(NOW), GOOD.removeprefix("v1="), BODY, NOW, "no signature fits"),
        (["secret"], str(NOW), "v1=é", BODY, NOW, "no signature fits"),
    ],
)
def test_v1_refusals_say_why(
    secrets: list[str], timestamp: str | None, signature: str | None, body: bytes, now: int, why: str
) -> None:
    with pytest.raises(SignatureRefused, match=why):
        verify_body(secrets, timestamp, signature, body, now)
