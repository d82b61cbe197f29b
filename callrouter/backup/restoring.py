"""Putting a backup back: all of it, or nothing.

It is read twice. First it is verified from end to end; then databases and files are made beside what is there, and
only when all are complete do they take its place, by renames that are taken back when one of them fails.
"""

import tempfile
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from shutil import copyfileobj
from typing import IO, Any

from sqlalchemy import make_url

from callrouter.backup import archive, files
from callrouter.backup.archive import Damaged
from callrouter.backup.databases import Restored
from callrouter.backup.taking import FORMAT, SENTENCE, SERVERS
from foundation.keys import Keys, KeysUnusable
from foundation.settings import Settings
from migrations import runner


class Unfit(Exception):
    """The backup is whole, but not for this release or these settings; the text says what to do."""


def examined(path: Path, settings: Settings) -> dict[str, Any]:
    """The manifest of a backup that can be restored here; Damaged or Unfit otherwise. Changes nothing."""
    manifest = archive.verified(path)
    if manifest.get("format") != FORMAT:
        raise Unfit(f"{path} was made by callrouter {manifest.get('made_by')}; restore it with that release")
    for name, folder in SERVERS.items():
        known = [revision for revision, _ in runner.history(folder)]
        if manifest["revisions"].get(name) not in known:
            raise Unfit(
                f"{path} was made by callrouter {manifest['made_by']}, whose tables are newer than this release's; "
                "restore it with that release"
            )
    if manifest["keys"] == "settings" or settings.secret_keys:
        _check_keys(path, settings, manifest)
    return manifest


def _check_keys(path: Path, settings: Settings, manifest: dict[str, Any]) -> None:
    """Keys that are given by settings are not in a backup, and those of a file are not used beside them."""
    try:
        fit = bool(settings.secret_keys) and Keys(settings.secret_keys).open(manifest["sealed"]) == SENTENCE
    except KeysUnusable:
        fit = False
    if not fit:
        remedy = (
            "set CALLROUTER_SECRET_KEYS to the keys of that deployment"
            if manifest["keys"] == "settings"
            else "unset CALLROUTER_SECRET_KEYS: the keys are in the backup"
        )
        raise Unfit(f"the configured keys do not open what is in {path}; {remedy}")


def restore(path: Path, settings: Settings, manifest: dict[str, Any], aside: Path) -> dict[str, Any]:
    """Puts everything back; what was there is moved to the folder `aside`. Answers with what was restored."""
    home = settings.data_dir
    home.mkdir(parents=True, exist_ok=True)
    rows = dict.fromkeys(SERVERS, 0)
    count = 0
    with ExitStack() as stack:
        fresh = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=home, prefix=".restoring-")))
        made = {}
        for name, server in SERVERS.items():
            made[name] = Restored(settings.database_url(name), server, manifest["revisions"][name], fresh)
            stack.callback(made[name].discard)
        stack.enter_context(archive.readable(path))
        for name, content in archive.members(path):
            part, _, rest = name.partition("/")
            try:
                if part in made:
                    rows[part] += made[part].fill(PurePosixPath(rest).stem, content)
                elif part == "files" and files.taken(rest):
                    _put(fresh / "files" / rest, content)
                    count += 1
            except ValueError as error:
                raise Damaged(f"{path} can't be restored: {name}: {error}") from error
        for one in made.values():
            one.finish()
        moves = _moves(settings, made, fresh, aside)
        for one in made.values():
            one.place()
        archive.undone(moves)
    return {
        "restored": str(path),
        **{f"{name}_rows": number for name, number in rows.items()},
        "files": count,
    }


def _put(target: Path, content: IO[bytes]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    target.touch(mode=0o600)
    with target.open("wb") as file:
        copyfileobj(content, file)


def _moves(
    settings: Settings, made: dict[str, Restored], fresh: Path, aside: Path
) -> list[tuple[Path, Path]]:
    """What is there goes aside, then what is new takes its place."""
    away: list[tuple[Path, Path]] = []
    home: list[tuple[Path, Path]] = []
    for name, one in made.items():
        if one.sqlite:
            target = Path(make_url(settings.database_url(name)).database or "")
            target.parent.mkdir(parents=True, exist_ok=True)
            for each in (
                target,
                target.with_name(f"{target.name}-wal"),
                target.with_name(f"{target.name}-shm"),
            ):
                if each.exists():
                    away.append((each, aside / each.name))
            home.append((one.file, target))
    for part in files.roots(settings.data_dir):
        away.append((settings.data_dir / part, aside / part))
    for part in files.roots(fresh / "files"):
        home.append((fresh / "files" / part, settings.data_dir / part))
    for _, target in (*away, *home):
        target.parent.mkdir(parents=True, exist_ok=True)
    return [*away, *home]
