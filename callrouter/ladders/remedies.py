"""Twilio's codes as callrouter gives them: whose fault each is, what causes it, and what to do.

`python -m callrouter.ladders.remedies` prints the reference page.
"""

from dataclasses import dataclass

from callrouter.api.message_errors import ERRORS
from callrouter.ladders.codes import APP, CARRIER, CLIENT, DOCUMENT, PLATFORM, SETTINGS, Codes
from callrouter.ladders.codes_of_calls import CALLS
from callrouter.ladders.codes_of_clients import CLIENTS
from callrouter.ladders.codes_of_documents import DOCUMENTS
from callrouter.ladders.codes_of_messages import MESSAGES
from callrouter.ladders.codes_of_streams import STREAMS
from instructions.errors import CATALOGUE, is_warning

WHOSE = {
    APP: "your app, or the way to it",
    DOCUMENT: "your document",
    SETTINGS: "how your account, number or application is set",
    CARRIER: "the carrier, or the far end",
    CLIENT: "the client app, or its token",
    PLATFORM: "this installation",
}


@dataclass(frozen=True, kw_only=True)
class Remedy:
    code: int
    whose: str
    cause: str
    remedy: str


def remedy(code: str | int) -> Remedy:
    """For any code: one that we do not know is told apart by nothing but its number."""
    number = int(code) if str(code).isdecimal() and str(code).isascii() else 0
    if number in CODES:
        whose, cause, what = CODES[number]
        return Remedy(code=number, whose=WHOSE[whose], cause=cause, remedy=what)
    return Remedy(
        code=number,
        whose="not known",
        cause="This code is not one of callrouter's own.",
        remedy=f"See https://www.twilio.com/docs/api/errors/{number}.",
    )


def _of_attribute(code: int) -> tuple[str, str, str]:
    """Faults of one attribute or noun are alike: the default was used, or the element left out."""
    what = CATALOGUE[code]
    cause = f"{what[:1].upper()}{what[1:]}."
    if not is_warning(code):
        return DOCUMENT, cause, "Correct it: docs/reference/twiml.md lists what the element takes."
    return (
        DOCUMENT,
        f"{cause[:-1]}: it was left out or replaced by its default, and the call went on.",
        "Give a value that docs/reference/twiml.md lists.",
    )


CODES: Codes = {
    **{code: _of_attribute(code) for code in CATALOGUE},
    **{
        code: (CARRIER, f"{text}.", "Look at the message's steps and routes.")
        for code, text in ERRORS.items()
    },
    **DOCUMENTS,
    **CALLS,
    **STREAMS,
    **MESSAGES,
    **CLIENTS,
}
"""Each code that is given for a call, a message or a client: whose fault, the cause, the remedy."""


def page() -> str:
    """The reference page."""
    lines = [
        "# Error codes",
        "",
        "Made from the code by `python -m callrouter.ladders.remedies`. The numbers are Twilio's; what stands beside",
        "each is what causes it here. Codes that only refuse a REST request explain themselves in its answer.",
        "",
        "| code | whose | cause | remedy |",
        "| --- | --- | --- | --- |",
    ]
    for code in sorted(CODES):
        whose, cause, what = CODES[code]
        cells = (f"{code}", WHOSE[whose], cause, what)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(page())
