"""Taking a backup while everything runs."""

from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

from callrouter import __version__
from callrouter.backup import archive, databases, files
from foundation.keys import Keys
from foundation.settings import Settings
from migrations import runner
from migrations.runner import Server

FORMAT = 1
SERVERS: dict[str, Server] = {"router": "callrouter", "presence": "presence"}
SENTENCE = "opened by the keys of its deployment"


def take(path: Path, settings: Settings, keys: Keys, now: datetime) -> dict[str, Any]:
    """Writes the file, and answers with what is in it. The databases come first: every recording that they name is
    on disk already, so it is in the backup too."""
    rows: dict[str, dict[str, int]] = {}
    count = 0
    with ExitStack() as stack:
        snapshots = {
            name: stack.enter_context(databases.snapshot(settings.database_url(name))) for name in SERVERS
        }
        writer = stack.enter_context(archive.Writer(path))
        manifest = {
            "format": FORMAT,
            "made_by": __version__,
            "made_at": now.isoformat(timespec="seconds"),
            "revisions": {
                name: runner.current(settings.database_url(name), folder) for name, folder in SERVERS.items()
            },
            "keys": "settings" if settings.secret_keys else "file",
            "sealed": keys.seal(SENTENCE),
        }
        writer.add_json(archive.MANIFEST, manifest)
        for name, connection in snapshots.items():
            rows[name] = {
                table: writer.add_lines(f"{name}/{table}.ndjson", databases.lines(connection, columns)) - 1
                for table, columns in databases.tables(connection).items()
            }
        for name in files.names(settings.data_dir):
            count += writer.add_file(f"files/{name}", settings.data_dir / name)
        for name in files.gateways(settings.data_dir):
            with files.copied(settings.data_dir / name) as copy:
                count += writer.add_file(f"files/{name}", copy)
    return {
        "file": str(path),
        "bytes": path.stat().st_size,
        **{f"{name}_rows": sum(tables.values()) for name, tables in rows.items()},
        "files": count,
        "keys": manifest["keys"],
    }
