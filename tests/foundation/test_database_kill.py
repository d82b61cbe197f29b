"""M13: what was acknowledged outlives `kill -9`, whenever it comes."""

import random
import signal
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from foundation.db import Database
from tests.support.postgresql import Cluster

SECONDS = 30

WRITER = """
import itertools, sys, threading
from sqlalchemy import text
from foundation.db import Database

database = Database(sys.argv[1])
numbers = itertools.count(int(sys.argv[2]))

def unit(number):
    def work(connection):
        connection.execute(text("INSERT INTO fact (id) VALUES (:id)"), {"id": number})
        connection.execute(text("INSERT INTO consequence (id) VALUES (:id)"), {"id": number})
        return number
    return work

def client():
    while True:
        done = database.write(unit(next(numbers))).result()
        sys.stdout.write(f"{done}\\n")
        sys.stdout.flush()

for _ in range(8):
    threading.Thread(target=client, daemon=True).start()
threading.Event().wait()
"""


def kill_once(url: str, first: int, lines: int) -> set[int]:
    """Lets a writer acknowledge some lines, kills it, and answers with all that it had acknowledged."""
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, url, str(first)], stdout=subprocess.PIPE, text=True
    )
    watchdog = threading.Timer(SECONDS, child.kill)
    watchdog.start()
    try:
        assert child.stdout is not None
        told = [child.stdout.readline() for _ in range(lines)]
        child.send_signal(signal.SIGKILL)
        told += child.stdout.read().splitlines(keepends=True)
        assert child.wait(SECONDS) == -signal.SIGKILL
    finally:
        watchdog.cancel()
        child.kill()
        child.stdout.close()
    assert all(told[:lines]), "the writer ended by itself"
    return {int(line) for line in told if line.endswith("\n")}


def kills(url: str, count: int) -> None:
    with closing(Database(url)) as database:
        for table in ("fact", "consequence"):
            statement = text(f"CREATE TABLE {table} (id BIGINT PRIMARY KEY)")
            database.write(lambda connection, s=statement: connection.execute(s)).result(SECONDS)  # type: ignore[misc]
    dice = random.Random(count)
    acknowledged: set[int] = set()
    for run in range(count):
        acknowledged |= kill_once(url, run * 1_000_000, dice.randint(1, 120))
    with closing(Database(url)) as database:
        database.check()
        with database.read() as connection:
            facts = set(connection.execute(text("SELECT id FROM fact")).scalars())
            consequences = set(connection.execute(text("SELECT id FROM consequence")).scalars())
    assert len(acknowledged) >= count
    assert acknowledged - facts == set()
    assert facts == consequences  # nothing half applied either


@pytest.mark.kill
def test_m13_twenty_kills_lose_nothing_acknowledged(tmp_path: Path) -> None:
    kills(f"sqlite:///{tmp_path}/test.sqlite3", 20)


@pytest.mark.kill
@pytest.mark.postgresql
def test_m13_kills_on_postgresql_lose_nothing_acknowledged(postgresql: Cluster) -> None:
    kills(postgresql.database(), 5)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_m13_two_hundred_kills_lose_nothing_acknowledged(tmp_path: Path) -> None:
    kills(f"sqlite:///{tmp_path}/test.sqlite3", 200)
