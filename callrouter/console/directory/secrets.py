"""The page that shows a secret, this once."""

from typing import Any

from flask import Response

from callrouter.console.pages import page


def shown_once(title: str, facts: dict[str, str], *, back: str, note: str) -> Response:
    """`facts`: labels and what to copy. Nothing keeps it but the reader: the page is not stored, and not a redirect."""
    values: dict[str, Any] = {"title": title, "facts": facts, "back": back, "note": note}
    return page("console/secret.html", **values)
