"""The import rules of setup.cfg hold, and cover every module that they are about (design 3)."""

import configparser
import pkgutil
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

import presence

SETUP = Path(__file__).parents[1] / "setup.cfg"


def test_the_contracts_are_kept(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(SETUP.parent)  # restores sys.path, which the linter extends
    status = lint_imports(config_filename=str(SETUP), no_cache=True, no_logo=True)
    assert status == 0, capsys.readouterr().out


def test_the_router_may_import_nothing_of_presence_but_its_client() -> None:
    config = configparser.ConfigParser()
    config.read(SETUP)
    forbidden = set(config["importlinter:contract:router"]["forbidden_modules"].split())
    modules = {f"presence.{module.name}" for module in pkgutil.iter_modules(presence.__path__)}
    assert modules - forbidden == {"presence.client"}
    assert forbidden - modules == set()
