"""The bytes of a text on an SMPP link: GSM 7-bit one septet per octet, UCS-2, and what else may come. Pure.

3GPP 23.038 sections 4 and 6.2.1; SMPP 3.4 section 5.2.19 (data_coding).
"""

from callrouter.messages.text import GSM_7

DEFAULT, ASCII, LATIN_1, UCS_2 = 0x00, 0x01, 0x03, 0x08
ESCAPE = 0x1B
BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}
UNKNOWN = "\ufffd"
_CODES = {letter: bytes([code]) for code, letter in enumerate(BASIC) if code != ESCAPE}
_CODES |= {letter: bytes([ESCAPE, code]) for code, letter in EXTENSION.items()}


def encode(text: str, encoding: str) -> tuple[int, bytes]:
    """data_coding and the octets; ValueError when GSM-7 has not all of the characters."""
    if encoding != GSM_7:
        return UCS_2, text.encode("utf-16-be", "replace")
    try:
        return DEFAULT, b"".join(_CODES[letter] for letter in text)
    except KeyError as letter:
        raise ValueError(f"GSM-7 has no {letter}") from None


def decode(octets: bytes, data_coding: int) -> str:
    """The text, with U+FFFD for what it can't be. Binary content comes out as Latin-1."""
    coding = _plain(data_coding)
    if coding == DEFAULT:
        return _gsm(octets)
    if coding == UCS_2:
        return octets.decode("utf-16-be", "replace")
    return octets.decode("ascii" if coding == ASCII else "latin-1", "replace")


def _plain(data_coding: int) -> int:
    """Without the message class of 23.038: of the coding groups 0x10 to 0x1F and 0xF0 to 0xFF."""
    if data_coding & 0xF0 == 0xF0:
        return LATIN_1 if data_coding & 0x04 else DEFAULT
    if data_coding & 0xF0 == 0x10:
        return {0: DEFAULT, 2: UCS_2}.get(data_coding >> 2 & 3, LATIN_1)
    return data_coding


def _gsm(octets: bytes) -> str:
    """An escape before a code that the extension has not shows the basic character (23.038 6.2.1.1)."""
    text, escaped = [], False
    for octet in octets:
        if octet == ESCAPE:
            if escaped:
                text.append(" ")
            escaped = not escaped
            continue
        basic = BASIC[octet] if octet < len(BASIC) else UNKNOWN
        text.append(EXTENSION.get(octet, basic) if escaped else basic)
        escaped = False
    return "".join(text)
