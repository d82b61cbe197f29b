"""Every attribute of every element, from the table itself: its default, a good value, a bad value."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from instructions import attributes
from instructions.attributes import Attribute, camel_case, count
from instructions.document import Reader, parse
from instructions.elements import Element, Verb
from instructions.errors import CATALOGUE
from instructions.reference import elements

ROWS = [pytest.param(cls, row, id=f"{cls.__name__} {row.name}") for cls in elements() for row in cls.table]
BAD = {
    # Kinds that accept nearly everything refuse what is too long; everything else refuses this text.
    attributes.CALLER_ID: "x" * 257,
}


def bad_value(row: Attribute) -> str:
    too_long = "x" * 60_000
    return BAD.get(row.kind, too_long if row.kind.name.startswith("at most") else "\uff11 ?\\")


def read(cls: type[Element], name: str | None = None, value: str = "") -> tuple[Element, list[int]]:
    source = etree.Element(cls.tag)
    if name:
        source.set(name.replace("xml:", "{http://www.w3.org/XML/1998/namespace}"), value)
    reader = Reader()
    return reader.build(source, cls), [problem.code for problem in reader.problems]


@pytest.mark.parametrize(("cls", "row"), ROWS)
def test_attribute(cls: type[Element], row: Attribute) -> None:
    element, problems = read(cls)
    assert (getattr(element, row.field), problems) == (row.default, [])

    element, problems = read(cls, row.name, row.kind.example)
    assert (getattr(element, row.field), problems) == (row.kind.read(row.kind.example), [])

    element, problems = read(cls, row.name, bad_value(row))
    assert (getattr(element, row.field), problems) == (row.default, [row.code])
    assert row.code in CATALOGUE


@pytest.mark.parametrize(("cls", "row"), ROWS)
def test_a_default_is_a_value_that_the_attribute_accepts(cls: type[Element], row: Attribute) -> None:
    if row.default not in (None, (), ""):
        shown = row.default if isinstance(row.default, tuple) else (row.default,)
        text = " ".join(str(word).lower() if isinstance(word, bool) else str(word) for word in shown)
        assert row.kind.read(text) == row.default


# Twilio's table of Dial (twilio-surface 2.2), in its own words: the class body must say the same.
DIAL = {
    "action": (None, 11100),
    "method": ("POST", 13210),
    "timeout": (30, 13212),
    "hangupOnStar": (False, 13213),
    "timeLimit": (14_400, 13216),
    "callerId": (None, 13214),
    "record": ("do-not-record", 13217),
    "recordingStatusCallback": (None, 13256),
    "recordingStatusCallbackEvent": (("completed",), 13621),
    "answerOnBridge": (False, 13219),
    "ringTone": (None, 13220),
    "sequential": (False, 13218),
}


def test_dials_table_is_twilios() -> None:
    dial = next(cls for cls in elements() if cls.tag == "Dial")
    rows = {row.name: (row.default, row.code) for row in dial.table}
    assert {name: rows[name] for name in DIAL} == DIAL


@pytest.mark.parametrize(
    ("value", "accepted"),
    [
        ("5", True),
        ("600", True),
        ("030", True),
        ("4", False),
        ("601", False),
        ("-5", False),
        ("+5", False),
        (" 5", False),
        ("5 ", False),
        ("5.0", False),
        ("1_0", False),
        ("1e2", False),
        ("\uff15\uff10", False),
        ("\u0665\u0660", False),
        ("9" * 5000, False),
        ("", False),
    ],
)
def test_integers_are_ascii_digits_within_bounds(value: str, accepted: bool) -> None:
    """M10: int() alone would take most of these, and raise on 5,000 digits."""
    (dial,) = parse(f'<Response><Dial timeout="{value}">+15550100</Dial></Response>'.encode()).verbs
    assert getattr(dial, "timeout") == (int(value) if accepted else 30)  # noqa: B009


@given(st.text())
def test_no_text_breaks_a_kind(value: str) -> None:
    for cls in elements():
        for row in cls.table:
            with suppress(ValueError):  # anything else fails the test
                row.kind.read(value)


@given(st.integers(-10, 2000))
def test_a_count_is_its_own_text(number: int) -> None:
    kind = count(1, 1000)
    if 1 <= number <= 1000:
        assert kind.read(str(number)) == number
    else:
        with pytest.raises(ValueError, match="1 to 1000"):
            kind.read(str(number))


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("initiated ringing", ("initiated", "ringing")),
        ("['initiated', 'ringing']", ("initiated", "ringing")),
        ("initiated,ringing,initiated", ("initiated", "ringing")),
        (" answered\n", ("answered",)),
        ("initiated busy", ("completed",)),
        ("", ("completed",)),
    ],
)
def test_lists_are_read_as_both_helper_libraries_write_them(written: str, words: tuple[str, ...]) -> None:
    """twilio-surface 1.1: Python's library writes a list as its repr."""
    body = f'<Response><Dial><Number statusCallbackEvent="{written}">+15550100</Number></Dial></Response>'
    (dial,) = parse(body.encode()).verbs
    assert getattr(dial.children[0], "status_callback_event") == words  # noqa: B009


@pytest.mark.parametrize(
    "value", ["http://[", "http://a:99999/", "http:///x", "javascript:alert(1)", "http://a\\@b/"]
)
def test_urls_that_two_parsers_could_read_differently_are_refused(value: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        attributes.URL.read(value)


@pytest.mark.parametrize(
    "value", ["", "/a", "a?b=c&d", "https://u:p@a.test:8443/x#rc=2", "//b.test/x", " /a "]
)
def test_urls_that_are_accepted(value: str) -> None:
    assert attributes.URL.read(value) == value.strip()


def test_names_are_mechanical() -> None:
    assert [camel_case(name) for name in ("timeout", "finish_on_key", "from_")] == [
        "timeout",
        "finishOnKey",
        "from",
    ]


def test_an_element_class_refuses_an_argument_that_it_does_not_know() -> None:
    with pytest.raises(TypeError, match="childs"):
        type(Verb)("Odd", (Verb,), {}, childs=())


@pytest.mark.parametrize("cls", elements(), ids=lambda cls: cls.__name__)
def test_every_element_says_what_it_is(cls: type[Element]) -> None:
    assert cls.__doc__
    assert not cls.__doc__.startswith(cls.__name__ + "(")
