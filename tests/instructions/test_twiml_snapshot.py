"""States, events and commands as JSON: what comes back is the same, and what is not ours is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from instructions import snapshot
from instructions.commands import ClientTarget, Reject, StartLeg, StatusCallback
from instructions.errors import SnapshotError
from instructions.events import DocumentFetched, HungUp, LegEnded, LegStatus

New = Callable[..., Any]


def stored(conversation: New) -> dict[str, Any]:
    talk = conversation()
    talk.run('<Dial action="/done"><Client url="w">ann</Client><Number>+15550111</Number></Dial>')
    return snapshot.state_to_json(talk.state)


def test_a_state_is_plain_readable_json_with_a_schema_number(conversation: New) -> None:
    """style 6: "CA12… is in Dial, ringing ann and bob" can be read off the row."""
    value = json.loads(json.dumps(stored(conversation)))
    assert value["schema"] == snapshot.SCHEMA
    (frame,) = value["state"]["frames"]
    assert frame["verb"] == "Dial"
    assert frame["document"].startswith("<Response><Dial action=")
    assert frame["memory"]["phase"] == "ringing"
    assert [leg["name"] for leg in frame["memory"]["legs"]] == ["leg-1-0-0", "leg-1-0-1"]


def test_a_body_that_is_not_utf8_survives(conversation: New) -> None:
    event = DocumentFetched(at=1.5, fetch="f", url="u", body=b"\xff\x00", content_type=None)
    value = snapshot.event_to_json(event)
    assert value["body"] == {"base64": "/wA="}
    assert snapshot.event_from_json(json.loads(json.dumps(value))) == event


def test_a_command_with_records_inside(conversation: New) -> None:
    command = StartLeg(
        leg="leg-1",
        noun=ClientTarget(identity="ann", parameters=(("k", "v"),)),
        caller_id=None,
        timeout=35,
        status_callback=StatusCallback(url="u", method="GET", events=("ringing",)),
    )
    assert snapshot.command_from_json(json.loads(json.dumps(snapshot.command_to_json(command)))) == command


def test_names_are_the_types(conversation: New) -> None:
    assert snapshot.event_to_json(HungUp(at=2)) == {"type": "HungUp", "at": 2}
    assert snapshot.command_to_json(Reject(reason="busy")) == {"type": "Reject", "reason": "busy"}
    ended = {"type": "LegEnded", "at": 3, "leg": "a", "status": "no-answer"}
    assert snapshot.event_from_json(ended) == LegEnded(at=3.0, leg="a", status=LegStatus.NO_ANSWER)


EVENTS = {
    "not an object": [],
    "no type": {"at": 1},
    "unknown type": {"type": "Rang", "at": 1},
    "the base class": {"type": "Odd", "at": 1},
    "missing field": {"type": "LegRinging", "at": 1},
    "unknown field": {"type": "HungUp", "at": 1, "why": "x"},
    "text for a number": {"type": "HungUp", "at": "1"},
    "a truth for a number": {"type": "HungUp", "at": True},
    "impossible time": {"type": "HungUp", "at": -1},
    "unknown status": {"type": "LegEnded", "at": 1, "leg": "a", "status": "gone"},
    "number for a text": {"type": "LegRinging", "at": 1, "leg": 7},
    "bad base64": {
        "type": "DocumentFetched",
        "at": 1,
        "fetch": "f",
        "url": "u",
        "body": {"base64": "?"},
        "content_type": None,
    },
    "no base64": {
        "type": "DocumentFetched",
        "at": 1,
        "fetch": "f",
        "url": "u",
        "body": {},
        "content_type": None,
    },
    "null body": {
        "type": "DocumentFetched",
        "at": 1,
        "fetch": "f",
        "url": "u",
        "body": None,
        "content_type": None,
    },
}


@pytest.mark.parametrize("value", EVENTS.values(), ids=EVENTS)
def test_what_is_not_an_event_is_refused(value: Any) -> None:
    with pytest.raises(SnapshotError):
        snapshot.event_from_json(value)


COMMANDS: dict[str, Any] = {
    "unknown word": {"type": "Reject", "reason": "later"},
    "pair of three": {
        "type": "Fetch",
        "fetch": "f",
        "url": "u",
        "method": "GET",
        "params": [["a", "b", "c"]],
        "leg": None,
    },
    "no list": {"type": "Fetch", "fetch": "f", "url": "u", "method": "GET", "params": "ab", "leg": None},
    "unknown noun": {
        "type": "StartLeg",
        "leg": "a",
        "noun": {"type": "Sip"},
        "caller_id": None,
        "timeout": 1,
        "status_callback": None,
    },
    "no noun": {
        "type": "StartLeg",
        "leg": "a",
        "noun": "ann",
        "caller_id": None,
        "timeout": 1,
        "status_callback": None,
    },
}


@pytest.mark.parametrize("value", COMMANDS.values(), ids=COMMANDS)
def test_what_is_not_a_command_is_refused(value: Any) -> None:
    with pytest.raises(SnapshotError):
        snapshot.command_from_json(value)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema":1}', '{"schema":0,"state":{}}', '{"schema":2,"state":{}}']
)
def test_what_is_not_a_state_is_refused(text: str) -> None:
    with pytest.raises(SnapshotError):
        snapshot.loads(text)


def test_an_older_state_is_lifted(conversation: New, monkeypatch: pytest.MonkeyPatch) -> None:
    """Migrations of live sessions are ordinary functions."""
    new = stored(conversation)
    old = {"schema": 0, "state": {name: value for name, value in new["state"].items() if name != "caller"}}
    monkeypatch.setattr(snapshot, "_LIFTS", {0: lambda state: state | {"caller": "+15550100"}})
    assert snapshot.state_from_json(old) == snapshot.state_from_json(new)


@pytest.mark.parametrize(
    ("twiml", "kind"),
    [
        ("<Pause/>", "PauseMemory"),
        ("<Dial>+15550111</Dial>", "DialMemory"),
        ("<Say>Hi</Say>", "SoundMemory"),
        ("<Gather><Say>Hi</Say></Gather>", "GatherMemory"),
        ('<Gather input="speech"/>', "GatherMemory"),
        ("<Record/>", "RecordMemory"),
        ('<Connect><Stream url="wss://a.test/"/></Connect>', "ConnectMemory"),
        ("<Echo/>", "EchoMemory"),
    ],
)
def test_what_a_verb_remembers_is_stored_by_its_name(conversation: New, twiml: str, kind: str) -> None:
    """Stored calls are read by it: a class may not be renamed without a lift."""
    talk = conversation(answered=True)
    talk.run(twiml)
    value = snapshot.state_to_json(talk.state)
    memory = value["state"]["frames"][0]["memory"]
    assert memory["type"] == kind
    assert snapshot.state_from_json(value) == talk.state
    memory["type"] = "OddMemory"
    with pytest.raises(SnapshotError, match="OddMemory"):
        snapshot.state_from_json(value)
