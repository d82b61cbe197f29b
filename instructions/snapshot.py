"""States, events and commands as JSON, and back.

A stored state carries SCHEMA; raise it when a field changes its meaning, and add the function that lifts an older
state to `_LIFTS`. Anything else raises SnapshotError.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, cast, get_args

from instructions import events
from instructions.commands import Command
from instructions.errors import SnapshotError
from instructions.events import Event
from instructions.records import JSON, as_object, encode, named, record
from instructions.state import State
from instructions.verbs import catalogue  # noqa: F401  every verb's kind of Memory is known from here on

SCHEMA = 1
_LIFTS: Mapping[int, Callable[[JSON], JSON]] = {}
"""From an older schema to the next one."""

_EVENTS = {
    cls.__name__: cls for cls in vars(events).values() if isinstance(cls, type) and issubclass(cls, Event)
}
_COMMANDS = {cls.__name__: cls for cls in get_args(Command)}


def state_to_json(state: State) -> JSON:
    return {"schema": SCHEMA, "state": encode(state)}


def state_from_json(value: JSON) -> State:
    schema: Any = as_object(value).get("schema")
    stored = as_object(value.get("state"))
    while lift := _LIFTS.get(schema):
        stored, schema = lift(stored), schema + 1
    if schema != SCHEMA:
        raise SnapshotError(f"a state of schema {schema!r}; this version reads up to {SCHEMA}")
    return record(State, stored)


def event_to_json(event: Event) -> JSON:
    return cast(JSON, encode(event))


def event_from_json(value: JSON) -> Event:
    return cast(Event, named(_EVENTS, value))


def command_to_json(command: Command) -> JSON:
    return cast(JSON, encode(command))


def command_from_json(value: JSON) -> Command:
    return cast(Command, named(_COMMANDS, value))


def dumps(state: State) -> str:
    return json.dumps(state_to_json(state), separators=(",", ":"))


def loads(stored: str) -> State:
    try:
        value = json.loads(stored)
    except ValueError as fault:
        raise SnapshotError(f"a stored state is not JSON: {fault}") from None
    return state_from_json(value)
