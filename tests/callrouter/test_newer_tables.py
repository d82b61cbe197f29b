"""A program on tables that a later release made does not start, and says what to do."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import create_engine, text

from callrouter.cli import main
from migrations import revisions, runner
from tests.support import tables


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """Both databases, of which the router's is ahead of us."""
    monkeypatch.setenv("CALLROUTER_DATA_DIR", str(tmp_path))
    tables.make_both(tmp_path)
    engine = create_engine(f"sqlite:///{tmp_path}/router.sqlite3")
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    return CliRunner()


@pytest.mark.parametrize("command", [["run", "router"], ["up"], ["db", "upgrade"]], ids=" ".join)
def test_tables_of_a_newer_release_are_refused(runs: CliRunner, command: list[str]) -> None:
    result = runs.invoke(main, command)
    assert result.exit_code == 1
    assert "the router database is at 9999, which a newer release made" in result.output
    assert "install that release, or restore a backup" in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("server", ["callrouter", "presence"])
def test_the_history_that_processes_read_is_the_one_that_is_applied(server: runner.Server) -> None:
    """They read it without Alembic, from the names of the steps' files."""
    applied = list(runner._script(server).walk_revisions())
    assert revisions.history(server) == [(step.revision, step.doc) for step in reversed(applied)]
    assert revisions.head(server) == runner._script(server).get_current_head()


def test_tables_of_an_older_release_name_the_command() -> None:
    assert runner.unfit(runner.head("callrouter"), "callrouter") == ""
    assert "run `callrouter db upgrade`" in runner.unfit("0001", "callrouter")
    assert "at no revision" in runner.unfit(None, "presence")
