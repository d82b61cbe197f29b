"""Who gets in, and what a stranger sees: over the whole route table of the API, in process."""

import base64
import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from lxml import etree
from sqlalchemy import insert

from callrouter import models
from callrouter.api.blueprint import create_api
from callrouter.calls.outgoing import Placement
from callrouter.directory import accounts, applications, caller_ids, credentials, keys, numbers
from callrouter.media.client import MediaClient
from foundation.db import Database
from foundation.keys import Keys
from foundation.webserver.application import Application
from foundation.webserver.errors import ApiError, handle_errors

MINE, THEIRS, NOBODY = "AC" + "1" * 32, "AC" + "2" * 32, "AC" + "9" * 32
TOKEN = "t" * 32
ROOT = f"/2010-04-01/Accounts/{MINE}"
PREFIXES = {"Keys": "SK", "SigningKeys": "SK", "IncomingPhoneNumbers": "PN", "Applications": "AP"}
PREFIXES |= {"Calls": "CA", "Notifications": "NO", "OutgoingCallerIds": "PN", "Recordings": "RE"}


class NoCalls:
    """An engine that must not be reached."""

    def place(self, placement: Placement) -> str:
        raise ApiError(500, 20500, "A stranger reached the engine.")

    def end(self, account_sid: str, call_sid: str, status: str) -> None:
        raise ApiError(500, 20500, "A stranger reached the engine.")

    def replace(self, account_sid: str, call_sid: str, **document: Any) -> None:
        raise ApiError(500, 20500, "A stranger reached the engine.")

    def adjust(self, account_sid: str, call_sid: str, **changes: Any) -> None:
        raise ApiError(500, 20500, "A stranger reached the engine.")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """Two accounts that have one of everything; the SIDs of a kind differ in their digits only."""
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('api') / 'router.sqlite3'}")
    models.Base.metadata.create_all(database.writer_engine)
    vault = Keys(["k" * 32])
    sealed = credentials.seal(vault, TOKEN)

    def fill(connection: Any) -> None:
        for account_sid, digit in ((MINE, "1"), (THEIRS, "2")):
            own: dict[str, Any] = {"account_sid": account_sid, "now": 1.0}
            accounts.create(connection, sid=account_sid, friendly_name="x", credential=sealed, now=1.0)
            keys.create(connection, sid="SK" + digit * 32, credential=sealed, **own)
            phone = f"+1555555000{digit}"
            numbers.create(connection, sid="PN" + digit * 32, phone_number=phone, settings={}, **own)
            applications.create(connection, sid="AP" + digit * 32, settings={}, **own)
            caller_ids.create(connection, sid="PN" + digit * 32, phone_number=phone, **own)
            _call(connection, account_sid, digit)

    database.write(fill).result(10)
    app = Application("api")
    handle_errors(app)
    media = MediaClient("http://127.0.0.1:9", vault)
    app.register_blueprint(create_api(database, vault, NoCalls(), media, messages=None))
    yield app
    database.close()


def _call(connection: Any, account_sid: str, digit: str) -> None:
    row = {"from": "+15555550100", "to": "client:alice", "status": "in-progress", "direction": "inbound"}
    times = {"date_created": 1.0, "date_updated": 1.0}
    table = models.Call.__table__
    connection.execute(insert(table).values(account_sid=account_sid, sid="CA" + digit * 32, **row, **times))
    connection.execute(
        insert(models.Notification).values(
            account_sid=account_sid,
            sid="NO" + digit * 32,
            call_sid="CA" + digit * 32,
            log="0",
            error_code="11200",
            message_text="a\x00b\ufffe",
            message_date=1.0,
        )
    )
    connection.execute(
        insert(models.Recording).values(
            sid="RE" + digit * 32,
            call_sid="CA" + digit * 32,
            account_sid=account_sid,
            source="RecordVerb",
            track="inbound",
            channels=1,
            status="completed",
            start_time=1.0,
            callback_method="POST",
            callback_events="",
            date_created=1.0,
            date_updated=1.0,
        )
    )


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def basic(username: str, password: str) -> dict[str, str]:
    pair = f"{username}:{password}".encode()
    return {"Authorization": "Basic " + base64.b64encode(pair).decode()}


def operations(app: Flask) -> list[tuple[str, str]]:
    """Method and pattern of everything that the API serves as JSON."""
    return sorted(
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/2010-04-01") and rule.rule.endswith(".json")
        for method in (rule.methods or set()) - {"HEAD"}
    )


def fill(pattern: str, account_sid: str, digit: str) -> str:
    """The pattern with that account, and with SIDs of that digit for everything in it."""
    path = pattern.replace("<account_sid>", account_sid).replace("<country_code>", "US")
    return re.sub(
        r"/(\w+)/<\w+>", lambda match: f"/{match[1]}/{PREFIXES.get(match[1], 'CA')}" + digit * 32, path
    )


def filled(app: Flask) -> list[tuple[str, str]]:
    """Operations on what the two accounts have here; for all others see tests/compat/test_twilio_surface.py."""
    return [
        (method, pattern)
        for method, pattern in operations(app)
        if not {name for name, _ in re.findall(r"/(\w+)/<(\w+)>", pattern)} - {*PREFIXES, "Accounts"}
        and not pattern.endswith("/Recordings/<name>.json")
    ]


def test_nothing_answers_without_credentials(app: Flask, client: FlaskClient) -> None:
    """PR-1's neighbour on the REST side: 401/20003 everywhere, with a challenge."""
    for method, pattern in operations(app):
        answer = client.open(fill(pattern, MINE, "1"), method=method)
        assert (answer.status_code, answer.get_json()["code"]) == (401, 20003), (method, pattern)
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")


def test_a_foreign_account_is_like_none(app: Flask, client: FlaskClient) -> None:
    """Reliability-security 4.10: not found and not yours are one answer, for every route."""
    tried = 0
    for method, pattern in operations(app):
        if "<account_sid>" in pattern:
            bodies = [
                client.open(fill(pattern, who, "2"), method=method, headers=basic(MINE, TOKEN)).get_json()
                for who in (THEIRS, NOBODY)
            ]
            assert [body["code"] for body in bodies] == [20404, 20404], (method, pattern)
            assert str(bodies[0]).replace(THEIRS, "") == str(bodies[1]).replace(NOBODY, "")
            tried += 1
    assert tried > 25


def test_a_foreign_resource_is_like_none(app: Flask, client: FlaskClient) -> None:
    """The same for SIDs under one's own account, whatever the method and the parameters."""
    tried = 0
    for method, pattern in filled(app):
        if "sid>" in pattern.partition("<account_sid>")[2]:
            path = fill(pattern, MINE, "2")
            answer = client.open(
                path, method=method, headers=basic(MINE, TOKEN), data={"Status": "completed"}
            )
            unknown = fill(pattern, MINE, "9")
            nothing = client.open(
                unknown, method=method, headers=basic(MINE, TOKEN), data={"Status": "completed"}
            )
            assert answer.status_code == nothing.status_code == 404, (method, path)
            assert answer.get_json()["code"] == 20404
            assert answer.get_data(as_text=True).replace(path, "") == (
                nothing.get_data(as_text=True).replace(unknown, "")
            )
            tried += 1
    assert tried > 10


def test_own_resources_are_there(app: Flask, client: FlaskClient) -> None:
    """So that the two tests above can't pass by finding nothing at all."""
    for method, pattern in filled(app):
        if method == "GET":
            answer = client.get(fill(pattern, MINE, "1"), headers=basic(MINE, TOKEN))
            assert answer.status_code == 200, pattern


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic !!!",
        "Basic OjpB",
        "Bearer " + TOKEN,
        "Basic " + base64.b64encode(b"\xff:\xff").decode(),
    ],
)
def test_odd_credentials_are_401(client: FlaskClient, header: str) -> None:
    """M9: no odd header is an error of ours."""
    answer = client.get(f"{ROOT}.json", headers={"Authorization": header})
    assert (answer.status_code, answer.get_json()["code"]) == (401, 20003)


@pytest.mark.parametrize("suffix", ["", ".wav", ".mp3"])
def test_audio_needs_the_same_right_as_its_recording(client: FlaskClient, suffix: str) -> None:
    """A stranger learns nothing; the owner is told that the media service, which is not there, must be asked."""
    address = f"{ROOT}/Recordings/RE{{}}{suffix}"
    assert client.get(address.format("1" * 32)).status_code == 401
    for digit, status in (("1", 503), ("2", 404), ("9", 404)):
        answer = client.get(address.format(digit * 32), headers=basic(MINE, TOKEN))
        assert answer.status_code == status


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS"])
def test_other_methods_are_405(client: FlaskClient, method: str) -> None:
    """20004 (twilio-surface 5.1)."""
    answer = client.open(f"{ROOT}/Calls.json", method=method, headers=basic(MINE, TOKEN))
    assert (answer.status_code, answer.get_json()["code"]) == (405, 20004)


def test_a_path_without_json_answers_xml(client: FlaskClient) -> None:
    """Conformance check 43."""
    for suffix in ("", ".xml"):
        answer = client.get(f"{ROOT}/Applications/AP{'1' * 32}{suffix}", headers=basic(MINE, TOKEN))
        assert answer.mimetype == "application/xml"
        root = etree.fromstring(answer.data)
        assert root.tag == "TwilioResponse"
        assert root.findtext("Application/Sid") == "AP" + "1" * 32
        assert root.findtext("Application/VoiceCallerIdLookup") == "false"


def test_lists_and_errors_in_xml(client: FlaskClient) -> None:
    answer = client.get(f"{ROOT}/Notifications?PageSize=1", headers=basic(MINE, TOKEN))
    notes = etree.fromstring(answer.data).find("Notifications")
    assert notes is not None
    assert (notes.get("page"), notes.get("pagesize"), notes.get("nextpageuri")) == ("0", "1", "")
    assert notes.findtext("Notification/MessageText") == "ab", "what XML can't hold is left out"
    for path, code in ((f"{ROOT}/Calls/CA0", "20404"), (f"{ROOT}/Nothing", "20404")):
        fault = etree.fromstring(client.get(path, headers=basic(MINE, TOKEN)).data)
        assert fault.findtext("RestException/Code") == code
        assert fault.findtext("RestException/Status") == "404"


def test_a_json_body_is_refused_with_a_reason(client: FlaskClient) -> None:
    answer = client.post(f"{ROOT}/Applications.json", json={"FriendlyName": "x"}, headers=basic(MINE, TOKEN))
    assert answer.status_code == 415
    assert "x-www-form-urlencoded" in answer.get_json()["message"]


def test_a_request_has_a_bounded_number_of_parameters(client: FlaskClient) -> None:
    """Reliability-security 4.19."""
    many = "&".join(f"a{number}=1" for number in range(1001))
    answer = client.get(f"{ROOT}/Calls.json?{many}", headers=basic(MINE, TOKEN))
    assert answer.status_code == 400


def test_unknown_parameters_change_nothing(client: FlaskClient) -> None:
    """Mass assignment (reliability-security 4.19): only listed fields are taken."""
    path = f"{ROOT}/Applications/AP{'1' * 32}.json"
    answer = client.post(
        path,
        data={"account_sid": THEIRS, "AccountSid": THEIRS, "sid": "AP0", "VoiceMethod": ["PUT", "GET"]},
        headers=basic(MINE, TOKEN),
    )
    assert answer.status_code == 200
    shown = answer.get_json()
    assert (shown["account_sid"], shown["sid"]) == (MINE, "AP" + "1" * 32)
    assert shown["voice_method"] == "GET", "of two, the last one counts"
