"""Speech: one sound for one text, from each engine, whatever the text; energy and length, not words."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from media_world import OTHER, Media, answer, code, media, tone

from callrouter.audio.ear import dominant_hz
from callrouter.media.speech import command, ssml
from callrouter.media.speech.command import CommandSpeaker
from callrouter.media.speech.espeak import EspeakSpeaker
from callrouter.media.speech.speaker import SpeechFailed, Utterance
from callrouter.media.speech.voices import espeak_names
from callrouter.voice.media.g711 import decode
from tests.support.origin import Origin

LONG = "This is a rather long sentence, which takes its time to be said from its beginning to its end."


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Media]:
    with media(tmp_path_factory.mktemp("speech"), speech_engine="espeak") as running:
        yield running


def length(response: requests.Response) -> float:
    """Seconds; it must be audible."""
    assert response.status_code == 200, response.text
    samples = decode(response.content).astype(float)
    assert np.sqrt(np.mean(samples**2)) > 500
    return len(samples) / 8_000


def say(text: str, **given: object) -> Utterance:
    values: dict[str, object] = {"markup": False, "voice": "", "language": "", **given}
    return Utterance(text=text, **values)  # type: ignore[arg-type]


# -- through the service, with espeak-ng


def test_longer_text_is_longer_sound(service: Media) -> None:
    assert 0.3 < length(service.speech("Hello.")) < 2 < length(service.speech(LONG)) < 12


def test_md_2_the_key_names_everything_that_the_sound_depends_on(service: Media) -> None:
    asked = [
        {"text": "one"},
        {"text": "two"},
        {"text": "one", "voice": "woman"},
        {"text": "one", "language": "de-DE"},
        {"text": "<speak>one</speak>", "markup": "1"},
    ]
    answers = [service.ask("GET", "speech", params=parameters) for parameters in asked]
    assert len({one.headers["Content-Location"] for one in answers}) == len(asked)
    again = service.speech("one")
    assert again.headers["Content-Location"] == answers[0].headers["Content-Location"]
    assert (again.headers["X-Cache"], again.content) == ("hit", answers[0].content)
    assert "immutable" in again.headers["Cache-Control"]


def test_md_7_what_one_account_says_is_not_known_to_another(service: Media) -> None:
    first = service.speech("our secret offer")
    where = first.headers["Content-Location"].rsplit("/", 1)[1]
    assert service.ask("GET", f"sounds/{where}", account=OTHER).status_code == 404
    assert service.speech("our secret offer", account=OTHER).headers["X-Cache"] == "miss"


def test_a_break_is_heard_as_silence_and_is_bounded(service: Media) -> None:
    plain = length(service.speech("<speak>one two</speak>", markup="1"))
    paused = service.speech('<speak>one <break time="3s"/> two</speak>', markup="1")
    endless = service.speech('<speak>one <break time="9999s"/> two</speak>', markup="1")
    assert len(paused.content) / 8_000 == pytest.approx(plain + 3, abs=0.7)
    assert len(endless.content) / 8_000 < plain + 12


LANGUAGES = (
    "da-DK de-DE en-AU en-CA en-GB en-IN en-US es-ES es-MX fi-FI fr-CA fr-FR it-IT ja-JP ko-KR nb-NO nl-NL pl-PL "
    "pt-BR pt-PT ru-RU sv-SE zh-CN zh-HK zh-TW cmn-CN yue-HK arb tr-TR cy-GB ro-RO is-IS"
)


@pytest.mark.parametrize("language", LANGUAGES.split())
def test_every_language_of_twilios_basic_voices_is_spoken(service: Media, language: str) -> None:
    assert length(service.speech("1 2 3 4 5", language=language, voice="alice")) > 0.5


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"text": ""}, (422, 13520)),
        ({"text": " \n "}, (422, 13520)),
        ({"text": "<speak> </speak>", "markup": "1"}, (422, 13520)),
        ({"text": "<speak>open", "markup": "1"}, (422, 13520)),
        ({"text": "a" * 4097}, (422, 13521)),
        ({"text": "a" * 3001, "voice": "Polly.Joanna"}, (422, 13521)),
        ({"text": "hello", "language": "xx-XX"}, (422, 13512)),
        ({"text": "hello", "markup": "yes"}, (400, 20001)),
        ({"voice": "man"}, (400, 20001)),
    ],
)
def test_md_8_what_cannot_be_said_has_a_code(
    service: Media, parameters: dict[str, str], expected: tuple[int, int]
) -> None:
    assert code(service.ask("GET", "speech", params=parameters)) == expected


def test_without_an_engine_the_error_says_what_to_install(tmp_path: Path) -> None:
    with media(tmp_path) as silent:
        got = silent.speech("hello")
    assert code(got) == (503, 20503)
    assert "pip install callrouter[tts]" in got.json()["message"]


# -- espeak-ng's workers


def test_a_worker_that_dies_costs_one_answer_and_is_replaced() -> None:
    speaker = EspeakSpeaker(workers=1)
    try:
        first = speaker.say(say("hello"))
        process = speaker._all[0]._process
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
        with pytest.raises(SpeechFailed) as caught:
            speaker.say(say("hello"))
        assert caught.value.code == 20503
        assert len(speaker.say(say("hello")).body) == pytest.approx(len(first.body), rel=0.02)
    finally:
        speaker.close()


def test_many_at_once_each_get_their_own_words() -> None:
    speaker = EspeakSpeaker(workers=2)
    try:
        texts = [f"number {number} " * (number + 1) for number in range(8)]
        alone = [len(speaker.say(say(text)).body) for text in texts]
        with ThreadPoolExecutor(8) as callers:
            together = list(callers.map(lambda text: len(speaker.say(say(text)).body), texts))
    finally:
        speaker.close()
    assert together == pytest.approx(alone, rel=0.02)  # its noises are not the same twice
    assert alone == sorted(alone)


@pytest.mark.parametrize(
    ("voice", "language", "first"),
    [
        ("", "", "en-us+m3"),
        ("man", "en-GB", "en-gb+m3"),
        ("woman", "en-US", "en-us+f2"),
        ("alice", "pt-BR", "pt-br+f2"),
        ("Polly.Hans", "", "de-de+m"),
        ("Polly.Celine", "en-US", "fr-fr+f"),
        ("Polly.Zhiyu-Neural", "", "cmn+f"),
        ("Polly.Nobody", "it-IT", "it-it+f"),
        ("Google.es-MX-Wavenet-A", "", "es-419+f"),
        ("Google.de-DE-Standard-B", "en-US", "de-de+m"),
        ("Google.en-US-Chirp3-HD-Aoede", "", "en-us+"),
    ],
)
def test_voices_keep_language_and_sex(voice: str, language: str, first: str) -> None:
    assert espeak_names(voice, language)[0].startswith(first)


def test_two_voices_of_a_language_do_not_all_sound_the_same() -> None:
    names = ("Danielle", "Ivy", "Joanna", "Kendra", "Kimberly", "Ruth", "Salli")
    assert len({espeak_names(f"Polly.{name}", "")[0] for name in names}) > 2
    assert espeak_names("Polly.Joanna", "") == espeak_names("Polly.Joanna-Neural", "")


# -- marks


@pytest.mark.parametrize(
    ("markup", "espeak", "words"),
    [
        ("<speak>a &amp; b</speak>", "<speak>a &amp; b</speak>", "a & b"),
        ("<speak>a<break/>b</speak>", '<speak>a<break time="400ms"/>b</speak>', "a b"),
        ('<speak><break time="1.5s"/>b</speak>', '<speak><break time="1500ms"/>b</speak>', "b"),
        ('<speak><sub alias="World">W</sub></speak>', "<speak>World</speak>", "World"),
        (
            '<speak><say-as interpret-as="digits">42</say-as></speak>',
            '<speak><say-as interpret-as="characters">42</say-as></speak>',
            "42",
        ),
        ('<speak><audio src="file:///etc/passwd">x</audio></speak>', "<speak>x</speak>", "x"),
        ('<speak><mark name="x"/>a<!-- b --><?c d?>e</speak>', "<speak>ae</speak>", "ae"),
        (
            '<speak><prosody rate="slow" pitch="&quot;&gt;">a</prosody></speak>',
            '<speak><prosody rate="slow">a</prosody></speak>',
            "a",
        ),
        (
            '<speak xmlns="http://www.w3.org/2001/10/synthesis"><lang xml:lang="fr-FR">ami</lang></speak>',
            '<speak><voice xml:lang="fr-fr">ami</voice></speak>',
            "ami",
        ),
    ],
)
def test_only_known_marks_reach_the_engine(markup: str, espeak: str, words: str) -> None:
    assert (ssml.for_espeak(markup), ssml.words(markup)) == (espeak, words)


@pytest.mark.parametrize(
    "markup",
    [
        '<!DOCTYPE speak [<!ENTITY a "b">]><speak>&a;</speak>',
        '<!DOCTYPE speak SYSTEM "file:///etc/passwd"><speak>a</speak>',
        "<speak>" + "<p>" * 60 + "a" + "</p>" * 60 + "</speak>",
        "no marks at all",
        "",
    ],
)
def test_markup_that_could_do_harm_is_refused(markup: str) -> None:
    for render in (ssml.for_espeak, ssml.words):
        with pytest.raises(SpeechFailed) as caught:
            render(markup)
        assert caught.value.code == 13520


MARKS = st.recursive(
    st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), max_size=8),
    lambda inner: st.builds(
        lambda tag, name, value, parts: (tag, {name: value}, parts),
        st.sampled_from(["break", "prosody", "lang", "say-as", "sub", "emphasis", "p", "audio", "w"]),
        st.sampled_from(["time", "rate", "alias", "level", "interpret-as", "src"]),
        st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), max_size=8),
        st.lists(inner, max_size=3),
    ),
    max_leaves=10,
)


def build(parent: etree._Element, part: object) -> None:
    if isinstance(part, str):
        if len(parent):
            parent[-1].tail = (parent[-1].tail or "") + part
        else:
            parent.text = (parent.text or "") + part
        return
    assert isinstance(part, tuple)
    tag, attributes, parts = part
    child = etree.SubElement(parent, tag, attributes)
    for one in parts:
        build(child, one)


@settings(max_examples=200, deadline=None)
@given(st.lists(MARKS, max_size=4))
def test_what_reaches_the_engine_is_well_formed_and_known(parts: list[object]) -> None:
    root = etree.Element("speak")
    for part in parts:
        build(root, part)
    made = etree.fromstring(ssml.for_espeak(etree.tostring(root, encoding="unicode")))
    assert {element.tag for element in made.iter()} <= {
        *("speak", "break", "p", "s", "emphasis", "prosody", "voice", "say-as")
    }


# -- a local command


PROGRAM = """
import sys, wave
text = sys.argv[1] if len(sys.argv) > 1 else sys.stdin.read()
with wave.open(sys.stdout.buffer, "wb") as out:
    out.setnchannels(1); out.setsampwidth(2); out.setframerate(16000)
    out.writeframes(bytes(range(256)) * 10 * len(text))
"""


def program(folder: Path, source: str) -> str:
    path = folder / "speak.py"
    path.write_text(source)
    return f"{sys.executable} {path}"


@pytest.mark.parametrize("argument", ["{text}", "", "{text} {voice} {language}"])
def test_a_command_speaks(tmp_path: Path, argument: str) -> None:
    line = f"command:{program(tmp_path, PROGRAM)} {argument}"
    with media(tmp_path, speech_engine=line) as service:
        short, long = service.speech("hello; rm -rf $HOME"), service.speech(LONG)
        marked = service.speech("<speak>hello <break/> there</speak>", markup="1")
    assert length(short) < length(long)
    assert length(marked) == pytest.approx(len("hello there") * 0.08, abs=0.03)


def test_a_text_is_never_an_option_and_a_name_is_a_name(tmp_path: Path) -> None:
    speaker = CommandSpeaker(
        f"{program(tmp_path, 'import sys; sys.stdout.write(repr(sys.argv[1:]))')} {{text}}"
    )
    said = speaker.say(say("--output=/etc/passwd 'a' {voice}", voice="x")).body
    assert said == b"[\" --output=/etc/passwd 'a' {voice}\"]"
    for named, expected in (({"voice": "-x"}, 13511), ({"language": "../de"}, 13512)):
        with pytest.raises(SpeechFailed) as caught:
            speaker.say(say("hello", **named))
        assert caught.value.code == expected


@pytest.mark.parametrize(
    "source",
    [
        "import sys; sys.exit(3)",
        "",
        "import time; time.sleep(60)",
        "import subprocess; subprocess.run(['sleep', '60'])",
    ],
)
def test_a_command_that_fails_or_hangs_is_an_error_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.setattr(command, "SECONDS", 1.0)
    with pytest.raises(SpeechFailed) as caught:
        CommandSpeaker(program(tmp_path, source)).say(say("hello"))
    assert caught.value.code == 20503


def test_a_command_that_is_not_there() -> None:
    with pytest.raises(SpeechFailed, match="cannot be started"):
        CommandSpeaker("/no/such/program {text}").say(say("hello"))


# -- an engine behind HTTP


def test_a_service_speaks_once_for_many(tmp_path: Path) -> None:
    go = threading.Event()

    def speak(_: object) -> object:
        go.wait(20)
        return answer(tone(rate=24_000, hz=700))

    with Origin({"/tts": speak}) as origin, media(tmp_path, speech_engine=origin.url("/tts")) as service:  # type: ignore[dict-item]
        with ThreadPoolExecutor(20) as callers:
            waiting = [callers.submit(service.speech, "hello", voice="Polly.Amy") for _ in range(20)]
            while service.metric("callrouter_media_waiting", kind="speech") < 20:
                assert not any(one.done() for one in waiting)
            go.set()
            sounds = {one.result().content for one in waiting}
        assert len(sounds) == 1
        assert dominant_hz(decode(sounds.pop())) == pytest.approx(700, abs=3)
        assert len(origin.received) == 1
        assert origin.received[0].body == (
            b'{"text": "hello", "markup": false, "voice": "Polly.Amy", "language": ""}'
        )


@pytest.mark.parametrize(
    ("status", "type", "expected"), [(500, "audio/wav", (503, 20503)), (200, "text/html", (422, 12300))]
)
def test_a_service_that_fails(tmp_path: Path, status: int, type: str, expected: tuple[int, int]) -> None:
    with (
        Origin({"/tts": answer(b"<html>", status=status, type=type)}) as origin,
        media(tmp_path, speech_engine=origin.url("/tts")) as service,
    ):
        assert code(service.speech("hello")) == expected


def test_a_service_that_is_not_there(tmp_path: Path) -> None:
    with Origin({}) as gone:
        pass
    with media(tmp_path, speech_engine=gone.url("/tts")) as service:
        assert code(service.speech("hello")) == (503, 20503)
