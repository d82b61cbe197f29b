"""What the page on messages names exists: methods of presence.js and of the official library."""

import ast
import inspect
import re
from pathlib import Path
from types import SimpleNamespace

from twilio.rest import Client

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "how-to" / "messages.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(PAGE) if kind == language]


def test_methods_of_the_javascript_module_are_there() -> None:
    module = (ROOT / "presence" / "static" / "presence.js").read_text()
    called = set(re.findall(r"presence\.(\w+)\(", "\n".join(blocks("js"))))
    assert called == {"messages", "send"}
    assert {name for name in called if f"\n  {name}(" not in module} == set()


def test_the_official_library_takes_what_is_given() -> None:
    """Its methods are there and have these parameters; they are not called."""
    names = {
        "client": Client("AC" + "0" * 32, "token"),
        "message": SimpleNamespace(sid="SM" + "0" * 32),
        "service": SimpleNamespace(sid="MG" + "0" * 32),
    }
    checked = 0
    for text in blocks("python"):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
                (".create", ".fetch", ".update")
            ):
                method = eval(ast.unparse(node.func), dict(names))
                inspect.signature(method).bind(
                    *node.args, **{str(one.arg): one.value for one in node.keywords}
                )
                checked += 1
    assert checked == 7
