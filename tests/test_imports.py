"""The import rules of setup.cfg hold, and cover every module that they are about (design 3)."""

import configparser
import pkgutil
import subprocess
import sys
from pathlib import Path

import presence

SETUP = Path(__file__).parents[1] / "setup.cfg"


def test_the_contracts_are_kept() -> None:
    # In a process of its own, because it reconfigures logging for all.
    linter = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as lint; lint()"]
    checked = subprocess.run(
        [*linter, "--no-cache"], cwd=SETUP.parent, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "0 broken" in checked.stdout


def test_the_router_may_import_nothing_of_presence_but_its_client() -> None:
    config = configparser.ConfigParser()
    config.read(SETUP)
    forbidden = set(config["importlinter:contract:router"]["forbidden_modules"].split())
    modules = {f"presence.{module.name}" for module in pkgutil.iter_modules(presence.__path__)}
    assert modules - forbidden == {"presence.client"}
    assert forbidden - modules == set()
