"""`callrouter tail` and `--watch`, on a database of their own."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from ladders_world import ACCOUNT, CALL, Account

from callrouter import models
from callrouter.cli import main
from callrouter.directory import accounts, credentials
from foundation.db import Database
from foundation.keys import Keys
from tests.support import tables


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    for name in [name for name in os.environ if name.startswith("CALLROUTER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CALLROUTER_DATA_DIR", str(tmp_path))
    monkeypatch.setattr("callrouter.cli.tail.PAUSE", 0.01)
    monkeypatch.setattr("callrouter.cli.deployment.Deployment.now", lambda _self: 1000.0)
    url = f"sqlite:///{tmp_path}/router.sqlite3"
    tables.make(url, "callrouter")
    made = Account(Database(url))
    sealed = credentials.seal(Keys(["k" * 32]), "0" * 32)
    made.database.write(
        lambda c: accounts.create(
            c, sid=ACCOUNT, friendly_name="Acme", credential=sealed, now=1.0, owner=None
        )
    ).result(10)
    made.call()
    yield made
    made.database.close()


def run(*command: str, status: int = 0) -> Result:
    result = CliRunner().invoke(main, command)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == status, result.output
    return result


def test_a_broken_app_is_understood(account: Account) -> None:
    """500, XML that is broken, slowness and a refused address, each from the lines of `tail` alone."""
    body = "<Response>\n <Dial><Klient>a</Klient>\n</Response>"
    account.line(990.0, summary="POST http://a.example/")
    account.delivery(991.0, "a.0", response_status=500, response_body="KeyError: 'lang'")
    account.line(991.0, source="app", target="router", summary="no document: 11200 the app answered 500")
    account.note(991.0, 11200, "the app answered 500")
    account.line(991.0, summary="error 11200: the app answered 500")
    account.delivery(992.0, "a.1", response_body=body, content_type="text/xml")
    account.note(992.0, 12100, "Opening and ending tag mismatch: Dial line 2 and Response (line 3)")
    account.delivery(
        993.0, "a.2", response_status=None, error_code=11203, error_text="over", duration_ms=15000
    )
    account.note(993.0, 11203, "The answer took longer than 15 s")
    account.delivery(994.0, "a.3", response_status=None, error_code=11205, error_text="refused")
    account.note(994.0, 11205, "This address may not be called")
    text = run("tail", "--since", "1m", "--for", "0").stdout
    for part in (
        *("KeyError: 'lang'", "500 to document POST http://a.example/", "look into your app's own log"),
        *("line 3: </Response>", "Correct the line that is named", "15000 ms"),
        *("do slow work in the background", "CALLROUTER_OUTBOUND_ALLOW", "whose: your document"),
    ):
        assert part in text, part
    assert "no document" not in text, "told once, by the fault"
    assert len([line for line in text.splitlines() if "11200" in line]) == 1


def test_json_a_line(account: Account) -> None:
    account.line(999.5, detail={"a": 1})
    account.note(999.6)
    items = [
        json.loads(line) for line in run("tail", "--since", "10s", "--for", "0", "--json").stdout.splitlines()
    ]
    assert [item["kind"] for item in items] == ["row", "fault"]
    assert items[1]["cause"]
    only = run("tail", "--since", "10s", "--for", "0", "--json", "--faults").stdout
    assert len(only.splitlines()) == 1


def test_nothing_that_is_sent_steers_the_terminal(account: Account) -> None:
    account.line(999.0, summary="\x1b[2J[red]hello[/]\nfake line", source="\x1b]0;x\x07")
    text = run("tail", "--since", "1m", "--for", "0").stdout
    assert "\x1b" not in text
    assert "[red]hello" in text
    assert len(text.splitlines()) == 1


def test_it_ends_when_something_occurs(account: Account) -> None:
    timer = threading.Timer(0.2, lambda: account.line(1000.5, summary="ended: normal"))
    timer.start()
    assert "ended: normal" in run("tail", "--exit-on", "ended", "--for", "20").stdout
    timer.join()
    run("tail", "--exit-on", "never", "--for", "0", status=1)


@pytest.mark.parametrize("age", ["", "ten", "5y", "-1", "1.5h", "٣m"])
def test_a_span_that_is_none_is_refused(account: Account, age: str) -> None:
    assert "write it like 90s, 10m, 2h or 1d" in run("tail", "--since", age, status=2).stderr


def test_another_accounts_call_is_not_there(account: Account) -> None:
    assert "not found" in run("tail", "--call", "CA" + "8" * 32, "--for", "0", status=1).stderr


def test_a_call_is_watched_until_it_is_over(account: Account) -> None:
    account.line(10.0, summary="call arrives")

    def end() -> None:
        account.line(11.0, summary="ended: normal")
        over = models.Call.__table__.update().values(status="completed", end_time=11.0)
        account.database.write(lambda c: c.execute(over)).result(10)

    timer = threading.Timer(0.3, end)
    timer.start()
    shown = [
        json.loads(line)
        for line in run("calls", "show", CALL, "--watch", "0.1", "--json").stdout.splitlines()
    ]
    timer.join()
    assert (shown[0]["live"], shown[-1]["live"]) == (True, False)
    assert [row["summary"] for row in shown[-1]["rows"]] == ["call arrives", "ended: normal"]
