"""The state machine that steers the real store and a plain model alike, and compares every answer of the two."""

import itertools
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from presence_model import CUSTOM, GONE, KINDS, Client, Device, Missing, Model, Stale
from sqlalchemy import bindparam, insert, select

from foundation.db import Database
from foundation.keys import Keys
from foundation.permissions import ALL, EVERYONE, Scope
from presence.access.directory import Directory
from presence.changes import LOCK
from presence.definitions.lists import ContactLists
from presence.models import changes, endpoints, statuses
from presence.reading.since import news
from presence.reading.snapshots import snapshot, viewed
from presence.reading.views import View, view
from presence.registration import Endpoint, StaleVersion, consolidate
from presence.store import NotRegistered, Store, all_of

CAP = 3
LIST = "team"
SELECTIONS = {
    "everyone": EVERYONE,
    "alice": Scope(clients=frozenset({"alice"})),
    "beginning with b": Scope(prefixes=frozenset({"b"})),
    "listed": Scope(lists=frozenset({LIST})),
}
NAMES = ("alice", "bob")
MODES: tuple[str | None, ...] = (None, "voice", "sms")
accounts = itertools.count(1)

names = st.sampled_from(NAMES)
devices = st.sampled_from(["a", "b", "c", "d"])
kinds = st.sampled_from(list(KINDS))
notes = st.sampled_from(["", "in a meeting", "<b>bold</b>"])
capabilities = st.sampled_from([("voice",), ("sms",), ("voice", "sms"), ("voice", "sms", "mms")])
lives = st.sampled_from([20.0, 40.0, 90.0, 600.0])
BUILT_INS = {name: name for name in KINDS if name not in CUSTOM}
bases = st.sampled_from([None, None, 0, -1])
"""What a change says that it is based on: nothing, the present version, or the one before."""


class Fold(RuleBasedStateMachine):
    """Random messages to one account of a real store; after each of them every query agrees with the model."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database, self.store, self.model = database, Store(database), Model(CAP)
        self.account = f"AC{next(accounts):032x}"
        self.now = 1_800_000_000.0
        self.versions = dict.fromkeys(NAMES, 0)
        self.watchers: dict[str, tuple[int, dict[str, object]]] = {}

    @initialize()
    def open_the_account(self) -> None:
        directory = Directory(self.database, Keys(["k" * 40]), self.store)
        directory.put_account(self.account, "active", ["t" * 32], 1, self.now).result(10)
        rows = [
            {
                "account_sid": self.account,
                "name": name,
                **dict(zip(("rank", "available", "voice", "messages"), KINDS[name], strict=True)),
                "created_at": 0.0,
                "updated_at": 0.0,
            }
            for name in CUSTOM
        ]
        self.database.write(lambda connection: connection.execute(insert(statuses), rows).rowcount).result(10)
        ContactLists(self.store).create(self.account, LIST, [], self.now).result(10)

    # What happens

    @rule(
        name=names,
        device=devices,
        status=st.none() | kinds,
        note=st.none() | notes,
        capabilities=capabilities,
        priority=st.integers(0, 1),
        hidden=st.booleans(),
        life=lives,
        base=bases,
    )
    def registers(
        self,
        name: str,
        device: str,
        status: str | None,
        note: str | None,
        capabilities: tuple[str, ...],
        priority: int,
        hidden: bool,
        life: float,
        base: int | None,
    ) -> None:
        based_on = self._based_on(name, base)
        asked = Endpoint(
            account_sid=self.account,
            client=name,
            endpoint_id=device,
            sid="RG" + uuid4().hex,
            capabilities=capabilities,
            priority=priority,
            hidden=hidden,
            key_sid=self.account,
            token_expires_at=self.now + 3600,
            refreshed_at=self.now,
            expires_at=self.now + life,
        )
        plain = Device(device, "", "", capabilities, priority, hidden, self.now, self.now + life)
        self._both(
            lambda: self.store.register(
                asked, self.now, status=status, note=note, based_on=based_on, cap=CAP
            ).result(10),
            lambda: self.model.register(name, plain, self.now, status=status, note=note, based_on=based_on),
        )

    @rule(name=names, device=devices, status=kinds, note=notes, priority=st.integers(0, 1), base=bases)
    def changes(
        self, name: str, device: str, status: str, note: str, priority: int, base: int | None
    ) -> None:
        based_on, sid = self._based_on(name, base), self._sid(name, device)
        fields = {"note": note, "priority": priority}
        self._both(
            lambda: self.store.change(
                self.account, name, sid, self.now, status=status, fields=fields, based_on=based_on
            ).result(10),
            lambda: self.model.change(name, device, self.now, based_on=based_on, status=status, **fields),
        )

    @rule(name=names, status=st.just("") | kinds, note=notes, base=bases)
    def chooses(self, name: str, status: str, note: str, base: int | None) -> None:
        based_on = self._based_on(name, base)
        self._both(
            lambda: self.store.choose(self.account, name, status, note, self.now, based_on=based_on).result(
                10
            ),
            lambda: self.model.choose(name, status, note, self.now, based_on=based_on),
        )

    @rule(name=names, device=devices)
    def unregisters(self, name: str, device: str) -> None:
        self.store.unregister(self.account, name, self.now, endpoint_id=device).result(10)
        self.model.unregister(name, device, self.now)

    @rule(name=names, device=devices, seconds=st.sampled_from([0.0, 30.0, 60.0]))
    def is_on_a_call(self, name: str, device: str, seconds: float) -> None:
        until = self.now + seconds if seconds else 0.0

        def unit(connection: Any) -> None:
            connection.execute(LOCK, {"account": self.account})
            self.store.engage_in(connection, self.account, name, device, until, self.now)

        self.database.write(unit, self.account).result(10)
        self.model.engage(name, device, until, self.now)

    @rule(name=names, on=st.booleans())
    def is_moved(self, name: str, on: bool) -> None:
        lists = ContactLists(self.store)
        move = lists.put if on else lists.take
        move(self.account, LIST, name, self.now).result(10)
        (self.model.puts_on if on else self.model.takes_off)(LIST, name)

    @rule(seconds=st.sampled_from([1.0, 20.0, 60.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def something_has_just_ended(self) -> None:
        """The very moment at which the next device expires or is free again."""
        devices = [one for client in self.model.clients.values() for one in client.devices.values()]
        ends = [end for one in devices for end in (one.expires_at, one.busy_until) if end > self.now]
        self.now = min(ends, default=self.now)

    @rule()
    def the_sweeper_comes(self) -> None:
        all_of(self.store.sweep(self.now), 10)
        self.model.sweep(self.now)

    # Who watches

    @rule(whom=st.sampled_from(list(SELECTIONS)))
    def somebody_takes_a_snapshot(self, whom: str) -> None:
        seen = viewed(self.database, self.account, self._view(whom), self.now)
        assert self._shown(seen.clients) == self._expected(whom)
        self.watchers[whom] = (seen.as_of, self._shown(seen.clients))

    @rule(whom=st.sampled_from(list(SELECTIONS)))
    def somebody_catches_up(self, whom: str) -> None:
        """PR-38: with what has changed since, a watcher knows what a new snapshot would say. The sweeper came before:
        what ends by itself is told by it."""
        if whom not in self.watchers:
            return
        self.the_sweeper_comes()
        since, known = self.watchers[whom]
        found = news(self.database, self.account, self._view(whom), since, self.now, limit=100)
        told = {**known, **self._shown(found.clients)}
        folded = {name: view for name, view in told.items() if name not in found.removed}
        assert self._there(whom, folded) == self._expected(whom)
        self.watchers[whom] = (found.as_of, folded)

    # What must hold after each of them

    @invariant()
    def a_snapshot_is_the_model(self) -> None:
        found = snapshot(self.database, self.account, NAMES, self.now)
        assert found.as_of == len(self.model.log)
        assert set(found.clients) == set(self.model.clients)
        for name, client in found.clients.items():
            plain = self.model.client(name)
            assert client.version == plain.version
            assert sorted(one.endpoint_id for one in client.endpoints) == sorted(
                one.endpoint_id for one in plain.live(self.now)
            )
            for mode, hidden in itertools.product(MODES, (True, False)):
                whole = consolidate(client.endpoints, self.now, capability=mode, hidden=hidden)
                assert whole.told == plain.view(self.now, mode, hidden=hidden)
        self._versions_never_go_back(found.clients)

    def _versions_never_go_back(self, found: Mapping[str, Any]) -> None:
        """PR-16, PR-43: by nothing that ever happens."""
        for name, client in found.items():
            assert client.version >= self.versions[name]
            self.versions[name] = client.version

    @invariant()
    def the_change_log_folds_to_what_watchers_saw(self) -> None:
        """PR-36, PR-42, PR-44: numbered without a gap; the last row of each client is its state, and so is the last
        visible one: a subscriber who gets no other misses nothing."""
        rows = self._log()
        assert [row.sequence for row in rows] == list(range(1, len(rows) + 1))
        assert [(row.client, bool(row.visible)) for row in rows] == self.model.log
        last = {row.client: row for row in rows}
        seen = {row.client: row for row in rows if row.visible}
        for name, client in self.model.clients.items():
            assert _told(last.get(name)) == _told(seen.get(name)) == client.told
            assert (last[name].version if name in last else 0) == client.version
        for name in last:
            mine = [row.version for row in rows if row.client == name]
            assert mine == list(range(1, len(mine) + 1))

    # How

    @staticmethod
    def _view(whom: str) -> View:
        return view(ALL, SELECTIONS[whom], detail=False)

    def _shown(self, found: Mapping[str, Any]) -> dict[str, object]:
        return {name: consolidate(one.endpoints, self.now, hidden=False).told for name, one in found.items()}

    def _expected(self, whom: str) -> dict[str, object]:
        """Named clients and members of lists always; of others those that are there."""
        on = {LIST} if whom == "listed" else set()
        held = [
            name
            for name in NAMES
            if SELECTIONS[whom].holds(
                name, on & ({LIST} if name in self.model.lists.get(LIST, ()) else set())
            )
        ]
        views = {name: self.model.client(name).view(self.now, hidden=False) for name in held}
        return self._there(whom, views)

    @staticmethod
    def _there(whom: str, views: Mapping[str, object]) -> dict[str, object]:
        return {name: one for name, one in views.items() if whom in ("alice", "listed") or one != GONE}

    def _both(self, real: Callable[[], Any], plain: Callable[[], None]) -> None:
        """Both do it, or both refuse it for the same reason."""
        outcomes = []
        for act in (real, plain):
            try:
                act()
                outcomes.append("done")
            except (StaleVersion, Stale):
                outcomes.append("stale")
            except (NotRegistered, Missing):
                outcomes.append("missing")
        assert outcomes[0] == outcomes[1]

    def _based_on(self, name: str, base: int | None) -> int | None:
        return None if base is None else max(0, self.model.client(name).version + base)

    def _sid(self, name: str, device: str) -> str:
        with self.database.read() as connection:
            found = connection.execute(
                select(endpoints.c.sid).where(
                    endpoints.c.account_sid == self.account,
                    endpoints.c.client == name,
                    endpoints.c.endpoint_id == device,
                )
            ).scalar()
        return str(found or "RG" + "0" * 32)

    def _log(self) -> list[Any]:
        with self.database.read() as connection:
            return list(connection.execute(_LOG, {"account": self.account}))


_LOG = select(changes).where(changes.c.account_sid == bindparam("account")).order_by(changes.c.sequence)


def _told(row: Any) -> tuple[object, ...]:
    if row is None:
        return Client().told
    return row.status, bool(row.available), tuple(filter(None, row.capabilities.split(","))), row.note
