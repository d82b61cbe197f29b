"""Cookies between a call's row and the wire. The rules are those of the standard library's jar."""

from __future__ import annotations

from collections.abc import Iterable
from http.cookiejar import DefaultCookiePolicy
from typing import Any

from requests import PreparedRequest
from requests.cookies import MockRequest, MockResponse, RequestsCookieJar, create_cookie, get_cookie_header

from .guard import CheckedURL
from .message import StoredCookie

# A jar lives on a row, and its owner is whoever the customer's URL points to.
_MAX_COOKIES = 50
_MAX_COOKIE_CHARACTERS = 4_096


class Cookies:
    """The cookies of one logical request. Those that it brought along stay with the first origin; those that
    another origin sets while we follow redirects go where the jar's rules let them."""

    def __init__(self, stored: Iterable[StoredCookie], home: CheckedURL) -> None:
        self._home = home.origin
        self._all = _jar(stored)
        self._gained = _jar(())

    def header(self, to: CheckedURL) -> str | None:
        jar = self._all if to.origin == self._home else self._gained
        return get_cookie_header(jar, _request(to))  # type: ignore[no-any-return, no-untyped-call]

    def receive(self, sender: CheckedURL, headers: Any) -> None:
        """Takes in the Set-Cookie lines of an answer; `headers` is urllib3's header dictionary."""
        request, answer = MockRequest(_request(sender)), MockResponse(headers)
        for jar in (self._all, self._gained):
            jar.extract_cookies(answer, request)  # type: ignore[arg-type]

    def stored(self) -> tuple[StoredCookie, ...]:
        """As JSON-able values; the newest of too many, and none that is too long."""
        kept = [
            cookie
            for cookie in self._all
            if len(cookie.name + (cookie.value or "")) <= _MAX_COOKIE_CHARACTERS
        ]
        return tuple(
            StoredCookie(
                name=cookie.name,
                value=cookie.value or "",
                domain=cookie.domain,
                path=cookie.path,
                secure=cookie.secure,
                expires=cookie.expires,
            )
            for cookie in kept[-_MAX_COOKIES:]
        )


def _jar(stored: Iterable[StoredCookie]) -> RequestsCookieJar:
    policy = DefaultCookiePolicy(
        strict_domain=True, strict_ns_domain=DefaultCookiePolicy.DomainStrictNonDomain
    )
    jar = RequestsCookieJar(policy=policy)
    for values in stored:
        cookie = create_cookie(**values)  # type: ignore[no-untyped-call]
        # The jar marks a cookie for a whole domain by the dot; one without goes to its exact host only.
        cookie.domain_specified = cookie.domain.startswith(".")
        jar.set_cookie(cookie)
    return jar


def _request(url: CheckedURL) -> PreparedRequest:
    request = PreparedRequest()
    request.method, request.url = "GET", url.url
    request.headers = {}  # type: ignore[assignment]
    return request
