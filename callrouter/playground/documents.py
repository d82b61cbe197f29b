"""The text of a playground: one document, or several under headings, and what is wrong with them. Pure.

    document /voice
    <Response><Gather action="/menu" numDigits="1"><Say>Press one.</Say></Gather></Response>

    document /menu when Digits=1
    <Response><Say>One it is.</Say></Response>

The headings are those of scenario files. Without any, the whole text is the document `/voice`.
"""

import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from instructions.document import parse
from instructions.errors import DocumentError

FIRST = "/voice"
"""What a call asks for first."""
LONGEST = 64_000
"""Characters, of all documents together."""
MOST = 50
HEADING_FAULT = 0
_HEADING = re.compile(r"document\s+(?P<path>/\S*)(?:\s+when\s+(?P<name>\w+)=(?P<value>.*?))?\s*")
_UNNAMED = cast("re.Match[str]", _HEADING.fullmatch(f"document {FIRST}"))


@dataclass(frozen=True, kw_only=True)
class Section:
    """A document, and when it is the answer: `when` is a parameter and the value that it must have."""

    path: str
    when: tuple[str, str] | None
    text: str
    line: int
    """where its text begins, from 1"""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """`error`: nothing of the document would run. Otherwise a warning, and the rest runs. Code 0: not TwiML's."""

    line: int
    code: int
    message: str
    error: bool


def sections(text: str) -> list[Section]:
    """Its documents in their order. Text before the first heading is `/voice`, if there is any."""
    lines = text.replace("\r\n", "\n").split("\n")
    headings = [
        (number, match) for number, line in enumerate(lines, 1) if (match := _HEADING.fullmatch(line))
    ]
    before = lines[: headings[0][0] - 1] if headings else lines
    if any(line.strip() for line in before):
        headings.insert(0, (0, _UNNAMED))
    ends = [*(number - 1 for number, _ in headings[1:]), len(lines)]
    return [_section(match, number, lines[number:end]) for (number, match), end in zip(headings, ends)]  # noqa: B905


def _section(heading: re.Match[str], number: int, body: list[str]) -> Section:
    blank = next((count for count, line in enumerate(body) if line.strip()), 0)
    return Section(
        path=heading["path"],
        when=(heading["name"], heading["value"]) if heading["name"] else None,
        text=textwrap.dedent("\n".join(body[blank:])),
        line=number + blank + 1,
    )


def answer(text: str, path: str, parameters: Mapping[str, str]) -> str | None:
    """The document for a request: one whose condition holds goes before one without; None when there is none."""
    fitting = [one for one in sections(text) if one.path == path]
    held = (one for one in fitting if one.when and parameters.get(one.when[0]) == one.when[1])
    chosen = next(held, None) or next((one for one in fitting if one.when is None), None)
    return None if chosen is None else chosen.text


def faults(text: str) -> list[Fault]:
    """All that is wrong, by line."""
    if len(text) > LONGEST:
        message = f"The text has {len(text)} characters; at most {LONGEST} are played."
        return [Fault(line=1, code=HEADING_FAULT, message=message, error=True)]
    documents = sections(text)
    if len(documents) > MOST:
        message = f"{len(documents)} documents; at most {MOST} are played."
        return [Fault(line=documents[MOST].line, code=HEADING_FAULT, message=message, error=True)]
    if not any(one.path == FIRST and one.when is None for one in documents):
        message = f"No `document {FIRST}`: it is what a call asks for first."
        return [Fault(line=1, code=HEADING_FAULT, message=message, error=True)]
    return sorted(
        (fault for one in documents for fault in _faults(one)),
        key=lambda fault: (fault.line, not fault.error),
    )


def _faults(section: Section) -> Iterator[Fault]:
    # Empty lines before it make the lines those of the whole text; an XML declaration suffers none before it.
    before = section.line - 1
    shift = before if section.text.startswith("<?xml") else 0
    padding = "" if shift else "\n" * before
    try:
        document = parse((padding + section.text).encode("utf-8", "replace"))
    except DocumentError as fault:
        line = shift + (fault.line or section.line)
        yield Fault(line=line, code=fault.code, message=fault.message, error=True)
        return
    for problem in document.warnings:
        line = shift + max(problem.line, 1)
        yield Fault(line=line, code=problem.code, message=problem.message, error=False)
