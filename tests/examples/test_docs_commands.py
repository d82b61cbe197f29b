"""What the pages show is typed into a terminal, page by page, and does not fail."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from docs_terminal import NAMED, Terminal

from tests.support.pages import PICTURE, ROOT, TERMINAL, Block, blocks, written

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ELSEWHERE = {
    r"make demo": "the last step of .ci/run",
    r"make contact-centre|make text-support": "tests/examples has a test for each",
    r"make |pytest|\.venv/bin/python -m pytest": "it is this test suite, or tests/examples has a test for it",
    r"(\.venv/bin/)?pip install|npm install|python3 -m venv|source \.venv": "the machine has them",
    r"(sudo|install|systemctl|journalctl|podman|docker|nginx|caddy|psql|createdb|git)\b": "it changes the machine",
}
"""What is run by something else than this test."""
BROWSER = re.compile(r"new Twilio\.Device|new Presence|presence\.\w+\(")
"""Snippets for a page: tests/browser runs them."""
SHOWS_OUTPUT = {"debug.md"}
"""Pages whose pictures are lines that the commands before them print."""


def typed(line: str) -> bool:
    return not any(re.match(pattern, line) for pattern in ELSEWHERE)


def runs(block: Block) -> bool:
    """Whether there is anything of it that this test runs."""
    if block.language == TERMINAL:
        return not block.not_run and any(map(typed, block.lines()))
    return block.language == "python" and not block.not_run and not NAMED.match(block.text)


PAGES = [page for page in written() if any(map(runs, blocks(page)))]


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_commands_and_snippets_of_a_page_work(page: Path, tmp_path: Path) -> None:
    """In their order; each builds on those before it, as it does for a reader."""
    mine = [block for block in blocks(page) if not block.not_run]
    text = "\n".join(block.text for block in mine if block.language in (TERMINAL, "python"))
    said: list[str] = []
    for name in ("examples", "docs/pictures"):  # the apps and scenarios that the pages name
        shutil.copytree(ROOT / name, tmp_path / name)
    with Terminal(tmp_path / "examples" if page.parent.name == "examples" else tmp_path, text) as terminal:
        terminal.begin()
        for block in mine:
            terminal.new_window()
            if block.language == TERMINAL:
                said = [_typed(terminal, block, line) for line in filter(typed, block.lines())]
            elif block.language == PICTURE and page.name in SHOWS_OUTPUT:
                missing = [line for line in block.text.splitlines() if line.strip() not in "".join(said)]
                assert missing == [], f"{block} is not what was said:\n{''.join(said)}"
            elif block.language == "scenario" and not NAMED.match(block.text):
                continue  # tests/scenario_language reads it
            elif block.language in ("python", "scenario") or (
                block.language == "js" and not BROWSER.search(block.text)
            ):
                print(f"{block}: {block.language}")
                terminal.paste(block)


def _typed(terminal: Terminal, block: Block, line: str) -> str:
    print(f"{block}: {line}")
    return terminal.type(line)
