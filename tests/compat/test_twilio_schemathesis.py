"""Requests that schemathesis makes up from Twilio's published description, right ones and wrong ones.

None of them is a fault of ours, and every answer is as described. The description is not ours: without it these tests
are skipped.
"""

import json
import re
from functools import cache
from typing import Any

import pytest
import schemathesis
import twilio_contract
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from twilio_world import DESCRIBED, World, lasting, world

from callrouter.api import reference

__all__ = ["lasting", "world"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not twilio_contract.present(),
        reason=f"nothing is made up from Twilio's OpenAPI file: {twilio_contract.FILE} is absent",
    ),
]
BOUNDED = settings(
    max_examples=20, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True
)


@cache
def schema() -> Any:
    return schemathesis.openapi.from_dict(json.loads(twilio_contract.FILE.read_text()))


@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize("operation", sorted(reference.served()), ids=" ".join)
def test_no_request_breaks_us(world: World, operation: tuple[str, str], mode: Any) -> None:
    method, plain = operation
    template, path = DESCRIBED[operation], world.place(method, plain)
    names = re.findall(r"\{(\w+)\}", template)
    found = re.fullmatch(re.sub(r"\{\w+\}", "([^/]+)", template.replace(".", r"\.")), path)
    assert found is not None
    ours = dict(zip(names, found.groups(), strict=True))

    @given(case=schema()[template][method].as_strategy(mode))
    @BOUNDED
    def ask(case: Any) -> None:
        case.path_parameters = ours
        case.headers.pop("Authorization", None)
        answer = case.call(base_url=world.deployment.url, auth=world.auth, timeout=10)
        assert answer.status_code < 500, answer.text
        assert twilio_contract.faults(method, path, answer.status_code, answer.text) == []

    ask()
