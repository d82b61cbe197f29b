"""The phrases that a caller may say, as words of a pronouncing dictionary."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

Knows: TypeAlias = Callable[[str], bool]
Words: TypeAlias = tuple[str, ...]
Arc: TypeAlias = tuple[int, int, float, str]
"""From one state of a grammar to another, how likely, by saying which word."""

START, END = 0, 1
_ONES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_TEENS = [
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_TOKEN = re.compile(r"[0-9]+|[^\W\d_]+(?:['’.-][^\W\d_]+)*", re.ASCII)
MOST_READINGS = 8
"""Of one phrase."""


def phrases(hints: Iterable[str], knows: Knows) -> dict[Words, str]:
    """Each way to say one of the hints, and the hint as it was written. One with an unknown word is left out."""
    found: dict[Words, str] = {}
    for hint in hints:
        for words in _readings(hint, knows):
            found.setdefault(words, hint.strip())
    return found


def grammar(said: Iterable[Words]) -> list[Arc]:
    """Any one of the phrases, all equally likely."""
    arcs: list[Arc] = []
    chosen, free = list(said), END + 1
    for words in chosen:
        at = START
        for place, word in enumerate(words):
            to, free = (END, free) if place == len(words) - 1 else (free, free + 1)
            arcs.append((at, to, 1.0 if place else 1 / len(chosen), word))
            at = to
    return arcs


def _readings(hint: str, knows: Knows) -> list[Words]:
    found: list[Words] = [()]
    for token in _TOKEN.findall(hint):
        ways = [words for words in _ways(token) if all(map(knows, words))]
        found = [begun + way for begun in found for way in ways][:MOST_READINGS]
    return [words for words in found if words]


def _ways(token: str) -> Iterator[Words]:
    """How one token may be said, the likeliest first."""
    if token.isdigit():
        yield from _number(token)
        return
    word = token.lower().replace("’", "'")
    yield (word,)
    if parts := [part for part in re.split(r"[.-]", word) if part][1:]:
        yield (re.split(r"[.-]", word)[0], *parts)
    if token.isupper():
        yield tuple(
            f"{letter}." for letter in word if letter.isalpha()
        )  # as the dictionary writes a letter's name


def _number(digits: str) -> Iterator[Words]:
    if len(digits) == 2 and digits[0] == "1":
        yield (_TEENS[int(digits[1])],)
    elif len(digits) == 2 and digits[0] > "1":
        tens = _TENS[int(digits[0]) - 2]
        yield (tens,) if digits[1] == "0" else (tens, _ONES[int(digits[1])])
    yield tuple(_ONES[int(digit)] for digit in digits)
    if "0" in digits:
        yield tuple("oh" if digit == "0" else _ONES[int(digit)] for digit in digits)
