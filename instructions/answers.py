"""An application's answer as TwiML: what has another content type is played, read aloud, or refused."""

from __future__ import annotations

import re
import textwrap

from lxml import etree

from instructions.document import read_xml, refuse_size
from instructions.errors import DocumentError

LONGEST_SPEECH = 4000
"""Characters of a text that one <Say> is given."""

TWIML_TYPES = ("text/xml", "application/xml", "text/html")
_CHARSETS = ("utf-8", "us-ascii", "iso-8859-1", "windows-1252", "utf-16")
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w-]{1,20})", re.IGNORECASE)
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def as_twiml(body: bytes, content_type: str, url: str) -> bytes:
    """The TwiML that an answer from `url` amounts to (Twilio: a document's content types).

    TwiML is TwiML; so is text/plain that begins like it. Other text is read aloud once, audio is played once, and
    then the document is over. `content_type` is "" when the answer had none. Raises DocumentError with 11200, 11750,
    11770 or 12300, and what `parse` raises for TwiML that is sent as text/plain.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type.startswith("audio/") and body:
        return _document("Play", [url])
    refuse_size(body)
    if media_type in TWIML_TYPES:
        return body
    if media_type == "text/plain":
        return body if _is_twiml(body) else _document("Say", _words(body, content_type))
    if not media_type:
        raise DocumentError(11200, "the answer has no Content-Type; send text/xml")
    raise DocumentError(12300, f"{media_type[:80]} is not a content type that can be run; send text/xml")


def _is_twiml(body: bytes) -> bool:
    """Whether it is, or wants to be: nobody means to have tags read aloud. DocumentError for what is broken."""
    try:
        read_xml(body)
    except DocumentError:
        if body.lstrip().startswith((b"<?xml", b"<Response")):
            raise
        return False
    return True


def text_of(body: bytes, content_type: str) -> str:
    """An answer of text/plain; what can't be decoded is U+FFFD, and what XML can't hold is a blank."""
    declared = _CHARSET.search(content_type)
    charset = declared.group(1).lower() if declared else ""
    text = body.decode(charset if charset in _CHARSETS else "utf-8", "replace")
    return _NOT_XML.sub(" ", text.removeprefix("\ufeff"))


def _words(body: bytes, content_type: str) -> list[str]:
    """The text, in pieces that can be read."""
    return textwrap.wrap(text_of(body, content_type), LONGEST_SPEECH, break_on_hyphens=False)


def _document(tag: str, texts: list[str]) -> bytes:
    response = etree.Element("Response")
    for text in texts:
        etree.SubElement(response, tag).text = _NOT_XML.sub(" ", text)
    twiml: bytes = etree.tostring(response, encoding="utf-8")
    return twiml
