"""Where a session is: all that `advance` needs beside the event, and its JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum

from instructions.commands import FinishReason, Params
from instructions.errors import SnapshotError
from instructions.records import as_object, encode, record

SCHEMA = 1
"""Raise it when a field changes its meaning, and lift what was stored before."""


class Waiting(StrEnum):
    START = "start"
    DOCUMENT = "document"
    REPLY = "reply"
    NOTHING = "nothing"


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The app of the number, and the parameters that each of its requests has."""

    url: str
    method: str
    fallback_url: str
    fallback_method: str
    params: Params


@dataclass(frozen=True, kw_only=True)
class Request:
    """A document that was asked for. `about`: parameters in place of the origin's; `errors`: it is the fallback."""

    fetch: str
    url: str
    method: str
    about: Params = ()
    errors: Params = ()


@dataclass(frozen=True, kw_only=True)
class Action:
    """Whom to ask once this reply is queued; "" are the addresses of the inbound message, the other way round."""

    reply: int
    url: str
    method: str
    to: str
    from_: str


@dataclass(frozen=True, kw_only=True)
class State:
    """One session. `documents` and `replies` count those asked for."""

    origin: Origin
    waiting: Waiting = Waiting.START
    request: Request | None = None
    action: Action | None = None
    documents: int = 0
    replies: int = 0
    finished: FinishReason | None = None


def dumps(state: State) -> str:
    return json.dumps({"schema": SCHEMA, "state": encode(state)}, separators=(",", ":"))


def loads(text: str) -> State:
    """Raises SnapshotError for what is no state of this schema."""
    try:
        stored = as_object(json.loads(text))
    except ValueError as fault:
        raise SnapshotError(f"a stored state is not JSON: {fault}") from None
    if stored.get("schema") != SCHEMA:
        raise SnapshotError(f"a state of schema {stored.get('schema')!r:.80}; this version reads {SCHEMA}")
    return record(State, as_object(stored.get("state")))
