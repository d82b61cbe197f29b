"""Settings: every mistake at once, nothing guessed, and a reference page that leaves nothing out."""

import dataclasses
import os
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.settings import PREFIX, Settings, SettingsError, address, load, reference

KEY = "k" * 32


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(PREFIX):
            monkeypatch.delenv(name)


def given_settings(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"{PREFIX}{name.upper()}", value)


def test_defaults_are_sound() -> None:
    assert load() == Settings()


def test_every_kind_of_value_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    given_settings(
        monkeypatch,
        data_dir="/srv/calls",
        secret_keys=f"{KEY},{KEY[::-1]}a,",
        voice_max_legs="7",
        answer_grace="2.5",
        development="true",
        log_level="DEBUG",
    )
    settings = load()
    assert settings.data_dir == Path("/srv/calls")
    assert settings.secret_keys == (KEY, f"{KEY}a")
    assert (settings.voice_max_legs, settings.answer_grace, settings.development) == (7, 2.5, True)
    assert settings.database_url("router") == "sqlite:////srv/calls/router.sqlite3"


def test_all_faults_come_in_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {
        "voice_max_legs": "many",
        "voice_webrtc_port": "70000",
        "answer_grace": "nan",
        "development": "perhaps",
        "log_format": "xml",
        "log_level": "loud",
        "router_bind": "8080",
        "router_url": "calls.example.com",
        "voice_address": "localhost",
        "voice_rtp_ports": "9-5",
        "secret_keys": "short",
        "tls_key": "key.pem",
        "no_such_thing": "1",
    }
    given_settings(monkeypatch, **wrong)
    with pytest.raises(SettingsError) as caught:
        load()
    assert [name for name in wrong if PREFIX + name.upper() not in str(caught.value)] == []


def test_a_fault_does_not_show_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    given_settings(monkeypatch, secret_keys="hunter2")
    with pytest.raises(SettingsError) as caught:
        load()
    assert "hunter2" not in str(caught.value)


def test_servers_never_share_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    given_settings(monkeypatch, router_database_url="sqlite:///x", presence_database_url="sqlite:///x")
    with pytest.raises(SettingsError, match="databases of their own"):
        load()


def test_signalling_may_be_left_to_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    given_settings(monkeypatch, signal_bind="off", signal_host="voice.example.com")
    assert load().signal_name() == "voice.example.com"


@pytest.mark.parametrize(
    ("url", "sound"),
    [
        ("https://calls.example.com", True),
        ("http://[::1]:8080/base", True),
        ("ftp://calls.example.com", False),
        ("https://", False),
        ("https://user:secret@calls.example.com", False),
        ("http://calls.example.com:port", False),
    ],
)
def test_public_urls(url: str, sound: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    given_settings(monkeypatch, router_url=url)
    if sound:
        assert load().router_base() == url
    else:
        with pytest.raises(SettingsError, match="ROUTER_URL"):
            load()


host_names = st.text(string.ascii_letters + string.digits + "-._", min_size=1)
v6_addresses = st.ip_addresses(v=6).map(str)
ports = st.integers(0, 65535)


@given(host_names | st.ip_addresses(v=4).map(str), ports)
def test_address_of_a_name(host: str, port: int) -> None:
    assert address(f"{host}:{port}") == (host, port)


@given(v6_addresses, ports)
def test_address_of_ipv6_needs_brackets(host: str, port: int) -> None:
    assert address(f"[{host}]:{port}") == (host, port)
    with pytest.raises(ValueError, match="host:port"):
        address(f"{host}:{port}")


@given(st.text())
def test_address_reads_or_refuses_any_text(text: str) -> None:
    try:
        host, port = address(text)
    except ValueError:
        return
    assert text in (f"{host}:{text.rpartition(':')[2]}", f"[{host}]:{text.rpartition(':')[2]}")
    assert 0 <= port <= 65535


NO_ADDRESSES = [
    *("", ":80", "a:", "a", "a:-1", "a:65536", "a:８０", "a:1_0", "a:80\n", "a:" + "0" * 5000),
    *("a b:1", "u@a:1", "a/b:1", "[a]:1", "[::1:1", "::1]:1", "::1:1"),
]


@pytest.mark.parametrize("bind", NO_ADDRESSES)
def test_addresses_that_are_none(bind: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        address(bind)


@pytest.mark.parametrize("ports", ["20000", "20000-", "-1", "30000-20000", "80-90", "20000-70000", "a-b"])
def test_rtp_port_ranges_that_are_none(ports: str) -> None:
    with pytest.raises(ValueError, match="range"):
        Settings(voice_rtp_ports=ports).rtp_ports()


def test_reference_names_every_setting_once() -> None:
    rows = reference().splitlines()[2:]
    assert [row.split("|")[1].strip(" `") for row in rows] == [
        PREFIX + option.name.upper() for option in dataclasses.fields(Settings)
    ]
    assert all(row.count("|") == 4 for row in rows)
    assert all(row.split("|")[3].strip().endswith(".") for row in rows)
    assert "| `CALLROUTER_CAPABILITY_TOKENS` | `true` |" in reference()
    assert "| `CALLROUTER_DEVELOPMENT` | `false` |" in reference()
