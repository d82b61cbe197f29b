"""Outbox entries of conferences and queues, above all `tell`: what the call of a leg that is in one is told.

Such an entry is struck off in the transaction of the call's step, so it is told exactly once; a call that is over by
then has nothing to be told.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from callrouter.calls import happenings as h
from callrouter.calls.status import Status
from callrouter.calls.store import INSERT_OUTBOX, OutboxRow
from foundation.db import later
from instructions import events as e


def store(
    connection: Connection,
    *,
    stem: str,
    position: int,
    account_sid: str,
    call_sid: str,
    lane: str,
    kind: str,
    payload: Mapping[str, Any],
    owner: str,
    at: float,
) -> OutboxRow:
    """Writes an entry of a conference or a queue: number `position` of `stem`, its SID."""
    row = {
        "account_sid": account_sid,
        "call_sid": call_sid,
        "id": f"{stem}.{position}",
        "lane": lane,
        "position": position,
        "kind": kind,
        "payload": dict(payload),
        "attempts": 0,
        "due_at": at,
        "owner": owner,
        "created_at": at,
    }
    later(connection, INSERT_OUTBOX, [row])
    return row


def event(leg: str, ticket: str, what: e.Event | None, **more: Any) -> dict[str, Any]:
    """The payload that tells the leg's program of an event; `more` as in happenings.Told."""
    told = None if what is None else {"type": type(what).__name__, **vars(what)}
    return {"what": "event", "leg": leg, "ticket": ticket, "event": told, **more}


def end(leg: str) -> dict[str, Any]:
    """The payload that ends the leg."""
    return {"what": "end", "leg": leg}


def document(leg: str, url: str, method: str) -> dict[str, Any]:
    """The payload that gives the leg another document."""
    return {"what": "document", "leg": leg, "url": url, "method": method}


def happening(payload: Mapping[str, Any], at: float) -> h.Happening:
    """What the payload says, at the moment when it is told."""
    rest = {name: value for name, value in payload.items() if name != "what"}
    match payload["what"]:
        case "end":
            return h.EndRequested(at=at, leg=payload["leg"], status=Status.CANCELED)
        case "document":
            return h.ReplaceRequested(
                at=at,
                **rest,
                twiml=None,
                fallback_url=None,
                fallback_method="POST",
            )
        case _:
            told = rest.pop("event")
            return h.Told(at=at, event=told and _event(told, at), **rest)


def _event(told: Mapping[str, Any], at: float) -> e.Event:
    values = {name: value for name, value in told.items() if name != "type"}
    made: e.Event = getattr(e, told["type"])(**values)
    return replace(made, at=at)
