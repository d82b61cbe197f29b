"""The error and warning catalogue, and the faults that this package raises.

    InstructionError
    ├── DocumentError    the customer's document (or the answer that should have been one) cannot run
    └── SnapshotError    stored JSON is not a state, event or command of a schema that we know: our fault

Anything else that leaves this package is a bug. The numbers are Twilio's (its error dictionary); an
*error* is why something did not happen, a *warning* says what was ignored while the call went on.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

EMPTY = 11770
SCHEMA_WARNING = 12200
NOT_ACTING = 13750


class InstructionError(Exception):
    """Something in the language cannot be understood."""


class DocumentError(InstructionError):
    """The document cannot run; nothing of it was executed."""

    def __init__(self, code: int, message: str, line: int | None = None) -> None:
        super().__init__(f"{code}: {message}" + (f" (line {line})" if line else ""))
        self.code = code
        self.message = message
        self.line = line


class SnapshotError(InstructionError):
    """Stored JSON does not fit this version of the language."""


_ERRORS = {
    10001: "the account is not active",
    10004: "too many calls at the same time",
    11100: "invalid URL",
    11200: "the application's answer could not be retrieved",
    11201: "the connection timed out",
    11202: "the connection was refused",
    11203: "the answer took too long",
    11205: "no connection to the application",
    11206: "the application violated HTTP",
    11210: "the host name does not resolve",
    11215: "too many redirects or documents",
    11220: "the TLS handshake failed",
    11235: "the certificate is for another host",
    11236: "the certificate has expired",
    11237: "the certificate is not from a trusted authority",
    11240: "the edge that the URL asks for does not exist",
    11241: "the edge that the URL asks for is not supported",
    11243: "the retry policy of the URL is not valid",
    11251: "the application violated the protocol beyond repair",
    11750: "the document is larger than 64 kB",
    EMPTY: "the answer is empty",
    12100: "the document cannot be parsed",
    12101: "the XML version is not 1.0",
    12102: "the root element is not <Response>",
    12300: "the content type is not one that can be run",
    12400: "internal failure",
    13201: "<Dial> inside a dialled leg's document",
    13231: "invalid endConferenceOnExit",
    13238: "a verb that a conference's document may not run",
    13239: "invalid conference trim",
    13240: "invalid call to coach",
    13247: "invalid caller id",
    13257: "invalid transcribeCallback",
    13338: "invalid actionOnEmptyResult",
    13340: "the speech recogniser is missing, down, or gave no answer",
    13420: "<Play>: the answer is not audio that can be played",
    13621: "invalid recordingStatusCallbackEvent",
    14107: "too many replies between the same two numbers in a short time",
    14201: "<Enqueue>: invalid method",
    14202: "<Enqueue>: invalid waitUrl",
    14203: "<Enqueue>: invalid action",
    14204: "the queue's name is too short",
    14205: "the queue's name is too long",
    14206: "<Enqueue>: invalid waitUrlMethod",
    14210: "<Queue>: invalid method",
    14211: "<Queue>: invalid url",
    14212: "the dialled queue's name is too short",
    14213: "the dialled queue's name is too long",
    14215: "<Queue>: invalid reservation",
    14220: "invalid workflow",
    14221: "invalid task attributes",
    14300: "<Start>: noun not allowed",
    15000: "the call failed inside the platform",
    15002: "the call waited too long to be made",
    15004: "a relative URL in a document that came without one",
    16011: "invalid conference event callback",
    16020: "the conference is full",
    16022: "the conference does not exist or is over",
    16023: "the participant label is taken",
    16025: "invalid participant label",
    16027: "the call to coach is not in the conference",
    20404: "what is named does not exist",
    20503: "the service that this needs is not there",
    21300: "invalid trunk",
    31922: "a stream's URL must begin with wss://",
    31941: "a stream's track is not one that can be had here",
}
_WARNINGS = {
    SCHEMA_WARNING: "unknown element or attribute, or a value that is not allowed",
    13000: "<Conference> mixed with other nouns",
    13210: "<Dial>: invalid method",
    13212: "<Dial>: invalid timeout",
    13213: "<Dial>: invalid hangupOnStar",
    13214: "<Dial>: invalid callerId",
    13215: "<Dial>: element not allowed here",
    13216: "<Dial>: invalid timeLimit",
    13217: "<Dial>: invalid record",
    13218: "<Dial>: invalid sequential",
    13219: "<Dial>: invalid answerOnBridge",
    13220: "<Dial>: invalid ringTone",
    13221: "<Number>: invalid method",
    13222: "<Number>: invalid sendDigits",
    13223: "invalid phone number",
    13224: "the number is not supported",
    13225: "the number is blocked",
    13226: "invalid country code",
    13227: "calls to this country are not allowed",
    13230: "<Conference>: invalid muted",
    13232: "<Conference>: invalid startConferenceOnEnter",
    13233: "<Conference>: invalid waitUrl",
    13234: "<Conference>: invalid waitMethod",
    13235: "<Conference>: invalid beep",
    13237: "invalid conference name",
    13241: "<Sip>: invalid method",
    13243: "invalid SIP URI",
    13248: "<Dial>: callerId is too long",
    13249: "<Sip>: invalid username or password",
    13250: "too many SIP URIs",
    13252: "invalid SIP header name",
    13253: "the SIP headers are too long",
    13256: "invalid recordingStatusCallback",
    13310: "<Gather>: invalid finishOnKey",
    13312: "<Gather>: invalid method",
    13313: "<Gather>: invalid timeout",
    13314: "<Gather>: invalid numDigits",
    13320: "<Gather>: element not allowed here",
    13326: "<Gather>: invalid input",
    13327: "<Gather>: invalid speechTimeout",
    13328: "<Gather>: invalid maxSpeechTime",
    13329: "<Gather>: invalid partialResultCallbackMethod",
    13330: "<Gather>: invalid hints",
    13331: "<Gather>: invalid language",
    13332: "<Gather>: invalid bargeIn",
    13333: "<Gather>: invalid profanityFilter",
    13334: "<Gather>: invalid speechModel",
    13335: "<Gather>: speechTimeout auto needs another speechModel than the default",
    13410: "<Play>: invalid loop",
    13430: "<Play>: invalid digits",
    13510: "<Say>: invalid loop",
    13511: "<Say>: invalid voice",
    13512: "<Say>: invalid language",
    13520: "<Say>: no text",
    13521: "<Say>: text too long",
    13610: "<Record>: invalid method",
    13611: "<Record>: invalid timeout",
    13612: "<Record>: invalid maxLength",
    13613: "<Record>: invalid finishOnKey",
    13614: "<Record>: invalid transcribe",
    13615: "<Record>: maxLength is too long for a transcription",
    13616: "<Record>: invalid playBeep",
    13699: "<Record>: invalid trim",
    13710: "<Redirect>: invalid method",
    NOT_ACTING: "this does not act yet",
    13810: "<Reject>: invalid reason",
    13910: "<Pause>: invalid length",
    14101: "<Message>: invalid to",
    14102: "<Message>: invalid from",
    14103: "<Message>: no body, or one of more than 1,600 characters",
    14104: "<Message>: invalid method",
    14105: "<Message>: invalid statusCallback",
    14106: "too many documents for one inbound message",
    14108: "<Message>: from is a sender that can't send messages",
    14109: "too many replies to one inbound message",
    14110: "a verb that has no place in the answer to a message",
    14111: "<Message>: to is not verified for a trial account",
    14207: "the queue is full",
    15003: "a status callback was not answered with 2xx",
    32113: "a SIP header that is not passed on",
}
CATALOGUE: Mapping[int, str] = MappingProxyType({**_ERRORS, **_WARNINGS})


def is_warning(code: int) -> bool:
    """Whether the call goes on after `code`: the level that its notification is stored with."""
    return code in _WARNINGS
