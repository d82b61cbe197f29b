"""Twilio's Python library streams live calls to WebSockets (twilio-surface 5.7)."""

from typing import Any

import pytest
from sqlalchemy import insert, update
from twilio.rest import Client
from twilio_contract import refusal

from callrouter.models import Call, Stream
from foundation.sids import CALL, STREAM, new_sid
from instructions.commands import StreamCallback

URL = "wss://app.example/audio"


@pytest.fixture
def call(deployment: Any, account: tuple[str, str]) -> str:
    """A call in progress."""
    sid = new_sid(CALL)
    row = {"from": "+15555550100", "to": "+15555550199", "direction": "inbound", "status": "in-progress"}
    row |= {"account_sid": account[0], "sid": sid, "date_created": 1.0, "date_updated": 1.0, "leg": ""}
    deployment.write(lambda c: c.execute(insert(Call).values(row)))
    return sid


def wanted(deployment: Any) -> Any:
    return next(what for name, _call, what in deployment.live.audio[-1:] if name == "stream")


def test_a_call_is_streamed(client: Client, deployment: Any, call: str) -> None:
    stream = client.calls(call).streams.create(url=URL + "?a=b")
    assert (stream.status, stream.call_sid, stream.name) == ("in-progress", call, stream.sid)
    asked = wanted(deployment)
    assert (asked.url, asked.track, asked.bidirectional, asked.parameters) == (URL, "inbound", False, ())
    assert asked.callback is None


def test_every_setting_of_a_stream_counts(client: Client, deployment: Any, call: str) -> None:
    stream = client.calls(call).streams.create(
        url=URL,
        name="tap",
        track="both_tracks",
        status_callback="https://app.example/s",
        status_callback_method="GET",
        parameter1_name="who",
        parameter1_value="alice",
        parameter99_name="last",
        parameter99_value="one",
    )
    assert stream.name == "tap"
    asked = wanted(deployment)
    assert (asked.name, asked.track) == ("tap", "both")
    assert asked.callback == StreamCallback(url="https://app.example/s", method="GET")
    assert asked.parameters == (("who", "alice"), ("last", "one"))


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"url": ""}, 31922),
        ({"url": "https://app.example"}, 31922),
        ({"url": "/audio"}, 31922),
        ({"track": "sideways"}, 20001),
        ({"name": "n" * 65}, 20001),
        ({"status_callback": "nope"}, 21609),
        ({"parameter1_name": "n", "parameter1_value": "v" * 500}, 20001),
    ],
)
def test_wrong_settings_are_refused(client: Client, call: str, given: dict[str, Any], code: int) -> None:
    assert refusal(lambda: client.calls(call).streams.create(**{"url": URL, **given})) == (400, code)


def test_a_call_that_is_not_in_progress_is_not_streamed(client: Client, deployment: Any, call: str) -> None:
    deployment.live.silent.add(call)
    assert refusal(lambda: client.calls(call).streams.create(url=URL)) == (400, 21220)
    assert refusal(lambda: client.calls(new_sid(CALL)).streams.create(url=URL)) == (404, 20404)


@pytest.mark.parametrize("by", ["sid", "name"])
def test_a_stream_is_stopped_by_its_sid_or_its_name(
    client: Client, deployment: Any, call: str, by: str
) -> None:
    stream = client.calls(call).streams.create(url=URL, name="tap")
    assert client.calls(call).streams(getattr(stream, by)).update(status="stopped").status == "stopped"
    assert deployment.live.audio[-1] == ("stop", call, stream.sid)


def test_a_stream_that_is_over_is_stopped_already(client: Client, deployment: Any, call: str) -> None:
    stream = client.calls(call).streams.create(url=URL)
    over = update(Stream).where(Stream.sid == stream.sid).values(status="stopped")
    deployment.write(lambda c: c.execute(over))
    before = len(deployment.live.audio)
    assert client.calls(call).streams(stream.sid).update(status="stopped").status == "stopped"
    assert len(deployment.live.audio) == before


def test_unknown_streams_are_not_found(client: Client, deployment: Any, call: str) -> None:
    stream = client.calls(call).streams.create(url=URL)
    assert refusal(lambda: client.calls(call).streams(new_sid(STREAM)).update(status="stopped")) == (
        404,
        20404,
    )
    other = deployment.client(*deployment.account())
    assert refusal(lambda: other.calls(call).streams(stream.sid).update(status="stopped")) == (404, 20404)
    assert refusal(lambda: client.calls(call).streams(stream.sid).update(status="in-progress")) == (
        400,
        20001,
    )
