"""Tables as text: CSV that spreadsheets open without harm, JSON, and JSON lines; each row by row."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

Row = Mapping[str, Any]

FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""How a text begins that a spreadsheet would run, or that was quoted because of that."""
NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?", re.ASCII)
"""Phone numbers among them: a spreadsheet reads them as numbers, which runs nothing."""


class Format(StrEnum):
    CSV = "csv"
    JSON = "json"
    NDJSON = "ndjson"


def lines(rows: Iterable[Row], columns: Sequence[str], format: Format) -> Iterator[str]:
    """The text piece by piece; an empty table is a header, `[]` or nothing."""
    match format:
        case Format.CSV:
            yield _csv(columns)
            for row in rows:
                yield _csv([quoted(row[name]) for name in columns])
        case Format.NDJSON:
            for row in rows:
                yield json.dumps({name: row[name] for name in columns}) + "\n"
        case Format.JSON:
            start = "["
            for row in rows:
                yield f"{start}\n  {json.dumps({name: row[name] for name in columns})}"
                start = ","
            yield "[]\n" if start == "[" else "\n]\n"


def quoted(value: Any) -> str:
    """A cell's text; what begins like a formula gets an apostrophe before it, which `unquoted` takes off again."""
    if isinstance(value, bool):
        return str(value).lower()
    text = "" if value is None else str(value)
    return f"'{text}" if FORMULA.match(text) and not NUMBER.fullmatch(text) else text


def unquoted(text: str) -> str:
    return text[1:] if text.startswith("'") and FORMULA.match(text) else text


def _csv(cells: Sequence[str]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\r\n").writerow(cells)
    return file.getvalue()
