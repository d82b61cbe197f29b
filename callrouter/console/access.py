"""Who may look at the console: an account with its auth token, or the operator with the operator key.

A session is a signed cookie: who signed in, which account is looked at, until when, and the token that each change must
carry (CSRF). It holds a fingerprint of the secret it was opened with, so a session ends when that secret is changed. A
sign-in link carries a signed token in its fragment, which no server's log ever sees; it is good once, for ten minutes.
"""

import hashlib
import hmac
import ipaddress
import secrets
import threading
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from flask import Response, g, redirect, request
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from sqlalchemy import Connection

from callrouter import models
from callrouter.console.context import Console
from callrouter.directory import accounts
from callrouter.directory.accounts import Account
from callrouter.directory.authentication import authenticate
from callrouter.directory.rows import value
from foundation.keys import Keys, TokenRefused, operator_key
from foundation.sids import is_sid
from foundation.webserver.errors import ApiError

SESSION, LINK = "console-session", "console-link"
"""Purposes of our tokens (reliability-security 4.6)."""
SESSION_SECONDS = 12 * 3600
LINK_SECONDS = 600
HOME = "/console/"
SIGN_IN = "/console/sign-in"
WRONG_PER_MINUTE = 10
"""Wrong credentials that one address may try in a minute."""
OPERATOR = "operator"
TURNED_AWAY = "Sign-in failed: the account SID and auth token, or the operator key, are not right."
TOO_OFTEN = (
    "Too many wrong credentials came from this address. Wait a minute and try again, "
    "or sign in by a link: `callrouter console` prints one."
)
INACTIVE = "This account is suspended or closed. Ask the operator of this callrouter."
STALE_LINK = (
    "This sign-in link is no longer good: links work once, for ten minutes. "
    "Run `callrouter console` for a new one."
)


@dataclass(frozen=True, kw_only=True)
class Viewer:
    """Who looks. Every query of every page is scoped by `account_sid`, the account that is looked at."""

    operator: bool
    home_sid: str
    """the account that signed in; empty for the operator"""
    account: Account | None
    """None: the operator of a callrouter without accounts"""
    csrf: str
    until: float

    @property
    def account_sid(self) -> str:
        return self.account.account_sid if self.account else ""

    @property
    def active(self) -> bool:
        """Whether anything may be changed in the account."""
        return self.account is not None and self.account.active


def viewer() -> Viewer:
    """Who sent the request that is served."""
    seen: Viewer = g.viewer
    return seen


def operator_only() -> None:
    """404 for everybody else: to an account, the deployment's own pages do not exist."""
    if not viewer().operator:
        raise ApiError(404, 20404, "There is no such page.")


def sign_in_link(keys: Keys, base_url: str, account_sid: str | None = None, then: str = HOME) -> str:
    """A link that signs in the operator, or that account, once within ten minutes, and then shows the page `then`."""
    claims = {"who": account_sid or OPERATOR, "then": then, "nonce": secrets.token_hex(8)}
    return f"{base_url}{SIGN_IN}#{keys.sign(LINK, claims)}"


class Access:
    """Opens, reads and closes sessions."""

    def __init__(self, console: Console) -> None:
        settings, keys = console.parts.settings, console.parts.keys
        self._console, self._keys = console, keys
        self._operator_key = operator_key(settings)
        self._secure = settings.router_base().startswith("https:")
        # Browsers keep one jar for all ports of a host: two deployments on a laptop must not sign each other out.
        self._cookie = f"callrouter_{keys.derive('console-cookie')[:8]}"
        self._tries = MemoryStorage()
        self._limiter = FixedWindowRateLimiter(self._tries)
        self._limit = RateLimitItemPerMinute(WRONG_PER_MINUTE)
        self._used: dict[str, float] = {}
        """nonces of the links that were used at this process, and until when a link could still bear them"""
        self._door = threading.Lock()

    def guard(self) -> Response | None:
        """Before each request: leaves the viewer in `flask.g`, or sends to the sign-in page."""
        if request.endpoint in ("console.static", "console.sign_in"):
            return None
        seen = self.seen()
        if seen is None:
            if request.method == "GET" and not wants_json():
                here = request.full_path.rstrip("?")
                return _to(f"{SIGN_IN}?next={quote(here)}")
            raise ApiError(401, 20003, "You are signed out. Sign in again to go on.")
        g.viewer = seen
        if request.method not in ("GET", "HEAD"):
            given = request.headers.get("X-CSRF-Token") or request.form.get("csrf", "")
            if not _same(given, seen.csrf):
                raise ApiError(
                    403,
                    20403,
                    "This form is of another session. Go back, load the page again, and repeat it.",
                )
        return None

    def seen(self) -> Viewer | None:
        """The viewer of a valid session; None without one."""
        try:
            claims = self._keys.verify(SESSION, request.cookies.get(self._cookie, ""), SESSION_SECONDS)
        except TokenRefused:
            return None
        if claims["until"] < self._console.now():
            return None
        return self._console.read(lambda connection: self._viewer(connection, claims))

    def enter(self, account_sid: str, secret: str) -> dict[str, Any]:
        """The claims of a new session for these credentials. 401: wrong. 403: suspended. 429: too many wrong ones.

        Each try counts as wrong until it has proven right: of many at once no more are looked at than in turn.
        """
        address = network(request.remote_addr or "")
        if not self._limiter.hit(self._limit, address):
            raise ApiError(429, 20429, TOO_OFTEN, {"Retry-After": "60"})
        claims = self._proven(account_sid, secret)
        self._tries.decr(self._limit.key_for(address))
        return claims

    def _proven(self, account_sid: str, secret: str) -> dict[str, Any]:
        if not account_sid:
            if not _same(secret, self._operator_key):
                raise ApiError(401, 20003, TURNED_AWAY)
            return self._claims(OPERATOR, _fingerprint(self._operator_key))
        with self._console.parts.database.read() as connection:
            principal = authenticate(connection, account_sid, secret)
        if principal is None or principal.key is not None:
            raise ApiError(401, 20003, TURNED_AWAY)
        if not principal.account.active:
            raise ApiError(403, 20005, INACTIVE)
        return self._claims(account_sid, _fingerprint(principal.account.auth_token_hash))

    def enter_by_link(self, token: str) -> tuple[dict[str, Any], str]:
        """The claims of a new session, and the page to show. 401: the link is forged, old or was used."""
        now = self._console.now()
        try:
            claims = self._keys.verify(LINK, token, LINK_SECONDS)
        except TokenRefused as error:
            raise ApiError(401, 20003, STALE_LINK) from error
        with self._door:
            self._used = {one: until for one, until in self._used.items() if until > now}
            used = claims["nonce"] in self._used
            self._used[claims["nonce"]] = now + 2 * LINK_SECONDS
        if used and not self._opened_as(claims["who"]):  # where it did its work, it may be opened again
            raise ApiError(401, 20003, STALE_LINK)
        if claims["who"] == OPERATOR:
            return self._claims(OPERATOR, _fingerprint(self._operator_key)), local_page(claims["then"])
        account = self._console.read(lambda connection: accounts.find(connection, claims["who"]))
        if account is None or not account.active:
            raise ApiError(403, 20005, INACTIVE)
        fingerprint = _fingerprint(account.auth_token_hash)
        return self._claims(account.account_sid, fingerprint), local_page(claims["then"])

    def look_at(self, account_sid: str) -> dict[str, Any]:
        """The claims of the same session, looking at another account. 404: not the viewer's to see."""
        claims = self._keys.verify(SESSION, request.cookies.get(self._cookie, ""), SESSION_SECONDS)
        wanted = {**claims, "account": account_sid if is_sid(account_sid) else ""}
        seen = self._console.read(lambda connection: self._viewer(connection, wanted))
        if seen is None or not account_sid or seen.account_sid != account_sid:
            raise ApiError(404, 20404, "There is no such account.")
        return wanted

    def keep(self, response: Response, claims: dict[str, Any]) -> Response:
        """The response with the session's cookie."""
        response.set_cookie(
            self._cookie,
            self._keys.sign(SESSION, claims),
            max_age=max(int(claims["until"] - self._console.now()), 0),
            path="/console",
            secure=self._secure,
            httponly=True,
            samesite="Strict",
        )
        return response

    def leave(self, response: Response) -> Response:
        """The response that ends the session in this browser."""
        response.delete_cookie(
            self._cookie, path="/console", secure=self._secure, httponly=True, samesite="Strict"
        )
        return response

    def _opened_as(self, who: str) -> bool:
        """Whether this browser has a session of that account, or of the operator."""
        seen = self.seen()
        return seen is not None and who == (seen.home_sid or OPERATOR)

    def _claims(self, who: str, fingerprint: str) -> dict[str, Any]:
        return {
            "who": who,
            "fingerprint": fingerprint,
            "account": "" if who == OPERATOR else who,
            "until": self._console.now() + SESSION_SECONDS,
            "csrf": secrets.token_urlsafe(24),
        }

    def _viewer(self, connection: Connection, claims: dict[str, Any]) -> Viewer | None:
        operator, who = claims["who"] == OPERATOR, claims["who"]
        home = None if operator else accounts.find(connection, who)
        if operator:
            secret = self._operator_key
        elif home is not None and home.active:
            secret = home.auth_token_hash
        else:
            return None
        if not _same(claims["fingerprint"], _fingerprint(secret)):
            return None
        looked_at = accounts.find(connection, claims["account"]) if claims["account"] else None
        if operator:
            looked_at = looked_at or _first_account(connection)
        elif looked_at is None or who not in (looked_at.account_sid, looked_at.owner_account_sid):
            looked_at = home
        return Viewer(
            operator=operator,
            home_sid="" if operator else who,
            account=looked_at,
            csrf=claims["csrf"],
            until=claims["until"],
        )


def wants_json() -> bool:
    """Whether a script asks, and not a person's browser for a page."""
    accepted = request.accept_mimetypes
    return accepted["application/json"] > accepted["text/html"] or "X-CSRF-Token" in request.headers


def local_page(path: str) -> str:
    """The path when it is a page of the console, else the first page: nobody is sent anywhere else."""
    mine = path == "/console" or path.startswith(HOME)
    return path if mine and path.isprintable() and "\\" not in path and path.isascii() else HOME


def network(address: str) -> str:
    """What counts as one address: an IPv4 address, or an IPv6 network of 64 bits, which is one customer's."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, 64), strict=False))


def _first_account(connection: Connection) -> Account | None:
    """The oldest active account, else the oldest."""
    query = accounts.listed().order_by(models.Account.status, models.Account.date_created).limit(1)
    row = connection.execute(query).one_or_none()
    return None if row is None else value(Account, row)


def _fingerprint(secret: str) -> str:
    return hashlib.sha256(f"console:{secret}".encode()).hexdigest()[:16]


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())


def _to(path: str) -> Response:
    response = redirect(path, 303)
    assert isinstance(response, Response)
    return response
