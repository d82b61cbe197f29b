"""Twilio's own TwiML builder as oracle: what it writes, for every element and attribute it knows, parses
without a warning.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from twilio.twiml import TwiML, lower_camel, voice_response
from twilio.twiml.voice_response import VoiceResponse

from instructions.attributes import Attribute
from instructions.document import Response, parse
from instructions.elements import Element
from instructions.reference import elements

# Python-only spellings of the builder, and those arguments of it that are the element's text.
TEXTS = {
    "number": "+15550100",
    "phone_number": "+15550100",
    "identity": "alice",
    "client_identity": "alice",
    "application_sid": "AP" + "0" * 32,
    "sid": "AP" + "0" * 32,
    "sim_sid": "DE" + "0" * 32,
    "sip_url": "sip:a@example.com",
    "message": "hello",
    "words": "hello",
    "body": "{}",
}


def builders(cls: type[TwiML]) -> Iterator[tuple[str, Any]]:
    for name, function in inspect.getmembers(cls, inspect.isfunction):
        if function.__qualname__ == f"{cls.__name__}.{name}" and name != "__init__":
            yield name, function


def fill(parent: TwiML, known: type[Element], name: str, depth: int) -> None:
    """Call one builder method with a good value for each of its arguments, and then those of what it made."""
    function = getattr(parent, name)
    signature = inspect.signature(function)
    made_as = type(
        function(**{a: None for a, p in signature.parameters.items() if p.kind is not p.VAR_KEYWORD})
    )
    tag = parent.verbs.pop().name
    legal = {child.tag: child for child in known.nests}
    assert tag in legal, f"<{known.tag}> does not know <{tag}> of {made_as.__name__}"
    rows = {row.name: row for row in legal[tag].table}
    arguments = {
        argument: value(argument, legal[tag], rows)
        for argument, parameter in signature.parameters.items()
        if parameter.kind is not parameter.VAR_KEYWORD
    }
    child = function(**arguments)
    if depth:
        for nested, _ in builders(type(child)):
            fill(child, legal[tag], nested, depth - 1)


def value(argument: str, element: type[Element], rows: dict[str, Attribute]) -> str:
    name = lower_camel(TwiML.MAP.get(argument, argument))
    if name in rows:
        return rows[name].kind.example
    if argument in TEXTS:
        return TEXTS[argument]
    assert element.content, f"<{element.tag}> does not know {name}"
    assert argument in ("url", "name"), f"<{element.tag}> does not know {name}"
    return element.content.example


@pytest.mark.parametrize("verb", [name for name, _ in builders(VoiceResponse)])
def test_every_verb_that_the_builder_writes(verb: str) -> None:
    response = VoiceResponse()
    fill(response, Response, verb, depth=2)
    document = parse(str(response).encode())
    warnings = [
        problem for problem in document.warnings if problem.code != 13000
    ]  # all nouns at once, on purpose
    assert warnings == []
    assert [type(found).__name__ for found in document.verbs] == [response.verbs[0].name]


def test_the_builder_knows_no_element_that_is_missing_here() -> None:
    names = {
        cls().name
        for _, cls in inspect.getmembers(voice_response, inspect.isclass)
        if issubclass(cls, TwiML)
        and cls is not TwiML
        and not inspect.signature(cls.__init__).parameters.keys() - {"self", "kwargs"}
    }
    assert names - {"Response"} <= {cls.tag for cls in elements()}


def test_python_lists_and_truths_as_the_builder_writes_them() -> None:
    """twilio-surface 1.1: a list becomes its repr, a bool becomes lower case."""
    response = VoiceResponse()
    dial = response.dial(hangup_on_star=True, answer_on_bridge=False, timeout=20)
    dial.client(
        "alice", status_callback_event=["initiated", "ringing"], status_callback="https://app.test/cb"
    )
    document = parse(str(response).encode())
    assert document.warnings == ()
    (parsed,) = document.verbs
    assert (getattr(parsed, "hangup_on_star"), getattr(parsed, "timeout")) == (True, 20)  # noqa: B009
    assert getattr(parsed.children[0], "status_callback_event") == ("initiated", "ringing")  # noqa: B009
