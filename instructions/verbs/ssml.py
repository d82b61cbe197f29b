"""The speech marks that may stand inside <Say> (SSML)."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

from instructions.attributes import LANGUAGE, PAUSE, attribute, choice, text
from instructions.elements import Element, Noun


class Break(Noun, tag="break"):
    """A silence."""

    strength: str = attribute(
        choice("none", "x-weak", "weak", "medium", "strong", "x-strong"), default="medium"
    )
    time: str | None = attribute(PAUSE, default=None)


class Emphasis(Noun, tag="emphasis", spoken=True):
    """Stress."""

    level: str = attribute(choice("strong", "moderate", "reduced"), default="moderate")


class Lang(Noun, tag="lang", spoken=True):
    """Words of another language."""

    xml_lang: str | None = attribute(LANGUAGE, default=None, name="xml:lang")


class Paragraph(Noun, tag="p", spoken=True):
    """A paragraph."""


class Sentence(Noun, tag="s", spoken=True):
    """A sentence."""


class Phoneme(Noun, tag="phoneme", spoken=True):
    """Words with their pronunciation."""

    alphabet: str = attribute(
        choice(
            "ipa",
            "x-sampa",
            "x-amazon-jyutping",
            "x-amazon-pinyin",
            "x-amazon-pron-kana",
            "x-amazon-yomigana",
        ),
        default="ipa",
    )
    ph: str | None = attribute(text(), default=None)


class Prosody(Noun, tag="prosody", spoken=True):
    """Volume, speed and pitch."""

    volume: str | None = attribute(text(32), default=None)
    rate: str | None = attribute(text(32), default=None)
    pitch: str | None = attribute(text(32), default=None)


class SayAs(Noun, tag="say-as", spoken=True):
    """How to read figures, dates and the like."""

    interpret_as: str | None = attribute(
        choice(
            "characters",
            "spell-out",
            "cardinal",
            "number",
            "ordinal",
            "digits",
            "fraction",
            "unit",
            "date",
            "time",
            "address",
            "expletive",
            "telephone",
        ),
        default=None,
        name="interpret-as",
    )
    format: str | None = attribute(
        choice("mdy", "dmy", "ymd", "md", "dm", "ym", "my", "d", "m", "y", "yyyymmdd"), default=None
    )


class Sub(Noun, tag="sub", spoken=True):
    """Words to read instead."""

    alias: str | None = attribute(text(), default=None)


class Word(Noun, tag="w", spoken=True):
    """A word and its role in the sentence."""

    role: str | None = attribute(text(64), default=None)


_INLINE: tuple[type[Element], ...] = (Break, Emphasis, Phoneme, Prosody, SayAs, Sub, Word)
SPEECH: tuple[type[Element], ...] = (*_INLINE, Lang, Paragraph, Sentence)

Lang.nests = Prosody.nests = SPEECH
Paragraph.nests = (*_INLINE, Lang, Sentence)
Sentence.nests = Emphasis.nests = (*_INLINE, Lang)
Word.nests = tuple(mark for mark in _INLINE if mark is not Word)


def ssml(element: Element) -> str:
    """What is inside an element as SSML. Only known marks with values that were checked are in it."""
    return "".join(escape(part) if isinstance(part, str) else _mark(part) for part in element.parts)


def _mark(element: Element) -> str:
    values = [(row.name, getattr(element, row.field)) for row in element.table]
    written = "".join(f" {name}={quoteattr(value)}" for name, value in values if value is not None)
    inside = ssml(element)
    return f"<{element.tag}{written}>{inside}</{element.tag}>" if inside else f"<{element.tag}{written}/>"
