"""How presence processes that share a database speak to each other: HTTP at their plain listeners, by service token.

Nothing hangs on one of them: a request has a few seconds, and a node that did not answer counts as unreachable for a
REST. What two nodes must agree on is in the database; these words only make it faster.
"""

import threading
import time
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import requests
import structlog
from requests.adapters import HTTPAdapter
from sqlalchemy.exc import SQLAlchemyError

from foundation.keys import Keys
from foundation.webserver.service import ServiceToken
from presence.nodes import Nodes

log = structlog.get_logger(__name__)

CONNECT, READ = 0.5, 3.0
"""Seconds; READ is longer than what a frame may wait at the other node."""
REST = 1.0
THREADS = 16
WAITING = 1_000
HERE = "?here=1"
"""Marks a request that a node answers for itself, and passes on to nobody."""


class Unreachable(Exception):
    """The other node gave no usable answer in time; whether it did what it was asked is not known."""


@dataclass(frozen=True, kw_only=True)
class Said:
    """A node's answer."""

    status: int
    body: dict[str, Any]


class Neighbours:
    """The other nodes, by a few threads with kept-alive connections."""

    def __init__(self, nodes: Nodes, keys: Keys) -> None:
        self.nodes = nodes
        self._token = ServiceToken(keys, "presence", "presence")
        self._session = requests.Session()
        self._session.trust_env = False
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=THREADS))
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="neighbours")
        self._room = threading.BoundedSemaphore(WAITING)
        self._resting: dict[str, float] = {}

    def ask(self, node: str, method: str, path: str, body: Any = None) -> "Future[Said]":
        """The node's own answer to a request under `/v1`; the future's exception is Unreachable when there is none."""
        if not self._room.acquire(blocking=False):
            return _refused("too many requests wait for other nodes")
        try:
            asked = self._threads.submit(self._ask, node, method, path, body)
        except RuntimeError:
            self._room.release()
            return _refused("this process is stopping")
        asked.add_done_callback(lambda _done: self._room.release())
        return asked

    def tell(self, nodes: Iterable[str], method: str, path: str, body: Any = None) -> None:
        """Lets nodes know at once what they would find in the database by themselves."""
        for node in nodes:
            self.ask(node, method, path, body).add_done_callback(_note)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._session.close()

    def _ask(self, node: str, method: str, path: str, body: Any) -> Said:
        if time.monotonic() < self._resting.get(node, 0.0):
            raise Unreachable(f"{node} has not answered lately")
        try:
            url = self.nodes.url(node)
            if url is None:
                self._resting[node] = time.monotonic() + REST
                raise Unreachable(f"{node} is dead")
            answer = self._session.request(
                method,
                f"{url}/v1{path}{HERE}",
                json=body,
                headers=self._token.header,
                timeout=(CONNECT, READ),
                allow_redirects=False,
            )
            said = Said(status=answer.status_code, body=answer.json() if answer.content else {})
        except (requests.RequestException, SQLAlchemyError, ValueError) as error:
            self._resting[node] = time.monotonic() + REST
            raise Unreachable(f"{node}: {type(error).__name__}") from error
        if said.status >= 500:
            raise Unreachable(f"{node} answered {said.status}")
        return said


def _refused(why: str) -> "Future[Said]":
    refused: Future[Said] = Future()
    refused.set_exception(Unreachable(why))
    return refused


def _note(done: "Future[Said]") -> None:
    if not done.cancelled() and done.exception() is not None:
        log.info("a node was not told; it will find out by itself", fault=str(done.exception()))
