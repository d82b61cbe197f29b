"""Engines of the operator's: a command, an HTTP service, a WebSocket; and what they may do wrong."""

from __future__ import annotations

import importlib.util
import io
import json
import sys
import threading
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from media_world import ACCOUNT, answer, media
from websockets.sync.server import Server, ServerConnection, serve

from callrouter.media.recognition import answer as answers
from callrouter.media.recognition import engines, sphinx
from callrouter.media.recognition.command import CommandRecogniser
from callrouter.media.recognition.recogniser import Heard, Question, Recogniser, RecognitionFailed
from callrouter.media.recognition.service import ServiceRecogniser
from callrouter.media.recognition.sphinx import SphinxRecogniser
from callrouter.media.recognition.stream import StreamRecogniser
from foundation.settings import SettingsError, load
from tests.support.origin import CLOSE, HANG, Origin

SOUND = b"\x7f\x00\xff\x80" * 6_000
QUESTION = Question(mulaw=SOUND, language="en-GB", hints=("sales", "the bill"))


def failure(engine: Recogniser, seconds: float = 5.0) -> str:
    """The operator's fault, said in time; the words."""
    began = time.monotonic()
    with pytest.raises(RecognitionFailed) as caught:
        engine.hear(QUESTION, seconds)
    assert caught.value.code == 13340
    assert time.monotonic() - began < seconds + 3
    assert "fault is" in caught.value.message
    engine.close()
    return caught.value.message


# -- the setting


@pytest.mark.parametrize(
    ("engine", "kind"),
    [
        ("none", None),
        ("auto", SphinxRecogniser if sphinx.installed() else None),
        ("pocketsphinx", SphinxRecogniser if sphinx.installed() else None),
        ("command:whisper -", CommandRecogniser),
        ("http://127.0.0.1:9/asr", ServiceRecogniser),
        ("wss://asr.example/", StreamRecogniser),
    ],
)
def test_each_engine_has_its_setting(monkeypatch: pytest.MonkeyPatch, engine: str, kind: type | None) -> None:
    monkeypatch.setenv("CALLROUTER_RECOGNITION_ENGINE", engine)
    found = engines.recogniser(load().recognition_engine)
    assert (found if kind is None else type(found)) is kind
    if found is not None:
        found.close()


@pytest.mark.parametrize("engine", ["vosk", "command:", "ws://", "ftp://a.example/", "auto ", "wss://u:p@a/"])
def test_an_engine_that_is_none_is_a_fault(monkeypatch: pytest.MonkeyPatch, engine: str) -> None:
    monkeypatch.setenv("CALLROUTER_RECOGNITION_ENGINE", engine)
    with pytest.raises(SettingsError, match="CALLROUTER_RECOGNITION_ENGINE"):
        load()


def test_without_the_extra_there_is_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert engines.recogniser("auto") is None


# -- answers


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ('{"text": "sales", "confidence": 0.5}', Heard(text="sales", confidence=0.5)),
        ('{"text": " the \\n bill\\u0000 "}', Heard(text="the bill", confidence=1.0)),
        ('{"text": "", "confidence": 0.9}', Heard(text="", confidence=0.0)),
        ('{"text": "a b", "result": [{"conf": 1}, {"conf": 0.5}]}', Heard(text="a b", confidence=0.75)),
        ('{"text": "a", "result": []}', Heard(text="a", confidence=1.0)),
        ('{"text": "a", "confidence": 1}', Heard(text="a", confidence=1.0)),
    ],
)
def test_an_answer_that_makes_sense(said: str, expected: Heard) -> None:
    assert answers.heard(said) == answers.heard(said.encode()) == expected


@pytest.mark.parametrize(
    "said",
    [
        *(b"", b"\xff\xfe", b"sales", b"[]", b"null", b'{"text": 3}', b'{"confidence": 1}', b'{"text": "a"'),
        *(
            b'{"text": "a", "confidence": %s}' % one
            for one in (b"2", b"-1", b"NaN", b"true", b'"1"', b"1e999")
        ),
        b'{"text": "%s"}' % (b"a" * 10_001),
        b" " * 64_001,
    ],
)
def test_an_answer_that_makes_none_is_the_engines_fault(said: bytes) -> None:
    with pytest.raises(RecognitionFailed) as caught:
        answers.heard(said)
    assert (caught.value.code, "fault is the engine's" in caught.value.message) == (13340, True)


# -- a local command


def program(folder: Path, source: str) -> str:
    path = folder / "hear.py"
    path.write_text(source)
    return f"{sys.executable} {path}"


SHOWS = """
import json, sys, wave
with wave.open(sys.stdin.buffer) as sound:
    facts = [sound.getframerate(), sound.getnchannels(), sound.getsampwidth(), sound.getnframes()]
print(json.dumps({"text": f"{facts} {sys.argv[1:]}", "confidence": 0.8}))
"""


def test_a_command_hears(tmp_path: Path) -> None:
    engine = CommandRecogniser(f"{program(tmp_path, SHOWS)} --lang={{language}} {{hints}}")
    facts = [8_000, 1, 2, len(SOUND)]
    said = f"{facts} {['--lang=en-GB', 'sales,the bill']}"
    assert engine.hear(QUESTION, 10.0) == Heard(text=said, confidence=0.8)


def test_a_command_may_answer_in_plain_words_without_reading(tmp_path: Path) -> None:
    engine = CommandRecogniser(program(tmp_path, "print('the bill, please')"))
    assert engine.hear(QUESTION, 10.0) == Heard(text="the bill, please", confidence=1.0)


def test_a_hint_is_never_an_option_and_a_language_is_a_tag(tmp_path: Path) -> None:
    engine = CommandRecogniser(f"{program(tmp_path, 'import sys; print(sys.argv[1:])')} {{hints}}")
    assert engine.hear(Question(mulaw=b"", hints=("--rm", "{language}")), 10.0).text == "[' --rm,{language}']"
    with pytest.raises(RecognitionFailed) as caught:
        engine.hear(Question(mulaw=b"", language="--de"), 10.0)
    assert caught.value.code == 13331


@pytest.mark.parametrize(
    "source",
    [
        "import sys; print('x'); sys.exit(3)",
        "",
        "import os; os.abort()",
        "import time; time.sleep(60)",
        "import subprocess; subprocess.run(['sleep', '60'])",
        "while True: print('x' * 1000)",
        "print('{rubbish')",
    ],
)
def test_a_command_that_fails_hangs_or_floods_is_an_error_in_time(tmp_path: Path, source: str) -> None:
    failure(CommandRecogniser(program(tmp_path, source)), 2.0)


def test_a_command_that_is_not_there() -> None:
    assert "cannot be started" in failure(CommandRecogniser("/no/such/program"))


# -- HTTP


def test_a_service_hears(tmp_path: Path) -> None:
    said = answer(b'{"text": "the bill", "confidence": 0.7}', type="application/json")
    with (
        Origin({"/asr": said}) as origin,
        media(tmp_path, recognition_engine=origin.url("/asr?key=1")) as service,
    ):
        got = service.ask(
            "POST",
            "recognitions",
            ACCOUNT,
            data=SOUND,
            params={"hints": "sales,the bill", "language": "de-DE"},
            headers={"Content-Type": "audio/basic"},
        )
        assert (got.status_code, got.json()) == (200, {"text": "the bill", "confidence": 0.7})
        asked = origin.received[0]
        assert (asked.method, asked.headers["content-type"]) == ("POST", "audio/wav")
        assert asked.target == "/asr?key=1&language=de-DE&hints=sales%2Cthe+bill"
        with wave.open(io.BytesIO(asked.body)) as sound:
            assert (sound.getframerate(), sound.getnframes()) == (8_000, len(SOUND))


def test_hints_that_do_not_fit_into_a_url_are_left_out_whole() -> None:
    hints = tuple(f"hint number {number}" for number in range(500))
    with Origin({"/asr": answer(b'{"text": ""}')}) as origin:
        engine = ServiceRecogniser(origin.url("/asr"))
        engine.hear(Question(mulaw=SOUND, hints=hints), 5.0)
        engine.close()
        sent = origin.received[0].target.partition("hints=")[2].replace("+", " ").split("%2C")
    assert len(sent) > 100
    assert tuple(sent) == hints[: len(sent)]


@pytest.mark.parametrize(
    "script",
    [
        answer(b"", status=500),
        answer(b"<html>"),
        answer(b'{"text": 1}'),
        answer(b"x" * 70_000),
        [CLOSE],
        [b"HTTP/1.1 200 OK\r\n", HANG],
    ],
)
def test_a_service_that_fails_hangs_or_answers_rubbish(script: list[bytes | float | str]) -> None:
    with Origin({"/asr": script}) as origin:
        failure(ServiceRecogniser(origin.url("/asr")), 1.0)


def test_services_that_are_not_there() -> None:
    with Origin({}) as gone:
        pass
    failure(ServiceRecogniser(gone.url("/asr")))
    failure(StreamRecogniser(gone.url("/asr").replace("http", "ws")))


# -- WebSocket


@contextmanager
def streaming(script: Callable[[ServerConnection], None]) -> Iterator[StreamRecogniser]:
    """An engine whose server does with each connection what `script` does."""
    server: Server = serve(script, "127.0.0.1", 0, compression=None)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield StreamRecogniser(f"ws://127.0.0.1:{server.socket.getsockname()[1]}/asr")
    finally:
        server.shutdown()
        thread.join(10)


def test_a_stream_hears_as_vosk_does() -> None:
    """An answer for each message, and the last one after the end."""
    got: list[str | bytes] = []

    def vosk(socket: ServerConnection) -> None:
        for message in socket:
            got.append(message)
            if message == '{"eof" : 1}':
                socket.send(json.dumps({"text": "bill please", "result": [{"conf": 0.5}, {"conf": 0.7}]}))
                return
            if isinstance(message, bytes):
                socket.send('{"text": "the"}' if len(got) == 2 else '{"partial": "the b"}')

    with streaming(vosk) as engine:
        found = engine.hear(QUESTION, 10.0)
    assert found.text == "the bill please"
    assert found.confidence == pytest.approx((3 * 1.0 + 11 * 0.6) / 14, abs=0.001)
    assert isinstance(got[0], str)
    assert json.loads(got[0]) == {
        "config": {"sample_rate": 8_000, "language": "en-GB", "phrase_list": ["sales", "the bill"]}
    }
    sound = [message for message in got if isinstance(message, bytes)]
    assert b"".join(sound)[:4] == b"\x00\x00\x84\x82"  # mu-law's zero, and its lowest, as 16 bits
    assert sum(map(len, sound)) == 2 * len(SOUND)


def hangs(socket: ServerConnection) -> None:
    for _ in socket:
        pass


def floods(socket: ServerConnection) -> None:
    while True:
        socket.send('{"partial": "x"}')


@pytest.mark.parametrize(
    "script",
    [
        hangs,
        floods,
        lambda socket: socket.close(),
        lambda socket: socket.close(1011, "no"),
        lambda socket: socket.send("rubbish"),
        lambda socket: socket.send(b"\xff"),
        lambda socket: socket.send('{"text": "%s"}' % ("x" * 70_000)),
        lambda socket: socket.socket.close(),
    ],
)
def test_a_stream_that_fails_hangs_floods_or_answers_rubbish(
    script: Callable[[ServerConnection], None],
) -> None:
    with streaming(script) as engine:
        failure(engine, 1.0)


def test_no_web_socket_at_all() -> None:
    with Origin({"/asr": answer(b"hello")}) as origin:
        failure(StreamRecogniser(origin.url("/asr").replace("http", "ws")))
