"""Scenarios are played by the command, as somebody does it: real processes, real audio."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from callrouter.scenario import grammar
from callrouter.scenario.language import parse
from callrouter.scenario.pictures import pages

ROOT = Path(__file__).parents[2]
FILES = sorted((Path(__file__).parent / "files").glob("*.scenario"))
HOW_TO = ROOT / "docs" / "how-to"
SECONDS = 300

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "callrouter", "simulate", *map(str, arguments)]


def simulate(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), capture_output=True, text=True, timeout=SECONDS, check=False)


def test_every_sentence_happens_as_it_says() -> None:
    played = simulate("--json", *FILES)
    lines = [json.loads(line) for line in played.stdout.splitlines()]
    assert [line for line in lines if line.get("ok") is not True] == [], played.stderr
    assert [line["scenario"] for line in lines if "scenario" in line] == [str(file) for file in FILES]
    assert (played.returncode, played.stderr) == (0, "")
    done = {step.does for file in FILES for step in parse(file.read_text()).steps}
    assert {one.does for one in grammar.SENTENCES} - done == {"hears_hertz"}


@pytest.mark.parametrize("page", ["scenarios.md", "test-your-app.md"])
def test_scenarios_of_the_docs_happen(page: str, tmp_path: Path) -> None:
    blocks = [block.partition("```")[0] for block in (HOW_TO / page).read_text().split("```scenario\n")[1:]]
    files = []
    for number, block in enumerate(blocks):
        if not block.startswith("app http"):
            files.append(tmp_path / f"{number}.scenario")
            files[-1].write_text(block)
    played = simulate(*files)
    assert played.returncode == 0, played.stdout


def test_what_differs_is_told_with_the_ladder_and_the_rest_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "differs.scenario"
    file.write_text(
        "document /voice\n  <Response><Say>Good morning</Say></Response>\n"
        '+14155550100 calls +14155550199\n  hears "Good evening"\n  hangs up\nexpect status completed\n'
    )
    played = simulate("--events", file)
    told = 'did not hear "Good evening" before its call was ended by the router (normal); it was told "Good morning"'
    assert played.returncode == 1
    assert f"✘ {file}:4: +14155550100 hears" in played.stdout
    assert told in played.stdout
    assert "· +14155550100 hangs up" in played.stdout
    assert "· expect status completed" in played.stdout
    assert (
        played.stdout.count("router → +14155550100  say Good morning") == 2
    )  # as it happened, and in the ladder
    assert "Traceback" not in played.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_ends_all_that_it_started(number: signal.Signals, tmp_path: Path) -> None:
    file = tmp_path / "long.scenario"
    file.write_text(
        'document /voice\n  <Response><Say>Hello</Say><Pause length="100"/></Response>\n'
        '+14155550100 calls +14155550199, hears "Hello", waits 50m\n'
    )
    env: dict[str, Any] = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command(file), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
    ) as playing:
        assert playing.stdout
        while "hears" not in playing.stdout.readline():
            assert playing.poll() is None
        playing.send_signal(number)
        _, said = playing.communicate(timeout=SECONDS)
        assert playing.returncode == 130
    assert "Traceback" not in said
    assert list(tmp_path.glob("callrouter-scenario-*")) == []


def test_pictures_of_the_docs_are_what_is_played() -> None:
    for path, page in pages(ROOT / "docs" / "pictures").items():
        assert path.read_text() == page, "run `make pictures`"
