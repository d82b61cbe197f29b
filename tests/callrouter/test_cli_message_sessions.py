"""`callrouter messages sessions` and `messages list --service`."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import insert

from callrouter import models
from callrouter.cli import main
from callrouter.messages import sessions
from foundation.clock import utc_now
from foundation.db import Database
from foundation.sids import MESSAGE, MESSAGING_SERVICE, new_sid
from tests.support import tables

SERVICE = new_sid(MESSAGING_SERVICE)


def run(*command: str) -> Any:
    result = CliRunner().invoke(main, [*command, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """With a session that is open, one that timed out, and a message of a service."""
    for name in [name for name in os.environ if name.startswith("CALLROUTER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CALLROUTER_DATA_DIR", str(tmp_path))
    tables.make_both(tmp_path)
    sid, now = run("account", "create", "Acme")["account_sid"], utc_now().timestamp()
    message = {
        "account_sid": sid,
        "sid": new_sid(MESSAGE),
        "direction": "outbound-api",
        "from": "+12125550123",
        "to": "+14155550100",
        "body": "x",
        "encoding": "gsm-7",
        "num_segments": 1,
        "status": "sent",
        "messaging_service_sid": SERVICE,
        "date_created": now,
        "date_updated": now,
    }
    database = Database(f"sqlite:///{tmp_path}/router.sqlite3")

    def unit(connection: Any) -> None:
        for client, since in (("ann", 0.0), ("bob", 7200.0)):
            sessions.begin(
                connection,
                sid,
                number="+12125550123",
                phone=f"+1415555010{len(client) + int(since > 0)}",
                client=client,
                timeout=3600,
                now=now - since,
            )
        connection.execute(insert(models.Message), [message])

    database.write(unit).result(10)
    database.close()
    return str(sid)


def test_sessions_are_listed_as_they_stand_now(account: str) -> None:
    shown = {one["client"]: one for one in run("messages", "sessions")}
    assert {name: one["status"] for name, one in shown.items()} == {"ann": "open", "bob": "timed-out"}
    assert shown["ann"]["date_ends"] > shown["bob"]["date_ends"]
    assert [one["client"] for one in run("messages", "sessions", "--status", "open")] == ["ann"]
    assert [one["client"] for one in run("messages", "sessions", "--client", "client:bob")] == ["bob"]
    assert run("messages", "sessions", "--phone", "+14155559999") == []


def test_messages_of_a_service_are_listed(account: str) -> None:
    assert len(run("messages", "list", "--service", SERVICE)) == 1
    assert run("messages", "list", "--service", new_sid(MESSAGING_SERVICE)) == []
