"""Tokens: ICE servers with credentials that a TURN server can check (twilio-surface 5.9)."""

import base64
import hashlib
import hmac
import os
from typing import Any

import pytest
import twilio_contract
from flask import Flask
from twilio.rest import Client
from twilio_contract import refusal

from callrouter.api.blueprint import create_api
from callrouter.cli.settings import effective
from callrouter.directory.ice import IceServers
from callrouter.media.client import MediaClient
from foundation.settings import Settings, SettingsError, load
from foundation.webserver.errors import handle_errors

SERVERS = IceServers(
    stun=("stun:stun.example.com:3478",),
    turn=("turn:turn.example.com:3478?transport=udp", "turns:turn.example.com:443"),
    secret="north",
)


def test_without_servers_there_are_none(client: Client) -> None:
    token = client.tokens.create()
    assert (token.ice_servers, token.username, token.password) == ([], None, None)
    assert (token.ttl, token.date_created) == ("86400", token.date_updated)


@pytest.mark.parametrize("ttl", [0, 86_401, "soon"])
def test_a_ttl_that_is_none(client: Client, ttl: Any) -> None:
    assert refusal(lambda: client.tokens.create(ttl=ttl)) == (400, 20001)


@pytest.fixture
def ask(deployment: Any, account: tuple[str, str]) -> Any:
    """POSTs to a router that has ICE servers; answers are held against Twilio's description."""
    app = Flask("ice")
    handle_errors(app)
    media = MediaClient("http://127.0.0.1:9", deployment.keys)
    app.register_blueprint(
        create_api(deployment.database, deployment.keys, deployment.live, media, messages=None, ice=SERVERS)
    )

    def post(suffix: str = ".json", **form: Any) -> Any:
        path = f"/2010-04-01/Accounts/{account[0]}/Tokens{suffix}"
        answer = app.test_client().post(path, data=form, auth=account)
        if suffix == ".json" and twilio_contract.present():
            assert twilio_contract.faults("POST", path, answer.status_code, answer.text) == []
        return answer

    return post


def test_turn_credentials_are_what_coturn_checks(ask: Any, account: tuple[str, str]) -> None:
    token = ask(Ttl="600").json
    stun, udp, tls = token["ice_servers"]
    assert stun == {"url": SERVERS.stun[0], "urls": SERVERS.stun[0]}
    assert (udp["urls"], tls["urls"]) == SERVERS.turn
    assert (udp["username"], udp["credential"]) == (token["username"], token["password"])
    expires, _, user = token["username"].partition(":")
    assert user == account[0]
    assert expires.isdigit()
    expected = hmac.new(b"north", token["username"].encode(), hashlib.sha1).digest()
    assert base64.b64decode(token["password"]) == expected


def test_credentials_end_when_the_token_does() -> None:
    username, _password = SERVERS.credentials("AC1", 1_000.9) or ("", "")
    assert username == "1000:AC1"
    assert "north" not in repr(SERVERS)


def test_servers_in_xml_are_elements(ask: Any) -> None:
    text = ask("").text
    assert text.count("<IceServer>") == 3
    assert f"<Urls>{SERVERS.stun[0]}</Urls>" in text


def test_the_secret_is_not_shown() -> None:
    """What `callrouter settings` prints."""
    shown = effective(Settings(turn_urls=SERVERS.turn, turn_secret="north"))
    assert (shown["turn_secret"], shown["turn_urls"]) == ("given", list(SERVERS.turn))


@pytest.mark.parametrize(
    "wrong",
    [
        {"TURN_URLS": "turn:turn.example.com"},
        {"TURN_SECRET": "x"},
        {"TURN_URLS": "https://turn.example.com", "TURN_SECRET": "x"},
        {"STUN_URLS": "turn:turn.example.com"},
    ],
)
def test_settings_that_do_not_fit(monkeypatch: pytest.MonkeyPatch, wrong: dict[str, str]) -> None:
    for name in [name for name in os.environ if name.startswith("CALLROUTER_")]:
        monkeypatch.delenv(name)
    for name, value in wrong.items():
        monkeypatch.setenv(f"CALLROUTER_{name}", value)
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        load()
