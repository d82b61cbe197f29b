"""Delivery receipts: which message of the SMSC's, and what became of it. Pure.

SMPP 3.4 appendix B (the text), sections 5.3.2.12 and 5.3.2.35 (the parameters), 5.2.28 (the states); the reasons of
network_error_code are those of 3GPP 29.002 section 17.6.6.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from smpp34 import DeliverSm

from callrouter.carriers.smpp import tags

TYPE, RECEIPT, INTERMEDIATE = 0x3C, 0x04, 0x20
"""Of esm_class: which bits say what a `deliver_sm` is, and two of the answers."""
_STATES = (
    "",
    "ENROUTE",
    "DELIVRD",
    "EXPIRED",
    "DELETED",
    "UNDELIV",
    "ACCEPTD",
    "UNKNOWN",
    "REJECTD",
)
"""By the number in message_state."""
_ON_THE_WAY = frozenset({"", "ENROUTE", "ACCEPTD"})
_REASONS = {"EXPIRED": 30003, "REJECTD": 30007}
_NETWORK_REASONS = {
    1: 30005,  # unknown subscriber
    5: 30005,  # unidentified subscriber
    9: 30005,  # illegal subscriber
    11: 30006,  # teleservice not provisioned
    12: 30005,  # illegal equipment
    13: 30004,  # call barred
    21: 30006,  # facility not supported
    27: 30003,  # absent subscriber
    31: 30003,  # subscriber busy
    34: 30017,  # system failure
}
GSM_NETWORK = 3
_ID = re.compile(r"\bid:\s*(\S{1,65})", re.IGNORECASE)
_STATE = re.compile(r"\bstat:\s*([A-Z]{3,8})", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """`status` and `error_code` as the carrier protocol has them; no status while the message is on its way."""

    message_id: str
    status: str
    error_code: int | None


def is_receipt(pdu: DeliverSm) -> bool:
    """By its type; or, as some centres do, only by the parameter."""
    return pdu.esm_class & TYPE in (RECEIPT, INTERMEDIATE) or any(
        tlv.tag == tags.RECEIPTED_MESSAGE_ID for tlv in pdu.tlvs
    )


def read(pdu: DeliverSm) -> Receipt:
    """The parameters first, then the text. The message_id is empty when neither tells."""
    extra = {tlv.tag: tlv.value for tlv in pdu.tlvs}
    text = (pdu.short_message or extra.get(tags.MESSAGE_PAYLOAD, b"")).decode("latin-1")
    said_id, said_state = _ID.search(text), _STATE.search(text)
    message_id = extra.get(tags.RECEIPTED_MESSAGE_ID, b"").split(b"\0")[0].decode("latin-1")
    number = int.from_bytes(extra.get(tags.MESSAGE_STATE, b""), "big")
    state = _STATES[number] if 0 < number < len(_STATES) else ""
    if not state and said_state:
        state = _whole(said_state[1].upper())
    status, code = outcome(state, extra.get(tags.NETWORK_ERROR_CODE, b""))
    if pdu.esm_class & TYPE == INTERMEDIATE:
        status, code = "", None
    return Receipt(
        message_id=message_id or (said_id[1] if said_id else ""),
        status=status,
        error_code=code,
    )


def outcome(state: str, network_error: bytes = b"") -> tuple[str, int | None]:
    """Status and error code of a state's name; a state that we don't know says nothing."""
    if state in _ON_THE_WAY or state not in _STATES:
        return "", None
    if state == "DELIVRD":
        return "delivered", None
    code = _REASONS.get(state, 30008)
    if len(network_error) == 3 and network_error[0] == GSM_NETWORK:
        code = _NETWORK_REASONS.get(int.from_bytes(network_error[1:], "big"), code)
    return "undelivered", code


def _whole(state: str) -> str:
    """Some centres write the names in full, such as DELIVERED."""
    return next((known for known in _STATES if known and state.startswith(known[:5])), state)


class Ids(Enum):
    """How receipts write the ids that the SMSC gave in its answers: some convert them on the way."""

    SAME = "same"
    DECIMAL = "decimal"
    HEX = "hex"

    def of_answer(self, given: str) -> str:
        return _plain(given)

    def of_receipt(self, given: str) -> str:
        """As `of_answer` has it. DECIMAL: receipts say in decimal what answers say in hexadecimal; HEX: the reverse."""
        try:
            if self is Ids.DECIMAL:
                return _plain(f"{int(given):x}")
            if self is Ids.HEX:
                return str(int(given, 16))
        except ValueError:
            pass  # no number after all
        return _plain(given)


def _plain(given: str) -> str:
    """Case and leading zeros differ between answers and receipts of one SMSC."""
    return given.lower().lstrip("0") or given
