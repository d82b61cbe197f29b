"""What presence is, said again in the plainest way: dictionaries in memory, no SQL, none of the server's code.

Tests do the same to it and to a real store, and compare every answer (PR-36). It is meant to be read against the
requirements, not against the code.
"""

from dataclasses import dataclass, field
from typing import Any

KINDS = {
    # name: (rank, available, calls come through, messages come through)
    "available": (400, True, True, True),
    "training": (350, True, False, True),
    "away": (300, False, False, False),
    "busy": (200, False, False, False),
    "lunch": (150, False, False, True),
    "dnd": (100, False, False, False),
}
"""The built-in statuses, and two of the account's own."""
CUSTOM = ("training", "lunch")
ORDER = ("voice", "sms", "mms")


class Stale(Exception):
    """Based on an older version (PR-16)."""


class Missing(Exception):
    """There is no such live registration."""


@dataclass
class Device:
    endpoint_id: str
    status: str
    note: str
    capabilities: tuple[str, ...]
    priority: int
    hidden: bool
    refreshed_at: float
    expires_at: float
    busy_until: float = 0.0

    def shown(self, now: float) -> str:
        return "busy" if self.busy_until > now else self.status

    def takes(self, capability: str | None, now: float) -> bool:
        _, available, voice, messages = KINDS[self.status]
        if capability == "voice":
            return "voice" in self.capabilities and voice and self.busy_until <= now
        if capability:
            return capability in self.capabilities and messages
        return available and self.busy_until <= now

    def looks(self) -> tuple[object, ...]:
        return self.status, self.capabilities, self.priority, self.note, self.hidden


View = tuple[str, bool, tuple[str, ...], str]
"""Status, available, capabilities, note."""
GONE: View = ("offline", False, (), "")


@dataclass
class Client:
    version: int = 0
    chosen: tuple[str, str] = ("", "")
    told: View = GONE
    seen: View = GONE
    """What somebody would have seen who looked just before a change: an end is seen before the sweeper tells it."""
    devices: dict[str, Device] = field(default_factory=dict)

    def live(self, now: float, *, hidden: bool = True) -> list[Device]:
        return [one for one in self.devices.values() if one.expires_at > now and (hidden or not one.hidden)]

    def view(self, now: float, capability: str | None = None, *, hidden: bool = True) -> View:
        """The client's status is the highest-ranked of its live devices' (PR-23)."""
        live = self.live(now, hidden=hidden)
        if not live:
            return GONE

        def rank(one: Device) -> int:
            return KINDS[one.shown(now)][0]

        status = max(live, key=rank).shown(now)
        live.sort(key=lambda one: (-one.priority, -rank(one), -one.refreshed_at, one.endpoint_id))
        notes = [one.note for one in live if one.note and one.shown(now) == status]
        capabilities = tuple(one for one in ORDER if any(one in device.capabilities for device in live))
        available = any(one.takes(capability, now) for one in live)
        return status, available, capabilities, (notes or [""])[0]


class Model:
    """One account's clients, and every change in order."""

    def __init__(self, cap: int) -> None:
        self.cap = cap
        self.clients: dict[str, Client] = {}
        self.lists: dict[str, set[str]] = {}
        self.log: list[tuple[str, bool]] = []
        """(client, whether watchers see a difference); the sequence number is the place, from 1 on."""

    def client(self, name: str) -> Client:
        return self.clients.get(name, Client())

    def register(
        self,
        name: str,
        asked: Device,
        now: float,
        *,
        status: str | None,
        note: str | None,
        based_on: int | None,
    ) -> None:
        client = self.clients.get(name, Client())
        if based_on not in (None, client.version):
            raise Stale
        self.clients[name] = client
        self._look(name, now)
        before = client.devices.get(asked.endpoint_id)
        if before and before.expires_at <= now:
            before = None
        asked.status = status or (before.status if before else client.chosen[0]) or "available"
        asked.note = note if note is not None else before.note if before else client.chosen[1]
        if before:
            asked.busy_until = before.busy_until
        client.devices[asked.endpoint_id] = asked
        if before is None:
            others = [one for one in client.live(now) if one is not asked]
            others.sort(key=lambda one: (one.refreshed_at, one.endpoint_id))
            for evicted in others[: max(0, len(others) + 1 - self.cap)]:
                del client.devices[evicted.endpoint_id]
                self._say(name, now)
        if before is None or asked.looks() != before.looks():
            self._say(name, now)

    def change(
        self, name: str, endpoint_id: str, now: float, *, based_on: int | None, **changes: Any
    ) -> None:
        client = self.client(name)
        before = client.devices.get(endpoint_id)
        if before is None or before.expires_at <= now:
            raise Missing
        if based_on not in (None, client.version):
            raise Stale
        looked = before.looks()
        self._look(name, now)
        for what, value in changes.items():
            setattr(before, what, value)
        before.refreshed_at = now
        if before.looks() != looked:
            self._say(name, now)

    def choose(self, name: str, status: str, note: str, now: float, *, based_on: int | None) -> None:
        client = self.client(name)
        if based_on not in (None, client.version):
            raise Stale
        self._look(name, now)
        before = [one.looks() for one in client.devices.values()], client.chosen
        client.chosen = (status, note)
        for one in client.devices.values():
            one.status, one.note = status or "available", note
        if ([one.looks() for one in client.devices.values()], client.chosen) != before:
            self.clients[name] = client
            self._say(name, now)

    def puts_on(self, list_: str, name: str) -> None:
        if name not in self.lists.setdefault(list_, set()):
            self.lists[list_].add(name)
            self._move(name)

    def takes_off(self, list_: str, name: str) -> None:
        if name in self.lists.get(list_, set()):
            self.lists[list_].remove(name)
            self._move(name)

    def unregister(self, name: str, endpoint_id: str, now: float) -> None:
        self._look(name, now)
        if self.client(name).devices.pop(endpoint_id, None):
            self._say(name, now)

    def engage(self, name: str, endpoint_id: str, until: float, now: float) -> None:
        device = self.client(name).devices.get(endpoint_id)
        if device is None or device.busy_until == until:
            return
        self._look(name, now)
        before, device.busy_until = device.busy_until, until
        if (before > now) != (until > now) or (0 < before <= now and not until):
            self._say(name, now)

    def sweep(self, now: float) -> None:
        """Publishes in the order in which things ended."""
        over = sorted(
            (one.expires_at, name, one.endpoint_id)
            for name, client in self.clients.items()
            for one in client.devices.values()
            if one.expires_at <= now
        )
        for _, name, endpoint_id in over:
            self._look(name, now)
            del self.clients[name].devices[endpoint_id]
        for _, name, _ in over:
            self._say(name, now)
        for name in sorted(self.clients):
            for endpoint_id, one in sorted(self.clients[name].devices.items()):
                if 0 < one.busy_until <= now:
                    self.engage(name, endpoint_id, 0.0, now)

    def _move(self, name: str) -> None:
        """On a list or off it: the client is what it was, but watchers of the list are told."""
        client = self.clients.setdefault(name, Client())
        client.version += 1
        self.log.append((name, True))

    def _look(self, name: str, now: float) -> None:
        self.client(name).seen = self.client(name).view(now, hidden=False)

    def _say(self, name: str, now: float) -> None:
        client = self.clients[name]
        client.version += 1
        told = client.view(now, hidden=False)
        self.log.append((name, not told == client.told == client.seen))
        client.told = client.seen = told
