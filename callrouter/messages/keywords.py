"""Words with which a person tells a sender to stop, to go on, or who it is.

https://help.twilio.com/articles/223134027 (Twilio's support for opt-out keywords)
"""

import unicodedata
from enum import StrEnum


class OptWord(StrEnum):
    """What the word asks for; also Twilio's OptOutType."""

    STOP = "STOP"
    START = "START"
    HELP = "HELP"


WORDS: dict[str, OptWord] = {
    **dict.fromkeys(
        ("STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"), OptWord.STOP
    ),
    **dict.fromkeys(("START", "YES", "UNSTOP"), OptWord.START),
    **dict.fromkeys(("HELP", "INFO"), OptWord.HELP),
}
_AROUND = " \t\r\n\"'“”‘’.,!?\u200b\ufeff"
LONGEST = 64


def opt_word(body: str) -> OptWord | None:
    """The word that is the whole body, in any case and with blanks or a full stop around it; a sentence is none."""
    if len(body) > LONGEST:
        return None
    return WORDS.get(unicodedata.normalize("NFKC", body).strip(_AROUND).upper())
