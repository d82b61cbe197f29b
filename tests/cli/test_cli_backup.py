"""A deployment goes into one file and comes back from it, whole or not at all."""

import gzip
import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest
from cli_world import Run, settings_of

from callrouter.backup import archive
from callrouter.backup.archive import Damaged, Writer
from tests.support.postgresql import Cluster

NUMBER = "+12125550123"


def _filled(run: Run, folder: Path) -> dict[str, Any]:
    """A deployment with something of each kind in it."""
    account: dict[str, Any] = run("account", "create", "Acme")
    run("number", "create", NUMBER, "--name", "'=1+1", "--voice-url", "http://a.example/voice")
    run("carrier", "create", "acme", "--control-url", "http://127.0.0.1:9000/acme")
    recording = folder / "media" / "recordings" / account["account_sid"] / "RE1"
    recording.parent.mkdir(parents=True)
    recording.write_bytes(b"sound")
    return account


def test_all_of_it_comes_back(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    account = _filled(run, tmp_path / "var")
    file = tmp_path / "backup"
    made = run("backup", str(file))
    assert (made["files"], made["keys"]) == (2, "file")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "already" in run("backup", str(file), exit_code=1)
    before = run("export", "account")

    settings_of(tmp_path / "new", monkeypatch)
    assert run("restore", str(file), "--dry-run")["whole"] is True
    assert run("restore", str(file))["router_rows"] == made["router_rows"]
    assert run("export", "account") == before
    shown = run("account", "show", account["account_sid"], "--reveal")
    assert shown["auth_token"] == account["auth_token"], "the keys came along"
    kept = tmp_path / "new" / "media" / "recordings" / account["account_sid"] / "RE1"
    assert kept.read_bytes() == b"sound"
    assert stat.S_IMODE((tmp_path / "new" / "secret.key").stat().st_mode) == 0o600
    assert {one["current"] == one["newest"] for one in run("db", "current")} == {True}
    run("number", "create", "+12125550124")

    assert "--force" in run("restore", str(file), exit_code=1)
    again = run("restore", str(file), "--force")
    assert run("export", "account") == before, "what came after it is gone"
    replaced = {path.name for path in Path(again["replaced"]).iterdir()}
    assert {"router.sqlite3", "presence.sqlite3", "secret.key", "media"} <= replaced, "but kept aside"


@pytest.mark.slow
@pytest.mark.postgresql
def test_from_sqlite_to_postgresql_and_back(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgresql: Cluster
) -> None:
    _filled(run, tmp_path / "var")
    first, second = tmp_path / "first", tmp_path / "second"
    made, before = run("backup", str(first)), run("export", "account")
    settings_of(tmp_path / "pg", monkeypatch)
    for server in ("ROUTER", "PRESENCE"):
        monkeypatch.setenv(f"CALLROUTER_{server}_DATABASE_URL", postgresql.database())
    assert run("restore", str(first))["router_rows"] == made["router_rows"]
    assert run("export", "account") == before
    run("number", "delete", NUMBER)
    assert run("restore", str(first), "--force")["router_rows"] == made["router_rows"], "over what was there"
    assert run("export", "account") == before
    run("backup", str(second))
    settings_of(tmp_path / "third", monkeypatch)
    monkeypatch.delenv("CALLROUTER_ROUTER_DATABASE_URL")
    monkeypatch.delenv("CALLROUTER_PRESENCE_DATABASE_URL")
    run("restore", str(second))
    assert run("export", "account") == before


def test_keys_of_the_settings_stay_there(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLROUTER_SECRET_KEYS", "k" * 40)
    run("account", "create", "Acme")
    file = str(tmp_path / "backup")
    assert run("backup", file)["keys"] == "settings"
    settings_of(tmp_path / "new", monkeypatch)
    monkeypatch.setenv("CALLROUTER_SECRET_KEYS", "l" * 40)
    assert "set CALLROUTER_SECRET_KEYS to the keys of that deployment" in run("restore", file, exit_code=1)
    monkeypatch.setenv("CALLROUTER_SECRET_KEYS", "k" * 40)
    run("restore", file)


def _flipped(content: bytes) -> bytes:
    """One byte of an account's row is another one; the gzip around it is made again, so only our digests can tell."""
    text = gzip.decompress(content)
    assert b"Acme" in text
    return gzip.compress(text.replace(b"Acme", b"Acne"))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda content: content[: len(content) // 2], "damaged"),
        (lambda content: content[:-200], "damaged"),
        (lambda content: b"", "no backup"),
        (lambda content: b"hello\n", "no backup"),
        (lambda content: gzip.compress(b"hello\n"), "no backup"),
        (_flipped, "not what was written"),
    ],
    ids=["half", "end", "empty", "text", "gzip", "flipped"],
)
def test_a_damaged_file_changes_nothing(run: Run, tmp_path: Path, spoil: Any, says: str) -> None:
    _filled(run, tmp_path / "var")
    file = tmp_path / "backup"
    run("backup", str(file))
    file.write_bytes(spoil(file.read_bytes()))
    before = sorted(path.name for path in (tmp_path / "var").iterdir())
    message = run("restore", str(file), "--force", exit_code=1)
    assert says in message
    assert message.count("\n") == 1
    assert sorted(path.name for path in (tmp_path / "var").iterdir()) == before
    assert [one["friendly_name"] for one in run("account", "list")] == ["Acme"]


def test_a_newer_release_s_backup_is_refused(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "backup"
    with Writer(file) as writer:
        writer.add_json(
            archive.MANIFEST,
            {
                "format": 1,
                "made_by": "9.9",
                "revisions": {"router": "9999", "presence": "0001"},
                "keys": "file",
            },
        )
    assert "9.9" in run("restore", str(file), "--force", exit_code=1)


def test_what_leads_out_of_the_folder_is_not_taken(tmp_path: Path) -> None:
    file = tmp_path / "backup"
    with Writer(file) as writer:
        writer.add_lines("../outside", ["x"])
    with pytest.raises(Damaged, match="outside"):
        archive.verified(file)


def test_a_failure_leaves_no_half_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(TypeError), Writer(tmp_path / "backup") as writer:
        writer.add_json("what JSON has no word for", object())
    assert list(tmp_path.iterdir()) == []


def test_moves_are_all_or_none(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    moves = [
        (tmp_path / "a", tmp_path / "a2"),
        (tmp_path / "gone", tmp_path / "x"),
        (tmp_path / "b", tmp_path / "b2"),
    ]
    with pytest.raises(FileNotFoundError):
        archive.undone(moves)
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


def test_nothing_is_restored_under_a_router_that_runs(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("account", "create", "Acme")
    file = tmp_path / "backup"
    run("backup", str(file))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        monkeypatch.setenv("CALLROUTER_ROUTER_BIND", f"127.0.0.1:{listening.getsockname()[1]}")
        assert "must not run" in run("restore", str(file), "--force", exit_code=1)
