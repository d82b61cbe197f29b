"""Judges answers by Twilio's published OpenAPI file: status, keys, types, enumerations, patterns.

A small reader of the part of OpenAPI that the file uses for answers; the file is not ours, so it lies beside the
repository (or where the environment variable TWILIO_OPENAPI says) and the check is left out where it is absent.
"""

import json
import os
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from twilio.base.exceptions import TwilioException, TwilioRestException

FILE = Path(
    os.environ.get("TWILIO_OPENAPI") or Path(__file__).parents[3] / "shared/openapi/twilio_api_v2010.json"
)
EXTRA = {"type"}  # the file has it for numbers, but forgets it in their lists by type
TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}


def present() -> bool:
    return FILE.exists()


def refusal(attempt: Callable[[], Any]) -> tuple[int, int]:
    """The HTTP status and Twilio's code of what is refused; for lists the library keeps only the answer's text."""
    with pytest.raises(TwilioException) as caught:
        attempt()
    if isinstance(caught.value, TwilioRestException):
        return caught.value.status, caught.value.code
    error = json.loads(str(caught.value.args[1]).partition(" ")[2].partition(" ")[2])
    return error["status"], error["code"]


def faults(method: str, path: str, status: int, body: str) -> list[str]:
    """What is wrong with an answer; empty when nothing is."""
    if status >= 400:
        keys = set(json.loads(body))
        return [] if keys == {"code", "message", "more_info", "status"} else [f"error keys {sorted(keys)}"]
    responses = operation(method, path)["responses"]
    if str(status) not in responses:
        return [f"status {status}, not one of {sorted(responses)}"]
    content = responses[str(status)].get("content")
    if content is None:
        return [] if body == "" else ["a body where there is none"]
    return list(_compare(json.loads(body), content["application/json"]["schema"], ""))


@cache
def _document() -> Any:
    return json.loads(FILE.read_text())


def operations() -> list[tuple[str, str]]:
    """Methods and paths of the description; none where it is absent."""
    paths = _document()["paths"] if present() else {}
    return [
        (method.upper(), path)
        for path, methods in paths.items()
        for method in methods
        if method in ("get", "post", "delete")
    ]


def operation(method: str, path: str) -> Any:
    """Twilio's description of a request; an AssertionError when there is none."""
    found = []
    for template, operations in _document()["paths"].items():
        pattern = re.sub(r"\{\w+\}", "[^/]+", template.replace(".", r"\."))
        if re.fullmatch(pattern, path) and method.lower() in operations:
            found.append((template.count("{"), operations[method.lower()]))
    assert found, f"Twilio has no {method} {path}"
    return min(found, key=lambda pair: pair[0])[1]


def _compare(value: Any, schema: Any, where: str) -> Any:
    if "$ref" in schema:
        schema = _document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if value is None:
        said = "`null`" in schema.get("description", "")  # of some it is only said in words
        if not schema.get("nullable") and not said:
            yield f"{where} is null"
        return
    kind = schema.get("type")
    if kind and (not isinstance(value, TYPES[kind]) or (kind != "boolean" and isinstance(value, bool))):
        yield f"{where} is {value!r}, not a {kind}"
    elif "enum" in schema and value not in schema["enum"]:
        yield f"{where} is {value!r}, not one of {schema['enum']}"
    elif "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{where} is {value!r}, which {schema['pattern']} does not match"
    elif kind == "array":
        for number, item in enumerate(value):
            yield from _compare(item, schema["items"], f"{where}[{number}]")
    elif schema.get("properties"):
        names = set(schema["properties"])
        missing = (
            names - set(value) if "NON_NULL" not in schema.get("x-class-extra-annotation", "") else set()
        )
        if (missing | set(value) - names) - EXTRA:
            yield f"{where} has the wrong keys {sorted(names ^ set(value))}"
        for name in names & set(value):
            yield from _compare(value[name], schema["properties"][name], f"{where}.{name}")
