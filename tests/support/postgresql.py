"""A PostgreSQL of our own for tests: a private cluster in a temporary folder, on a Unix socket only.

PostgreSQL refuses to run as root, so root hands it to an unprivileged user. Without the server's programs the tests
that need it are skipped with the reason, or fail where CI_REQUIRE_ALL=1 says that everything must run.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from glob import glob
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

SECONDS = 60


class Cluster:
    """A running server; `database()` makes an empty database in it and answers with its SQLAlchemy URL."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://test@/{name}?host={self._folder}"

    def database(self) -> str:
        name = f"test_{uuid4().hex}"
        engine = create_engine(self.url("postgres"), poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        return self.url(name)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Cluster]:
    """One cluster for the whole session, of all folders: `tests/conftest.py` has it."""
    programs = _programs()
    if programs is None:
        missing = "PostgreSQL's initdb and pg_ctl are not on this machine"
        if os.environ.get("CI_REQUIRE_ALL") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    with cluster(programs) as running:
        yield running


@contextmanager
def cluster(programs: Path) -> Iterator[Cluster]:
    """Starts a private server and removes every trace of it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    user = _unprivileged() if os.geteuid() == 0 else None
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)
    data = folder / "data"

    def run(*command: str) -> None:
        done = subprocess.run(
            command,
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
            cwd=folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": str(folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{command[0]}: {done.stdout.decode()}"

    try:
        run(f"{programs}/initdb", "-D", str(data), "-U", "test", "-A", "trust", "-E", "UTF8", "--no-sync")
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c max_connections=200"
        log = str(folder / "log")
        run(f"{programs}/pg_ctl", "-D", str(data), "-w", "-t", "30", "-l", log, "-o", options, "start")
        try:
            yield Cluster(folder)
        finally:
            run(f"{programs}/pg_ctl", "-D", str(data), "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path | None:
    """The folder of initdb and pg_ctl."""
    folders = [Path(found).parent for found in sorted(glob("/usr/lib/postgresql/*/bin/pg_ctl"), reverse=True)]
    on_path = shutil.which("pg_ctl")
    folders += [Path(on_path).parent] if on_path else []
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


def _unprivileged() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    pytest.skip("there is no unprivileged user to run PostgreSQL as")
