"""Brings a server's database to a version of its tables; there is no alembic.ini.

`migrations/<server>/versions` holds one file per step. The databases are separate, so each has its own record of
where it stands.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool

Server = Literal["presence", "callrouter"]
HERE = Path(__file__).parent
_NAMES: dict[Server, str] = {"presence": "presence", "callrouter": "router"}


class NewerTables(CommandError):
    """A later release made this database's tables; this one would misread them."""


def upgrade(database_url: str, server: Server, revision: str = "head") -> None:
    """Applies every missing step up to the revision, all or none where the database can.

    NewerTables: the database is ahead of this release.
    """
    script = _script(server)
    if fault := _ahead(current(database_url, server), server):
        raise NewerTables(fault)
    _run(database_url, script, revision, lambda at, _context: script._upgrade_revs(revision, at))


def downgrade(database_url: str, server: Server, revision: str) -> None:
    """Takes steps back to the revision: its id, `-1`, or `base` for an empty database."""
    script = _script(server)
    _run(database_url, script, revision, lambda at, _context: script._downgrade_revs(revision, at))


def current(database_url: str, server: Server) -> str | None:
    """The revision that the database is at; None when it is empty."""
    engine = create_engine(database_url, poolclass=NullPool)
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head(server: Server) -> str | None:
    """The newest revision that this version of the code knows."""
    return _script(server).get_current_head()


def unfit(at: str | None, server: Server) -> str:
    """Why this release can't work with tables of that revision; empty when it can."""
    newest = head(server)
    if at == newest:
        return ""
    return _ahead(at, server) or (
        f"the {_NAMES[server]} database is at {at or 'no revision'}, this release needs {newest}: "
        "run `callrouter db upgrade`"
    )


def _ahead(at: str | None, server: Server) -> str:
    if at is None or at in [revision for revision, _ in history(server)]:
        return ""
    return (
        f"the {_NAMES[server]} database is at {at}, which a newer release made; this one knows {head(server)} at most: "
        "install that release, or restore a backup"
    )


def history(server: Server) -> list[tuple[str, str]]:
    """Every revision with its description, oldest first."""
    return [(step.revision, step.doc) for step in reversed(list(_script(server).walk_revisions()))]


def _script(server: Server) -> ScriptDirectory:
    versions = HERE / server / "versions"
    return ScriptDirectory(str(HERE / server), version_locations=[str(versions)])


def _run(database_url: str, script: ScriptDirectory, revision: str, steps: Callable[[Any, Any], Any]) -> None:
    engine = create_engine(database_url, poolclass=NullPool)
    if engine.dialect.name == "sqlite":
        _make_ddl_transactional(engine)
    environment = EnvironmentContext(Config(), script, fn=steps, destination_rev=revision)
    with environment, engine.begin() as connection:
        environment.configure(
            connection=connection,
            render_as_batch=connection.dialect.name == "sqlite",
            transactional_ddl=True,
        )
        with environment.begin_transaction():
            environment.run_migrations()


def _make_ddl_transactional(engine: Engine) -> None:
    """Python's driver commits before each DDL statement unless we begin transactions ourselves."""

    @event.listens_for(engine, "connect")
    def leave_transactions_to_us(connection: Any, _record: Any) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
