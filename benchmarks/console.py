"""How soon a page of the console is made, with 100,000 calls in the account.

    python -m benchmarks.console [--quick] [--postgresql URL]

The router's Flask app as it is served, signed in, without a network: what is measured is the server's time until the
whole page is there. The floor is the same page's rows by one bare query, in the order of their index.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import MagicMock

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import insert, text

from callrouter import models
from callrouter.calls.steering import SteeringFront
from callrouter.console.blueprint import create_console
from callrouter.directory import accounts, credentials
from callrouter.media.client import MediaClient
from callrouter.messages.assembly import Messaging
from callrouter.parts import Parts
from callrouter.voice.client import VoiceClient
from foundation.clock import utc_now
from foundation.db import Database
from foundation.keys import Keys
from foundation.settings import Settings
from foundation.sids import ACCOUNT, CALL, NOTIFICATION, new_sid
from foundation.webserver.errors import handle_errors
from migrations import runner

BAR_MS = 200
BATCH = 1000
STATUSES = ("completed", "completed", "completed", "no-answer", "busy", "failed")
BARE = (
    "SELECT * FROM calls WHERE account_sid = :sid AND parent_call_sid IS NULL "
    "ORDER BY date_created DESC, sid DESC LIMIT 51"
)


def fill(database: Database, account: str, calls: int, now: float) -> None:
    """Calls of the last days, each with a request and every tenth with an alert."""
    for start in range(0, calls, BATCH):
        rows = [_call(account, number, now - number) for number in range(start, start + BATCH)]
        asked = [_request(account, row, number) for number, row in enumerate(rows)]
        alerts = [_alert(account, row) for row in rows[::10]]

        def unit(
            connection: object, rows: object = rows, asked: object = asked, alerts: object = alerts
        ) -> None:
            for model, these in (
                (models.Call, rows),
                (models.Delivery, asked),
                (models.Notification, alerts),
            ):
                connection.execute(insert(model), these)  # type: ignore[attr-defined]

        database.write(unit).result(60)


def measure(client: FlaskClient, path: str, times: int) -> list[float]:
    """Milliseconds of each reading, the first one included."""
    return [_timed(lambda: _whole(client, path)) for _ in range(times)]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--quick", action="store_true")
    options.add_argument("--postgresql", metavar="URL")
    given = options.parse_args()
    calls, times = (20_000, 10) if given.quick else (100_000, 40)
    with tempfile.TemporaryDirectory() as folder:
        url = given.postgresql or f"sqlite:///{folder}/router.sqlite3"
        runner.upgrade(url, "callrouter")
        database = Database(url)
        try:
            _report(database, Path(folder), calls, times)
        finally:
            database.close()


def _report(database: Database, folder: Path, calls: int, times: int) -> None:
    keys, now, account, token = Keys(["k" * 32]), time.time(), new_sid(ACCOUNT), credentials.new_secret()
    sealed = credentials.seal(keys, token)
    database.write(
        lambda c: accounts.create(
            c, sid=account, friendly_name="Acme", credential=sealed, now=now, owner=None
        )
    ).result(10)
    fill(database, account, calls, now)
    client = _console(database, keys, folder)
    client.post("/console/sign-in", data={"account_sid": account, "secret": token})

    def bare() -> None:
        with database.read() as connection:
            connection.execute(text(BARE), {"sid": account}).all()

    floor = statistics.median(_timed(bare) for _ in range(times))
    print(f"{calls:,} calls; the bare query of a page: {floor:.1f} ms; bar {BAR_MS} ms")
    for path in (
        "calls",
        "calls?status=failed",
        "calls?to=%2B1999",
        "requests",
        "requests?outcome=failed",
        "alerts",
    ):
        spent = time.process_time()
        took = measure(client, f"/console/{path}", times)
        spent = (time.process_time() - spent) * 1000 / times
        middle, worst = statistics.median(took), max(took)
        verdict = "" if worst <= BAR_MS else "  MISSED"
        print(f"{path:24} p50 {middle:6.1f} ms  worst {worst:6.1f} ms  CPU {spent:5.1f} ms{verdict}")


def _console(database: Database, keys: Keys, folder: Path) -> FlaskClient:
    parts = Parts(
        settings=Settings(data_dir=folder),
        database=database,
        keys=keys,
        clock=utc_now,
        front=MagicMock(SteeringFront),
        messaging=MagicMock(Messaging),
        voice=MagicMock(VoiceClient),
        media=MagicMock(MediaClient),
        checks={},
    )
    app = Flask("console-benchmark", static_folder=None)
    handle_errors(app)
    app.register_blueprint(create_console(parts))
    return app.test_client()


def _whole(client: FlaskClient, path: str) -> None:
    answer = client.get(path, headers={"Accept": "text/html"})
    assert answer.status_code == 200, answer.text


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def _call(account: str, number: int, at: float) -> dict[str, object]:
    return {
        **{"account_sid": account, "sid": new_sid(CALL), "direction": "inbound", "from": f"+1415{number:07}"},
        **{"to": "+12125550123", "status": STATUSES[number % len(STATUSES)], "ended_because": "normal"},
        **{"date_created": at, "date_updated": at, "start_time": at, "end_time": at + 30},
    }


def _request(account: str, call: dict[str, object], number: int) -> dict[str, object]:
    return {
        **{"account_sid": account, "id": f"{call['sid']}.0.0", "call_sid": call["sid"], "kind": "document"},
        **{
            "at": call["date_created"],
            "method": "POST",
            "url": "https://app.example/voice",
            "duration_ms": 12,
        },
        **{"parameters": {f"Name{n}": "value" * 3 for n in range(15)}, "response_body": "<Response/>" * 20},
        **{"response_status": 500 if number % 50 == 0 else 200, "content_type": "text/xml"},
    }


def _alert(account: str, call: dict[str, object]) -> dict[str, object]:
    return {
        **{"account_sid": account, "sid": new_sid(NOTIFICATION), "call_sid": call["sid"], "log": "0"},
        **{
            "error_code": "11200",
            "message_text": "the app answered 500",
            "message_date": call["date_created"],
        },
    }


if __name__ == "__main__":
    main()
