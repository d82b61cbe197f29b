"""A body of bytes becomes a Document, or a DocumentError that says why nothing of it can run.

The parser is hardened: no entity is expanded, no DTD accepted, nothing fetched, and size, depth and
number of verbs are capped before anything is built. The whole document is read before the first verb
runs.
"""

from __future__ import annotations

import codecs
import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lxml import etree

from instructions.elements import Element, Problem, Verb
from instructions.errors import EMPTY, SCHEMA_WARNING, DocumentError
from instructions.verbs.catalogue import VERBS

MAX_BYTES = 65_536
"""Twilio: 64 kB, error 11750."""
MAX_DEPTH = 32
MAX_VERBS = 1000
MAX_WARNINGS = 10
"""Stored per document: a broken template in a loop must not fill the notifications."""

_XML = "{http://www.w3.org/XML/1998/namespace}"
_VERSION_ERRORS = {"ERR_UNKNOWN_VERSION", "ERR_VERSION_MISSING"}


class Response(Element, nests=VERBS):
    """The root: verbs, run from top to bottom. Text between them means nothing."""


@dataclass(frozen=True, kw_only=True)
class Document:
    verbs: tuple[Verb, ...]
    warnings: tuple[Problem, ...]


def parse(body: bytes) -> Document:
    """The document of a call in `body`. Raises DocumentError with 11750, 11770, 12100, 12101 or 12102."""
    response, warnings = read(body, Response)
    verbs = tuple(child for child in response.children if isinstance(child, Verb))
    return Document(verbs=verbs, warnings=warnings)


def read(body: bytes, response: type[Element]) -> tuple[Element, tuple[Problem, ...]]:
    """The document in `body` with such a root element, and the warnings about it; raises what `parse` raises."""
    refuse_size(body)
    reader = Reader()
    return reader.build(read_xml(body), response), tuple(reader.problems)


def refuse_size(body: bytes) -> None:
    """Raises DocumentError for what is too large (11750) or empty (11770)."""
    if len(body) > MAX_BYTES:
        raise DocumentError(11750, f"the document has {len(body)} bytes; at most {MAX_BYTES} are run")
    if not body.removeprefix(codecs.BOM_UTF8).strip():
        raise DocumentError(EMPTY, "the answer is empty; answer with <Response/> to do nothing")


def read_xml(body: bytes) -> etree._Element:
    # A parser per document: a libxml2 parser keeps names and state of what it read before.
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        recover=False,
        remove_pis=True,
        remove_comments=True,
        collect_ids=False,
    )
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as fault:
        wrong_version = any(entry.type_name in _VERSION_ERRORS for entry in parser.error_log)
        raise DocumentError(12101 if wrong_version else 12100, str(fault.msg), fault.lineno) from None
    info = root.getroottree().docinfo
    # Without this check a DTD's entities stay in the tree as nodes, and text silently ends before them.
    if info.internalDTD is not None:
        raise DocumentError(12100, "a document type declaration (<!DOCTYPE …>) is not allowed", 1)
    if info.xml_version != "1.0":
        raise DocumentError(12101, f"XML version {info.xml_version} is not 1.0", 1)
    if root.tag != "Response":
        raise DocumentError(12102, f"the root is <{root.tag}>, not <Response>", root.sourceline)
    if len(root) > MAX_VERBS:
        raise DocumentError(
            12100, f"{len(root)} verbs; at most {MAX_VERBS} are run", root[MAX_VERBS].sourceline
        )
    _refuse_depth(root)
    return root


def _refuse_depth(root: etree._Element) -> None:
    depth = 0
    for moment, element in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if moment == "start" else -1
        if depth > MAX_DEPTH:
            raise DocumentError(12100, f"elements are nested deeper than {MAX_DEPTH}", element.sourceline)


class Reader:
    """Builds the records of one document and keeps its first warnings."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def build(self, source: etree._Element, cls: type[Element]) -> Element:
        """One element and its children. The depth was checked, so recursion is bounded."""
        line = source.sourceline or 0
        values = self._attributes(source, cls, line)
        words: str | None = _text(source, spoken=cls.spoken)
        if words and cls.content:
            try:
                words = cls.content.read(words)
            except ValueError as fault:
                self._warn(cls.content_code, f"<{cls.tag}> has a text that is not valid: {fault}", line)
                words = None
        parts = tuple(self._parts(source, cls))
        children = tuple(part for part in parts if isinstance(part, Element))
        element = cls(**values, line=line, text=words, children=children, parts=parts if cls.spoken else ())
        for problem in element.check():
            self._warn(problem.code, problem.message, problem.line)
        return element

    def _attributes(self, source: etree._Element, cls: type[Element], line: int) -> dict[str, Any]:
        rows = {row.name: row for row in cls.table}
        values: dict[str, Any] = {}
        for qualified, value in source.attrib.items():
            name = str(qualified).replace(_XML, "xml:")
            row = rows.get(name)
            if row is None:
                if name != "xml:base":
                    self._unknown(
                        f"<{cls.tag}> has no attribute {name[:80]!r}", name, rows, SCHEMA_WARNING, line
                    )
                continue
            try:
                values[row.field] = row.kind.read(str(value))
            except ValueError as fault:
                message = f"<{cls.tag}> {name}={str(value)[:80]!r}: {fault}; the default is used"
                self._warn(row.code, message, line)
        return values

    def _parts(self, source: etree._Element, cls: type[Element]) -> Iterator[str | Element]:
        """Text and legal children in their order. What is not legal is not there, but for its spoken text."""
        legal = {child.tag: child for child in cls.nests}
        yield str(source.text or "")
        for child in source:
            tag = str(child.tag)
            if nested := legal.get(tag):
                yield self.build(child, nested)
            else:
                yield "".join(map(str, child.itertext()))
                what = "is not a verb" if cls.tag == Response.tag else f"is not allowed inside <{cls.tag}>"
                self._unknown(f"<{tag[:80]}> {what}", tag, legal, cls.nest_code, child.sourceline or 0)
            yield str(child.tail or "")

    def _unknown(self, message: str, name: str, known: Mapping[str, object], code: int, line: int) -> None:
        """Warn, naming what was probably meant: names are case-sensitive, and people forget."""
        if len(self.problems) >= MAX_WARNINGS:
            return  # a hint is not free, and a hostile document has thousands of names
        folded = {word.casefold(): word for word in known}
        close = difflib.get_close_matches(name.casefold()[:40], folded, n=1)
        hint = f"; did you mean {folded[close[0]]}?" if close else ""
        self._warn(code, message + hint, line)

    def _warn(self, code: int, message: str, line: int) -> None:
        if len(self.problems) < MAX_WARNINGS:
            self.problems.append(Problem(code=code, message=message, line=line))


def _text(source: etree._Element, *, spoken: bool) -> str:
    parts = source.itertext() if spoken else (source.text, *(child.tail for child in source))
    return "".join(str(part) for part in parts if part).strip()
