"""`callrouter messages` and `callrouter shortcode`, on a database of its own."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import insert

from callrouter import models
from callrouter.cli import main
from foundation.db import Database
from foundation.sids import MESSAGE, new_sid
from tests.support import tables

Run = Callable[..., Any]
OWN, PHONE = "+12125550123", "+14155550100"


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
    run("account", "create", "Acme")
    return run


@pytest.fixture
def sending(run: Run) -> Run:
    """With a number, and a carrier that takes messages."""
    run("carrier", "create", "fast", "--control-url", "http://127.0.0.1:8099")
    run("number", "create", OWN)
    return run


def invoke(*command: str) -> Result:
    result = CliRunner().invoke(main, command)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_short_codes(run: Run) -> None:
    made = run("shortcode", "create", "12345", "--sms-url", "http://a.example/", "--sms-method", "get")
    assert (made["short_code"], made["friendly_name"], made["sms_method"]) == ("12345", "12345", "GET")
    assert run("shortcode", "show", "12345") == run("shortcode", "show", made["sid"])
    changed = run("shortcode", "update", "12345", "--name", "votes", "--sms-url", "")
    assert (changed["friendly_name"], changed["sms_url"]) == ("votes", "")
    assert [one["sid"] for one in run("shortcode", "list")] == [made["sid"]]
    assert run("shortcode", "delete", "12345") == {"deleted": made["sid"], "short_code": "12345"}
    assert run("shortcode", "list") == []


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (("shortcode", "create", "12"), "3 to 6 digits"),
        (("shortcode", "create", "012345"), "3 to 6 digits"),
        (("shortcode", "create", "\uff11\uff12\uff13"), "3 to 6 digits"),
        (("shortcode", "create", "12345", "--carrier", "nobody"), "nobody"),
        (("shortcode", "create", "12345", "--sms-url", "nope"), "sms_url"),
        (("shortcode", "show", "12345"), "not found"),
        (("messages", "show", "SM0"), "not found"),
        (("messages", "send", PHONE, "hello"), "21603"),
        (("messages", "send", "nobody", "hello", "--from", OWN), "21211"),
        (("messages", "send", PHONE, "hello", "--from", "+12125550199"), "21606"),
        (("messages", "send", PHONE, "--from", OWN), "21602"),
        (("messages", "send", PHONE, "x", "--from", OWN, "--validity", "0"), "21624"),
        (("messages", "send", PHONE, "x", "--from", OWN, "--at", "2026-01-01T00:00:00Z"), "35118"),
        (("messages", "send", PHONE, "x", "--from", OWN, "--media", "nope"), "MediaUrl"),
    ],
)
def test_mistakes_get_one_line(sending: Run, command: tuple[str, ...], says: str) -> None:
    """Exit code 1, the reason on standard error, no traceback; nothing is stored."""
    message = sending(*command, exit_code=1)
    assert says in message
    assert message.startswith("Error: ")
    assert sending("messages", "list") == []


def test_a_message_is_sent_listed_and_shown(sending: Run) -> None:
    """It waits for a router that sends it; the ladder tells which routes were considered (MR-10)."""
    sent = sending("messages", "send", PHONE, "Hello you", "--from", "+1 (212) 555-0123")
    assert sent["status"] == "queued"
    (listed,) = sending("messages", "list", "--status", "queued", "--from", OWN, "--to", PHONE)
    assert (listed["sid"], listed["body"], listed["from"]) == (sent["sid"], "Hello you", OWN)
    assert sending("messages", "list", "--status", "sent") == []
    ladder = sending("messages", "show", sent["sid"])
    assert (ladder["message"]["num_segments"], ladder["message"]["encoding"]) == (1, "gsm-7")
    (decision,) = ladder["decisions"]
    assert (decision["carrier"], decision["attempt"]) == ("fast", 1)
    assert [one["carrier"] for one in decision["considered"]] == ["fast"]
    assert [(one["carrier"], one["state"]) for one in ladder["queue"]] == [("fast", "waiting")]
    assert [step["source"] for step in ladder["rows"]] == ["app", "router"]


def test_a_ladder_for_people(sending: Run) -> None:
    sid = sending("messages", "send", PHONE, "[red]Hello\x1b[31m", "--from", OWN, exit_code=1)
    assert "20001" in sid, "control characters are refused"
    sid = sending("messages", "send", PHONE, "[red]Hello", "--from", OWN)["sid"]
    shown = invoke("messages", "show", sid).stdout
    for part in (f"message {sid}", "[red]Hello", "routes, attempt 1: fast", "in the queue", OWN):
        assert part in shown


def test_a_ladder_names_the_clients_that_were_considered(sending: Run, tmp_path: Path) -> None:
    owner, sid = sending("account", "list")[0]["account_sid"], new_sid(MESSAGE)
    message = {
        "account_sid": owner,
        "sid": sid,
        "direction": "outbound-api",
        "from": OWN,
        "to": "client:team",
    }
    message |= {"body": "x", "encoding": "gsm-7", "num_segments": 1, "status": "delivered"}
    clients = [
        {"account_sid": owner, "client": "alice", "takes": False, "chosen": False},
        {"account_sid": owner, "client": "bob", "takes": True, "chosen": True, "endpoints": ["desk", "car"],
         "skipped": [{"endpoint_id": "tv", "reason": "cannot-show-it"}]},
    ]  # fmt: skip
    decision = {"account_sid": owner, "message_sid": sid, "attempt": 1, "at": 1.0, "carrier": "presence"}
    store(tmp_path, models.Message, {**message, "date_created": 1.0, "date_updated": 1.0})
    store(tmp_path, models.MessageDecision, {**decision, "reason": "only", "considered": clients})
    shown = invoke("messages", "show", sid).stdout
    for part in ("desk, car", "tv: cannot-show-it", "alice", "routes, attempt 1: presence (only)"):
        assert part in shown


def store(folder: Path, model: Any, row: dict[str, Any]) -> None:
    database = Database(f"sqlite:///{folder / 'router.sqlite3'}")
    database.write(lambda c: c.execute(insert(model), [row])).result(10)
    database.close()


def test_what_an_inbound_message_led_to(sending: Run, tmp_path: Path) -> None:
    """Webhooks, replies, media and faults are in order of time."""
    owner = sending("account", "list")[0]["account_sid"]
    sid, reply = new_sid(MESSAGE), new_sid(MESSAGE)
    common = {"account_sid": owner, "encoding": "gsm-7", "num_segments": 1, "date_updated": 9.0}
    rows = [
        (models.Message, {**common, "sid": sid, "direction": "inbound", "from": PHONE, "to": OWN, "body": "hi",
                          "status": "received", "carrier": "fast", "num_media": 1, "date_created": 1.0}),
        (models.Message, {**common, "sid": reply, "direction": "outbound-reply", "from": OWN, "to": PHONE,
                          "body": "ho", "status": "delivered", "carrier": "fast", "answers": sid,
                          "date_created": 3.0, "date_sent": 4.0, "reported_at": 5.0}),
        (models.Delivery, {"account_sid": owner, "id": "d1", "call_sid": sid, "kind": "document", "at": 2.0,
                           "method": "POST", "url": "http://a.example/sms", "parameters": {},
                           "response_status": 200, "duration_ms": 3}),
        (models.Notification, {"account_sid": owner, "sid": "NO" + "0" * 32, "call_sid": sid, "log": "1",
                               "error_code": "14110", "message_text": "Msg=x", "message_date": 2.0}),
        (models.MessageMedia, {"account_sid": owner, "sid": "ME" + "0" * 32, "message_sid": sid, "position": 0,
                               "url": "http://b.example/1", "content_type": "image/png", "size": 9,
                               "date_created": 1.0, "date_updated": 1.0}),
    ]  # fmt: skip
    for model, row in rows:
        store(tmp_path, model, row)
    ladder = sending("messages", "show", sid)
    assert [(step["source"], step["target"]) for step in ladder["rows"]] == [
        ("fast", "router"),
        ("router", "app"),
        ("app", "router"),
    ]
    assert [one["content_type"] for one in ladder["media"]] == ["image/png"]
    assert [one["level"] for one in ladder["notifications"]] == ["warning"]
    told = [step["summary"] for step in sending("messages", "show", reply)["rows"]]
    assert told[1:] == ["handed over", "reported: delivered"]
    assert "image/png" in invoke("messages", "show", sid).stdout
