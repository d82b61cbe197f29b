"""Texts that a database may choke on, on both engines (reliability-security M9, M10)."""

from typing import Any

import pytest
from requests import Response, request

from foundation.sids import new_sid

ODD = ["%00", "%ff", "%F0%9F%98%80", "..%2f", "'", "AC", "%EF%BC%91"]


def _ask(deployment: Any, path: str, auth: tuple[str, str], **form: str) -> Response:
    method = "POST" if form else "GET"
    return request(method, f"{deployment.url}/2010-04-01{path}", auth=auth, data=form, timeout=10)


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_sid_is_not_found(deployment: Any, account: tuple[str, str], odd: str) -> None:
    mine = f"/Accounts/{account[0]}"
    paths = [f"/Accounts/{odd}.json", f"/Accounts/{odd}/Calls.json", f"{mine}/Calls/{odd}/Events.json"]
    for path in [*paths, f"{mine}/Applications/{odd}.json", f"{mine}/Calls/{odd}/Notifications/{odd}.json"]:
        answer = _ask(deployment, path, account)
        assert (answer.status_code, answer.json()["code"]) == (404, 20404), path


@pytest.mark.parametrize("odd", ["a\x00", "\u00e9", "SK\x00", "AC' OR 1=1 --", "x" * 5000])
def test_odd_credentials_are_401(deployment: Any, account: tuple[str, str], odd: str) -> None:
    for auth in ((odd, "x"), (account[0], odd), (new_sid("SK"), odd)):
        assert _ask(deployment, f"/Accounts/{account[0]}.json", auth).status_code == 401


@pytest.mark.parametrize("odd", ["a\x00b", "\x1b[31m", "a\x7f"])
def test_control_characters_in_parameters_are_400(
    deployment: Any, account: tuple[str, str], odd: str
) -> None:
    path = f"/Accounts/{account[0]}"
    for name in ("FriendlyName", "VoiceUrl"):
        answer = _ask(deployment, f"{path}/Applications.json", account, **{name: odd})
        assert (answer.status_code, answer.json()["code"]) == (400, 20001)
    for query in (f"Calls.json?To={odd}", f"Notifications.json?Log={odd}", f"Calls.json?PageToken={odd}"):
        assert _ask(deployment, f"{path}/{query}", account).status_code == 400


def test_text_of_all_the_world_is_kept(deployment: Any, account: tuple[str, str]) -> None:
    name = "Zo\u00eb \u5bae\u672c \U0001f600"
    path = f"/Accounts/{account[0]}/Applications.json"
    assert _ask(deployment, path, account, FriendlyName=name).json()["friendly_name"] == name
    found = _ask(deployment, f"{path}?FriendlyName=Zo%C3%AB+%E5%AE%AE%E6%9C%AC+%F0%9F%98%80", account)
    assert len(found.json()["applications"]) == 1
