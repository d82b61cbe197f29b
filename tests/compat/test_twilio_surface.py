"""Every path and method of Twilio's published description: served as it says, or on the list of what is not.

(twilio-surface 5, 9.4) The description is not ours: without it these tests are skipped.
"""

from pathlib import Path
from typing import Any

import pytest
import requests
import twilio_contract
from twilio_world import DESCRIBED, URL, World, fresh, lasting, world

from callrouter.api import reference

__all__ = ["lasting", "world"]

DOCS = Path(__file__).parents[2] / "docs" / "reference"
present = pytest.mark.skipif(
    not twilio_contract.present(),
    reason=f"no path is held against Twilio's OpenAPI file: {twilio_contract.FILE} is absent",
)
SERVED = sorted(reference.served())
OWNED = [
    (method, path)
    for method, path in SERVED
    if path.count("{}") > 1
    and "/AvailablePhoneNumbers" not in path  # countries are everybody's
    and (method, path) != ("POST", "/Accounts/{}/Conferences/{}/Participants")  # takes a name, also a new one
]
FORMS: dict[tuple[str, str], dict[str, str]] = {
    ("POST", "/IncomingPhoneNumbers"): {"AreaCode": "415"},
    ("POST", "/IncomingPhoneNumbers/Local"): {"AreaCode": "415"},
    ("POST", "/IncomingPhoneNumbers/Mobile"): {"PhoneNumber": "fresh"},
    ("POST", "/IncomingPhoneNumbers/TollFree"): {"PhoneNumber": "fresh"},
    ("POST", "/Calls"): {"To": "+15555550123", "From": "number", "Url": URL},
    ("POST", "/Calls/{}"): {"Status": "completed"},
    ("POST", "/Calls/{}/Recordings/{}"): {"Status": "paused"},
    ("POST", "/Calls/{}/Streams"): {"Url": "wss://app.example/audio"},
    ("POST", "/Calls/{}/Streams/{}"): {"Status": "stopped"},
    ("POST", "/Conferences/{}"): {"Status": "completed"},
    ("POST", "/Conferences/{}/Participants"): {"To": "+15555550123", "From": "number"},
    ("POST", "/Conferences/{}/Participants/{}"): {"Muted": "true"},
    ("POST", "/Conferences/{}/Recordings/{}"): {"Status": "stopped"},
    ("POST", "/Messages"): {"To": "+15555550123", "From": "number", "Body": "hello"},
    ("POST", "/Messages/{}"): {"Status": "canceled"},
    ("POST", "/Queues"): {"FriendlyName": "x"},
    ("POST", "/Queues/{}/Members/{}"): {"Url": URL},
    ("POST", "/Usage/Triggers"): {"CallbackUrl": URL, "TriggerValue": "9", "UsageCategory": "calls"},
}
"""What must be given, by the path below the account; `fresh` and `number` stand for phone numbers of the world."""


@present
def test_nothing_of_the_description_is_forgotten() -> None:
    """API9 of OWASP's list, both ways: what we serve is described, and what we don't is on the page."""
    served, rest = set(SERVED), reference.not_served()
    assert served | rest == set(DESCRIBED)
    assert not served & rest


def test_the_page_is_what_the_code_makes() -> None:
    assert (DOCS / "rest.md").read_text().strip() == reference.page().strip(), "run `make docs`"


@present
@pytest.mark.parametrize("operation", SERVED, ids=" ".join)
def test_a_path_answers_as_it_is_described(world: World, operation: tuple[str, str]) -> None:
    method, plain = operation
    path = world.place(method, plain)
    answer = ask(world, method, path, form(world, method, plain))
    assert answer.status_code < 300, answer.text
    assert twilio_contract.faults(method, path, answer.status_code, answer.text) == []


@present
@pytest.mark.parametrize("operation", SERVED, ids=" ".join)
def test_a_path_without_suffix_answers_in_xml(world: World, operation: tuple[str, str]) -> None:
    method, plain = operation
    suffix = ".xml" if method == "GET" and plain.endswith(("Recordings/{}", "Media/{}")) else ""
    path = world.place(method, plain).removesuffix(".json") + suffix
    answer = ask(world, method, path, form(world, method, plain))
    assert answer.status_code < 300, answer.text
    if answer.status_code != 204:
        assert answer.headers["Content-Type"] == "application/xml; charset=utf-8"
        assert "<TwilioResponse>" in answer.text


@present
@pytest.mark.parametrize("operation", sorted(reference.not_served()), ids=" ".join)
def test_what_is_not_served_says_so(world: World, operation: tuple[str, str]) -> None:
    method, plain = operation
    path = "/2010-04-01" + plain.replace("{}", world.account_sid, 1).replace("{}", world.call) + ".json"
    answer = ask(world, method, path, {"PhoneNumber": fresh()})
    assert (answer.status_code, answer.json()["code"]) in {(404, 20404), (405, 20004)}
    assert twilio_contract.faults(method, path, answer.status_code, answer.text) == []


@present
@pytest.mark.parametrize("operation", OWNED, ids=" ".join)
def test_what_another_account_has_is_not_found(
    world: World, deployment: Any, operation: tuple[str, str]
) -> None:
    """reliability-security 4.10: every SID of ours below somebody else's account is as if there were none."""
    method, plain = operation
    other = deployment.account()
    path = world.place(method, plain).replace(world.account_sid, other[0])
    answer = requests.request(
        method, deployment.url + path, auth=other, data=form(world, method, plain), timeout=10
    )
    assert (answer.status_code, answer.json()["code"]) == (404, 20404)


@present
def test_absent_methods_are_405(world: World) -> None:
    """20004 (twilio-surface 5.1)."""
    for method in ("PUT", "PATCH"):
        answer = ask(world, method, f"/2010-04-01/Accounts/{world.account_sid}/Calls.json", {})
        assert (answer.status_code, answer.json()["code"]) == (405, 20004)


def form(world: World, method: str, plain: str) -> dict[str, str]:
    meant = {"fresh": fresh(), "number": world.number}
    given = FORMS.get((method, plain.removeprefix("/Accounts/{}")), {})
    return {name: meant.get(text, text) for name, text in given.items()}


def ask(world: World, method: str, path: str, form: dict[str, str]) -> requests.Response:
    return requests.request(method, world.deployment.url + path, auth=world.auth, data=form, timeout=10)
