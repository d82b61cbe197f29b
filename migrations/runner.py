"""Brings a server's database to a version of its tables; there is no alembic.ini.

`migrations/<server>/versions` holds one file per step. The databases are separate, so each has its own record of
where it stands.
"""

from collections.abc import Callable
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool

from migrations.revisions import HERE, Server, ahead, current, head, history, unfit

__all__ = ["NewerTables", "Server", "current", "downgrade", "head", "history", "unfit", "upgrade"]


class NewerTables(CommandError):
    """A later release made this database's tables; this one would misread them."""


def upgrade(database_url: str, server: Server, revision: str = "head") -> None:
    """Applies every missing step up to the revision, all or none where the database can.

    NewerTables: the database is ahead of this release.
    """
    script = _script(server)
    if fault := ahead(current(database_url, server), server):
        raise NewerTables(fault)
    _run(database_url, script, revision, lambda at, _context: script._upgrade_revs(revision, at))


def downgrade(database_url: str, server: Server, revision: str) -> None:
    """Takes steps back to the revision: its id, `-1`, or `base` for an empty database."""
    script = _script(server)
    _run(database_url, script, revision, lambda at, _context: script._downgrade_revs(revision, at))


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
