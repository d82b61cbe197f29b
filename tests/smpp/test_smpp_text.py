"""Alphabets, segments, receipts, addresses and answers of the SMPP gateway, against tables and smpplib."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.extras import needs

needs("sms")

from smpp34 import DeliverSm, Tlv  # noqa: E402
from smpplib import gsm  # noqa: E402

from callrouter.carriers.smpp import receipts, segments, tags  # noqa: E402
from callrouter.carriers.smpp.addresses import address, number  # noqa: E402
from callrouter.carriers.smpp.alphabet import BASIC, ESCAPE, EXTENSION, decode, encode  # noqa: E402
from callrouter.carriers.smpp.answers import not_taken  # noqa: E402
from callrouter.carriers.smpp.outgoing import validity  # noqa: E402
from callrouter.carriers.smpp.receipts import Ids  # noqa: E402
from callrouter.messages.text import GSM_7, UCS_2, measure  # noqa: E402

LETTERS = sorted(set(BASIC) - {chr(ESCAPE)} | set(EXTENSION.values()))
WORDS = st.text(st.sampled_from(LETTERS), max_size=1600)


def pdu(octets: bytes = b"", *extra: Tlv, esm_class: int = 0, data_coding: int = 0) -> DeliverSm:
    return DeliverSm(
        "15550142", "15550199", octets, esm_class=esm_class, data_coding=data_coding, tlvs=list(extra)
    )


@given(WORDS)
def test_gsm_is_coded_as_by_smpplib(words: str) -> None:
    """Which lacks two characters."""
    plain = words.replace("§", "").replace("\f", "")
    assert encode(plain, GSM_7) == (0, gsm.gsm_encode(plain))
    assert decode(encode(words, GSM_7)[1], 0) == words


def test_what_gsm_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match="GSM-7"):
        encode("я", GSM_7)


@pytest.mark.parametrize(
    ("octets", "coding", "text"),
    [
        (b"\x1b\x1b", 0, " "),
        (b"\x1bA", 0, "A"),
        (b"a\x1b", 0, "a"),
        (b"a\xff", 0, "a\ufffd"),
        (b"a\xff", 1, "a\ufffd"),
        (b"\xe9", 3, "é"),
        (b"\x00\x01", 4, "\x00\x01"),
        ("ж😀".encode("utf-16-be"), 8, "ж😀"),
        (b"\xd8\x00\x00", 8, "\ufffd"),
        (b"\x00", 0xF0, "@"),
        (b"\xe9", 0xF5, "é"),
        ("ж".encode("utf-16-be"), 0x18, "ж"),
        (b"\x00", 0x11, "@"),
    ],
)
def test_what_comes_is_read_whatever_it_is(octets: bytes, coding: int, text: str) -> None:
    assert decode(octets, coding) == text


@given(
    st.one_of(WORDS, st.text(st.characters(exclude_categories=["Cs"]), max_size=1600)), st.integers(0, 255)
)
def test_segments_fit_and_say_the_body_again(body: str, reference: int) -> None:
    """160 septets or 140 octets with the header; as many as the router counted (MR, text)."""
    measured = measure(body)
    cut = segments.cut(body, measured.encoding, reference)
    assert len(cut) == measured.segments
    for each in cut:
        assert len(each.octets) <= (140 if measured.encoding == UCS_2 else 160)
    read = [
        segments.piece(pdu(each.octets, esm_class=each.esm_class, data_coding=each.data_coding))
        for each in cut
    ]
    assert "".join(each.text for each in read) == body
    assert [(each.number, each.total) for each in read] == [(n, len(cut)) for n in range(1, len(cut) + 1)]
    assert len(cut) == 1 or {each.reference for each in read} == {reference}


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b"\x06\x08\x04\x01\x02\x03\x01hi", ("hi", 0x102, 1, 3)),
        (b"\x05\x00\x03\x07\x02\x02hi", ("hi", 7, 2, 2)),
        (b"\x05\x00\x03\x07\x02\x09hi", ("hi", 0, 1, 1)),  # the ninth of two
        (b"\x05\x00\x03\x07\x01\x01hi", ("hi", 0, 1, 1)),
        (b"\x04\x05\x02\x0b\x84hi", ("hi", 0, 1, 1)),  # another element
        (b"\xff\x00\x03", ("", 0, 1, 1)),  # a header longer than the message
        (b"\x01\x00hi", ("hi", 0, 1, 1)),
    ],
)
def test_headers_of_phones(octets: bytes, expected: tuple[str, int, int, int]) -> None:
    came = segments.piece(pdu(octets, esm_class=0x40))
    assert (came.text, came.reference, came.number, came.total) == expected


def test_parts_joined_by_parameters_and_payload() -> None:
    joined = [
        Tlv(tags.SAR_MSG_REF_NUM, b"\x01\x00"),
        Tlv(tags.SAR_TOTAL_SEGMENTS, b"\x02"),
        Tlv(tags.SAR_SEGMENT_SEQNUM, b"\x01"),
    ]
    came = segments.piece(pdu(b"", Tlv(tags.MESSAGE_PAYLOAD, b"long"), *joined))
    assert (came.text, came.reference, came.number, came.total) == ("long", 256, 1, 2)


@given(st.binary(max_size=200), st.integers(0, 255), st.integers(0, 255))
def test_no_message_of_a_phone_is_a_fault(octets: bytes, esm_class: int, data_coding: int) -> None:
    came = pdu(octets, esm_class=esm_class, data_coding=data_coding)
    assert 1 <= segments.piece(came).number <= segments.piece(came).total
    receipts.read(came)


@pytest.mark.parametrize(
    ("state", "network", "status", "code"),
    [
        (2, b"", "delivered", None),
        (1, b"", "", None),
        (6, b"", "", None),
        (3, b"", "undelivered", 30003),
        (4, b"", "undelivered", 30008),
        (5, b"", "undelivered", 30008),
        (5, b"\x03\x00\x01", "undelivered", 30005),
        (5, b"\x03\x00\x1b", "undelivered", 30003),
        (5, b"\x03\x00\x0d", "undelivered", 30004),
        (5, b"\x01\x00\x01", "undelivered", 30008),
        (7, b"", "undelivered", 30008),
        (8, b"", "undelivered", 30007),
        (99, b"", "", None),
    ],
)
def test_receipts_by_parameters(state: int, network: bytes, status: str, code: int | None) -> None:
    extra = [Tlv(tags.RECEIPTED_MESSAGE_ID, b"AB1\0"), Tlv(tags.MESSAGE_STATE, bytes([state]))]
    extra += [Tlv(tags.NETWORK_ERROR_CODE, network)] if network else []
    came = pdu(b"", *extra)
    assert receipts.is_receipt(came)
    said = receipts.read(came)
    assert (said.message_id, said.status, said.error_code) == ("AB1", status, code)


@pytest.mark.parametrize(
    ("text", "id", "status"),
    [
        (
            "id:7 sub:001 dlvrd:001 submit date:2601010000 done date:2601010001 stat:DELIVRD err:000 text:x",
            "7",
            "delivered",
        ),
        ("ID:a-1 stat:EXPIRED", "a-1", "undelivered"),
        ("id:7 stat:DELIVERED", "7", "delivered"),
        ("id:7 stat:UNDELIVERABLE", "7", "undelivered"),
        ("id:7 stat:ACCEPTD", "7", ""),
        ("id:7 stat:NOSUCHST", "7", ""),
        ("nothing of the kind", "", ""),
        ("", "", ""),
    ],
)
def test_receipts_by_text(text: str, id: str, status: str) -> None:
    said = receipts.read(pdu(text.encode(), esm_class=4))
    assert (said.message_id, said.status) == (id, status)


def test_an_intermediate_notification_decides_nothing() -> None:
    assert receipts.read(pdu(b"id:7 stat:UNDELIV", esm_class=0x20)).status == ""


@pytest.mark.parametrize(
    ("ids", "answer", "receipt"),
    [
        (Ids.SAME, "00AB", "ab"),
        (Ids.DECIMAL, "0FF", "255"),
        (Ids.HEX, "255", "00FF"),
        (Ids.HEX, "x-1", "X-1"),
        (Ids.SAME, "0", "0"),
    ],
)
def test_ids_meet(ids: Ids, answer: str, receipt: str) -> None:
    assert ids.of_answer(answer) == ids.of_receipt(receipt)


@pytest.mark.parametrize(
    ("said", "digits", "type", "plan"),
    [("+15550142", "15550142", 1, 1), ("12345", "12345", 3, 0), ("ACME", "ACME", 5, 0)],
)
def test_addresses(said: str, digits: str, type: int, plan: int) -> None:
    there = address(said)
    assert (there.digits, there.type, there.plan) == (digits, type, plan)
    assert number(digits, type) == said


def test_a_number_without_a_type_is_international_when_it_is_long_enough() -> None:
    assert number("4915112345678", 0) == "+4915112345678"
    assert number("12345", 0) == "12345"
    assert number("03012345678", 2) == "03012345678"


@pytest.mark.parametrize(
    ("status", "begun", "http", "code", "final"),
    [
        (0x58, False, 429, None, False),
        (0x14, False, 429, None, False),
        (0x08, False, 503, None, False),
        (0x0B, False, 400, 30005, False),
        (0x0B, True, 400, 30005, True),
        (0x0A, False, 400, 30024, False),
        (0x45, False, 400, 30008, False),
        (0x400, False, 400, 30008, False),
    ],
)
def test_answers(status: int, begun: bool, http: int, code: int | None, final: bool) -> None:
    answer = not_taken(status, begun=begun)
    assert (answer.status, answer.code, answer.final) == (http, code, final)


def test_validity_is_a_relative_time() -> None:
    assert validity(36_061.5) == "000000100101000R"
    assert validity(86_400 * 400) == "000030000000000R"
