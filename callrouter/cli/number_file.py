"""A CSV file of phone numbers, read line by line: what each line asks for, or why it can't be read."""

import codecs
import csv
import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import click

from callrouter.cli.tables import unquoted
from callrouter.cli.webhooks import NUMBER

NUMBER_COLUMN = "phone_number"
SETTABLE = tuple(field for _, field, _ in NUMBER)
COLUMNS = (NUMBER_COLUMN, *SETTABLE)
"""What `export numbers` writes and `import numbers` sets."""
IGNORED = frozenset({"sid", "account_sid", "date_created", "date_updated"})
"""They may stand in a file and change nothing: they are ours to give."""
DEFAULTED = frozenset(name for name in SETTABLE if name == "friendly_name" or name.endswith("_method"))
"""An empty cell of these leaves it as it is; of the others it unsets."""
SEPARATORS = ",;\t|"
MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Why a line was not taken, and what to do. `line` counts from 1, the header; `column` is empty for all of it."""

    line: int
    column: str
    value: str
    reason: str
    remedy: str


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a line asks for."""

    line: int
    phone_number: str
    settings: dict[str, str]


class NumberFile:
    """Iterate over it for what the lines ask for; `position` of `size` bytes is read by then.

    ClickException when its header will do for nothing. A fault ends the reading only when the rest can't be told apart.
    """

    def __init__(self, path: Path, encoding: str | None) -> None:
        self._raw = path.open("rb")
        self.size = path.stat().st_size
        start = self._raw.read(4096)
        self._raw.seek(0)
        found = next((name for mark, name in MARKS if start.startswith(mark)), "utf-8-sig")
        self._encoding = encoding or found
        self._text = TextIOWrapper(self._raw, self._encoding, newline="")
        first_line = start.decode(self._encoding, "replace").partition("\n")[0]
        separator = max(SEPARATORS, key=first_line.count)
        self._rows = csv.reader(self._text, delimiter=separator, strict=True)
        self._seen: dict[str, int] = {}

    def __enter__(self) -> "NumberFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._text.close()

    @property
    def position(self) -> int:
        return self._raw.tell()

    def __iter__(self) -> Iterator[Wanted | Fault]:
        header = self._header()
        while True:
            line = self._rows.line_num + 1
            try:
                cells = next(self._rows, None)
            except (UnicodeDecodeError, csv.Error) as error:
                yield self._unreadable(line, error)
                return
            if cells is None:
                return
            if any(cell.strip() for cell in cells):
                yield self._read(line, header, cells)

    def _header(self) -> list[str]:
        try:
            header = [name.strip().lower() for name in next(self._rows, [])]
        except (UnicodeDecodeError, csv.Error) as error:
            fault = self._unreadable(1, error)
            raise click.ClickException(f"line 1: {fault.reason}; {fault.remedy}") from error
        while header and not header[-1]:
            header.pop()
        if NUMBER_COLUMN not in header:
            raise click.ClickException(
                f"line 1: there is no column {NUMBER_COLUMN}; the first line names the columns, "
                f"such as {NUMBER_COLUMN},voice_url"
            )
        for name in header:
            if name not in COLUMNS and name not in IGNORED:
                close = difflib.get_close_matches(name, COLUMNS, 1)
                meant = f"did you mean {close[0]}?" if close else f"there are {', '.join(COLUMNS)}"
                raise click.ClickException(f"line 1: no column is called {name!r}; {meant}")
            if header.count(name) > 1:
                raise click.ClickException(f"line 1: the column {name} is there twice; take one of them out")
        return header

    def _read(self, line: int, header: list[str], cells: list[str]) -> Wanted | Fault:
        while len(cells) > len(header) and not cells[-1].strip():
            cells.pop()
        if len(cells) != len(header):
            return Fault(
                line=line,
                column="",
                value="",
                reason=f"it has {len(cells)} cells, the first line has {len(header)}",
                remedy="put quotation marks around a cell that holds the separator",
            )
        row = dict(zip(header, (unquoted(cell.strip()) for cell in cells), strict=True))
        number = row.pop(NUMBER_COLUMN)
        if number in self._seen:
            return Fault(
                line=line,
                column=NUMBER_COLUMN,
                value=number,
                reason=f"the number is in line {self._seen[number]} already",
                remedy="take one of the two lines out",
            )
        self._seen[number] = line
        settings = {
            name: cell
            for name, cell in row.items()
            if name not in IGNORED and (cell or name not in DEFAULTED)
        }
        return Wanted(line=line, phone_number=number, settings=settings)

    def _unreadable(self, line: int, error: Any) -> Fault:
        if isinstance(error, UnicodeDecodeError):
            reason = f"from here on, something is not {self._encoding.removesuffix('-sig')}"
            remedy = "save the file as UTF-8, or say how it is written, such as --encoding cp1252"
        else:
            reason = f"from here on, it can't be read: {error}"
            remedy = (
                'a quotation mark inside a quoted cell is written twice (""), and a quoted cell ends with one'
            )
        return Fault(line=line, column="", value="", reason=reason, remedy=f"{remedy}; the rest was not read")
