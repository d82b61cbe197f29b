"""The console's pages and scripts are fit for its policy: nothing inline, nothing from elsewhere, texts as texts."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import callrouter.console

CONSOLE = Path(callrouter.console.__file__).parent
SCRIPTS = sorted((CONSOLE / "static" / "console").glob("*.js"))
SHEETS = sorted((CONSOLE / "static" / "console").glob("*.css"))
TEMPLATES = sorted((CONSOLE / "templates" / "console").glob("*.html"))
AS_CODE = re.compile(
    r"innerHTML|outerHTML\s*=(?!=)|insertAdjacentHTML|document\.write|\beval\(|new Function|\.style\b"
)


def name(path: Path) -> str:
    return path.name


@pytest.mark.parametrize("page", TEMPLATES, ids=name)
def test_nothing_is_inline_and_nothing_comes_from_elsewhere(page: Path) -> None:
    text = page.read_text()
    assert not re.search(
        r"\sstyle=|\son\w+=|<style|<script(?![^>]*\ssrc=)|\|\s*safe\b|autoescape false", text
    )
    for address in re.findall(r'(?:src|href)="([^"]*)"', text):
        assert re.match(r"/(?!/)|#|\?|{{|\Z", address), address


@pytest.mark.parametrize("script", SCRIPTS, ids=name)
def test_scripts_make_elements_of_texts(script: Path) -> None:
    text = script.read_text()
    assert not AS_CODE.search(text)
    assert not re.search(r"""(\bfrom |\bimport ?\(?)["'](?!\./)""", text)


@pytest.mark.parametrize("sheet", SHEETS, ids=name)
def test_style_sheets_fetch_nothing(sheet: Path) -> None:
    assert not re.search(r"@import|url\(", sheet.read_text())


def test_every_script_and_style_sheet_of_a_page_is_there() -> None:
    there = {path.name for path in (CONSOLE / "static" / "console").iterdir()}
    asked = {
        found for page in TEMPLATES for found in re.findall(r"/console/static/([\w.]+)", page.read_text())
    }
    asked |= {found for script in SCRIPTS for found in re.findall(r'from "\./([\w.]+)"', script.read_text())}
    assert asked <= there


def test_the_phones_script_finds_its_elements() -> None:
    """Those without `?.` are on every page that has a phone."""
    page = (CONSOLE / "templates" / "console" / "phone.html").read_text()
    script = (CONSOLE / "static" / "console" / "phone_panel.js").read_text()
    asked = set(re.findall(r'\$\("(\w+)"\)', script))
    assert {f"phone-{one}" for one in asked} <= set(re.findall(r'\sid="([\w-]+)"', page))
    for field in re.findall(r'<(?:input|select|meter)[^>]* id="([\w-]+)"', page):
        assert f'<label for="{field}">' in page


@pytest.mark.skipif(shutil.which("node") is None, reason="node is needed to read the scripts' syntax")
def test_the_scripts_are_well_formed() -> None:
    """One process reads them all: most of its time is its start."""
    read = """
        import { readFileSync } from "node:fs";
        import { SourceTextModule } from "node:vm";
        for (const path of process.argv.slice(1)) new SourceTextModule(readFileSync(path, "utf8"));
    """
    check = [
        "node",
        "--no-warnings",
        "--experimental-vm-modules",
        "--input-type=module",
        "-e",
        read,
        *map(str, SCRIPTS),
    ]
    done = subprocess.run(check, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()


POLLED = """
    const answers = JSON.parse(process.argv[1]), asked = [], waits = [];
    const element = (tag) => ({
        tag, children: [], hidden: true,
        append(...more) { this.children.push(...more); },
        replaceChildren(...all) { this.children = all; },
        setAttribute(name, value) { this[name] = value; },
    });
    const line = element("p");
    globalThis.document = {
        getElementById: () => line, createElement: element, hidden: false,
        addEventListener() {}, removeEventListener() {},
    };
    globalThis.location = { href: "http://here/console/calls/CA1", pathname: "/console/calls/CA1", search: "" };
    globalThis.setTimeout = (work) => waits.push(work);
    globalThis.fetch = async (address) => {
        asked.push(String(address));
        const [status, body] = answers.shift();
        if (!status) throw new TypeError("no network");
        return { status, ok: status < 300, json: async () => body };
    };
    console.warn = () => {};
    const { poll } = await import(process.argv[2]);
    const seen = [], lines = [];
    const settled = () => new Promise((resolve) => setImmediate(resolve));
    const said = (one) => one.children?.map(said).join("") ?? one;
    const stop = poll("/console/x.json", (data) => seen.push(data));
    await settled();
    lines.push(said(line));
    while (waits.length && answers.length) {
        waits.shift()();
        await settled();
        lines.push(said(line));
    }
    const left = waits.length;
    stop();
    console.log(JSON.stringify({ asked, seen, lines, left, after: said(line) }));
"""
OK = [200, {"cursor": "c", "fact": 1}]


def polled(*answers: list[Any]) -> Any:
    """What live.js asked and said when it was answered so; status 0 is no answer at all."""
    script = str(CONSOLE / "static" / "console" / "live.js")
    run = ["node", "--no-warnings", "--input-type=module", "-e", POLLED, json.dumps(answers), script]
    done = subprocess.run(run, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


@pytest.mark.skipif(shutil.which("node") is None, reason="node is needed to run the script")
@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "You are signed out. Sign in"),
        (403, "Not so. This page is no longer live"),
        (404, "Not so. This"),
    ],
)
def test_what_is_refused_is_not_asked_again_and_said(status: int, words: str) -> None:
    told = polled(OK, [status, {"message": "Not so."}], OK)
    assert (len(told["asked"]), told["left"]) == (2, 0)
    assert told["asked"][1].endswith("?after=c")
    assert told["lines"][1].startswith(words)
    assert told["after"] == ""  # whoever stopped asking has nothing to say any more


@pytest.mark.skipif(shutil.which("node") is None, reason="node is needed to run the script")
def test_what_fails_is_asked_again() -> None:
    told = polled([0, {}], [500, {}], [503, {}], [429, {}], OK)
    assert told["seen"] == [OK[1]]
    assert told["lines"] == ["Connection lost, retrying …"] * 4 + [""]
    assert told["left"] == 1
