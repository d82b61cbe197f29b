"""The categories of usage that a router has (https://www.twilio.com/docs/usage/api/usage-record#usage-categories)."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Category:
    """`count` and `usage` of a record, and in what they are counted."""

    name: str
    description: str
    count_unit: str
    usage_unit: str


def _minutes(name: str, description: str, unit: str = "calls") -> Category:
    return Category(name=name, description=description, count_unit=unit, usage_unit="minutes")


def _pieces(name: str, description: str, unit: str, usage: str = "") -> Category:
    return Category(name=name, description=description, count_unit=unit, usage_unit=usage or unit)


CATEGORIES = {
    one.name: one
    for one in (
        _minutes("calls", "Voice Minutes"),
        _minutes("calls-client", "Client Voice Minutes"),
        _minutes("calls-inbound", "Inbound Voice Minutes"),
        _minutes("calls-outbound", "Outbound Voice Minutes"),
        _minutes("calls-recordings", "Recordings of Calls", "recordings"),
        _minutes("calls-sip", "SIP Minutes"),
        _minutes("calls-sip-inbound", "Inbound SIP Minutes"),
        _minutes("calls-sip-outbound", "Outbound SIP Minutes"),
        _pieces("mms", "MMS", "messages"),
        _pieces("mms-inbound", "Inbound MMS", "messages"),
        _pieces("mms-outbound", "Outbound MMS", "messages"),
        _pieces("phonenumbers", "Phone Numbers", "numbers"),
        _minutes("recordings", "Recordings", "recordings"),
        _minutes("recordingstorage", "Stored Recordings", "recordings"),
        _pieces("sms", "SMS", "messages", "segments"),
        _pieces("sms-inbound", "Inbound SMS", "messages", "segments"),
        _pieces("sms-outbound", "Outbound SMS", "messages", "segments"),
        _pieces("totalprice", "Total Price", "", "usd"),
        _minutes("transcriptions", "Transcriptions", "transcriptions"),
    )
}


def of_call(direction: str, *, client: bool, sip: bool) -> tuple[str, ...]:
    """Where a leg counts: among all, and with clients, SIP addresses, or phones."""
    way = "inbound" if direction == "inbound" else "outbound"
    if client:
        return "calls", "calls-client"
    return ("calls", "calls-sip", f"calls-sip-{way}") if sip else ("calls", f"calls-{way}")


def of_message(direction: str, *, media: bool) -> tuple[str, str]:
    """Where a message to or from a phone counts."""
    kind = "mms" if media else "sms"
    return kind, f"{kind}-{'inbound' if direction == 'inbound' else 'outbound'}"
