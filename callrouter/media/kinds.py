"""What kind of file a message carries, by its own first bytes: what it is declared to be must be true (MD-12)."""

from __future__ import annotations

import re

from foundation.webserver.errors import ApiError

MOST_BYTES = 5_000_000
"""Twilio's bound for everything in a message (twilio-surface 8)."""
WRONG_TYPE, TOO_LARGE = 12300, 11751
UNTYPED = ("", "application/octet-stream", "binary/octet-stream")
ALIASES = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-ms-bmp": "image/bmp",
    "audio/mp3": "audio/mpeg",
    "audio/x-wav": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "audio/x-m4a": "audio/mp4",
    "text/x-vcard": "text/vcard",
    "text/directory": "text/vcard",
    "application/vcard": "text/vcard",
    "application/x-pdf": "application/pdf",
    "application/rtf": "text/rtf",
}
_BOXES = (
    "video/mp4",
    "audio/mp4",
    "video/quicktime",
    "video/3gpp",
    "audio/3gpp",
    "video/3gpp2",
    "audio/3gpp2",
)
_HEADS: tuple[tuple[bytes, tuple[str, ...]], ...] = (
    (rb"\xff\xd8\xff", ("image/jpeg",)),
    (rb"\x89PNG\r\n\x1a\n", ("image/png",)),
    (rb"GIF8[79]a", ("image/gif",)),
    (rb"RIFF....WEBP", ("image/webp",)),
    (rb"BM.{4}\0\0\0\0", ("image/bmp",)),
    (rb"II\*\0|MM\0\*", ("image/tiff",)),
    (rb"....ftyp(?:hei|hev|mif1|msf1)", ("image/heic", "image/heif")),
    (rb"....ftyp", _BOXES),
    (rb"\x1aE\xdf\xa3", ("video/webm", "audio/webm", "video/x-matroska")),
    (rb"\0\0\x01\xba|\0\0\x01\xb3", ("video/mpeg",)),
    (rb"RIFF....WAVE", ("audio/wav",)),
    (rb"#!AMR", ("audio/amr", "audio/amr-wb")),
    (rb"OggS", ("audio/ogg", "video/ogg", "application/ogg", "audio/opus")),
    (rb"MThd", ("audio/midi",)),
    (rb"\.snd", ("audio/basic",)),
    (rb"ID3|\xff[\xe2-\xff]", ("audio/mpeg", "audio/aac")),
    (rb"%PDF-", ("application/pdf",)),
    (rb"\{\\rtf", ("text/rtf",)),
    (rb"BEGIN:VCARD", ("text/vcard",)),
    (rb"BEGIN:VCALENDAR", ("text/calendar",)),
)
_KINDS = [(re.compile(head, re.DOTALL), kinds) for head, kinds in _HEADS]
_TEXTS = ("text/plain", "text/csv")


def content_type(body: bytes, declared: str) -> str:
    """The type under which this may be stored and shown. ApiError: 11751 when it is larger than a message may carry,
    12300 when it is of no such type, or of another one than it was declared to be."""
    if len(body) > MOST_BYTES:
        raise ApiError(413, TOO_LARGE, f"The media are larger than {MOST_BYTES} bytes.")
    if not body:
        raise ApiError(422, WRONG_TYPE, "The media are empty.")
    said = declared.partition(";")[0].strip().lower()
    said = ALIASES.get(said, said)
    found = next((kinds for head, kinds in _KINDS if head.match(body)), ())
    if said in UNTYPED and found:
        return found[0]
    if said in found or (said in _TEXTS and b"\0" not in body and not body.lstrip().startswith(b"<")):
        return said
    really = f"begin like {found[0]}" if found else "are nothing that a message may carry"
    raise ApiError(422, WRONG_TYPE, f"The media were declared as {said[:80] or 'nothing'!r} and {really}.")
