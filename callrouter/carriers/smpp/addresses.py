"""Phone numbers on an SMPP link: type of number and numbering plan beside the digits (SMPP 3.4 section 5.2.5). Pure."""

from __future__ import annotations

from dataclasses import dataclass

UNKNOWN, INTERNATIONAL, NETWORK_SPECIFIC, ALPHANUMERIC = 0, 1, 3, 5
ISDN = 1
SHORTEST_INTERNATIONAL = 9
"""Digits from which a number without a type is taken as an international one: a short code has fewer."""


@dataclass(frozen=True, kw_only=True)
class Address:
    digits: str
    type: int
    plan: int


def address(number: str) -> Address:
    """Of E.164, a short code, or a name."""
    if number.startswith("+"):
        return Address(digits=number[1:], type=INTERNATIONAL, plan=ISDN)
    if number.isascii() and number.isdigit():
        return Address(digits=number, type=NETWORK_SPECIFIC, plan=UNKNOWN)
    return Address(digits=number, type=ALPHANUMERIC, plan=UNKNOWN)


def number(digits: str, type: int) -> str:
    """E.164 where it is one, else as it came."""
    plain = digits.isascii() and digits.isdigit()
    if plain and (type == INTERNATIONAL or (type == UNKNOWN and len(digits) >= SHORTEST_INTERNATIONAL)):
        return f"+{digits}"
    return digits
