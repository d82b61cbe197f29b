"""Long messages: cut for the way out, recognised on the way in. Pure.

3GPP 23.040 section 9.2.3.24.1 (the user data header that joins segments), SMPP 3.4 section 5.3.2.22 (SAR parameters).
"""

from __future__ import annotations

from dataclasses import dataclass

from smpp34 import DeliverSm

from callrouter.carriers.smpp import tags
from callrouter.carriers.smpp.alphabet import decode, encode
from callrouter.messages.text import parts

HEADER = 0x40
"""Of esm_class: the octets begin with a user data header."""
JOINED_8, JOINED_16 = 0x00, 0x08
"""Information elements: part of a long message, with a reference of one octet or of two."""


@dataclass(frozen=True, kw_only=True)
class Segment:
    """What one `submit_sm` carries."""

    octets: bytes
    data_coding: int
    esm_class: int


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A text that came, or the `number`th of `total` parts of one; `reference` is the sender's for these parts."""

    text: str
    reference: int = 0
    number: int = 1
    total: int = 1


def cut(body: str, encoding: str, reference: int) -> list[Segment]:
    """The segments of a body. `reference`: 0 to 255, the same for all of them and another for the next message.

    ValueError when the encoding can't say it.
    """
    coded = [encode(text, encoding) for text in parts(body, encoding)]
    if len(coded) == 1:
        return [Segment(octets=coded[0][1], data_coding=coded[0][0], esm_class=0)]
    return [
        Segment(
            octets=bytes([5, JOINED_8, 3, reference, len(coded), number]) + octets,
            data_coding=coding,
            esm_class=HEADER,
        )
        for number, (coding, octets) in enumerate(coded, 1)
    ]


def piece(pdu: DeliverSm) -> Piece:
    """What a phone's `deliver_sm` says. A header that can't be read is left out of the text."""
    extra = {tlv.tag: tlv.value for tlv in pdu.tlvs}
    octets = pdu.short_message or extra.get(tags.MESSAGE_PAYLOAD, b"")
    joined = tuple(
        int.from_bytes(extra.get(tag, b""), "big")
        for tag in (tags.SAR_MSG_REF_NUM, tags.SAR_TOTAL_SEGMENTS, tags.SAR_SEGMENT_SEQNUM)
    )
    if pdu.esm_class & HEADER and octets:
        header, octets = octets[1 : 1 + octets[0]], octets[1 + octets[0] :]
        joined = _joined(header) or joined
    text = decode(octets, pdu.data_coding)
    reference, total, number = joined
    if not 1 <= number <= total <= 255 or total == 1:
        return Piece(text=text)
    return Piece(text=text, reference=reference, number=number, total=total)


def _joined(header: bytes) -> tuple[int, int, int] | None:
    """Reference, total and number, from the elements of a user data header."""
    at = 0
    while at + 2 <= len(header):
        element, length = header[at], header[at + 1]
        value = header[at + 2 : at + 2 + length]
        if (element, len(value)) in ((JOINED_8, 3), (JOINED_16, 4)):
            return int.from_bytes(value[:-2], "big"), value[-2], value[-1]
        at += 2 + length
    return None
