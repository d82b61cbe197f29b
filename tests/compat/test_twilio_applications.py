"""Twilio's Python library against Applications, and paging by the library (twilio-surface 5.4, 5.9)."""

from typing import Any

import pytest
from twilio.rest import Client
from twilio_contract import refusal


def test_an_application_is_created_changed_and_deleted(client: Client) -> None:
    made = client.applications.create(
        friendly_name="Phone",
        voice_url="https://app.example/voice",
        message_status_callback="https://app.example/sent",
        public_application_connect_enabled=True,
        voice_caller_id_lookup=True,
    )
    assert made.voice_caller_id_lookup is True
    assert made.message_status_callback == "https://app.example/sent"
    one = client.applications(made.sid)
    changed = one.update(voice_method="GET", sms_status_callback="", voice_caller_id_lookup=False)
    assert (changed.voice_method, changed.voice_caller_id_lookup) == ("GET", False)
    assert one.fetch().friendly_name == "Phone"
    assert one.delete() is True
    assert refusal(one.fetch) == (404, 20404)


def test_wrong_settings_are_refused(client: Client) -> None:
    assert refusal(lambda: client.applications.create(voice_url="nope")) == (400, 21402)
    assert refusal(lambda: client.applications.create(sms_status_callback="nope")) == (400, 21502)
    lookup: Any = "perhaps"
    assert refusal(lambda: client.applications.create(voice_caller_id_lookup=lookup)) == (400, 20001)


@pytest.fixture
def seven(client: Client) -> list[str]:
    """The names of seven applications, newest first."""
    names = [f"app {number}" for number in range(7)]
    for name in names:
        client.applications.create(friendly_name=name)
    return names[::-1]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 1000])
def test_the_library_follows_pages(client: Client, seven: list[str], size: int) -> None:
    """Conformance check 7: newest first, each once."""
    assert [one.friendly_name for one in client.applications.stream(page_size=size)] == seven
    assert [one.friendly_name for one in client.applications.list(limit=4, page_size=size)] == seven[:4]


def test_pages_are_asked_for_as_often_as_needed(client: Client, seven: list[str]) -> None:
    client.http_client.requests.clear()  # type: ignore[attr-defined]
    assert len(client.applications.list(page_size=3)) == len(seven)
    asked = [line.partition("?")[2] for line in client.http_client.requests]  # type: ignore[attr-defined]
    assert len(asked) == 3
    assert all("PageToken=PAAP" in query for query in asked[1:])


def test_pages_go_back_as_well(client: Client, seven: list[str]) -> None:
    first = client.applications.page(page_size=3)
    second = first_next = client.applications.get_page(first.next_page_url)
    names = [[one.friendly_name for one in page] for page in (first, first_next)]
    assert names == [seven[:3], seven[3:6]]
    assert first.previous_page_url is None
    back = client.applications.get_page(second.previous_page_url)
    assert [one.friendly_name for one in back] == seven[:3]
    assert back.previous_page_url is None
    assert back.next_page_url is not None


def test_deleting_while_listing_reaches_everything(client: Client, seven: list[str]) -> None:
    """The token of a page outlives the row that it names."""
    deleted = [one.friendly_name for one in client.applications.stream(page_size=2) if one.delete()]
    assert deleted == seven
    assert client.applications.list() == []


def test_filters_stay_on_every_page(client: Client, seven: list[str]) -> None:
    for _ in range(2):
        client.applications.create(friendly_name="app 3")
    found = client.applications.list(friendly_name="app 3", page_size=1)
    assert [one.friendly_name for one in found] == ["app 3"] * 3


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("PageSize=1001", 20007),
        ("PageSize=0", 20007),
        ("PageSize=%EF%BC%91", 20007),
        ("PageSize=", 20007),
        ("Page=-1", 20001),
        ("PageToken=PA", 21481),
        ("PageToken=PAAP" + "0" * 32, 21481),
        ("PageToken=PA" + "AP" + "0" * 32 + "-7ff8000000000000", 21481),
    ],
)
def test_wrong_pages_are_refused(client: Client, query: str, code: int) -> None:
    uri = f"{client.api.base_url}/2010-04-01/Accounts/{client.account_sid}/Applications.json?{query}"
    answer = client.http_client.request("GET", uri, auth=client.auth)
    assert answer.status_code == 400
    assert f'"code":{code}' in answer.text
