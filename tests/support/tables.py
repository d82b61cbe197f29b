"""Databases with tables, for tests: copies of one that was migrated once in this process."""

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.pool import NullPool

from migrations import runner
from migrations.runner import Server
from tests.support.postgresql import Cluster

EMPTY = """
DO $$ DECLARE name text; BEGIN
  SET LOCAL session_replication_role = replica;
  FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' LOOP
    EXECUTE format('DELETE FROM %I', name);
  END LOOP;
END $$"""
"""In no order: foreign keys are not looked at meanwhile."""
OTHERS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"""

_folder = tempfile.TemporaryDirectory(prefix="callrouter-tables-")


def make(database_url: str, server: Server) -> None:
    """What `runner.upgrade` makes of an empty database, in a fraction of the time; one that has tables is upgraded."""
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite":
        path = Path(url.database or "")
        if not path.exists():
            shutil.copyfile(_sqlite(server), path)
            return
    elif runner.current(database_url, server) is None:
        _copy(url, _postgresql(url.set(database="postgres"), server))
        return
    if runner.current(database_url, server) != runner.head(server):
        runner.upgrade(database_url, server)


def make_both(data_dir: Path) -> None:
    """Both databases, where a deployment of that data directory has them."""
    make(f"sqlite:///{data_dir}/router.sqlite3", "callrouter")
    make(f"sqlite:///{data_dir}/presence.sqlite3", "presence")


@contextmanager
def lent(cluster: Cluster, server: Server) -> Iterator[str]:
    """A database with a server's tables, for one test that leaves the tables as they are.

    Making one costs the cluster a third of a second, so the next test gets it again without its rows, unless somebody
    is still connected to it.
    """
    spare = _spare[cluster.url(server)]
    if spare:
        url = spare.pop()
    else:
        url = cluster.database()
        make(url, server)
    yield url
    with create_engine(url, poolclass=NullPool).begin() as connection:
        if not connection.execute(text(OTHERS)).scalar_one():
            connection.execute(text(EMPTY))
            spare.append(url)


_spare: defaultdict[str, list[str]] = defaultdict(list)


@cache
def _sqlite(server: Server) -> Path:
    path = Path(_folder.name) / f"{server}.sqlite3"
    runner.upgrade(f"sqlite:///{path}", server)
    return path


@cache
def _postgresql(cluster: URL, server: Server) -> str:
    name = f"template_{server}"
    _run(cluster, f"CREATE DATABASE {name}")
    runner.upgrade(cluster.set(database=name).render_as_string(hide_password=False), server)
    return name


def _copy(url: URL, template: str) -> None:
    cluster = url.set(database="postgres")
    _run(cluster, f"DROP DATABASE {url.database}")
    _run(cluster, f"CREATE DATABASE {url.database} TEMPLATE {template}")


def _run(cluster: URL, statement: str) -> None:
    engine = create_engine(cluster, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
