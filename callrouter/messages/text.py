"""How a text travels: its alphabet, and how many segments it takes. Pure.

GSM-7 is 3GPP 23.038 section 6.2.1: the default alphabet in one septet per character, its extension table in two. Any
other character makes the whole text UCS-2, in UTF-16 units (https://www.twilio.com/docs/glossary/what-is-gsm-7-character-encoding).
"""

from collections.abc import Iterator
from dataclasses import dataclass

GSM_7, UCS_2 = "gsm-7", "ucs-2"

MAX = 1600
"""Characters of a body (21617, and 14103 in TwiML)."""

BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = frozenset("\f^{}\\[~]|€")

_SIZES = {GSM_7: (160, 153), UCS_2: (70, 67)}
"""Units of a text in one segment, and of each of several: those begin with six octets that join them (23.040)."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    encoding: str
    segments: int


def measure(body: str) -> Measured:
    """An empty body, of a picture for instance, is one segment."""
    encoding = GSM_7 if all(letter in BASIC or letter in EXTENSION for letter in body) else UCS_2
    return Measured(encoding=encoding, segments=sum(1 for _ in _parts(body, encoding)))


def parts(body: str, encoding: str) -> list[str]:
    """The text of each segment; joined, they are the body. ValueError when the encoding can't say it."""
    if encoding == GSM_7 and measure(body).encoding != GSM_7:
        raise ValueError("the body has characters that GSM-7 has not")
    return list(_parts(body, encoding))


def _parts(body: str, encoding: str) -> Iterator[str]:
    """A character is never cut: neither an escape sequence nor a surrogate pair lies across two segments."""
    whole, each = _SIZES[encoding]
    wide = EXTENSION.__contains__ if encoding == GSM_7 else (lambda letter: ord(letter) > 0xFFFF)
    widths = [2 if wide(letter) else 1 for letter in body]
    if sum(widths) <= whole:
        yield body
        return
    start, used = 0, 0
    for place, width in enumerate(widths):
        if used + width > each:
            yield body[start:place]
            start, used = place, 0
        used += width
    yield body[start:]


_LOOKALIKES = {
    '"': "“”„‟«»″ʺ˝ˮ❝❞〝〞",
    "'": "‘’‛‹›′ʹʻʼʽˈˊˋ´`❛❜",
    "-": "‐‑‒–—―−⁃•⎼⎽﹘﹣",
    "...": "…",
    "/": "⁄∕÷⧸",
    "\\": "∖⧵⧹﹨",
    "|": "∣❘ǀ⎸⎹⏐",
    "~": "˜˷∼〜",
    "^": "ˆ",
    "*": "∗⁎✱⧆﹡",
    ":": "∶ː˸꞉﹕",
    ";": "⁏﹔",
    ",": "‚、､﹐﹑",
    ".": "。｡﹒",
    "!": "ǃ﹗",
    "!!": "‼",
    "?": "﹖",
    "(": "❨❪﹙",
    ")": "❩❫﹚",
    "{": "❴﹛",
    "}": "❵﹜",
    "<": "﹤",
    ">": "﹥",
    "=": "꞊﹦",
    "+": "˖﹢",
    "&": "﹠",
    "#": "﹟",
    "%": "﹪",
    "$": "﹩",
    "@": "﹫",
    "1/4": "¼",
    "1/2": "½",
    "3/4": "¾",
    " ": "\t\v\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000",
    "\n": "\x85\u2028\u2029",
    "": "\xad\u200b\u200c\u200d\u2060\ufeff",
}
_SMART = (
    {letter: "" for letter in (*range(0x20), *range(0x7F, 0xA0)) if chr(letter) not in BASIC | EXTENSION}
    | {full: chr(full - 0xFEE0) for full in range(0xFF01, 0xFF5F) if chr(full - 0xFEE0) in BASIC | EXTENSION}
    | {ord(letter): plain for plain, letters in _LOOKALIKES.items() for letter in letters}
)
"""Controls, the full-width forms of ASCII, and what looks like a character of GSM-7."""


def smart(body: str) -> str:
    """The body in GSM-7, with its characters in place of those that only look like them (Twilio's smart encoding).

    It may come out longer: … becomes three full stops. Where other characters remain, such as a face, the body stays
    as it is: nothing would be won.
    """
    plain = body.translate(_SMART)
    return plain if measure(plain).encoding == GSM_7 else body
