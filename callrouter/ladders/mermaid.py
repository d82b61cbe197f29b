"""A ladder as a Mermaid sequence diagram (https://mermaid.js.org/syntax/sequenceDiagram.html)."""

from typing import Any

from callrouter.ladders.parties import TITLES
from callrouter.ladders.text import plain, timed

LONGEST = 80


def render(ladder: dict[str, Any]) -> str:
    """Text that no name, body or URL can break out of: what Mermaid reads as its own is written as its entities."""
    names = {one["name"]: f"p{number}" for number, one in enumerate(ladder["parties"])}
    lines = ["sequenceDiagram"]
    for one in ladder["parties"]:
        title = TITLES[one["column"]] if one["name"] in ("router", "app") else one["name"]
        lines.append(f"    participant {names[one['name']]} as {_quoted(title)}")
    for seconds, row in timed(ladder["rows"]):
        arrow = "-x" if row.get("level") == "error" else "->>"
        what = _quoted(f"{seconds:.3f} s {row['summary']}")
        lines.append(f"    {names[row['source']]}{arrow}{names[row['target']]}: {what}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    short = plain(text) if len(text) <= LONGEST else plain(text[: LONGEST - 1]) + "…"
    return "".join(c if c.isalnum() or c in " .,:+-_/()…→“”=?@'" else f"#{ord(c)};" for c in short)
