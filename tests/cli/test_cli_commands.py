"""What all commands have in common, and those that are about the command line itself."""

import json
from pathlib import Path

import pytest
from cli_world import Run, invoke

from callrouter.cli import checks_running, main, reference
from callrouter.cli.checks import State
from foundation import settings as foundation_settings


def test_an_auth_token_is_changed(run: Run) -> None:
    made = run("account", "create", "Acme")
    changed = run("account", "token", "rotate", made["account_sid"])
    assert changed["auth_token"] != made["auth_token"]
    assert changed["version"] == made["version"] + 1, "so that the presence server hears of it"
    shown = run("account", "show", made["account_sid"], "--reveal")
    assert shown["auth_token"] == changed["auth_token"]
    assert "not found" in run("account", "token", "rotate", "AC0", exit_code=1)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete(shell: str) -> None:
    assert "_CALLROUTER_COMPLETE" in invoke("completion", shell).stdout


def test_every_command_is_in_the_reference() -> None:
    page = reference.page()
    for name in main.list_commands(None):  # type: ignore[arg-type]
        assert f"## callrouter {name}\n" in page
    assert "--json` `" not in page


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("ROUTER_BIDN", "x", "did you mean CALLROUTER_ROUTER_BIND?"),
        ("VOICE_WEBRTC_PORT", "http", "'http' is not a whole number from 0 to 65,535"),
        ("VOICE_MAX_LEGS", "0", "'0' is not a whole number of at least 1"),
        ("DEVELOPMENT", "maybe", "'maybe' is not true or false"),
        ("LOG_FORMAT", "xml", "'xml' is not one of auto, console, json"),
        ("LOG_LEVEL", "loud", "'loud' is not one of debug"),
        ("VOICE_ADDRESS", "here", "'here' is not an IP address"),
        ("ROUTER_BIND", "nowhere", "'nowhere' is not host:port"),
        ("ROUTER_DATABASE_URL", "mysql://a/b", "postgresql+psycopg://"),
    ],
)
def test_a_wrong_setting_says_value_and_what_is_allowed(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    monkeypatch.setenv(f"CALLROUTER_{name}", value)
    assert says in run("account", "list", exit_code=1)


def test_every_setting_says_what_it_takes() -> None:
    assert foundation_settings.allowed("outbound_threads") == "a whole number from 1 to 512"
    assert foundation_settings.allowed("router_bind") == ""


@pytest.mark.parametrize("process", ["router", "presence"])
def test_a_process_does_not_start_with_wrong_keys(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, process: str
) -> None:
    from sqlalchemy import create_engine, text

    run("account", "create", "Acme")
    sealed = "not sealed by us"
    engine = create_engine(f"sqlite:///{tmp_path}/var/presence.sqlite3")
    with engine.begin() as connection:
        values = {"sid": "AC1", "sealed": sealed}
        connection.execute(text("INSERT INTO accounts VALUES (:sid, 'active', :sealed, 1, 1)"), values)
    engine.dispose()
    monkeypatch.setenv("CALLROUTER_SECRET_KEYS", "w" * 40)
    result = invoke("run", process)
    assert result.exit_code == 1
    assert "CALLROUTER_SECRET_KEYS" in result.stderr


def test_a_process_without_its_database_says_what_to_do(run: Run, tmp_path: Path) -> None:
    (tmp_path / "var" / "router.sqlite3").unlink()
    result = invoke("run", "router")
    assert result.exit_code == 1
    assert "callrouter db upgrade" in result.stderr
    assert not (tmp_path / "var" / "router.sqlite3").exists()


def test_secrets_are_not_shown_by_settings(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPERATOR_KEY", "METRICS_TOKEN"):
        monkeypatch.setenv(f"CALLROUTER_{name}", "s" * 40)
    assert "ssss" not in json.dumps(run("settings"))


def test_the_doctor_says_what_to_do(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run("account", "create", "Acme")
    monkeypatch.setattr(checks_running, "TOO_LITTLE", 10**18)
    result = invoke("doctor", "--json")
    found = {one["check"]: one for one in json.loads(result.stdout)}
    assert result.exit_code == 1
    assert found["disk"]["state"] == State.FAULT
    assert found["disk"]["remedy"]
    assert found["public URL"]["state"] == found["signatures"]["state"] == State.NOTE
    assert "→ make room" in invoke("doctor").stdout


def test_the_doctor_sees_what_waits_too_long(run: Run) -> None:
    assert checks_running._age("queue", None, 1000.0, "x").state == State.OK
    assert checks_running._age("queue", 880.0, 1000.0, "x").state == State.NOTE
    assert checks_running._age("queue", 100.0, 1000.0, "x").state == State.FAULT


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (("trigger", "dtmf", "CA0", "1"), "not found"),
        (("trigger", "hangup", "CA0"), "not found"),
        (("account", "token", "rotate", "AC0"), "not found"),
        (("listen", "--forward-to", "http://127.0.0.1:5000"), "no number yet"),
        (("restore", "/dev/null"), "no backup"),
        (("backup", "/nonexistent/folder/x"), "there is no folder"),
    ],
)
def test_mistakes_get_one_line_and_no_traceback(run: Run, command: tuple[str, ...], says: str) -> None:
    run("account", "create", "Acme")
    message = run(*command, exit_code=1)
    assert says in message
    assert message.count("\n") == 1


def test_wrong_keys_of_a_telephone(run: Run) -> None:
    result = invoke("trigger", "dtmf", "CA0", "5x")
    assert result.exit_code == 2
    assert "'5x' are no keys" in result.stderr


@pytest.mark.parametrize("command", [("tail",), ("carrier", "queue", "--watch", "1")], ids=" ".join)
def test_ctrl_c_ends_what_has_no_end_without_a_word(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    run("account", "create", "Acme")

    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", interrupted)
    ended = invoke(*command)
    assert (ended.exit_code, ended.stderr) == (130, "")
