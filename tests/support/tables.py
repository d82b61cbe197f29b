"""Databases with tables, for tests: copies of one that was migrated once in this process."""

import shutil
import tempfile
from functools import cache
from pathlib import Path

from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.pool import NullPool

from migrations import runner
from migrations.runner import Server

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
    runner.upgrade(database_url, server)


def make_both(data_dir: Path) -> None:
    """Both databases, where a deployment of that data directory has them."""
    make(f"sqlite:///{data_dir}/router.sqlite3", "callrouter")
    make(f"sqlite:///{data_dir}/presence.sqlite3", "presence")


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
