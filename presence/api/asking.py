"""What a request asks to see, out of an address or a body; every fault is a 400 that names the field (PR-37)."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from foundation.keys import Keys, TokenRefused
from foundation.permissions import EVERYONE, NOBODY, Scope
from presence import fields
from presence.access.callers import Caller, Kind
from presence.access.refusals import AccessRefused, Refusal
from presence.api.shared import client_name
from presence.identity import LONGEST
from presence.reading.views import View, view
from presence.registration import CAPABILITIES

MOST_NAMES = 1000
MOST_A_PAGE = 1000
A_PAGE = 50
PAGES_LAST = 3600
"""Seconds for which a page token may be used."""
LONGEST_TOKEN = 4096
"""Characters: it holds a client name, signed."""
SELECTORS = ("clients", "list", "prefix", "everyone")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A selection and how it is to be shown. `names`: the clients that it names, in their order; `page_size` is None
    where everything fits into one page and nobody asked for pages."""

    selection: Scope
    names: tuple[str, ...] = ()
    capability: str | None = None
    connectable: bool = False
    since: int | None = None
    page_size: int | None = None
    page_token: str = ""

    @property
    def by_name(self) -> bool:
        """Whether it is all of these names, as they are now."""
        return bool(self.names) and self.since is None and self.page_size is None

    def digest(self, account_sid: str) -> str:
        """The same for all pages of one question."""
        whom = [self.selection.everyone, sorted(self.names), sorted(self.selection.lists)]
        question = [account_sid, whom, sorted(self.selection.prefixes), self.connectable, self.since]
        return hashlib.blake2b(json.dumps(question).encode(), digest_size=9).hexdigest()

    def seen_by(self, caller: Caller) -> View:
        """What the caller sees of it. AccessRefused for a client that may see nobody."""
        selection, may = self.selection, caller.permissions.read
        if caller.kind is Kind.CLIENT:
            if not may:
                raise AccessRefused(Refusal.READ)
            if selection.lists and not (may.everyone or selection.lists <= may.lists):
                selection = NOBODY  # who is on a list that it may not read is not for it to know
        return view(
            caller.permissions,
            selection,
            connectable=self.connectable,
            calls_out=caller.calls_out,
            hidden=caller.kind is not Kind.CLIENT,
        )


def in_address(given: dict[str, str]) -> Asked:
    """`?clients=a,b | list=L | prefix=P` and more; none of them: all whom the caller may see."""
    source: dict[str, Any] = dict(given)
    if "clients" in source:
        source["clients"] = [name for name in given["clients"].split(",") if name]
    for name in ("since", "page_size"):
        text = given.get(name, "")
        if text.isascii() and text.isdigit() and len(text) < 20:
            source[name] = int(text)
    source.pop("everyone", None)
    return in_body({"everyone": True, **source} if not set(SELECTORS) & set(source) else source)


def in_body(source: dict[str, Any]) -> Asked:
    """`{clients | list | prefix | everyone: true, …}`."""
    asked = [name for name in SELECTORS if source.get(name) not in (None, False)]
    if len(asked) != 1:
        raise fields.invalid(f"Ask for exactly one of {', '.join(SELECTORS)}.")
    names: tuple[str, ...] = ()
    match asked[0]:
        case "clients":
            names = _names(source["clients"])
            selection = Scope(clients=frozenset(names))
        case "list":
            selection = Scope(lists=frozenset({fields.text(source, "list", 64)}))
        case "prefix":
            selection = Scope(prefixes=frozenset({fields.text(source, "prefix", LONGEST)}))
        case _:
            if source["everyone"] is not True:
                raise fields.invalid("everyone takes true.")
            selection = EVERYONE
    token = fields.text(source, "page_token", LONGEST_TOKEN, default="")
    size = None if names and not token else A_PAGE
    if source.get("page_size") is not None:
        size = fields.integer(source, "page_size", 1, MOST_A_PAGE)
    return Asked(
        selection=selection,
        names=names,
        capability=capability(source),
        connectable=_connectable(source),
        since=None if source.get("since") is None else fields.integer(source, "since", 0, 2**62),
        page_size=size if names or asked[0] != "clients" else None,
        page_token=token,
    )


def _names(given: object) -> tuple[str, ...]:
    if not isinstance(given, list) or len(given) > MOST_NAMES:
        raise fields.invalid(f"clients must be a list of at most {MOST_NAMES}.")
    return tuple(dict.fromkeys(map(client_name, given)))


def capability(source: dict[str, Any]) -> str | None:
    given = source.get("capability")
    if given is not None and given not in CAPABILITIES:
        raise fields.invalid(f"capability takes one of {', '.join(CAPABILITIES)}.")
    return given


def _connectable(source: dict[str, Any]) -> bool:
    if source.get("view") not in (None, "connectable"):
        raise fields.invalid("view takes connectable, or is left out.")
    return source.get("view") is not None


@dataclass(frozen=True, kw_only=True)
class Page:
    """Where a further page begins: behind `after`; the first page said `as_of`, and so do all others.

    A client is in exactly one page, or comes twice with a newer version. Those who were there at `as_of` and left since
    are in theirs as offline, so nobody is missed; a client that changed since is shown as it is now, which its version
    says. Whoever wants the account as it is after the last page asks for what changed `since` that `as_of`.
    """

    as_of: int
    after: str


def page_token(keys: Keys, account_sid: str, asked: Asked, page: Page) -> str:
    claims = {"q": asked.digest(account_sid), "n": page.as_of, "a": page.after}
    return keys.sign("page", claims)


def page_of(keys: Keys, account_sid: str, asked: Asked) -> Page | None:
    """The page that the token is for; None without one: the first."""
    if not asked.page_token:
        return None
    try:
        claims = keys.verify("page", asked.page_token, PAGES_LAST)
    except TokenRefused as error:
        raise fields.invalid(f"page_token: {error}; begin again without it.") from error
    if claims["q"] != asked.digest(account_sid):
        raise fields.invalid("page_token is of another question; ask the same as for the first page.")
    return Page(as_of=claims["n"], after=claims["a"])
