"""`callrouter console`: a link that works."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner
from console_world import OPERATOR_KEY, ConsoleWorld

from callrouter.cli import main


def _run(world: ConsoleWorld, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str]:
    monkeypatch.setenv("CALLROUTER_DATA_DIR", str(world.folder))
    monkeypatch.setenv("CALLROUTER_SECRET_KEYS", "k" * 32)
    monkeypatch.setenv("CALLROUTER_ROUTER_URL", "http://calls.example")
    monkeypatch.setenv("CALLROUTER_OPERATOR_KEY", OPERATOR_KEY)
    result = CliRunner().invoke(main, ["console", *arguments])
    return result.exit_code, result.output


def test_it_prints_a_link_that_signs_in(world: ConsoleWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    sid, _ = world.account()
    for arguments, page in (
        ((), "/console/"),
        (("--account", sid, "--page", "/console/calls"), "/console/calls"),
    ):
        code, link = _run(world, monkeypatch, *arguments)
        assert code == 0, link
        parts = urlsplit(link.strip())
        assert (parts.netloc, parts.path) == ("calls.example", "/console/sign-in")
        browser = world.stranger().client
        answer = browser.post(
            "/console/sign-in", data={"link": parts.fragment}, headers={"Accept": "application/json"}
        )
        assert answer.get_json() == {"then": page}
        shown = browser.get("/console/", headers={"Accept": "text/html"}).text
        assert ("operator</span>" in shown) == (page == "/console/")


def test_as_json(world: ConsoleWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    code, text = _run(world, monkeypatch, "--json")
    assert code == 0
    told = json.loads(text)
    assert (told["account_sid"], told["expires_in"]) == (None, 600)


@pytest.mark.parametrize("arguments", [("--account", f"AC{'0' * 32}"), ("--page", "https://evil.example/")])
def test_what_is_wrong_is_said(
    world: ConsoleWorld, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, str]
) -> None:
    code, text = _run(world, monkeypatch, *arguments)
    assert code in (1, 2)
    assert "Traceback" not in text
    assert text.strip()
