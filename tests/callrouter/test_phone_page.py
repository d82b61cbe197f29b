"""The development softphone page: fit for a strict content security policy, small, and complete."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from jinja2 import Environment, StrictUndefined

import callrouter.console

CONSOLE = Path(callrouter.console.__file__).parent
PAGE = CONSOLE / "templates" / "softphone.html"
SCRIPT, SHEET = CONSOLE / "static" / "softphone.js", CONSOLE / "static" / "softphone.css"


def rendered() -> str:
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(PAGE.read_text())
    return template.render(
        signal='"><b>', token_url="/softphone/token", identity="alice", static_url="/static"
    )


def test_nothing_is_inline_and_nothing_comes_from_elsewhere() -> None:
    page = rendered()
    assert not re.search(r"\sstyle=|\son\w+=|<style|<script(?![^>]*\ssrc=)", page)
    assert set(re.findall(r'(?:src|href)="([^"]*)"', page)) == {
        "data:,",  # no icon
        "/static/softphone.css",
        "/static/softphone.js",
        "https://&#34;&gt;&lt;b&gt;/livez",
    }
    assert "innerHTML" not in SCRIPT.read_text()


def test_every_element_that_the_script_asks_for_is_on_the_page() -> None:
    asked = set(re.findall(r'\$\("(\w+)"\)', SCRIPT.read_text()))
    assert asked == set(re.findall(r'\sid="(\w+)"', rendered()))


def test_every_field_has_a_name_for_screen_readers() -> None:
    page = rendered()
    for field in re.findall(r'<input id="(\w+)"', page):
        assert f'<label for="{field}">' in page


def test_the_page_stays_small() -> None:
    assert sum(len(file.read_text().splitlines()) for file in (PAGE, SCRIPT, SHEET)) <= 320


@pytest.mark.skipif(shutil.which("node") is None, reason="node is needed to read the script's syntax")
def test_the_script_is_well_formed() -> None:
    check = ["node", "--input-type=module", "--check"]
    done = subprocess.run(check, input=SCRIPT.read_bytes(), capture_output=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr.decode()
