"""Our routes and answers against Twilio's published OpenAPI file."""

import json
import re
from typing import Any

import pytest
import twilio_contract

from callrouter.api import reference

pytestmark = pytest.mark.skipif(
    not twilio_contract.present(),
    reason=f"no answer is held against Twilio's OpenAPI file: {twilio_contract.FILE} is absent",
)

KEYS = "/2010-04-01/Accounts/AC0/Keys.json"
KEY = {"sid": "SK" + "0" * 32, "friendly_name": "x", "date_created": None, "date_updated": None}
ENVELOPE = {"end": 0, "start": 0, "page": 0, "page_size": 50, "uri": "/", "first_page_uri": "/"}
ENVELOPE |= {"next_page_uri": None, "previous_page_uri": None}


def test_every_route_is_one_of_twilios(deployment: Any) -> None:
    """API9 of OWASP's list: nothing is served that has no description, but for what is said to be ours."""
    served = 0
    for rule in deployment.app.url_map.iter_rules():
        if rule.rule.startswith("/2010-04-01") and rule.rule.endswith(".json"):
            for method in rule.methods - {"HEAD"}:
                if (method, reference.plain(rule.rule)) in reference.OURS:
                    continue
                assert twilio_contract.operation(method, re.sub(r"<\w+>", "X0", rule.rule))
                served += 1
    assert served > 30


def test_a_right_answer_has_no_faults() -> None:
    assert _faults({"keys": [KEY], **ENVELOPE}) == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"keys": [KEY], **ENVELOPE}, 201),
        ({"keys": KEY, **ENVELOPE}, 200),
        ({"keys": [KEY | {"sid": "AC" + "0" * 32}], **ENVELOPE}, 200),
        ({"keys": [KEY | {"friendly_name": 1}], **ENVELOPE}, 200),
        ({"keys": [KEY | {"secret": "x"}], **ENVELOPE}, 200),
        ({"keys": [], **ENVELOPE, "page": True}, 200),
        ({"keys": [], **ENVELOPE, "uri": None}, 200),
        ({"keys": []}, 200),
        ({"code": 1, "message": "x", "status": 400}, 400),
        ({"code": 1, "message": "x", "status": 400, "more_info": "", "type": ""}, 400),
    ],
)
def test_the_judge_finds_faults(body: Any, status: int) -> None:
    """A judge that finds nothing would prove nothing."""
    assert _faults(body, status) != []


def _faults(body: Any, status: int = 200) -> list[str]:
    return twilio_contract.faults("GET", KEYS, status, json.dumps(body))
