"""The presence server's HTTP client, which the router uses; it imports nothing else of presence.

Every call is bounded and fails fast while the presence server is away (PR-59): after a few failures in a row the
breaker opens, calls raise PresenceUnavailable at once, and one probe at a time finds out when the server is back.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import requests
from requests.adapters import HTTPAdapter

from foundation.keys import Keys
from foundation.webserver.service import ServiceToken

CONNECT, READ = 0.5, 2.0  # seconds
SLOW_READ = 6.0  # seconds, for what waits for a commit and for sockets
FAILURES = 5  # in a row, then the breaker opens
REST = 1.0  # seconds until a probe is let through
POOL = 64


class PresenceUnavailable(Exception):
    """The presence server did not answer, or could not serve; nothing is known about the client."""


class PresenceRefused(Exception):
    """The presence server refused the request itself: a mistake on our side. Carries its status and code."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message = status, code, message


class CallUnknown(Exception):
    """No device has that call, or will have it again."""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One live device of a client; `takes`: which of its capabilities come through to it now."""

    endpoint_id: str
    status: str
    available: bool
    capabilities: tuple[str, ...]
    takes: tuple[str, ...]
    priority: int
    note: str
    hidden: bool
    incoming: bool
    last_seen: str
    expires_at: str
    node: str


@dataclass(frozen=True, kw_only=True)
class Presence:
    """Where a client can be reached now; nobody live: `offline`, no endpoints."""

    account_sid: str
    client: str
    status: str
    available: bool
    capabilities: tuple[str, ...]
    note: str
    version: int
    updated_at: str | None
    expires_at: str | None
    uri: str
    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Many clients at one sequence number of their account."""

    as_of: int
    clients: tuple[Presence, ...]


@dataclass(frozen=True, kw_only=True)
class Rung:
    """Who rings for an invite; skipped endpoints with `busy`, `gone`, `not-incoming` or `not-voice`."""

    call_sid: str
    rung: tuple[str, ...]
    skipped: Mapping[str, str]


class Breaker:
    """Closed: calls pass. Open: none for a rest, then one probe at a time; a success closes it."""

    def __init__(
        self, failures: int = FAILURES, rest: float = REST, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._failures, self._rest, self._clock = failures, rest, clock
        self._lock = threading.Lock()
        self._failed, self._retry_at = 0, 0.0

    def allow(self) -> bool:
        with self._lock:
            if self._failed < self._failures:
                return True
            if self._clock() < self._retry_at:
                return False
            self._retry_at = self._clock() + self._rest  # this caller is the probe
            return True

    def succeeded(self) -> None:
        with self._lock:
            self._failed = 0

    def failed(self) -> None:
        with self._lock:
            self._failed += 1
            self._retry_at = self._clock() + self._rest


class PresenceClient:
    """Blocking calls to one presence server; safe to use from many threads.

    All methods raise PresenceUnavailable when there is no usable answer and PresenceRefused for a 4xx.
    """

    def __init__(
        self, base_url: str, keys: Keys, *, issuer: str = "router", breaker: Breaker | None = None
    ) -> None:
        self._base = base_url.rstrip("/")
        self._token = ServiceToken(keys, "presence", issuer)
        self._breaker = breaker or Breaker()
        self._session = requests.Session()
        self._session.trust_env = False
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_connections=1, pool_maxsize=POOL))

    def close(self) -> None:
        self._session.close()

    def put_account(self, account_sid: str, status: str, auth_tokens: Sequence[str], version: int) -> None:
        body = {"status": status, "auth_tokens": list(auth_tokens), "version": version}
        self._ask("PUT", f"/v1/Accounts/{account_sid}", body, SLOW_READ)

    def put_key(self, account_sid: str, key_sid: str, secret: str, version: int) -> None:
        body = {"account_sid": account_sid, "secret": secret, "version": version}
        self._ask("PUT", f"/v1/Keys/{key_sid}", body, SLOW_READ)

    def delete_key(self, key_sid: str) -> None:
        self._ask("DELETE", f"/v1/Keys/{key_sid}", None, SLOW_READ)

    def presence(self, account_sid: str, client: str) -> Presence:
        """Where the client can be reached."""
        return _presence(self._ask("GET", f"/v1/Accounts/{account_sid}/Presence/{quote(client, safe='')}"))

    def query(self, account_sid: str, clients: Sequence[str]) -> Snapshot:
        """Up to 1,000 clients in one consistent answer."""
        found = self._ask("POST", f"/v1/Accounts/{account_sid}/Presence/query", {"clients": list(clients)})
        return Snapshot(as_of=found["as_of"], clients=tuple(map(_presence, found["clients"])))

    def invite(
        self,
        account_sid: str,
        call_sid: str,
        client: str,
        endpoints: Sequence[str],
        *,
        sdp: str,
        ring_token: str,
        expires_at: float,
        parameters: Mapping[str, str],
    ) -> Rung:
        """Rings these endpoints until accept, cancel or `expires_at` (Unix seconds). Repeating changes nothing."""
        body = {
            "call_sid": call_sid,
            "client": client,
            "endpoints": list(endpoints),
            "sdp": sdp,
            "ring_token": ring_token,
            "expires_at": expires_at,
            "parameters": dict(parameters),
        }
        answer = self._ask("POST", f"/v1/Accounts/{account_sid}/Invites", body, SLOW_READ)
        skipped = {one["endpoint_id"]: one["reason"] for one in answer["skipped"]}
        return Rung(call_sid=answer["invite"], rung=tuple(answer["rung"]), skipped=skipped)

    def cancel_invite(self, account_sid: str, call_sid: str) -> None:
        self._ask("DELETE", f"/v1/Accounts/{account_sid}/Invites/{call_sid}", None, SLOW_READ)

    def frame(self, account_sid: str, call_sid: str, frame: Mapping[str, Any]) -> bool:
        """Sends a frame to the client in the call; False when its device has lost its socket. CallUnknown."""
        try:
            self._ask("POST", f"/v1/Accounts/{account_sid}/Calls/{call_sid}/frames", dict(frame), SLOW_READ)
        except PresenceRefused as refused:
            if refused.status == 404:
                raise CallUnknown(f"no device has {call_sid}") from refused
            if refused.status == 409:
                return False
            raise
        return True

    def _ask(self, method: str, path: str, body: Any = None, read: float = READ) -> Any:
        if not self._breaker.allow():
            raise PresenceUnavailable("the presence server has not answered lately; trying again soon")
        try:
            response = self._session.request(
                method,
                self._base + path,
                json=body,
                headers=self._token.header,
                timeout=(CONNECT, read),
                allow_redirects=False,
            )
            answer = response.json() if response.content else {}
        except (requests.RequestException, ValueError) as error:
            self._breaker.failed()
            raise PresenceUnavailable(
                f"the presence server did not answer: {type(error).__name__}"
            ) from error
        if response.status_code >= 500 or 300 <= response.status_code < 400:
            self._breaker.failed()
            raise PresenceUnavailable(f"the presence server answered {response.status_code}")
        self._breaker.succeeded()
        if response.status_code >= 400:
            raise PresenceRefused(
                response.status_code, int(answer.get("code", 0)), str(answer.get("message", ""))
            )
        return answer


def _presence(found: dict[str, Any]) -> Presence:
    endpoints = tuple(
        Endpoint(
            **{
                **_known(Endpoint, one),
                "capabilities": tuple(one["capabilities"]),
                "takes": tuple(one["takes"]),
            }
        )
        for one in found["endpoints"]
    )
    return Presence(
        **{**_known(Presence, found), "capabilities": tuple(found["capabilities"]), "endpoints": endpoints}
    )


def _known(kind: Any, found: dict[str, Any]) -> dict[str, Any]:
    """A newer server may say more than we know."""
    return {name: found[name] for name in kind.__dataclass_fields__}
