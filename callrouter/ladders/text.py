"""A ladder as plain text, to be pasted into a report."""

from datetime import datetime
from typing import Any

WIDEST = 36


def render(ladder: dict[str, Any]) -> str:
    """Rows as columns (seconds from the first, who to whom, what), then legs, and faults with their remedies."""
    rows = [
        (f"{seconds:.3f}", plain(row["source"]), plain(row["target"]), plain(row["summary"]))
        for seconds, row in timed(ladder["rows"])
    ]
    source, target = (min(max((len(row[n]) for row in rows), default=0), WIDEST) for n in (1, 2))
    lines = [title(ladder), ""]
    lines += [f"{row[0]:>9}  {row[1]:>{source}} → {row[2]:<{target}}  {row[3]}" for row in rows]
    if legs := ladder.get("legs"):
        lines += ["", "legs"]
        lines += [
            plain(
                f"  {leg['sid']}  {leg['from']} → {leg['to']}  {leg['status']} {leg['ended_because'] or ''}"
            ).rstrip()
            for leg in legs
        ]
    for note in ladder["notifications"]:
        lines += ["", *(plain(line) for line in explained(note))]
    return "\n".join(lines) + "\n"


def title(ladder: dict[str, Any]) -> str:
    return f"call {ladder['call_sid']}" if "call_sid" in ladder else f"message {ladder['message']['sid']}"


def explained(note: dict[str, Any]) -> list[str]:
    """A fault in lines: what, whose, what caused it, what to do, and what it is about."""
    lines = [
        f"{note['level']} {note['error_code']}: {note['message_text']}",
        f"  whose: {note['whose']}",
        f"  cause: {note['cause']}",
        f"  to do: {note['remedy']}",
    ]
    if asked := note["request"]:
        kind = f", {asked['content_type']}" if asked["content_type"] else ""
        lines.append(
            f"  asked: {asked['method']} {asked['url']} → {asked['outcome']}{kind}, {asked['duration_ms']} ms"
        )
        if asked["excerpt"]:
            where = f"line {note['line']}" if note["line"] else "answer"
            lines.append(f"  {where}: {asked['excerpt']}")
    elif note["url"]:
        lines.append(f"  asked: {note['url']}")
    return lines


def timed(rows: list[dict[str, Any]]) -> list[tuple[float, dict[str, Any]]]:
    """Each row with the seconds since the first."""
    moments = [datetime.fromisoformat(row["at"]) for row in rows]
    return [((at - moments[0]).total_seconds(), row) for at, row in zip(moments, rows, strict=True)]


def plain(text: str) -> str:
    """What others sent, without characters that steer a terminal or break a line."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
