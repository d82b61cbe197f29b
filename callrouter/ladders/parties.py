"""Who takes part in a call or message, and in which column of the ladder each stands."""

from typing import Any

COLUMNS = ("caller", "router", "app", "client", "callee")
TITLES = {
    "caller": "caller",
    "router": "router",
    "app": "your server",
    "client": "client",
    "callee": "callee",
}
OURS = frozenset({"router", "conference", "queue", "voice", "presence", "nobody"})
SERVER = frozenset({"app", "rest"})


def column(name: str, caller: str) -> str:
    """Where what is called this stands; `caller`: who began it."""
    if name in OURS:
        return "router"
    if name in SERVER:
        return "app"
    if name == caller:
        return "caller"
    return "client" if name.startswith("client:") else "callee"


def parties(rows: list[dict[str, Any]], caller: str) -> list[dict[str, str]]:
    """Everybody in these rows, in the order of columns: the name, and its column."""
    names = dict.fromkeys(name for row in rows for name in (row["source"], row["target"]))
    found = [{"name": name, "column": column(name, caller)} for name in names]
    return sorted(found, key=lambda one: COLUMNS.index(one["column"]))
