"""What a token permits beyond Twilio's grants: a list of words at `grants.callrouter.permissions` (PR-2, PR-30).

    presence:publish                 register, and set the own status, though the token takes no calls
    presence:hidden                  whatever registers with it is rung but not listed (PR-25)
    presence:read:SCOPE              see who is there
    presence:read:detail             ... with their devices
    presence:connect:SCOPE           whom it may connect to; without it, whom it may read if it may call out (PR-32)
    events:subscribe[:SCOPE]         be told of changes, of those whom it may read (and SCOPE holds)
    messages:send                    send messages

SCOPE is `self`, `account`, `list:NAME` or `prefix:TEXT`; several words add up. Whoever mints a token checks its words
here, and whoever takes one reads them here.
"""

import re
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace

MOST = 64
LONGEST_PREFIX = 256
LIST_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")


@dataclass(frozen=True, kw_only=True)
class Scope:
    """A set of an account's clients: all of them, or those named, listed or prefixed."""

    everyone: bool = False
    clients: frozenset[str] = frozenset()
    lists: frozenset[str] = frozenset()
    prefixes: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return self.everyone or bool(self.clients or self.lists or self.prefixes)

    def __or__(self, other: "Scope") -> "Scope":
        if self.everyone or other.everyone:
            return EVERYONE
        return Scope(
            clients=self.clients | other.clients,
            lists=self.lists | other.lists,
            prefixes=self.prefixes | other.prefixes,
        )

    def holds(self, client: str, lists: Container[str] = ()) -> bool:
        """Whether the client, which is on these contact lists, is in it."""
        return (
            self.everyone
            or client in self.clients
            or any(client.startswith(prefix) for prefix in self.prefixes)
            or any(name in lists for name in self.lists)
        )


EVERYONE = Scope(everyone=True)
NOBODY = Scope()


@dataclass(frozen=True, kw_only=True)
class Permissions:
    """What a caller may do with presence; without any word, nothing but what Twilio's grants give."""

    publish: bool = False
    hidden: bool = False
    read: Scope = NOBODY
    detail: bool = False
    connect: Scope | None = None
    subscribe: Scope = NOBODY
    send: bool = False


ALL = Permissions(publish=True, read=EVERYONE, detail=True, connect=EVERYONE, subscribe=EVERYONE, send=True)
"""What the account's own servers and ours may."""


class PermissionUnknown(ValueError):
    """A word that is no permission: refused, because a typing error must not pass for "nothing"."""


def parse(words: Sequence[str], identity: str) -> Permissions:
    """The permissions of a token's words; PermissionUnknown."""
    if len(words) > MOST:
        raise PermissionUnknown(f"{len(words)} permissions; a token has at most {MOST}")
    granted = Permissions()
    for word in words:
        granted = _with(granted, word, identity)
    return granted


def is_prefix(text: str) -> bool:
    """Whether a client's name can start so: no blanks, no control or invisible characters."""
    return 1 <= len(text) <= LONGEST_PREFIX and text.isprintable() and " " not in text


def _with(granted: Permissions, word: str, identity: str) -> Permissions:
    match word:
        case "presence:publish":
            return replace(granted, publish=True)
        case "presence:hidden":
            return replace(granted, hidden=True)
        case "presence:read:detail":
            return replace(granted, detail=True)
        case "messages:send":
            return replace(granted, send=True)
        case "events:subscribe":
            return replace(granted, subscribe=EVERYONE)
    kind, verb, scope = (*word.split(":", 2), "", "")[:3]
    match f"{kind}:{verb}":
        case "presence:read":
            return replace(granted, read=granted.read | _scope(word, scope, identity))
        case "presence:connect":
            return replace(granted, connect=(granted.connect or NOBODY) | _scope(word, scope, identity))
        case "events:subscribe":
            return replace(granted, subscribe=granted.subscribe | _scope(word, scope, identity))
    raise PermissionUnknown(f"no permission {word[:100]!r}")


def _scope(word: str, text: str, identity: str) -> Scope:
    kind, colon, value = text.partition(":")
    match kind:
        case "account" if not colon:
            return EVERYONE
        case "self" if not colon:
            return Scope(clients=frozenset({identity}))
        case "list" if LIST_NAME.match(value):
            return Scope(lists=frozenset({value}))
        case "prefix" if is_prefix(value):
            return Scope(prefixes=frozenset({value}))
    raise PermissionUnknown(f"no scope in {word[:100]!r}: self, account, list:NAME or prefix:TEXT")
