"""A deployment for commands: its tables, and nothing in them."""

import shutil
from pathlib import Path

import pytest
from cli_world import Run, clean, run, settings_of


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with the newest tables, made once."""
    folder = tmp_path_factory.mktemp("cli") / "var"
    with pytest.MonkeyPatch.context() as patch:
        clean(patch)
        settings_of(folder, patch)
        run("db", "upgrade")
    return folder


@pytest.fixture(name="run")
def a_run(fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command on a fresh deployment in `tmp_path / "var"`; see `cli_world.run`."""
    clean(monkeypatch)
    shutil.copytree(fresh, tmp_path / "var")
    settings_of(tmp_path / "var", monkeypatch)
    return run
