"""Every code that can be given for a call, a message or a stream has its cause and its remedy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import callrouter
from callrouter.api.message_errors import ERRORS
from callrouter.ladders.remedies import CODES, WHOSE, page, remedy
from callrouter.ladders.shown import masked
from instructions.elements import Verb
from instructions.errors import CATALOGUE
from instructions.verbs.dial import Dial
from instructions.verbs.gather import Gather
from instructions.verbs.start import Start

ROOT = Path(callrouter.__file__).parents[1]
GIVERS = (
    *(
        "callrouter/calls",
        "callrouter/conferences",
        "callrouter/queues",
        "callrouter/messages",
        "callrouter/voice",
    ),
    *(
        "instructions",
        "foundation/outbound",
        "presence/signalling",
        "presence/client_messages",
        "presence/access",
    ),
)
CODE = re.compile(r"(?<![\w.])(1[1-6][0-9]{3}|201[0-9]{2}|300[0-9]{2}|30410|31[0-9]{3})(?![\w.])")
NO_CODES = {11_211, 16_000, 11_025, 12_000, 15_000}
"""Ports, sample rates and the like."""


def test_each_code_in_the_code_has_a_remedy() -> None:
    missing: dict[int, str] = {}
    for folder in GIVERS:
        for file in (ROOT / folder).rglob("*.py"):
            for found in CODE.finditer(file.read_text()):
                if int(found[0]) not in CODES and int(found[0]) not in NO_CODES:
                    missing[int(found[0])] = str(file.relative_to(ROOT))
    assert missing == {}


def test_the_catalogues_are_covered() -> None:
    assert CATALOGUE.keys() | ERRORS.keys() <= CODES.keys()


def test_cause_and_remedy_are_sentences() -> None:
    for known in map(remedy, CODES):
        assert known.whose in WHOSE.values()
        for text in (known.cause, known.remedy):
            assert text[0].isupper() or text[0] in "<`", text
            assert text[-1] == ".", text


@pytest.mark.parametrize("verb", [Dial, Gather, Start], ids=lambda verb: verb.tag)
def test_who_nests_wrongly_is_told_what_may_stand_there(verb: type[Verb]) -> None:
    """Each element that is allowed, and no other."""
    told = remedy(verb.nest_code).remedy
    assert set(re.findall(r"<(\w+)>", told)) == {verb.tag, *(one.tag for one in verb.nests)}


@pytest.mark.parametrize("code", ["99999", "", "<b>", "１１２００"])
def test_other_codes_are_answered_too(code: str) -> None:
    assert remedy(code).whose == "not known"


def test_the_reference_page() -> None:
    lines = page().splitlines()
    assert sum(line.startswith("| 1") for line in lines) > 100
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 5 for line in lines if line.startswith("|"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("POST https://u:p@a.example/x", "POST https://u:***@a.example/x"),
        ("https://a.example:80/b@c", "https://a.example:80/b@c"),
        ("https://:p@a/ and wss://x:y@b", "https://:***@a/ and wss://x:***@b"),
        ("sip:bob@example.com", "sip:bob@example.com"),
    ],
)
def test_passwords_in_urls_are_hidden(text: str, shown: str) -> None:
    assert masked(text) == shown
