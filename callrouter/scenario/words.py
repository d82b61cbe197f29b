"""The words of a line: what they are, and where they stand."""

from __future__ import annotations

import re
from dataclasses import dataclass

from callrouter.scenario.faults import Fault

_TOKEN = re.compile(r'\s*(?:(,)|((?:[^\s,"]+=)?"(?:\\.|[^"\\])*")|([^\s,"]+))')
_ESCAPE = re.compile(r"\\(.)")
_MEANT = {"n": "\n", "t": "\t"}


@dataclass(frozen=True, kw_only=True)
class Word:
    """`text` is as written, with its quotes; columns count from 1, `end` is that of the last character."""

    text: str
    column: int
    end: int = 0

    @property
    def quoted(self) -> bool:
        return self.text.startswith('"')


class WrongWord(Exception):
    """A character that begins no word."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def split(line: str, number: int) -> list[Word]:
    """The words of a line, commas among them; `the caller` is one word. WrongWord for an open quotation mark."""
    words: list[Word] = []
    at, end = 0, len(line.rstrip())
    while at < end:
        found = _TOKEN.match(line, at)
        if found is None:
            column = len(line) - len(line[at:].lstrip()) + 1
            raise WrongWord(Fault(line=number, column=column, message='this " is not closed by another'))
        word = Word(text=found[0].strip(), column=found.start(found.lastindex or 0) + 1, end=found.end())
        if word.text == "caller" and words and words[-1].text == "the":
            word = Word(text=word.text, column=words.pop().column, end=word.end)
        words.append(word)
        at = found.end()
    return words


def unquoted(text: str) -> str:
    r"""What is between the quotation marks; `\"`, `\\`, `\n` and `\t` are what they are elsewhere."""
    return _ESCAPE.sub(lambda found: _MEANT.get(found[1], found[1]), text[1:-1])
