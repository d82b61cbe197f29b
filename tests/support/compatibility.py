"""`python -m tests.support.compatibility` prints what of Twilio's voice language acts, and which tests show it.

What is documented comes from our own tables, of which another test shows that they lack nothing that Twilio's TwiML
builder writes. What shows it comes from the tests' source: the elements and attributes in the documents of each test,
and of what it calls in its own file, in a test file that it imports from, or in a scene.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache, cached_property
from pathlib import Path

from instructions.elements import Element, Verb
from instructions.reference import acts, elements

TESTS = Path(__file__).parents[1]
LANGUAGE, CALLS = ("instructions",), ("scenarios", "browser", "kill", "compat", "examples")
HELPERS = ("scenarios/scene.py", "browser/world.py", "kill/killing.py")
NOT_OF_ATTRIBUTES = "test_twiml_attributes.py"
"""Tries each attribute's values; that it acts is for other tests to show."""

_HEAD = """# What of TwiML acts

Made from the tests by `make docs`. *done*: it acts. *warned*: it is checked, and skipped with a warning while the
call goes on. Nothing that Twilio's own library can write is missing: a test asks it for every element and attribute
(`tests/instructions/test_twiml_builder_oracle.py`). The last columns count the tests that use it: of the language
alone, and of whole calls through real processes.
"""
_START = re.compile(r"<([A-Z]\w+|[a-z][\w-]*)\b([^<>]*)")
_NAME = re.compile(r"([A-Za-z][\w:-]*)\s*=\s*['\"\0]")

Use = tuple[str, str]
"""An element and an attribute of it, or "" for the element itself."""


class Source:
    """A test file: the documents in each of its functions."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tree = ast.parse(path.read_text())

    @cached_property
    def functions(self) -> dict[str, ast.AST]:
        found = (ast.FunctionDef, ast.AsyncFunctionDef)
        return {node.name: node for node in ast.walk(self._tree) if isinstance(node, found)}

    @cached_property
    def constants(self) -> dict[str, ast.AST]:
        return {
            target.id: node.value
            for node in self._tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }

    @cached_property
    def imported(self) -> dict[str, ast.AST]:
        """What the test files beside it define from which it imports."""
        found: dict[str, ast.AST] = {}
        for node in self._tree.body:
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("test_"):
                other = Source(self._path.with_name(f"{node.module}.py"))
                found |= {**other.constants, **other.functions}
        return found

    def uses(self, name: str, helpers: dict[str, ast.AST]) -> set[Use]:
        """What the documents of this function hold, and of what it calls."""
        known = {**helpers, **self.imported, **self.constants, **self.functions}
        seen: set[str] = set()
        waiting, found, loose = [known[name]], set[Use](), set[str]()
        while waiting:
            node = waiting.pop()
            for text in _texts(node):
                found |= set(_uses(text))
                loose |= set() if "<" in text else set(_NAME.findall(text))
            for called in _names(node) - seen:
                seen.add(called)
                if called in known:
                    waiting.append(known[called])
        # Attributes that a test puts into its document's tags by a placeholder.
        return found | {(tag, name) for tag, _ in found for name in loose}


def _names(node: ast.AST) -> set[str]:
    names = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
    return names | {one.attr for one in ast.walk(node) if isinstance(one, ast.Attribute)}


def _texts(node: ast.AST) -> Iterator[str]:
    """Its strings; a placeholder of an f-string is a NUL."""
    for one in ast.walk(node):
        if isinstance(one, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "\0" for part in one.values)  # type: ignore[misc]
        elif isinstance(one, ast.Constant) and isinstance(one.value, str | bytes):
            yield one.value if isinstance(one.value, str) else one.value.decode("utf-8", "replace")


def _uses(text: str) -> Iterator[Use]:
    for tag, attributes in _START.findall(text):
        yield tag, ""
        for name in _NAME.findall(attributes):
            yield tag, name


@cache
def proofs(folders: tuple[str, ...]) -> dict[Use, list[str]]:
    """For each use, the tests that have it, by name."""
    helpers: dict[str, ast.AST] = {}
    for helper in HELPERS:
        helpers |= Source(TESTS / helper).functions
    found: dict[Use, list[str]] = defaultdict(list)
    for folder in folders:
        for path in sorted((TESTS / folder).glob("test_*.py")):
            source = Source(path)
            for name in source.functions:
                if name.startswith("test_") and path.name != NOT_OF_ATTRIBUTES:
                    for use in source.uses(name, helpers):
                        found[use].append(name)
    return found


def page() -> str:
    """The table, in Markdown."""
    language, calls = proofs(LANGUAGE), proofs(CALLS)
    return "\n".join([*_head(), *(line for cls in elements() for line in _section(cls, language, calls))])


def _head() -> Iterator[str]:
    yield from _HEAD.splitlines()
    yield ""


def _section(
    cls: type[Element], language: dict[Use, list[str]], calls: dict[Use, list[str]]
) -> Iterator[str]:
    done = acts(cls)
    yield f"## `<{cls.tag}>` ({'verb' if issubclass(cls, Verb) else 'noun'}): {'done' if done else 'warned'}"
    yield ""
    if shown := calls.get((cls.tag, ""), []):
        yield f"Whole calls: {len(shown)}, such as `{min(shown, key=lambda name: (len(name), name))}`."
        yield ""
    if not done and cls.table:
        yield "Warned: " + ", ".join(f"`{row.name}`" for row in cls.table) + "."
        yield ""
    elif cls.table:
        yield from ("| attribute | | language | calls |", "|---|---|---|---|")
        for row in cls.table:
            use = (cls.tag, row.name)
            counts = f"{len(language.get(use, ()))} | {len(calls.get(use, ()))}"
            yield f"| `{row.name}` | {'done' if row.acts else 'warned'} | {counts} |"
        yield ""


if __name__ == "__main__":
    print(page())
