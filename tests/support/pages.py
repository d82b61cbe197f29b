"""The pages that people read, and what stands in them to be typed or pasted.

A block is indented by four spaces or fenced, with its language. An indented one is for a terminal when it begins with
a program's name, else a picture or what a program says. What the tests cannot run says why in a comment before it:
`<!-- not run: it needs a carrier -->`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
GENERATED = ROOT / "docs" / "reference"
TERMINAL, PICTURE = "sh", "text"
PROGRAMS = re.compile(
    r"(callrouter|make|pip|npm|node|python3?|flask|pytest|curl|cd|export|source|eval|sudo|install|cp|mkdir|chmod|git|caddy"
    r"|systemctl|journalctl|systemd-analyze|nginx|podman|docker|psql|pg_dump|createdb|promtool|openssl|certutil)$"
)
"""What a line for a terminal may begin with, beside the programs of `.venv/bin` and settings such as `NAME=value`."""
COMMAND = re.compile(r"(?:[A-Z_]+=\S*\s+)*(\S+)")
NOT_RUN = re.compile(r"<!-- not run: (.+?) -->")
FENCE = re.compile(r"^```(\w*)$")


@dataclass(frozen=True, kw_only=True)
class Block:
    """Text to type or paste. `line` is its first one's in the page; `not_run` is the reason, if it is not run."""

    page: Path
    line: int
    language: str
    text: str
    not_run: str = ""

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    def lines(self) -> Iterator[str]:
        """The commands of a terminal's block, one by one; a line that ends in a backslash goes on in the next."""
        for line in self.text.replace("\\\n", " ").splitlines():
            if line.strip() and not line.lstrip().startswith("#"):
                yield line.strip()


def written() -> list[Path]:
    """Every page that people wrote: not those that are made from the code."""
    pages = [ROOT / "README.md", ROOT / "examples" / "README.md", *(ROOT / "docs").rglob("*.md")]
    return sorted(page for page in pages if GENERATED not in page.parents)


def blocks(page: Path) -> list[Block]:
    """All blocks of a page, in their order."""
    found: list[Block] = []
    reason, before = "", ""
    numbered = list(enumerate(page.read_text().splitlines(), 1))
    position = 0
    while position < len(numbered):
        number, line = numbered[position]
        fence = FENCE.match(line)
        if fence:
            body = _until_fence(numbered[position + 1 :])
            language, length = fence[1], len(body) + 2
        elif line.startswith("    ") and not before.strip():
            body = _indented(numbered[position:])
            language, length = (TERMINAL if _program(body[0]) else PICTURE), len(body)
        else:
            if line.strip():
                told = NOT_RUN.search(line)
                reason = told[1] if told else ""
            before, position = line, position + 1
            continue
        first = number + (1 if fence else 0)
        text = "\n".join(body) + "\n"
        found.append(Block(page=page, line=first, language=language, text=text, not_run=reason))
        reason, before, position = "", "", position + length
    return found


def _program(line: str) -> bool:
    """Whether this line runs a program, or sets a variable for those that follow."""
    found = COMMAND.match(line.strip())
    word = found[1] if found else ""
    return bool(PROGRAMS.match(word.removeprefix(".venv/bin/"))) or "=" in word


def _until_fence(numbered: list[tuple[int, str]]) -> list[str]:
    body = []
    for _, line in numbered:
        if line == "```":
            break
        body.append(line)
    return body


def _indented(numbered: list[tuple[int, str]]) -> list[str]:
    body: list[str] = []
    for _, line in numbered:
        if line.strip() and not line.startswith("    "):
            break
        body.append(line[4:])
    while body and not body[-1].strip():
        body.pop()
    return body
