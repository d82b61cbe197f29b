"""The development softphone: its page, its policy, and whom it gives tokens."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient
from twilio.jwt.access_token import AccessToken

from callrouter.console.softphone import create_softphone
from callrouter.directory import accounts, credentials, keys
from foundation.db import Database
from foundation.keys import Keys
from foundation.settings import Settings
from foundation.sids import ACCOUNT, API_KEY, new_sid
from foundation.webserver.errors import handle_errors
from tests.support import tables


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path}/router.sqlite3"
    tables.make(url, "callrouter")
    opened = Database(url)
    yield opened
    opened.close()


@pytest.fixture
def master() -> Keys:
    return Keys(["a master key that only this test knows about"])


@pytest.fixture
def client(database: Database, master: Keys) -> FlaskClient:
    app = Flask("softphone-test", static_folder=None)
    handle_errors(app)
    app.register_blueprint(create_softphone(database, master, Settings(development=True)))
    return app.test_client()


def _account(database: Database, master: Keys) -> tuple[str, str, str]:
    sid, key_sid, secret, now = new_sid(ACCOUNT), new_sid(API_KEY), credentials.new_secret(), time.time()
    credential = credentials.seal(master, secret)

    def unit(connection: object) -> None:
        accounts.create(connection, sid=sid, friendly_name="A", credential=credential, now=now)  # type: ignore[arg-type]
        keys.create(connection, account_sid=sid, sid=key_sid, credential=credential, now=now)  # type: ignore[arg-type]

    database.write(unit).result(10)
    return sid, key_sid, secret


def test_the_page_runs_under_a_strict_policy(client: FlaskClient) -> None:
    page = client.get("/softphone?identity=%22%3E%3Cscript%3Ealert(1)%3C/script%3E")
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "<script>alert" not in page.text
    with client.get("/softphone/static/softphone.js") as script:
        assert script.status_code == 200


def test_its_token_is_one_that_the_official_library_reads(
    client: FlaskClient, database: Database, master: Keys
) -> None:
    account_sid, key_sid, secret = _account(database, master)
    token = client.get("/softphone/token?identity=alice").get_json()["token"]
    assert AccessToken.from_jwt(token, secret).valid_until > time.time()
    claims = jwt.decode(token, secret, algorithms=["HS256"])
    assert (claims["iss"], claims["sub"]) == (key_sid, account_sid)
    assert claims["grants"] == {"identity": "alice", "voice": {"incoming": {"allow": True}}}


@pytest.mark.parametrize("identity", ["", "a b", "é", "a" * 122, "a%00b"])
def test_a_bad_identity_gets_no_token(client: FlaskClient, identity: str) -> None:
    answer = client.get(f"/softphone/token?identity={identity}")
    assert (answer.status_code, answer.get_json()["code"]) == (400, 31105)


def test_without_an_account_it_says_what_to_do(client: FlaskClient) -> None:
    answer = client.get("/softphone/token?identity=alice")
    assert answer.status_code == 404
    assert "callrouter key create" in answer.get_json()["message"]
