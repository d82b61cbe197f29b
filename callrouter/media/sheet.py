"""A file with facts on its first line (JSON) and sound after it, so that neither is ever there without the other."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DRAFT = ".draft."
"""How names begin of files that are being written; one that is left over belongs to nobody."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sheet:
    facts: dict[str, Any]
    body: bytes = field(repr=False)


def write(path: Path, sheet: Sheet) -> None:
    """Puts it there as a whole, in place of what is there; on disk before it returns."""
    with drafted(path.parent, sheet, durable=True) as (draft, _):
        os.replace(draft, path)
    for folder in (path.parent, path.parent.parent):
        sync_folder(folder)


@contextmanager
def drafted(folder: Path, sheet: Sheet, *, durable: bool) -> Iterator[tuple[Path, int]]:
    """A complete file that has no name of its own yet, and its size in bytes; removed unless it is given one."""
    folder.mkdir(parents=True, exist_ok=True)
    head = json.dumps({**sheet.facts, "size": len(sheet.body)}).encode() + b"\n"
    descriptor, name = tempfile.mkstemp(dir=folder, prefix=DRAFT)
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(head)
            file.write(sheet.body)
            if durable:
                file.flush()
                os.fsync(descriptor)
        yield draft, len(head) + len(sheet.body)
    finally:
        draft.unlink(missing_ok=True)


def read(path: Path) -> Sheet | None:
    """None when there is no such file, or a damaged one."""
    try:
        with path.open("rb") as file:
            facts, body = json.loads(file.readline()), file.read()
    except (OSError, ValueError):
        return None
    if not isinstance(facts, dict) or facts.pop("size", None) != len(body):
        return None
    return Sheet(facts=facts, body=body)


def facts(path: Path) -> dict[str, Any]:
    """The first line alone; empty when it can't be read."""
    try:
        with path.open("rb") as file:
            found = json.loads(file.readline())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def sync_folder(folder: Path) -> None:
    """Makes renames and removals in it last."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
