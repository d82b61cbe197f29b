"""The short way for the router's look-ups says what the long way says, and takes many together (PR-39, PR-50)."""

import asyncio
import itertools
import json
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from presence_asking import NOW, A
from presence_sight import Sight
from sqlalchemy.exc import OperationalError

from foundation.webserver.bridge import WsgiBridge
from foundation.webserver.service import service_token
from presence.definitions.destinations import Destinations, Target
from presence.reading import lookups
from presence.reading.lookups import Lookups
from presence.reading.rendering import endpoint, presence_text
from presence.reading.snapshots import snapshot
from presence.registration import consolidate

Answer = tuple[int, dict[str, str], bytes]


class Front:
    """A server's front: the short way, and Flask behind it. `long` counts who took the long way."""

    def __init__(self, sight: Sight) -> None:
        self.sight, self.long = sight, 0
        self.bridge = WsgiBridge(sight.app, threads=2)
        self.app = Lookups(sight.database, sight.keys, lambda: sight.now, self._otherwise)

    async def _otherwise(self, *given: Any) -> None:
        self.long += 1
        await self.bridge(*given)

    async def ask(self, path: str, *, method: str = "GET", query: str = "", **headers: str) -> Answer:
        token = service_token(self.sight.keys, "presence", "t")
        headers = {"authorization": f"Bearer {token}", **headers}
        sent: list[Any] = []
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": f"/v1/Accounts/{A}{path}".encode(),
            "query_string": query.encode(),
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
        }

        async def receive() -> Any:
            return {"type": "http.request", "body": b""}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        head, body = sent
        given = {name.decode().lower(): value.decode() for name, value in head["headers"]}
        return head["status"], given, body["body"]

    async def the_long_way(self, path: str) -> Answer:
        self.app, short = self.bridge, self.app
        try:
            return await self.ask(path)
        finally:
            self.app = short


def run(sight: Sight, work: Callable[[Front], Awaitable[None]]) -> None:
    async def main() -> None:
        front = Front(sight)
        short = front.app
        try:
            await work(front)
        finally:
            short.close()
            front.bridge.close()

    asyncio.run(main())


def test_pr26_pr50_the_short_way_says_the_same_bytes(sight: Sight) -> None:
    sight.register("alice", note='"quoted" äöü\n', priority=-3, capabilities=("voice", "sms"))
    sight.register("alice", "h", hidden=True, status="dnd")
    sight.register("jürgen@x")
    Destinations(sight.store).put(A, "sales", [Target(A, "alice"), Target(A, "bob")], NOW).result(10)

    async def work(front: Front) -> None:
        for name in ("alice", "j%C3%BCrgen@x", "nobody", "sales", "a.b-c"):
            for kind in ("Presence", "Reach"):
                short, long = await front.ask(f"/{kind}/{name}"), await front.the_long_way(f"/{kind}/{name}")
                assert short == long
                assert short[0] == 200
        assert front.long == 0

    run(sight, work)


def test_everything_else_goes_the_long_way_with_its_answer(sight: Sight) -> None:
    sight.register("alice")
    tag = sight.ask("/Presence/alice").headers["ETag"]

    async def work(front: Front) -> None:
        client = sight.bearer("presence:read:account")["Authorization"]
        asked: list[tuple[int, str, dict[str, Any]]] = [
            (304, "/Presence/alice", {"if_none_match": tag}),
            (200, "/Presence/alice", {"query": "capability=sms"}),
            (200, "/Presence/alice", {"method": "HEAD"}),
            (200, "/Presence/alice", {"authorization": client}),
            (403, "/Reach/alice", {"authorization": client}),
            (401, "/Presence/alice", {"authorization": ""}),
            (401, "/Presence/alice", {"authorization": "Bearer x.y.z"}),
            (400, "/Presence/a%20b", {}),
            (400, "/Presence/%FF", {}),
            (404, "/Presence/a%2Fb", {}),
            (404, "/Presence/a/b", {}),
            (405, "/Presence/alice", {"method": "PUT"}),
            (200, "/Presence", {}),
        ]
        for n, (status, path, more) in enumerate(asked):
            answer = await front.ask(path, **more)
            assert (answer[0], front.long) == (status, n + 1), path
        assert (await front.ask("/Presence/alice", authorization=client))[2].find(b"endpoints") == -1

    run(sight, work)


def test_pr39_those_who_wait_together_are_one_statement(sight: Sight, monkeypatch: Any) -> None:
    names = [f"c{n}" for n in range(30)]
    for name in names:
        sight.register(name)
    entered, go = threading.Event(), threading.Event()
    real, batches = lookups.reach, []

    def held(connection: Any, wanted: Any, now: float) -> Any:
        batches.append(len(wanted))
        entered.set()
        assert go.wait(10)
        return real(connection, wanted, now)

    monkeypatch.setattr(lookups, "reach", held)
    monkeypatch.setattr(lookups, "TOGETHER", 20)

    async def work(front: Front) -> None:
        asking = [asyncio.create_task(front.ask("/Presence/c0"))]
        await asyncio.to_thread(entered.wait, 10)
        asking += [asyncio.create_task(front.ask(f"/Presence/{name}")) for name in names[1:]]
        await asyncio.sleep(0)  # all of them begin to wait
        go.set()
        answers = await asyncio.gather(*asking)
        assert [
            f'"client":"{name}"'.encode() in body for name, (_, _, body) in zip(names, answers, strict=True)
        ] == ([True] * 30)

    run(sight, work)
    assert batches == [1, 20, 9]


def test_beyond_the_bound_and_after_a_fault_the_long_way_answers(sight: Sight, monkeypatch: Any) -> None:
    sight.register("alice")

    def broken(*_: Any) -> Any:
        raise OperationalError("select", {}, Exception("away"))

    async def work(front: Front) -> None:
        monkeypatch.setattr(lookups, "reach", broken)
        assert (await front.ask("/Presence/alice"))[0] == 200
        monkeypatch.undo()
        monkeypatch.setattr(lookups, "WAITING", 0)
        assert (await front.ask("/Presence/alice"))[0] == 200
        assert front.long == 2
        monkeypatch.undo()
        assert (await front.ask("/Presence/alice"))[0] == 200
        assert front.long == 2

    run(sight, work)


def test_pr59_a_look_up_that_hangs_is_given_up(sight: Sight, monkeypatch: Any) -> None:
    sight.register("alice")
    go = threading.Event()
    real = lookups.reach
    monkeypatch.setattr(lookups, "SECONDS", 0.05)
    monkeypatch.setattr(lookups, "reach", lambda *given: (go.wait(10), real(*given))[1])

    async def work(front: Front) -> None:
        status, _, body = await front.ask("/Presence/alice")
        assert (status, front.long, b'"available":true' in body) == (200, 1, True)
        go.set()

    run(sight, work)


def test_a_write_that_was_acknowledged_is_read_by_the_next_look_up(sight: Sight) -> None:
    async def work(front: Front) -> None:
        for status in ("away", "dnd", "available"):
            sight.register("alice", status=status)
            assert f'"status":"{status}"'.encode() in (await front.ask("/Presence/alice"))[2]
        sight.gone("alice")
        assert b'"offline"' in (await front.ask("/Presence/alice"))[2]

    run(sight, work)


def test_pr14_kept_texts_are_right_at_every_moment(sight: Sight) -> None:
    """Also backwards in time, as clocks of several threads go, and exactly when something ends: each of them is what
    the rules say of the devices, asked afresh."""
    for n, (busy, ends) in enumerate([(0, 90), (20, 90), (40, 50), (60, 70)]):
        sight.register("alice", f"e{n}", busy_until=NOW + busy if busy else 0.0, expires_at=NOW + ends)
    moments = (0, 19, 20, 39, 40, 49.9, 50, 59, 60, 69, 70, 89, 90, 5, 45, 20, 0)
    for later, capability in itertools.product(moments, (None, "voice", "sms")):
        now = NOW + later
        client = snapshot(sight.database, A, ["alice"], now).clients["alice"]
        whole = consolidate(client.endpoints, now, capability=capability)
        shown = json.loads(presence_text(A, "alice", client, now, capability=capability))
        assert (shown["status"], shown["available"]) == (whole.status, whole.available)
        assert shown["endpoints"] == [endpoint(one, now) for one in whole.endpoints]
        assert len(shown["endpoints"]) == sum(later < ends for ends in (90, 90, 50, 70))


def test_pr26_a_refreshed_device_is_shown_with_its_new_times(sight: Sight) -> None:
    note = 'says ,"last_seen":"never"'
    for sight.now in (NOW, NOW + 5):
        sight.register("alice", now=sight.now, note=note)
        (shown,) = sight.get("/Presence/alice")["endpoints"]
        assert (shown["note"], shown["last_seen"][-3:]) == (note, "00Z" if sight.now == NOW else "05Z")
