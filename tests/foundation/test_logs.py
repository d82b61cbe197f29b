"""Logs tell no secret and obey nobody's control characters (reliability-security 4.16)."""

import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from foundation import logs
from foundation.keys import Keys
from foundation.settings import Settings

AUTH_TOKEN = "4f8e1c0d9b7a65432100fedcba987654"
JWT = jwt.encode({"sub": "ACx"}, "s" * 32, "HS256", {"cty": "twilio-fpa;v=1"})
OURS = Keys(["k" * 40]).sign("ring", {"call": "x" * 300})
SDP = (
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\na=ice-pwd:4f8e1c0d9b7a65432100\r\na=crypto:1 AES inline:WVNfX19z\r\n"
)

PLANTED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "by name": ({"auth_token": AUTH_TOKEN, "api_key": AUTH_TOKEN, "Password": "hunter2"}, [AUTH_TOKEN, "hunter2"]),
    "nested": ({"config": {"carriers": [{"secret": AUTH_TOKEN}]}}, [AUTH_TOKEN]),
    "jwt in text": ({"why": f"refused {JWT} from alice"}, [JWT, JWT.split(".")[2]]),
    "our own token": ({"why": f"refused {OURS}"}, [OURS, OURS.rsplit(".", 1)[1]]),
    "userinfo": ({"url": "https://alice:hunter2@example.com/voice"}, ["hunter2", "alice:"]),
    "query": ({"url": f"https://example.com/?AuthToken={AUTH_TOKEN}&a=1"}, [AUTH_TOKEN]),
    "authorization line": ({"head": f"Authorization: Basic {AUTH_TOKEN}\r\n"}, [AUTH_TOKEN]),
    "bearer": ({"why": f"sent Bearer {AUTH_TOKEN}"}, [AUTH_TOKEN]),
    "headers": ({"headers": {"X-Twilio-Signature": "abc/def=", "Cookie": "s=hunter2"}}, ["abc/def=", "hunter2"]),
    "header pairs as text": ({"headers": [("authorization", f"Bearer {AUTH_TOKEN}")]}, [AUTH_TOKEN]),
    "sdp": ({"command": f"answer {SDP}"}, ["192.0.2.1", "ice-pwd:4f", "WVNf"]),
    "sdp in json": ({"body": json.dumps({"media": SDP})}, ["192.0.2.1", "WVNf"]),
    "bytes": ({"body": SDP.encode()}, ["192.0.2.1", "WVNf"]),
    "an exception": ({"error": ValueError(f"https://a:hunter2@b/ {JWT}")}, ["hunter2", JWT]),
}  # fmt: skip

Output = Callable[[], str]


@pytest.fixture(params=["json", "console"])
def output(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Output]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    logs.configure(Settings(log_format=request.param, log_level="info"), "router")
    yield stream.getvalue
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize("kind", PLANTED)
def test_no_planted_secret_comes_out(kind: str, output: Output) -> None:
    values, secrets = PLANTED[kind]
    structlog.get_logger("test").warning("something happened", **values)
    assert "something happened" in output()
    assert [secret for secret in secrets if secret in output()] == []


@pytest.mark.parametrize("kind", [kind for kind in PLANTED if kind != "by name"])
def test_libraries_logs_are_cleaned_too(kind: str, output: Output) -> None:
    values, secrets = PLANTED[kind]
    logging.getLogger("library").warning("something happened: %s", *values.values())
    assert "something happened" in output()
    assert [secret for secret in secrets if secret in output()] == []


def test_tracebacks_are_cleaned(output: Output) -> None:
    try:
        raise ValueError(f"bad\x1b[2J {JWT}\n2026-01-01 [info] forged")
    except ValueError:
        structlog.get_logger("test").exception("broken")
    text = output()
    assert "Traceback" in text
    assert "test_tracebacks_are_cleaned" in text
    assert JWT not in text
    assert "\x1b" not in text
    assert not any(line.startswith("2026-01-01") for line in text.splitlines())


def test_control_characters_cannot_forge_a_line(output: Output) -> None:
    forged = "alice\r\n2026-01-01 [info] all is well\x1b[2J\u202e\x00"
    structlog.get_logger("test").info(forged, identity=forged, nested={"a": [forged], forged: 1})
    logging.getLogger("library").warning("%s", forged)
    text = output()
    assert len(text.splitlines()) == 2
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", text)


def test_every_line_names_its_process_in_every_thread(output: Output) -> None:
    import threading

    thread = threading.Thread(target=structlog.get_logger("test").info, args=("from a thread",))
    thread.start()
    thread.join(10)
    logging.getLogger("library").warning("from a library")
    assert [line.count("router") for line in output().splitlines()] == [1, 1]


def test_json_is_one_object_a_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    before = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        logs.configure(Settings(log_format="json", log_level="WARNING"), "voice")
        log = structlog.get_logger("test")
        log.info("too quiet")
        log.warning("told", call_sid="CA" + "0" * 32, legs=2, ok=True, none=None, ratio=0.5)
    finally:
        logging.getLogger().handlers[:] = before[0]
        logging.getLogger().setLevel(before[1])
        structlog.reset_defaults()
    entry = json.loads(stream.getvalue())
    assert entry.pop("timestamp").endswith("Z")
    assert entry == {
        "event": "told", "level": "warning", "process": "voice",
        "call_sid": "CA" + "0" * 32, "legs": 2, "ok": True, "none": None, "ratio": 0.5,
    }  # fmt: skip


values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), values))
def test_redaction_takes_anything(event: dict[str, Any]) -> None:
    clean = logs.redact(None, "info", dict(event))
    json.dumps(clean)
    assert all(text.isprintable() for text in _texts(list(clean.values())))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _texts([name, inner])
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
