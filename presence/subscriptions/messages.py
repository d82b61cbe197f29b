"""Messages to subscribers, as JSON text: a snapshot or the latest of several clients (PR-41, PR-42, PR-45).

    {"as_of": n, "snapshot": false, "clients": [event…], "removed": [name…]}

A large snapshot comes in parts: all but the last have `"more": true` and, because nobody who has only those may resume
behind them, an `as_of` of 0.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from presence.reading import rendering
from presence.reading.snapshots import Client, Snapshot
from presence.reading.views import View
from presence.registration import consolidate
from presence.subscriptions.news import News, Told

PART = 1_000  # clients in one message

Event = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message, ready to be sent as a JSON object. `available` and `gone` are for the legacy form: who is and who
    is not there."""

    text: str
    as_of: int
    snapshot: bool
    available: frozenset[str]
    gone: frozenset[str]
    more: bool = False

    @property
    def empty(self) -> bool:
        """Whether it says nothing of anybody."""
        return not (self.snapshot or self.available or self.gone)


def of_news(news: News, view: View, now: float) -> Message:
    """What happened, for a subscriber of the view; made once for all who get the same."""
    made = news.made
    if made is None:
        removed = [name for name, told in news.clients.items() if told.entry is None]
        events = [event for told in news.clients.values() if (event := _event(told, view, now))]
        made = news.keep(_message(news.as_of, events, removed, snapshot=False))
    assert isinstance(made, Message)
    return made


def of_snapshot(snapshot: Snapshot, view: View, now: float, removed: Iterable[str] = ()) -> Iterator[Message]:
    """Everything that a subscriber of the view sees, in parts; the last says who is `removed`."""
    names = sorted(snapshot.clients)
    for start in range(0, len(names) or 1, PART):
        part = names[start : start + PART]
        events = [_seen(name, snapshot.clients[name], snapshot.as_of, view, now) for name in part]
        more = start + PART < len(names)
        left = () if more else removed
        yield _message(0 if more else snapshot.as_of, events, left, snapshot=start == 0, more=more)


def nothing(as_of: int) -> Message:
    """The first message to somebody who has missed nothing."""
    return _message(as_of, [], (), snapshot=False)


def removal(names: Iterable[str]) -> Message:
    """These clients are in view no more; a snapshot follows."""
    return _message(0, [], names, snapshot=False, more=True)


def _message(
    as_of: int, events: list[Event], removed: Iterable[str], *, snapshot: bool, more: bool = False
) -> Message:
    left = sorted(removed)
    whole = {"as_of": as_of, "snapshot": snapshot, "clients": events, "removed": left}
    if more:
        whole["more"] = True
    available = frozenset(event["client"] for event in events if event["available"])
    return Message(
        text=json.dumps(whole, separators=(",", ":")),
        as_of=as_of,
        snapshot=snapshot,
        available=available,
        gone=frozenset(left) | {event["client"] for event in events if not event["available"]},
        more=more,
    )


def _event(told: Told, view: View, now: float) -> Event | None:
    entry = told.entry
    if entry is None:
        return None
    if told.client is not None:
        return _seen(entry.client, told.client, told.sequence, view, now)
    return {
        "client": entry.client,
        "available": entry.available,
        "status": entry.status,
        "note": entry.note,
        "capabilities": list(entry.capabilities),
        "version": entry.version,
        "sequence": told.sequence,
        "at": rendering.moment(entry.at),
    }


def _seen(name: str, client: Client, sequence: int, view: View, now: float) -> Event:
    whole = consolidate(client.endpoints, now, hidden=view.hidden)
    event = {
        "client": name,
        "available": whole.available,
        "status": whole.status,
        "note": whole.note,
        "capabilities": list(whole.capabilities),
        "version": client.version,
        "sequence": sequence,
        "at": rendering.moment(client.updated_at),
    }
    if view.detail:
        event["endpoints"] = [rendering.endpoint(one, now) for one in whole.endpoints]
    return event
