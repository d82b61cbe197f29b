"""Presence processes without signalling: the feed, its streams and webhooks, on one database and real sockets."""

import asyncio
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

import jwt
import requests
from presence_world import MASTER, SECONDS, sid

from callrouter.scenario.ports import free_port
from foundation.clock import utc_now
from foundation.db import Database
from foundation.keys import Keys
from foundation.outbound.fetch import Fetcher
from foundation.webserver.bridge import Receive, Scope, Send
from foundation.webserver.serve import Listener, serve
from presence.access.callers import Access
from presence.access.directory import Directory
from presence.access.limits import RefusalLimit
from presence.changes import Happened, lock
from presence.cors import allow_origins
from presence.definitions.lists import ContactLists
from presence.registration import Change, Endpoint
from presence.store import Store
from presence.subscriptions.delivery import Delivery
from presence.subscriptions.feed import Feed
from presence.subscriptions.stream import PresenceStream
from presence.subscriptions.webhooks import Webhooks

T = TypeVar("T")
TOKEN = "t" * 32


class Presence:
    """What one process shares with others: the database, and what is written to it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.database = Database(url)
        self.store = Store(self.database)
        self.lists = ContactLists(self.store)
        self.webhooks = Webhooks(self.database)
        self.keys = Keys([MASTER])
        self.directory = Directory(self.database, self.keys, self.store)

    def account(self) -> "Account":
        return Account(self)

    def close(self) -> None:
        self.database.close()


class Account:
    """One account with a signing key, and what happens in it."""

    def __init__(self, presence: Presence) -> None:
        self.presence, self.sid, self.key = presence, sid("AC"), sid("SK")
        presence.directory.put_account(self.sid, "active", [TOKEN], 1, time.time()).result(SECONDS)
        presence.directory.put_key(self.sid, self.key, "s" * 32, 1).result(SECONDS)

    def put(self, client: str, endpoint_id: str = "e", **more: Any) -> Any:
        now = time.time()
        status, note = more.pop("status", None), more.pop("note", None)
        given = {
            "account_sid": self.sid,
            "client": client,
            "endpoint_id": endpoint_id,
            "sid": "RG" + hashlib.md5(f"{client}{endpoint_id}".encode()).hexdigest(),
            "key_sid": self.key,
            "token_expires_at": now + 3600,
            "token_issued_at": now,
            "refreshed_at": now,
            "expires_at": now + 3600,
            **more,
        }
        return self.presence.store.register(Endpoint(**given), now, status=status, note=note).result(SECONDS)

    def gone(self, client: str, endpoint_id: str = "e") -> None:
        ended = self.presence.store.unregister(self.sid, client, time.time(), endpoint_id=endpoint_id)
        ended.result(SECONDS)

    def enlist(self, name: str, *clients: str) -> None:
        self.presence.lists.create(self.sid, name, list(clients), time.time()).result(SECONDS)

    def put_on(self, name: str, client: str) -> None:
        self.presence.lists.put(self.sid, name, client, time.time()).result(SECONDS)

    def take_off(self, name: str, client: str) -> None:
        self.presence.lists.take(self.sid, name, client, time.time()).result(SECONDS)

    def storm(self, names: list[str]) -> None:
        """All of these change at once, in one unit of work."""

        def work(connection: Any) -> None:
            lock(connection, self.sid)
            happened = [Happened(client=name, kind=Change.UPDATED) for name in names]
            self.presence.store.log.add_all(connection, self.sid, happened, time.time())

        self.presence.database.write(work, self.sid).result(SECONDS)

    def token(self, identity: str, *words: str, ttl: float = 3600) -> str:
        now = time.time()
        claims = {
            "iss": self.key,
            "sub": self.sid,
            "jti": sid("JT"),
            "iat": int(now),
            "exp": int(now + ttl),
            "grants": {"identity": identity, "voice": {}, "callrouter": {"permissions": list(words)}},
        }
        return jwt.encode(claims, "s" * 32, headers={"cty": "twilio-fpa;v=1"})


class Node:
    """One process's feed on a loop of its own, serving streams and carrying webhooks."""

    def __init__(
        self, url: str, *, keep_alive: float = 15.0, origins: tuple[str, ...] = (), webhooks: str = ""
    ) -> None:
        self.presence, self._keep_alive, self._origins = Presence(url), keep_alive, origins
        self._webhooks = webhooks
        self.address = f"127.0.0.1:{free_port()}"
        self._ready = threading.Event()
        self._streams: list[Stream] = []
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), daemon=True)
        self._thread.start()
        assert self._ready.wait(SECONDS)

    async def _main(self) -> None:
        self.loop, stop = asyncio.get_running_loop(), asyncio.Event()
        presence = self.presence
        self._stop = lambda: self.loop.call_soon_threadsafe(stop.set)
        self.feed = Feed(presence.database, utc_now)
        access = Access(
            presence.keys,
            presence.directory,
            time.time,
            RefusalLimit(0.0),
            capability_tokens=True,
        )
        self.stream = PresenceStream(self.feed, access.caller, keep_alive=self._keep_alive)
        public = allow_origins(self.stream, self._origins)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await public(scope, receive, send)

        running = [asyncio.create_task(self.feed.run())]
        delivery, fetcher = None, Fetcher(allow=("127.0.0.0/8",))
        if self._webhooks:
            delivery = Delivery(
                self.feed, presence.webhooks, presence.directory, fetcher, self._webhooks, jitter=lambda: 0.0
            )
            running.append(asyncio.create_task(delivery.run()))
        drained = asyncio.Event()

        async def drain() -> None:
            await stop.wait()
            self.feed.drain()
            drained.set()

        running.append(asyncio.create_task(drain()))
        self._ready.set()
        await serve(app, [Listener(bind=self.address)], drained)
        for task in running:
            task.cancel()
        if delivery is not None and not self.killed:
            await delivery.close()
        fetcher.close()
        self.feed.close()

    killed = False

    def on_loop(self, work: Callable[[], T]) -> T:
        """Runs it on the feed's loop."""
        done: Future[T] = Future()
        self.loop.call_soon_threadsafe(lambda: done.set_result(work()))
        return done.result(SECONDS)

    def open(self, account: Account, token: str, query: str = "", **headers: str) -> "Stream":
        stream = Stream(
            f"http://{self.address}/v1/Accounts/{account.sid}/PresenceStream?{query}", token, headers
        )
        self._streams.append(stream)
        return stream

    def server(self, account: Account, query: str = "", **headers: str) -> "Stream":
        """A stream of the account's own server."""
        return self.open(account, f"Basic {account.sid}:{TOKEN}", query, **headers)

    def stop(self) -> None:
        self._stop()
        self._thread.join(SECONDS + 4)
        assert not self._thread.is_alive()

    def hang_up(self) -> None:
        while self._streams:
            self._streams.pop().close()

    def close(self) -> None:
        self.hang_up()
        if self._thread.is_alive():
            self.stop()
        self.presence.close()


class Stream:
    """An app that reads a stream; `view` folds the messages."""

    def __init__(self, url: str, token: str, headers: dict[str, str]) -> None:
        kind, _, secret = token.partition(" ")
        login = tuple(secret.split(":")) if kind == "Basic" else None
        given = {} if login else {"Authorization": f"Bearer {token}"}
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.response = requests.get(
            url, headers={**given, **headers}, auth=login, stream=True, timeout=SECONDS
        )
        self.status = self.response.status_code
        self.view: dict[str, dict[str, Any]] = {}
        self.messages: list[dict[str, Any]] = []
        self.comments = 0
        self.cursor = ""
        self._lines = self._read_lines()

    def _read_lines(self) -> Iterator[str]:
        pending = b""
        while chunk := self.response.raw.read1(65_536):
            *whole, pending = (pending + chunk).split(b"\n")
            for line in whole:
                yield line.decode()

    def event(self) -> tuple[str, Any]:
        """The next event, folded when it is a message; ("", None) at the end."""
        name, data, cursor = "", "", ""
        for line in self._lines:
            label, _, value = line.partition(": ")
            if line.startswith(":"):
                self.comments += 1
            elif label == "event":
                name = value
            elif label == "data":
                data = value
            elif label == "id":
                cursor = value
            elif not line and name:
                body = json.loads(data)
                if name == "presence":
                    self._fold(body)
                    self.cursor = cursor
                return name, body
        return "", None

    def message(self) -> dict[str, Any]:
        name, body = self.event()
        assert name == "presence", (name, body)
        return body

    def until(self, done: Callable[["Stream"], bool]) -> None:
        while not done(self):
            self.message()

    def _fold(self, message: dict[str, Any]) -> None:
        self.messages.append(message)
        if message["snapshot"]:
            self.view.clear()
        for name in message["removed"]:
            self.view.pop(name, None)
        for one in message["clients"]:
            assert one["version"] >= self.view.get(one["client"], one)["version"], "PR-43"
            self.view[one["client"]] = one

    def statuses(self) -> dict[str, str]:
        return {name: one["status"] for name, one in self.view.items()}

    def close(self) -> None:
        self.response.close()
