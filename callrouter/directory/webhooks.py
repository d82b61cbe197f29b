"""Checks of what customers configure: names, URLs and methods of webhooks (twilio-surface 5.9)."""

from collections.abc import Mapping
from typing import Any

from callrouter.directory.errors import Refused
from foundation.outbound.errors import Refused as UrlRefused
from foundation.outbound.guard import Guard

NAME_LIMIT = 64
INVALID_NAME = 20002
INVALID_URL = 21402
INVALID_CALLBACK = 21502
INVALID_METHOD = 21403

# Only the form of a URL is judged here; the address is, each time, when it is called.
_ANY_ADDRESS = Guard.of(("0.0.0.0/0", "::/0"))


def friendly_name(text: str) -> str:
    """The name, at most 64 printable characters."""
    if len(text) > NAME_LIMIT or not text.isprintable():
        raise Refused(INVALID_NAME, f"FriendlyName takes at most {NAME_LIMIT} printable characters")
    return text


def url(name: str, text: str, code: int = INVALID_URL) -> str:
    """An absolute http or https URL, as given; its fragment may hold connection overrides. Empty: none."""
    if text:
        try:
            _ANY_ADDRESS.check_url(text)
        except UrlRefused as error:
            raise Refused(code, f"{name} is not a usable URL: {error.reason}") from error
    return text


def method(name: str, text: str, code: int = INVALID_METHOD) -> str:
    """GET or POST."""
    if text.upper() not in ("GET", "POST"):
        raise Refused(code, f"{name} is {text!r}; it takes GET or POST")
    return text.upper()


def checked(changes: Mapping[str, Any]) -> dict[str, Any]:
    """These columns of a number or application, each checked by what its name says that it is."""
    result = dict(changes)
    for name, given in changes.items():
        if name == "friendly_name":
            result[name] = friendly_name(given)
        elif name.endswith("_url"):
            result[name] = url(name, given)
        elif name.endswith("callback"):
            result[name] = url(name, given, INVALID_CALLBACK)
        elif name.endswith("_method"):
            result[name] = method(name, given)
    return result
