"""What concerns a view in the change log, merged per client: pure (PR-42 to PR-45, PR-47)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from presence.reading.snapshots import Client
from presence.reading.views import View
from presence.subscriptions.log import Entry

T = TypeVar("T")

_NO_DEVICES = Client()
NOWHERE: frozenset[str] = frozenset()


class Told(NamedTuple):
    """The latest of one client: its line in the log, or None when it has left the view. `client` is the client with
    its devices, read after that line, for those who see devices."""

    sequence: int
    entry: Entry | None
    client: Client | None = None


@dataclass(frozen=True, kw_only=True)
class News:
    """What happened to a view's clients after the number `after`, up to `as_of`."""

    after: int
    as_of: int
    clients: Mapping[str, Told]
    _made: list[object] = field(default_factory=list, compare=False, repr=False)

    def then(self, more: "News") -> "News":
        """Both as one: of each client the latest, whichever came first or overlaps."""
        if more.after >= self.as_of:
            return News(after=self.after, as_of=more.as_of, clients={**self.clients, **more.clients})
        merged = dict(self.clients)
        for name, told in more.clients.items():
            if name not in merged or merged[name].sequence < told.sequence:
                merged[name] = told
        return News(after=min(self.after, more.after), as_of=max(self.as_of, more.as_of), clients=merged)

    def beyond(self, sequence: int) -> "News":
        """What is left for somebody who knows everything up to this number."""
        if self.after >= sequence:
            return self
        left = {name: told for name, told in self.clients.items() if told.sequence > sequence}
        return News(after=sequence, as_of=max(sequence, self.as_of), clients=left)

    @property
    def made(self) -> object | None:
        """What was made of it for one subscriber: others of the same view get the same."""
        return self._made[0] if self._made else None

    def keep(self, made: T) -> T:
        self._made[:] = [made]
        return made


class Memberships:
    """Who is on the contact lists that somebody looks at, kept up by the log."""

    def __init__(self) -> None:
        self.lists: set[str] = set()
        self._of: dict[str, frozenset[str]] = {}

    def of(self, client: str) -> frozenset[str]:
        """The lists, of those looked at, that the client is on."""
        return self._of.get(client, NOWHERE)

    def put(self, members: Mapping[str, Iterable[str]]) -> None:
        """Takes these lists up, or takes them as they are now."""
        self.drop(members)
        self.lists |= members.keys()
        for name, clients in members.items():
            for client in clients:
                self._of[client] = self.of(client) | {name}

    def drop(self, lists: Iterable[str]) -> None:
        """Forgets these lists."""
        gone = self.lists & set(lists)
        if gone:
            self.lists -= gone
            kept = {client: on - gone for client, on in self._of.items()}
            self._of = {client: on for client, on in kept.items() if on}

    def take(self, entry: Entry) -> None:
        """Follows a membership's line."""
        if entry.list in self.lists:
            self._set(entry.client, entry.list, on=entry.listed)

    def rewind(self, entries: Sequence[Entry]) -> None:
        """Goes back before these lines: what a line says was not so before it."""
        for entry in reversed(entries):
            if entry.list in self.lists:
                self._set(entry.client, entry.list, on=not entry.listed)

    def _set(self, client: str, name: str, *, on: bool) -> None:
        lists = self.of(client) | {name} if on else self.of(client) - {name}
        if lists:
            self._of[client] = lists
        else:
            self._of.pop(client, None)


class Step(NamedTuple):
    """A line, with the lists that its client was on before it and is on after it."""

    entry: Entry
    before: frozenset[str]
    after: frozenset[str]


def steps(entries: Iterable[Entry], memberships: Memberships) -> list[Step]:
    """Walks along the lines; the memberships are those after the last one then."""
    walked = []
    for entry in entries:
        before = memberships.of(entry.client)
        if entry.list:
            memberships.take(entry)
        walked.append(Step(entry, before, memberships.of(entry.client)))
    return walked


def sift(view: View, walked: Iterable[Step], devices: Mapping[str, Client] | None = None) -> dict[str, Told]:
    """What of it a subscriber of the view is told: what it can see and differs (PR-44), who came into the view, and
    who left it (PR-47). `devices` of those who have changed, for views with detail: as they are after all of it."""
    found: dict[str, Told] = {}
    for entry, before, after in walked:
        holds = view.holds(entry.client, after)
        there = (devices or {}).get(entry.client, _NO_DEVICES) if view.detail else None
        if entry.list:
            if holds != view.holds(entry.client, before):
                found[entry.client] = Told(entry.sequence, entry if holds else None, there)
        elif holds and (entry.visible or (there and (view.hidden or _shows(entry, there)))):
            found[entry.client] = Told(entry.sequence, entry, there)
    return found


def _shows(entry: Entry, client: Client) -> bool:
    """Whether a change that made no difference to the client as a whole is one of devices that can be seen: those
    that opted out can't (PR-25)."""
    changed = [one.hidden for one in client.endpoints if one.endpoint_id == entry.endpoint_id]
    return not any(changed) and not all(one.hidden for one in client.endpoints)
