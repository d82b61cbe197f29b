"""What the pages on presence name exists: methods of the two clients."""

import ast
import re
from pathlib import Path

import pytest

from presence.client import AccountPresence

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs" / "how-to").glob("*.md"))
OF_PRESENCE = [page for page in PAGES if page.name.startswith("presence")]
MODULE = (ROOT / "presence" / "static" / "presence.js").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(page.read_text()) if kind == language]


@pytest.mark.parametrize("page", OF_PRESENCE, ids=[page.name for page in OF_PRESENCE])
def test_python_is_python_and_its_methods_are_there(page: Path) -> None:
    called = {
        node.func.attr
        for text in blocks(page, "python")
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "presence"
    }
    assert called
    assert {name for name in called if not hasattr(AccountPresence, name)} == set()


def test_every_method_of_the_python_client_is_on_its_page() -> None:
    page = (ROOT / "docs" / "how-to" / "presence-python.md").read_text()
    public = {name for name in vars(AccountPresence) if not name.startswith("_")} - {"over", "close"}
    assert {name for name in public if not re.search(rf"\b{name}\b", page)} == set()


def test_methods_of_the_javascript_module_are_there() -> None:
    text = "\n".join(blocks(ROOT / "docs" / "how-to" / "presence.md", "js"))
    called = set(re.findall(r"presence\.(\w+)\(", text))
    assert called == {"updateToken", "watch", "setStatus", "messages", "send"}
    assert {name for name in called if f"\n  {name}(" not in MODULE} == set()
