"""Why a message was not delivered, in words (https://www.twilio.com/docs/api/errors)."""

from instructions.errors import CATALOGUE

ERRORS = {
    11751: "The media are larger than a message may carry",
    12300: "The media are of a type that a message can't carry, or not of the type that they were said to be",
    21606: "The sender is not the account's",
    21610: "The recipient told the sender to stop",
    21611: "The queue is full",
    21612: "No carrier takes messages to this recipient",
    21701: "The messaging service does not exist",
    21703: "No sender of the messaging service can send this",
    21704: "The messaging service has no senders",
    30001: "The queue is full",
    30002: "The account is suspended",
    30003: "The handset can't be reached",
    30004: "The message was blocked",
    30005: "The handset is unknown",
    30006: "A landline, or a carrier that can't be reached",
    30007: "A carrier took the message for spam",
    30008: "Unknown error",
    30009: "A segment of the message is missing",
    30010: "The price exceeds the limit",
    30011: "The recipient's network takes no media",
    30017: "The carrier is congested",
    30018: "The sender must be registered for this destination",
    30019: "The media are larger than the carrier takes",
    30022: "The sender's rate was exceeded",
    30023: "The sender's daily limit was reached",
    30024: "The carrier does not know the sender",
    30032: "The toll-free number is not verified",
    30034: "The sender is not registered",
    30036: "The validity period ended before the message could be sent",
    30410: "The carrier did not answer in time",
}


def meaning(code: int | None) -> str | None:
    if code is None:
        return None
    return ERRORS.get(code) or CATALOGUE.get(code, f"Error {code}").capitalize()
