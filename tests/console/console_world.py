"""A console on a database of its own, without processes: accounts in it, and browsers that are signed in.

`import console_world` by name: pytest puts this folder on the path.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

from flask.testing import FlaskClient
from jinja2.bccache import Bucket, BytecodeCache
from werkzeug.test import TestResponse

from callrouter.calls.steering import SteeringFront
from callrouter.console.blueprint import create_console
from callrouter.directory import accounts, credentials
from callrouter.media.client import MediaClient
from callrouter.messages.assembly import Messaging
from callrouter.parts import Parts
from callrouter.voice.client import VoiceClient
from foundation.db import Database
from foundation.keys import Keys
from foundation.settings import Settings
from foundation.sids import ACCOUNT, new_sid
from foundation.webserver.application import Application
from foundation.webserver.errors import handle_errors
from tests.support import tables

OPERATOR_KEY = "an operator key that only these tests know about"
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}"
"""A name that nobody should run."""
_CSRF = re.compile(r'name="csrf" value="([^"]+)"')


class _Compiled(BytecodeCache):
    """Templates compiled once for all tests: that would be half of their time."""

    def __init__(self) -> None:
        self._code: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._code:
            bucket.bytecode_from_string(self._code[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._code[bucket.key] = bucket.bytecode_to_string()


_COMPILED = _Compiled()


@dataclass
class Time:
    """A clock that a test moves. It begins now: tokens are dated by the machine's own clock."""

    seconds: float = field(default_factory=time.time)

    def __call__(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)


@dataclass
class ConsoleWorld:
    """The app, its database and its clock. What a test needs of the engine it sets on `parts.front`, a mock."""

    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)
    now: Time = field(default_factory=Time)
    url: str = ""
    """of the database; empty: SQLite in the folder"""

    def __post_init__(self) -> None:
        url = self.url or f"sqlite:///{self.folder}/router.sqlite3"
        tables.make(url, "callrouter")
        self.database, self.keys = Database(url), Keys(["k" * 32], self.now)
        given = {"data_dir": self.folder, "operator_key": OPERATOR_KEY, **self.settings}
        self.parts = Parts(
            settings=Settings(**given),
            database=self.database,
            keys=self.keys,
            clock=self.now,
            front=MagicMock(SteeringFront),
            messaging=MagicMock(Messaging),
            voice=MagicMock(VoiceClient),
            media=MagicMock(MediaClient),
            checks={"database": lambda: None},
        )
        self.app = Application("console-test")
        self.app.jinja_env.bytecode_cache = _COMPILED
        handle_errors(self.app)
        self.app.register_blueprint(create_console(self.parts))

    def write(self, work: Callable[[Any], Any]) -> Any:
        return self.database.write(work).result(10)

    def read(self, query: Callable[[Any], Any]) -> Any:
        with self.database.read() as connection:
            return query(connection)

    def account(self, name: str = "Acme", owner: str | None = None) -> tuple[str, str]:
        """A new account's SID and auth token."""
        sid, token = new_sid(ACCOUNT), credentials.new_secret()
        sealed, now = credentials.seal(self.keys, token), self.now.seconds
        self.write(
            lambda c: accounts.create(c, sid=sid, friendly_name=name, credential=sealed, now=now, owner=owner)
        )
        return sid, token

    def stranger(self) -> Visitor:
        """A browser that has not signed in."""
        return Visitor(self.app.test_client())

    def owner(self, account: tuple[str, str]) -> Visitor:
        """A browser that an account has signed in to."""
        return self.stranger().sign_in(*account)

    def operator(self, account_sid: str = "") -> Visitor:
        """A browser that the operator has signed in to, looking at that account."""
        visitor = self.stranger().sign_in("", OPERATOR_KEY)
        if account_sid:
            assert visitor.post("/console/account", account_sid=account_sid).status_code == 303
        return visitor

    def close(self) -> None:
        self.database.close()


@dataclass
class Visitor:
    """A browser without scripts: it has cookies, and sends forms with their token."""

    client: FlaskClient
    csrf: str = ""

    def sign_in(self, account_sid: str, secret: str) -> Visitor:
        answer = self.client.post(
            "/console/sign-in", data={"account_sid": account_sid, "secret": secret}, headers=_BROWSER
        )
        assert answer.status_code == 303, answer.text
        return self

    def get(self, path: str, status: int = 200) -> str:
        """The page, which must have this status."""
        answer = self.client.get(path, headers=_BROWSER)
        assert answer.status_code == status, f"{path}: {answer.status}\n{answer.text}"
        return answer.text

    def json(self, path: str, status: int = 200) -> Any:
        answer = self.client.get(path, headers={"Accept": "application/json"})
        assert answer.status_code == status, f"{path}: {answer.status}\n{answer.text}"
        return answer.get_json()

    def post(self, path: str, *, follow: bool = False, script: bool = False, **fields: Any) -> TestResponse:
        """A form sent, with the session's token; `script`: as live.js sends it, asking for JSON."""
        if not self.csrf:
            found = _CSRF.search(self.get("/console/"))
            assert found
            self.csrf = found[1]
        headers = {"Accept": "application/json", "X-CSRF-Token": self.csrf} if script else _BROWSER
        form = {name: value for name, value in fields.items() if value is not None}
        body = form if script else {"csrf": self.csrf, **form}
        return self.client.post(path, data=body, headers=headers, follow_redirects=follow)


_BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Sec-Fetch-Site": "same-origin"}
