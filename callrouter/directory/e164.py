"""Phone numbers in E.164: an ASCII rule first, the phonenumbers library second (reliability-security M12).

The library is lenient: it drops signs, letters and extensions in silence. So what reaches it already has the
exact form, and what it can't keep as it is, is refused. A number need not be in use anywhere: `possible` is
enough, so that a laboratory can use fictional ones.
"""

import re
from enum import StrEnum

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType

from callrouter.directory.errors import Refused

E164 = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
INVALID = 21421


class NumberType(StrEnum):
    """Twilio's three lists of numbers."""

    LOCAL = "local"
    MOBILE = "mobile"
    TOLL_FREE = "toll-free"


def e164(text: str) -> str:
    """The number, unchanged; Refused with 21421 unless it is one."""
    if not E164.fullmatch(text):
        raise Refused(INVALID, f"{text!r} is not a phone number in E.164, such as +15551234567")
    try:
        parsed = phonenumbers.parse(text)
    except NumberParseException as error:
        raise Refused(INVALID, f"{text} is not a phone number: {error}") from error
    kept = phonenumbers.format_number(parsed, PhoneNumberFormat.E164)
    if kept != text or not phonenumbers.is_possible_number(parsed):
        raise Refused(INVALID, f"{text} is not a possible phone number")
    return text


def national(text: str) -> str:
    """As people of the North American plan write it, `(555) 123-4567`; anything else as it is."""
    if not (text.startswith("+1") and E164.fullmatch(text)):
        return text
    try:
        return phonenumbers.format_number(phonenumbers.parse(text), PhoneNumberFormat.NATIONAL)
    except NumberParseException:
        return text


def number_type(text: str) -> NumberType:
    """In which of the lists the number is; what the library can't tell is local."""
    try:
        kind = phonenumbers.number_type(phonenumbers.parse(text))
    except NumberParseException:
        return NumberType.LOCAL
    return {
        PhoneNumberType.MOBILE: NumberType.MOBILE,
        PhoneNumberType.TOLL_FREE: NumberType.TOLL_FREE,
    }.get(kind, NumberType.LOCAL)


class Market(StrEnum):
    """Twilio's seven lists of numbers on offer."""

    LOCAL = "Local"
    MACHINE_TO_MACHINE = "MachineToMachine"
    MOBILE = "Mobile"
    NATIONAL = "National"
    SHARED_COST = "SharedCost"
    TOLL_FREE = "TollFree"
    VOIP = "Voip"


def market(text: str) -> Market:
    """In which list a number is offered: each is in one; what the library can't tell is local."""
    try:
        kind = phonenumbers.number_type(phonenumbers.parse(text))
    except NumberParseException:
        return Market.LOCAL
    return {
        PhoneNumberType.MOBILE: Market.MOBILE,
        PhoneNumberType.SHARED_COST: Market.SHARED_COST,
        PhoneNumberType.TOLL_FREE: Market.TOLL_FREE,
        PhoneNumberType.UAN: Market.NATIONAL,
        PhoneNumberType.VOIP: Market.VOIP,
    }.get(kind, Market.LOCAL)


def country(text: str) -> str | None:
    """The ISO code of the number's country, such as US; what the library can't place is in its code's main one."""
    try:
        parsed = phonenumbers.parse(text)
    except NumberParseException:
        return None
    region = phonenumbers.region_code_for_number(parsed)
    return region or phonenumbers.region_code_for_country_code(parsed.country_code or 0)
