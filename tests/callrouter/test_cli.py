"""The command line, on a database of its own."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import insert
from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import VoiceGrant

from callrouter import models
from callrouter.cli import main
from callrouter.cli.summaries import SUMMARIES
from foundation.db import Database
from tests.support import tables

Run = Callable[..., Any]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command with `--json` and answers what it printed, or the error text when it is to fail."""
    for name in [name for name in os.environ if name.startswith("CALLROUTER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CALLROUTER_DATA_DIR", str(tmp_path))

    def run(*command: str, exit_code: int = 0) -> Any:
        result = invoke(*command, "--json")
        assert result.exit_code == exit_code, result.output
        return json.loads(result.stdout) if exit_code == 0 else result.stderr

    tables.make_both(tmp_path)
    return run


def invoke(*command: str) -> Result:
    result = CliRunner().invoke(main, command)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_an_account_lives_and_ends(run: Run) -> None:
    made = run("account", "create", "Acme")
    sid = made["account_sid"]
    assert len(made["auth_token"]) == 32
    assert made["date_created"].endswith("+00:00")
    assert "auth_token_sealed" not in made
    assert [one["account_sid"] for one in run("account", "list")] == [sid]
    assert "auth_token" not in run("account", "show", sid)
    assert run("account", "show", sid, "--reveal")["auth_token"] == made["auth_token"]
    assert run("account", "update", sid, "--name", "Ajax")["friendly_name"] == "Ajax"
    assert run("account", "suspend", sid)["status"] == "suspended"
    assert run("account", "activate", sid)["status"] == "active"
    assert run("account", "close", sid)["status"] == "closed"
    assert "closed" in run("account", "activate", sid, exit_code=1)
    assert run("account", "show", "AC" + "0" * 32, exit_code=1) == (
        f"Error: Account AC{'0' * 32} was not found\n"
    )


def test_which_account_is_meant(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "account create" in run("number", "list", exit_code=1)
    first = run("account", "create", "One")["account_sid"]
    assert run("number", "list") == [], "the only one"
    second = run("account", "create", "Two", "--owner", first)
    assert second["owner_account_sid"] == first
    assert "--account" in run("number", "list", exit_code=1)
    key = run("key", "create", "--account", second["account_sid"])
    monkeypatch.setenv("CALLROUTER_CLI_ACCOUNT", second["account_sid"])
    assert [one["sid"] for one in run("key", "list")] == [key["sid"]]
    assert run("key", "list", "--account", first) == []


def test_numbers_and_applications(run: Run) -> None:
    run("account", "create", "Acme")
    app = run("app", "create", "--name", "Phone", "--voice-url", "http://localhost:5000/voice")
    number = run("number", "create", "+12125550123", "--app", app["sid"], "--voice-method", "get")
    assert (number["voice_application_sid"], number["voice_method"]) == (app["sid"], "GET")
    assert run("number", "show", "+12125550123") == run("number", "show", number["sid"])
    changed = run("number", "update", "+12125550123", "--app", "", "--voice-url", "http://a.example/")
    assert (changed["voice_application_sid"], changed["voice_url"]) == ("", "http://a.example/")
    assert [one["sid"] for one in run("number", "list")] == [number["sid"]]
    assert run("app", "update", app["sid"], "--sms-url", "http://a.example/")["voice_url"] == app["voice_url"]
    assert run("app", "show", app["sid"])["sms_url"] == "http://a.example/"
    assert [one["friendly_name"] for one in run("app", "list")] == ["Phone"]
    assert run("app", "delete", app["sid"]) == {"deleted": app["sid"]}
    assert run("number", "delete", "+12125550123")["deleted"] == number["sid"]
    assert "not found" in run("number", "show", "+12125550123", exit_code=1)


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (("number", "create", "555"), "E.164"),
        (("number", "create", "+12125550123", "--voice-url", "nope"), "voice_url"),
        (("number", "create", "+12125550123", "--carrier", "nobody"), "nobody"),
        (("number", "delete", "PN0"), "not found"),
        (("app", "show", "AP0"), "not found"),
        (("key", "delete", "SK0"), "not found"),
        (("carrier", "show", "nobody"), "not found"),
        (("carrier", "create", "A b", "--control-url", "http://a.example"), "name"),
        (("calls", "show", "CA0"), "not found"),
        (("token", "mint", "--identity", "alice"), "key create"),
        (("account", "create", "x" * 65), "64"),
        (("db", "upgrade", "nonsense"), "nonsense"),
    ],
)
def test_mistakes_get_one_line(run: Run, command: tuple[str, ...], says: str) -> None:
    """Exit code 1, the reason on standard error, no traceback."""
    run("account", "create", "Acme")
    message = run(*command, exit_code=1)
    assert says in message
    assert message.startswith("Error: ")
    assert message.count("\n") == 1


def test_a_carriers_secret_is_printed_once(run: Run) -> None:
    made = run("carrier", "create", "acme", "--control-url", "http://127.0.0.1:9000/acme")
    assert len(made["secret"]) >= 43
    assert "secret" not in run("carrier", "show", "acme")
    rotated = run("carrier", "rotate-secret", "acme")
    assert rotated["secret"] != made["secret"]
    assert run("carrier", "disable", "acme")["status"] == "disabled"
    enabled = run("carrier", "update", "acme", "--enable", "--control-url", "http://b.example")
    assert (enabled["status"], enabled["control_url"]) == ("active", "http://b.example")
    assert [run("carrier", "update", "acme", *given)["sip"] for given in (("--sip",), (), ("--no-sip",))] == [
        True,
        True,
        False,
    ]
    assert [one["name"] for one in run("carrier", "list")] == ["acme"]
    assert run("carrier", "delete", "acme") == {"deleted": "acme"}


def test_a_token_is_what_twilios_library_would_make(run: Run) -> None:
    """Twilio-surface 6.1: the library's own reader takes it, and its own writer makes the same claims."""
    account = run("account", "create", "Acme")["account_sid"]
    key, app = run("key", "create"), run("app", "create")["sid"]
    minted = run("token", "mint", "--identity", "alice", "--app", app, "--ttl", "600")
    read = AccessToken.from_jwt(minted["token"], key["secret"])
    made = AccessToken(account, key["sid"], key["secret"], identity="alice", ttl=600)
    made.add_grant(VoiceGrant(incoming_allow=True, outgoing_application_sid=app))
    expected = AccessToken.from_jwt(made.to_jwt(), key["secret"])
    assert read.headers == expected.headers
    assert read.payload["grants"] == expected.payload["grants"]
    assert set(read.payload) == set(expected.payload)
    assert read.payload["exp"] - read.payload["nbf"] == 600
    assert abs(read.payload["nbf"] - time.time()) < 60
    assert read.payload["jti"] == f"{key['sid']}-{read.payload['nbf']}"
    assert (read.payload["iss"], read.payload["sub"]) == (key["sid"], account)


def test_what_a_token_allows(run: Run) -> None:
    run("account", "create", "Acme")
    old, new = run("key", "create", "old"), run("key", "create", "new")
    outgoing = run("token", "mint", "--identity", "bob", "--no-incoming", "--key", old["sid"])
    assert AccessToken.from_jwt(outgoing["token"], old["secret"]).payload["grants"]["voice"] == {}
    assert run("token", "mint", "--identity", "bob")["key_sid"] == new["sid"], "the newest key signs"
    bare = invoke("token", "mint", "--identity", "bob").stdout
    assert bare.count(".") == 2
    assert bare.count("\n") == 1
    assert "blank" in run("token", "mint", "--identity", "a b", exit_code=1)
    assert "not found" in run("token", "mint", "--identity", "bob", "--app", "AP0", exit_code=1)
    assert invoke("token", "mint", "--identity", "bob", "--ttl", "86401").exit_code == 2


def test_a_database_goes_up_and_down(run: Run, tmp_path: Path) -> None:
    newest = {one["database"]: one["newest"] for one in run("db", "current")}
    assert set(newest) == {"router", "presence"}
    assert all(one["current"] == one["newest"] for one in run("db", "current"))
    assert {one["database"] for one in run("db", "history")} == {"router", "presence"}
    down = run("db", "downgrade", "base", "--database", "router")
    assert down[0]["current"] is None
    assert "callrouter db upgrade" in run("account", "list", exit_code=1)
    assert run("db", "upgrade", "--database", "router")[0]["current"] == newest["router"]
    assert run("account", "list") == []


def test_without_a_database_it_says_what_to_do(run: Run, tmp_path: Path) -> None:
    (tmp_path / "router.sqlite3").unlink()
    assert "callrouter db upgrade" in run("account", "list", exit_code=1)
    assert not (tmp_path / "router.sqlite3").exists()
    assert "callrouter db upgrade" in run("db", "downgrade", "base", "--database", "router", exit_code=1)


def test_wrong_settings_are_all_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLROUTER_NONSENSE", "1")
    monkeypatch.setenv("CALLROUTER_ROUTER_BIND", "nowhere")
    message = run("account", "list", exit_code=1)
    assert "CALLROUTER_NONSENSE" in message
    assert "CALLROUTER_ROUTER_BIND" in message


@pytest.mark.parametrize("url", ["nonsense", "nonsense://x/y", "sqlite:////nonexistent/dir/router.sqlite3"])
def test_a_wrong_database_url_is_no_traceback(run: Run, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("CALLROUTER_ROUTER_DATABASE_URL", url)
    assert run("account", "list", exit_code=1).startswith("Error: ")
    assert run("db", "upgrade", exit_code=1).startswith("Error: ")


def test_lost_keys_are_said(run: Run, tmp_path: Path) -> None:
    account = run("account", "create", "Acme")["account_sid"]
    (tmp_path / "secret.key").write_text("another" * 6 + "\n")
    assert "master key" in run("account", "show", account, "--reveal", exit_code=1)
    findings = _findings(run)
    assert findings["master keys"][0] == "fault"


def test_settings_hide_secrets(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLROUTER_SECRET_KEYS", "s" * 40)
    monkeypatch.setenv("CALLROUTER_PRESENCE_DATABASE_URL", "postgresql+psycopg://me:hunter2@db/presence")
    text = invoke("settings").stdout
    assert "s" * 40 not in text
    assert "hunter2" not in text
    shown = run("settings")
    assert shown["secret_keys"] == "1 given"
    assert shown["router_url"] == "http://127.0.0.1:8080"


def test_lists_are_columns_for_people(run: Run) -> None:
    run("account", "create", "Acme")
    run("number", "create", "+12125550123")
    header, line = invoke("number", "list").stdout.splitlines()
    assert header.split()[:2] == ["sid", "phone_number"]
    assert "+12125550123" in line
    assert invoke("carrier", "list").stdout == ""


def test_a_call_is_shown_as_a_ladder(run: Run, tmp_path: Path) -> None:
    account = run("account", "create", "Acme")["account_sid"]
    call, leg = "CA" + "1" * 32, "CA" + "2" * 32
    _write_call(tmp_path, account, call, leg)
    for asked in (call, leg):
        shown = run("calls", "show", asked)
        assert shown["call_sid"] == call
        assert [one["sid"] for one in shown["legs"]] == [call, leg]
        assert [(one["source"], one["target"]) for one in shown["rows"]] == [
            ("carrier", "router"),
            ("router", "app"),
        ]
        assert shown["notifications"][0]["error_code"] == "11200"
    text = invoke("calls", "show", call).stdout
    assert "carrier" in text
    assert "0.250" in text
    assert "11200" in text
    assert "\x1b" not in text, "what an app answered does not steer the terminal"
    assert "[red]" in text, "nor colour it"
    assert [one["sid"] for one in run("calls", "list")] == [leg, call]
    assert [one["sid"] for one in run("calls", "list", "--status", "busy")] == [leg]
    assert [one["sid"] for one in run("calls", "list", "--limit", "1")] == [leg]


def _write_call(folder: Path, account: str, call: str, leg: str) -> None:
    database = Database(f"sqlite:///{folder / 'router.sqlite3'}")
    row = {"from": "+12125550123", "to": "+12125550124", "direction": "inbound", "account_sid": account}
    at = {"account_sid": account, "call_sid": call, "detail": {}}

    def work(connection: Any) -> None:
        calls, entries = models.Call.__table__, models.TimelineEntry.__table__
        times = {"date_created": 1.0, "date_updated": 1.0}
        connection.execute(insert(calls).values(**row, sid=call, status="in-progress", **times))
        later = {"date_created": 2.0, "date_updated": 2.0, "parent_call_sid": call}
        connection.execute(insert(calls).values(**row, sid=leg, status="busy", **later))
        steps = (("carrier", "router", 1.0, "a call"), ("router", "app", 1.25, "\x1b[2J [red]POST"))
        for position, (source, target, when, summary) in enumerate(steps):
            entry = {"source": source, "target": target, "at": when, "summary": summary}
            connection.execute(insert(entries).values(**at, **entry, position=position))
        connection.execute(
            insert(models.Notification).values(
                account_sid=account,
                sid="NO" + "1" * 32,
                call_sid=leg,
                log="0",
                error_code="11200",
                message_text="HTTP retrieval failure",
                message_date=2.0,
            )
        )

    database.write(work).result(10)
    database.close()


def _findings(run: Run) -> dict[str, tuple[str, str]]:
    result = invoke("doctor", "--json")
    found = {
        one["check"]: (one["state"], f"{one['detail']} {one['remedy']}") for one in json.loads(result.stdout)
    }
    assert result.exit_code == any(state == "fault" for state, _ in found.values())
    return found


@pytest.fixture
def free_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses on which nothing listens."""
    opened = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]
    for name, one in zip(
        ("ROUTER_BIND", "PRESENCE_BIND", "SIGNAL_BIND", "VOICE_CONTROL"), opened, strict=True
    ):
        monkeypatch.setenv(f"CALLROUTER_{name}", f"127.0.0.1:{one.getsockname()[1]}")
    for one in opened:
        one.close()


@pytest.mark.usefixtures("free_ports")
def test_the_doctor_finds_nothing_in_a_new_deployment(run: Run) -> None:
    run("account", "create", "Acme")
    found = _findings(run)
    assert {state for state, _ in found.values()} == {"ok", "note"}, found
    assert found["router database"][0] == found["presence database"][0] == "ok"
    assert "does not run" in found["router"][1]
    assert "ok" in invoke("doctor").stdout


@pytest.mark.usefixtures("free_ports")
def test_the_doctor_finds_what_is_wrong(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("account", "create", "Acme")
    run("db", "downgrade", "base", "--database", "presence")
    (tmp_path / "secret.key").chmod(0o644)
    monkeypatch.setenv("CALLROUTER_TLS_CERTIFICATE", str(tmp_path / "no.pem"))
    monkeypatch.setenv("CALLROUTER_TLS_KEY", str(tmp_path / "no.key"))
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        stranger.settimeout(0.1)
        monkeypatch.setenv("CALLROUTER_ROUTER_BIND", f"127.0.0.1:{stranger.getsockname()[1]}")
        monkeypatch.setattr("callrouter.cli.checks.PROBE_SECONDS", 0.2)
        monkeypatch.setattr("callrouter.cli.checks_running.PROBE_SECONDS", 0.2)
        found = _findings(run)
    faults = {check for check, (state, _) in found.items() if state == "fault"}
    assert faults == {"presence database", "master keys", "certificate", "router"}
    assert "callrouter db upgrade" in found["presence database"][1]
    assert "others may read" in found["master keys"][1]
    assert "something else" in found["router"][1]


def test_the_doctor_stops_at_wrong_settings(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLROUTER_VOICE_ADDRESS", "nowhere")
    assert list(_findings(run)) == ["settings"]


def test_the_list_of_commands_says_what_their_own_help_begins_with() -> None:
    """All of them, as wide as a terminal may be: the list is made without loading a command."""
    context = click.Context(main)
    commands = [(name, main.get_command(context, name)) for name in main.list_commands(context)]
    first = {name: command.get_short_help_str(300) for name, command in commands if command}
    assert first == SUMMARIES
    shown = invoke("--help").stdout
    assert shown.startswith("Usage: ")
    assert "  account      Accounts (tenants) and subaccounts.\n" in shown


def test_as_a_process_of_its_own(tmp_path: Path) -> None:
    """The entry point, exit codes and streams, outside of click's runner."""
    environment = {"PATH": os.environ["PATH"], "CALLROUTER_DATA_DIR": str(tmp_path)}
    program = str(Path(sys.executable).with_name("callrouter"))

    def process(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, *command], env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    refused = process("account", "list")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "callrouter db upgrade" in refused.stderr
    assert process("account", "lost").returncode == 2
    assert process("db", "upgrade").returncode == 0
    made = process("account", "create", "Acme")
    assert (made.returncode, made.stderr) == (0, "")
    assert "auth_token" in made.stdout
