"""Everything in the pages that is to be typed or pasted is what the code takes: commands, documents, snippets, links.

These tests read; `tests/examples/test_docs_commands.py` runs what it can.
"""

from __future__ import annotations

import ast
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from unittest.mock import patch

import click
import pytest

from callrouter.cli import main
from foundation.settings import Settings
from instructions.document import Response as VoiceResponse
from instructions.document import read
from instructions.messaging.verbs import Response as MessagingResponse
from tests.support.pages import PICTURE, ROOT, TERMINAL, Block, blocks, written

PAGES = written()
BLOCKS = [block for page in PAGES for block in blocks(page)]
LINK = re.compile(r"\]\(([^)#:]+)(#[^)]*)?\)")
OURS = {"callrouter", "presence", "twilio", "flask"}
"""Packages whose names a snippet must have right; what else it imports is the reader's."""
SETTING = re.compile(r"CALLROUTER_([A-Z_]+)")
OPERATORS = {"|", "||", "&&", ";", ">", ">>", "<", "&", "2>"}
READ_ELSEWHERE = {
    PICTURE,
    "mermaid",
    "ini",
    "nginx",
    "yaml",
    "toml",
    "promql",
    "csv",
    "scenario",
    "Caddyfile",
}
"""Pictures, what programs print, and samples of files whose own tests read them."""


def of(language: str) -> list[Block]:
    return [block for block in BLOCKS if block.language == language]


def words(line: str) -> list[list[str]]:
    """The commands of a line for the shell, each as its words; without settings before them and files behind."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, "#"
    commands: list[list[str]] = [[]]
    for word in lexer:
        if word in OPERATORS:
            commands.append([])
        elif commands[-1] or "=" not in word or word.startswith("-"):
            commands[-1].append(word)
    return [command for command in commands if command]


def test_what_a_block_is(tmp_path: Path) -> None:
    """Indented lines and fences; a comment before one says why it is not run; a list's second line is no block."""
    page = tmp_path / "page.md"
    page.write_text(
        "Type:\n\n    callrouter up \\\n      --help\n    # a remark\n\nIt says:\n\n    up and running\n\n"
        "<!-- not run: it is long -->\n```python\nfor ever in ():\n    pass\n```\n- a list\n    goes on\n"
    )
    found = [(one.line, one.language, list(one.lines()), one.not_run) for one in blocks(page)]
    assert found == [
        (3, TERMINAL, ["callrouter up    --help"], ""),
        (9, PICTURE, ["up and running"], ""),
        (13, "python", ["for ever in ():", "pass"], "it is long"),
    ]


def test_every_block_is_of_a_kind_that_is_checked() -> None:
    known = {TERMINAL, "python", "js", "json", "xml", *READ_ELSEWHERE}
    assert [f"{block}: {block.language!r}" for block in BLOCKS if block.language not in known] == []


TYPED = [(str(block), command) for block in of(TERMINAL) for line in block.lines() for command in words(line)]


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_commands_take_what_they_are_given(page: Path) -> None:
    """They are parsed, and not run."""
    faults = []
    with patch.object(click.Path, "convert", lambda self, value, *_: value):
        for where, command in TYPED:
            program = command[0].removeprefix(".venv/bin/")
            if where.startswith(f"{page.relative_to(ROOT)}:") and program == "callrouter":
                try:
                    _parse(command[1:])
                except click.MissingParameter as fault:
                    if not (fault.param and fault.param.envvar):
                        faults.append(f"{where}: {shlex.join(command)}: {fault.format_message()}")
                except click.ClickException as fault:
                    faults.append(f"{where}: {shlex.join(command)}: {fault.format_message()}")
    assert faults == []


def _parse(given: list[str]) -> None:
    """As the command line is read, from its groups to the command that it ends in."""
    context = main.make_context("callrouter", given)
    while isinstance(context.command, click.Group) and (given := [*context._protected_args, *context.args]):
        name, command, rest = context.command.resolve_command(context, given)
        assert command is not None
        context = command.make_context(name, rest, parent=context)


def test_targets_of_make_are_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {word for _, command in TYPED if command[0] == "make" for word in command[1:] if "=" not in word}
    assert {"demo", "test"} <= named <= targets


def test_settings_are_there() -> None:
    known = {name.upper() for name in Settings.__dataclass_fields__}
    read = {
        f"{page.relative_to(ROOT)}: {name}" for page in PAGES for name in SETTING.findall(page.read_text())
    }
    assert {each for each in read if each.split(": ")[1].rstrip("_") not in known} == set()


@pytest.mark.parametrize("block", of("xml"), ids=str)
def test_a_document_is_read_without_a_warning(block: Block) -> None:
    root = MessagingResponse if re.search(r"<(Message|Body)\b", block.text) else VoiceResponse
    response, warnings = read(block.text.encode(), root)
    assert block.not_run or warnings == ()
    assert response.children


def test_json_is_json() -> None:
    for block in of("json"):
        json.loads(block.text)


@pytest.mark.parametrize("block", of("python"), ids=str)
def test_python_is_python_and_names_what_there_is(block: Block) -> None:
    """Modules that a snippet imports can be imported, with these names."""
    tree = ast.parse(block.text)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] in OURS:
            made = __import__(str(node.module), fromlist=[alias.name for alias in node.names])
            assert [alias.name for alias in node.names if not hasattr(made, alias.name)] == []


def test_javascript_is_javascript(tmp_path: Path) -> None:
    if shutil.which("node") is None:
        pytest.skip("Node is not on the path")
    for number, block in enumerate(of("js")):
        (tmp_path / f"{number}.mjs").write_text(block.text)
    for number, block in enumerate(of("js")):
        said = subprocess.run(
            ["node", "--check", str(tmp_path / f"{number}.mjs")], capture_output=True, text=True, check=False
        )
        assert said.returncode == 0, f"{block}: {said.stderr}"


def test_links_lead_somewhere() -> None:
    faults = []
    for page in PAGES:
        for target, anchor in LINK.findall(page.read_text()):
            path = page.parent / target
            if not path.exists():
                faults.append(f"{page.relative_to(ROOT)}: {target}")
            elif anchor and path.suffix == ".md" and anchor[1:] not in _anchors(path):
                faults.append(f"{page.relative_to(ROOT)}: {target}{anchor}")
    assert faults == []


def _anchors(page: Path) -> set[str]:
    """The names of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_can_be_reached() -> None:
    """From the map by links; a page that nobody finds is not written."""
    reached, ahead = set[Path](), [ROOT / "docs" / "README.md"]
    while ahead:
        page = ahead.pop()
        if page.suffix == ".md" and page.exists() and page not in reached:
            reached.add(page)
            ahead += [(page.parent / target).resolve() for target, _ in LINK.findall(page.read_text())]
    assert {str(page.relative_to(ROOT)) for page in PAGES if page not in reached} == set()
