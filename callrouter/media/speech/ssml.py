"""SSML as it comes from <Say>, made safe and put into what the engines understand.

Only the marks that Twilio allows are left (twilio-surface 2.5); of the others the words remain. espeak-ng would open
the file of an <audio>, so nothing is passed on as it came.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from callrouter.media.speech.speaker import SpeechFailed

DEEPEST = 50
LONGEST_BREAK_MS = 10_000
NO_TEXT = 13520

_STRENGTHS = {
    **{"none": 0, "x-weak": 100, "weak": 250, "medium": 400, "strong": 700},
    "x-strong": 1_200,
}
_TIME = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)(ms|s)", re.ASCII)
_SPELT = ("characters", "spell-out", "digits", "telephone")
_PLAIN_VALUE = re.compile(r"[A-Za-z0-9+%.-]{1,32}")


def for_espeak(markup: str) -> str:
    """SSML with marks that espeak-ng knows. SpeechFailed 13520 when it is not well-formed."""
    return f"<speak>{_inside(_root(markup), _marked, 0)}</speak>"


def words(markup: str) -> str:
    """The words alone, for engines that know no SSML and for counting them."""
    return re.sub(r"\s+", " ", _inside(_root(markup), _unmarked, 0)).strip()


_Render = Callable[[str, Mapping[str, str], str], str]


def _root(markup: str) -> etree._Element:
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(markup.encode(), parser)
    except (etree.XMLSyntaxError, UnicodeEncodeError) as error:
        raise SpeechFailed(NO_TEXT, f"The speech markup is not well-formed: {error}") from error
    if root.getroottree().docinfo.doctype:
        raise SpeechFailed(NO_TEXT, "Speech markup may have no document type.")
    return root


def _inside(element: etree._Element, render: _Render, depth: int) -> str:
    if depth > DEEPEST:
        raise SpeechFailed(NO_TEXT, f"Speech markup may be {DEEPEST} elements deep.")
    text = _text(element.text, render)
    for child in element:
        if isinstance(child.tag, str):
            attributes = {etree.QName(name).localname: str(value) for name, value in child.attrib.items()}
            text += render(etree.QName(child).localname, attributes, _inside(child, render, depth + 1))
        text += _text(child.tail, render)
    return text


def _text(text: str | None, render: _Render) -> str:
    return escape(text or "") if render is _marked else text or ""


def _unmarked(tag: str, attributes: Mapping[str, str], inside: str) -> str:
    if tag == "sub":
        return attributes.get("alias", inside)
    return f" {inside} " if tag in ("p", "s", "break") else inside


def _marked(tag: str, attributes: Mapping[str, str], inside: str) -> str:
    if tag == "break":
        return f'<break time="{_milliseconds(attributes)}ms"/>'
    if tag in ("p", "s"):
        return f"<{tag}>{inside}</{tag}>"
    if tag == "sub":
        return escape(attributes.get("alias", "")) or inside
    if tag == "emphasis":
        return f"<emphasis level={quoteattr(_plain(attributes, 'level'))}>{inside}</emphasis>"
    if tag == "prosody":
        named = (name for name in ("volume", "rate", "pitch") if _plain(attributes, name))
        said = "".join(f" {name}={quoteattr(attributes[name])}" for name in named)
        return f"<prosody{said}>{inside}</prosody>"
    if tag == "lang" and (language := _plain(attributes, "lang")):
        return f"<voice xml:lang={quoteattr(language.lower())}>{inside}</voice>"
    if tag == "say-as" and attributes.get("interpret-as") in _SPELT:
        return f'<say-as interpret-as="characters">{inside}</say-as>'
    return inside


def _plain(attributes: Mapping[str, str], name: str) -> str:
    value = attributes.get(name, "")
    return value if _PLAIN_VALUE.fullmatch(value) else ""


def _milliseconds(attributes: Mapping[str, str]) -> int:
    if time := _TIME.fullmatch(attributes.get("time", "").strip()):
        return round(min(float(time[1]) * (1000 if time[2] == "s" else 1), LONGEST_BREAK_MS))
    return _STRENGTHS.get(attributes.get("strength", "medium"), _STRENGTHS["medium"])
