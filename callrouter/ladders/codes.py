"""Whose fault a code can be, as the tables of codes say it."""

APP, DOCUMENT, SETTINGS, CARRIER, CLIENT, PLATFORM = (
    "app",
    "document",
    "settings",
    "carrier",
    "client",
    "platform",
)
Codes = dict[int, tuple[str, str, str]]
"""Code: whose fault, what causes it, what to do."""
