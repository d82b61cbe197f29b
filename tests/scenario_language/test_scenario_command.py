"""`callrouter simulate FILE.scenario`, as far as it goes without playing."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from callrouter.cli import main

GOOD = "+14155550100 calls +14155550199\n"


def simulate(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(main, ["simulate", *arguments], input=given)


def test_a_file_is_checked_without_playing_it(tmp_path: Path) -> None:
    file = tmp_path / "good.scenario"
    file.write_text(GOOD)
    checked = simulate("--check", str(file))
    assert (checked.exit_code, checked.stdout) == (0, f"{file}: 1 sentences, no fault\n")
    assert simulate(str(file), "--check", "--json").stdout.startswith('{"scenario": ')


def test_standard_input_is_a_dash() -> None:
    assert simulate("-", "--check", given=GOOD).exit_code == 0
    assert simulate("--check", "-", given=GOOD).stdout == "standard input: 1 sentences, no fault\n"


def test_a_wrong_file_is_exit_code_2_and_says_where(tmp_path: Path) -> None:
    file, other = tmp_path / "a.scenario", tmp_path / "b.scenario"
    file.write_text("+14155550100 calls +14155550199\n  heers \x1b[31m\n")
    other.write_bytes(b"\xff\xfe")
    wrong = simulate(str(file), str(other))
    assert wrong.exit_code == 2
    assert wrong.stdout == ""
    first, second = wrong.stderr.splitlines()
    assert first.startswith(f"{file}:2:3: `+14155550100` does not do `heers`; did you mean `hears`?")
    assert second == f"{other}: the file is not UTF-8 text, from byte 0 on; save it as that"


@pytest.mark.parametrize("arguments", [["nothing.scenario"], ["cal", "--check"]])
def test_what_is_neither_command_nor_file(arguments: list[str]) -> None:
    missing = simulate(*arguments)
    assert missing.exit_code == 2
    assert "No such file" in missing.stderr
    assert "simulate --help" in missing.stderr


def test_the_commands_of_the_simulator_are_still_there() -> None:
    shown = simulate("--help").stdout
    assert all(f"  {name} " in shown for name in ("call", "carrier", "scenario", "text"))
    assert "--from" in simulate("call", "--help").stdout
