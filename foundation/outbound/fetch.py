"""The one way out: every HTTP request that leaves a server of ours is a `Fetcher.fetch`."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode, urljoin

from .budget import Budget
from .connection import Dialler
from .cookies import Cookies
from .credentials import authorization
from .errors import OriginFault, OutboundError, Overloaded
from .exchange import Answer, Exchanger, Outgoing
from .guard import CheckedURL, Guard
from .idle import IdleConnections
from .message import Attempt, OutboundRequest, OutboundResponse
from .overrides import split
from .resolver import Lookup, Resolver, system_lookup
from .signature import body_sha256_query, twilio_signature

MAX_REDIRECTS = 10
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_WITH_FORM = frozenset({"POST", "PUT", "PATCH"})
_SECRET = frozenset({"Authorization", "Cookie"})
_FORM_TYPE = "application/x-www-form-urlencoded; charset=utf-8"


class Fetcher:
    """Blocking fetches for many threads, all under one address policy (see `Guard.of` for `allow` and `own`).

    `ca_bundle` names a file of further trusted roots. Proxies and .netrc of the environment are never used.
    """

    def __init__(
        self,
        *,
        allow: Iterable[str] = (),
        own: Collection[tuple[str, int]] = (),
        https_only: bool = False,
        user_agent: str = "TwilioProxy/1.1",
        ca_bundle: str | None = None,
        max_idle: int = 256,
        lookup: Lookup = system_lookup,
        now: Callable[[], float] = time.monotonic,
        new_token: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self.guard = Guard.of(allow, own=own, https_only=https_only)
        self.exchanger = Exchanger(
            Dialler(self.guard, Resolver(lookup)),
            ca_bundle=ca_bundle,
            idle=IdleConnections(limit=max_idle, now=now),
        )
        self.user_agent = user_agent
        self.now = now
        self.new_token = new_token

    def fetch(self, request: OutboundRequest, *, started: float | None = None) -> OutboundResponse:
        """The complete answer, whatever its status. The total time counts from `started` (same clock as
        `now`), else from this call. Raises OutboundError, with the attempts made."""
        return _Fetch(self, request, started).run()

    def close(self) -> None:
        """Fetches that are under way fail at once; later ones are refused."""
        self.exchanger.close()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Hop:
    to: CheckedURL
    method: str
    body: bytes | None
    is_form: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class _Result:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)
    location: str | None
    challenge: str


class _Fetch:
    """One logical request under way."""

    def __init__(self, fetcher: Fetcher, request: OutboundRequest, started: float | None) -> None:
        self._fetcher = fetcher
        self._request = request
        text, overrides = split(request.url)
        self._overrides = request.overrides or overrides
        self._home = fetcher.guard.check_url(text, https_only=request.https_only)
        self._budget = Budget(self._overrides, fetcher.now, started)
        self._retries_left = self._overrides.retries
        self._token = request.idempotency_token or fetcher.new_token()
        self._cookies: Cookies | None = Cookies(request.cookies, self._home) if request.cookies else None
        self._attempts: list[Attempt] = []

    def run(self) -> OutboundResponse:
        hop = self._first_hop()
        try:
            for _ in range(MAX_REDIRECTS + 1):
                result = self._with_retries(hop)
                if result.location is None:
                    return OutboundResponse(
                        status=result.status,
                        headers=result.headers,
                        body=result.body,
                        url=hop.to.url,
                        cookies=self._cookies.stored() if self._cookies else (),
                        attempts=tuple(self._attempts),
                    )
                hop = self._redirected(hop, result.status, result.location)
            raise OriginFault(11215, f"More than {MAX_REDIRECTS} redirects")
        except OutboundError as error:
            error.url = error.url or hop.to.url
            error.attempts = tuple(self._attempts)
            error.sent = self._budget.sent
            raise

    def _first_hop(self) -> _Hop:
        request, method = self._request, self._request.method.upper()
        is_form = request.body is None and method in _WITH_FORM
        query = urlencode(request.params)
        if is_form:
            return _Hop(to=self._home, method=method, body=query.encode(), is_form=True)
        return self._hop(self._home.with_query(query), method, request.body)

    def _hop(self, to: CheckedURL, method: str, body: bytes | None) -> _Hop:
        if body is not None and self._request.auth_token is not None:
            to = to.with_query(body_sha256_query(body))
        return _Hop(to=to, method=method, body=body, is_form=False)

    def _redirected(self, hop: _Hop, status: int, location: str) -> _Hop:
        with suppress(UnicodeError):  # header bytes were read as Latin-1; a raw non-ASCII Location is UTF-8
            location = location.encode("latin-1").decode()
        to = self._fetcher.guard.check_url(
            urljoin(hop.to.url, location).partition("#")[0], https_only=self._request.https_only
        )
        if not to.username and to.origin == self._home.origin:
            to = replace(to, username=self._home.username, password=self._home.password)
        if status not in (307, 308):
            return _Hop(to=to, method="HEAD" if hop.method == "HEAD" else "GET", body=None, is_form=False)
        return replace(hop, to=to) if hop.is_form else self._hop(to, hop.method, hop.body)

    def _with_retries(self, hop: _Hop) -> _Result:
        """Only the hop that failed is sent again: those before it have been answered."""
        while True:
            try:
                result = self._with_credentials(hop)
                word = f"{result.status // 100}xx"
                if self._retries_left == 0 or not (result.status >= 400 and self._overrides.allows(word)):
                    return result
            except OutboundError as error:
                if self._fetcher.exchanger.closed:
                    raise Overloaded(12400, "This server is shutting down") from None
                if self._retries_left == 0 or not self._overrides.allows(error.retry_word):
                    raise
            self._retries_left -= 1

    def _with_credentials(self, hop: _Hop) -> _Result:
        """Credentials of the URL are sent only to a server that asks for them, as Twilio does."""
        result = self._exchange(hop, None)
        if result.status == 401 and (proof := authorization(result.challenge, hop.method, hop.to)):
            return self._exchange(hop, proof)
        return result

    def _exchange(self, hop: _Hop, proof: str | None) -> _Result:
        began = self._fetcher.now()
        status = code = None
        outgoing = Outgoing(to=hop.to, method=hop.method, headers=self._headers(hop, proof), body=hop.body)
        try:
            with self._fetcher.exchanger.send(outgoing, self._budget, sni=self._overrides.sni) as answer:
                status = answer.status
                if "Set-Cookie" in answer.headers:
                    self._cookies = self._cookies or Cookies((), self._home)
                    self._cookies.receive(hop.to, answer.headers)
                location = answer.headers.get("Location") if status in _REDIRECTS else None
                if not self._request.follow_redirects:
                    location = None
                wanted = location is None or answer.is_empty
                # The body of an answer that is not the last one is never read: it may have no end (M1).
                return _Result(
                    status=status,
                    headers=tuple(answer.headers.items()),
                    body=self._read(answer) if wanted else b"",
                    location=location,
                    challenge=answer.headers.get("WWW-Authenticate", ""),
                )
        except OutboundError as error:
            code = error.code
            raise
        finally:
            seconds = round(self._fetcher.now() - began, 4)
            attempt = Attempt(
                method=hop.method,
                url=hop.to.url,
                seconds=seconds,
                status=status,
                error_code=code,
                headers={name: text for name, text in outgoing.headers.items() if name not in _SECRET},
            )
            self._attempts.append(attempt)

    def _read(self, answer: Answer) -> bytes:
        kind = answer.headers.get("Content-Type", "").strip().lower()
        if self._request.glance_at and kind.startswith(self._request.glance_at):
            return answer.glance()
        return answer.read(self._request.max_bytes)

    def _headers(self, hop: _Hop, proof: str | None) -> dict[str, str]:
        request = self._request
        headers = {"User-Agent": self._fetcher.user_agent, "Accept": "*/*"}
        if hop.body is not None:
            headers["Content-Type"] = _FORM_TYPE if hop.is_form else request.content_type
        if hop.to.origin == self._home.origin:
            headers |= {name.title(): value for name, value in request.headers.items()}
        headers |= {
            "Host": hop.to.authority,
            "Accept-Encoding": "identity",
            "I-Twilio-Idempotency-Token": self._token,
        }
        if request.auth_token is not None:
            signed = request.params if hop.is_form else ()
            headers["X-Twilio-Signature"] = twilio_signature(request.auth_token, hop.to.url, signed)
        if self._cookies and (cookie := self._cookies.header(hop.to)):
            headers["Cookie"] = cookie
        if proof is not None:
            headers["Authorization"] = proof
        return headers
