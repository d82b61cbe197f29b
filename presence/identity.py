"""What may be a client's name (PR-6)."""

import re
import unicodedata

LONGEST = 256
PLAIN = re.compile(r"[A-Za-z0-9_]{1,256}\Z")  # nearly all names; the rest is looked at letter by letter
DELIMITERS = frozenset(":/?#[]!$&'()*,;=\"<>\\^`{|}%\ufffd")
"""RFC 3986 delimiters and what URLs, SIP addresses and TwiML would trip over. `.`, `-`, `~`, `+` and `@` are
left out: e-mail addresses are widely used as identities. U+FFFD is what undecodable bytes of a URL become."""

ANONYMOUS = "anonymous"
"""The identity of a capability token that only calls out and names no client."""


def is_client_name(name: object) -> bool:
    """Letters, digits and underscores always; never control or invisible characters, blanks or delimiters."""
    if not isinstance(name, str):
        return False
    return PLAIN.match(name) is not None or (
        1 <= len(name) <= LONGEST
        and not any(character in DELIMITERS or _invisible(character) for character in name)
    )


def _invisible(character: str) -> bool:
    """Unicode's controls, formats, surrogates, private and unassigned characters, and every separator."""
    return unicodedata.category(character)[0] in "CZ"
