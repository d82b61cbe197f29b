"""How requests reach a presence server: bounded in time, failing fast while it is away, each fault named.

After a few failures in a row the breaker opens: requests raise PresenceUnavailable at once, and one probe at a time
finds out when the server is back (PR-59).
"""

import base64
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import requests
from requests.adapters import HTTPAdapter

FAILURES = 5  # in a row, then the breaker opens
REST = 1.0  # seconds until a probe is let through
POOL = 64  # connections that are kept

Authorization = Callable[[], str]
"""Makes the header of the next request."""
Auth = tuple[str, str] | str | Callable[[], str]
"""Credentials of an account: its SID (or an API key's) with the secret, or a client's token, or what makes one."""


class PresenceUnavailable(Exception):
    """The presence server did not answer, or could not serve; nothing is known about the client."""


class PresenceRefused(Exception):
    """The presence server refused the request itself: a mistake on our side. Carries its status and code.

    `retry_after`: seconds to wait, when there were too many requests.
    """

    def __init__(self, status: int, code: int, message: str, retry_after: float | None = None) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message, self.retry_after = status, code, message, retry_after


class CursorTooOld(PresenceRefused):
    """The change log does not reach back to that number: ask without `since`."""


def authorization(auth: Auth) -> Authorization:
    """What makes the header of these credentials. A function is asked for a token before each request."""
    if callable(auth):
        return lambda: f"Bearer {auth()}"
    if isinstance(auth, str):
        return lambda: f"Bearer {auth}"
    packed = base64.b64encode(":".join(auth).encode()).decode()
    return lambda: f"Basic {packed}"


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


class Transport:
    """Blocking requests to one presence server; safe to use from many threads.

    `connect` and `read` in seconds. `verify`: False, or the file of the authority that signed the certificate.
    """

    def __init__(
        self,
        base_url: str,
        authorization: Authorization,
        *,
        connect: float,
        read: float,
        verify: bool | str = True,
        breaker: Breaker | None = None,
    ) -> None:
        self._base, self._authorization = base_url.rstrip("/"), authorization
        self._connect, self._read = connect, read
        self._breaker = breaker or Breaker()
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = verify
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_connections=1, pool_maxsize=POOL))

    def close(self) -> None:
        self._session.close()

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        parameters: Mapping[str, Any] | None = None,
        read: float = 0.0,
    ) -> Any:
        """The answer's JSON, `{}` for an empty one. `read`: seconds, if it may take longer than usual.

        PresenceUnavailable, PresenceRefused, CursorTooOld.
        """
        if not self._breaker.allow():
            raise PresenceUnavailable("the presence server has not answered lately; trying again soon")
        try:
            response = self._request(
                method, path, max(read, self._read), params=parameters, json=body, stream=False
            )
            answer = response.json() if response.content else {}
            _demand_service(response)
        except (requests.RequestException, ValueError, PresenceUnavailable) as error:
            self._breaker.failed()
            raise _unavailable(error) from error
        self._breaker.succeeded()
        refused = _refusal(response, answer)
        if refused is not None:
            del response  # whoever keeps the exception would keep the connection too, through its traceback
            raise refused
        return answer

    def stream(
        self, path: str, parameters: Mapping[str, Any], headers: Mapping[str, str], silence: float
    ) -> requests.Response:
        """An answer without end, whose body is not read yet; a `silence` of so many seconds is a fault.

        PresenceUnavailable, PresenceRefused.
        """
        try:
            response = self._request("GET", path, silence, params=parameters, headers=headers, stream=True)
            _demand_service(response)
            refused = _refusal(response, response.json() if response.status_code >= 400 else None)
        except (requests.RequestException, ValueError) as error:
            raise _unavailable(error) from error
        if refused is not None:
            del response  # as above
            raise refused
        return response

    def _request(
        self, method: str, path: str, read: float, headers: Mapping[str, str] | None = None, **options: Any
    ) -> requests.Response:
        return self._session.request(
            method,
            self._base + path,
            headers={"Authorization": self._authorization(), **(headers or {})},
            timeout=(self._connect, read),
            allow_redirects=False,
            **options,
        )


def _unavailable(error: Exception) -> PresenceUnavailable:
    if isinstance(error, PresenceUnavailable):
        return error
    return PresenceUnavailable(f"the presence server did not answer: {type(error).__name__}")


def _demand_service(response: requests.Response) -> None:
    if response.status_code >= 500 or 300 <= response.status_code < 400:
        raise PresenceUnavailable(f"the presence server answered {response.status_code}")


def _refusal(response: requests.Response, answer: Any) -> PresenceRefused | None:
    if response.status_code < 400:
        return None
    said = answer if isinstance(answer, dict) else {}
    wait = response.headers.get("Retry-After", "")
    kind = CursorTooOld if response.status_code == 410 else PresenceRefused
    return kind(
        response.status_code,
        int(said.get("code", 0)),
        str(said.get("message", "")),
        float(wait) if wait.isdecimal() else None,
    )
