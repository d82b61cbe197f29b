"""String identifiers: two letters that name the resource, then 128 random bits in hex (Twilio's form)."""

import re
import secrets

SID = re.compile(r"[A-Z]{2}[0-9a-f]{32}\Z")

ACCOUNT = "AC"
ALPHA_SENDER = "AI"
API_KEY = "SK"
APPLICATION = "AP"
CALL = "CA"
CARRIER = "CR"
CONFERENCE = "CF"
MEDIA = "ME"
MESSAGE = "SM"
MESSAGE_SESSION = "MS"
MESSAGE_WITH_MEDIA = "MM"
MESSAGING_SERVICE = "MG"
NOTIFICATION = "NO"
PHONE_NUMBER = "PN"
QUEUE = "QU"
RECORDING = "RE"
REGISTRATION = "RG"
SHORT_CODE = "SC"
STREAM = "MZ"
SUBSCRIPTION = "PS"
TRANSCRIPTION = "TR"
USAGE_TRIGGER = "UT"


def new_sid(prefix: str) -> str:
    """A fresh SID, such as `CA0123…` for the prefix `CA`."""
    return prefix + secrets.token_hex(16)


def is_sid(text: str, prefix: str = "") -> bool:
    """Whether the text has the form of a SID (of that prefix)."""
    return text.startswith(prefix) and SID.match(text) is not None
