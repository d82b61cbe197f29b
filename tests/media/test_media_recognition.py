"""What callers say as text: our own voice, over a telephone's sound, into pocketsphinx and back."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from media_world import ACCOUNT, OTHER, RECORDING, Media, code, media

from callrouter.media.recognition import recognition, turns
from callrouter.media.recognition.hints import END, START, grammar, phrases
from callrouter.media.recognition.recogniser import Heard, Question, RecognitionFailed
from callrouter.media.recognition.recognition import Recognition
from callrouter.media.recognition.sphinx import SphinxRecogniser
from callrouter.media.recognition.transcription import pieces, stretches
from callrouter.media.recognition.wideband import prepared
from callrouter.voice.media.g711 import encode
from foundation.webserver.errors import ApiError
from tests.support.extras import needs

needs("stt")

MULAW = {"Content-Type": "audio/basic"}
QUIET = b"\xff" * 8_000


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Media]:
    folder = tmp_path_factory.mktemp("recognition")
    with media(folder, speech_engine="espeak", recognition_engine="pocketsphinx") as running:
        yield running


def recognise(
    service: Media, mulaw: bytes, account: str = ACCOUNT, headers: dict[str, str] = MULAW, **parameters: str
) -> requests.Response:
    return service.ask("POST", "recognitions", account, data=mulaw, params=parameters, headers=headers)


def spoken(service: Media, text: str, voice: str = "man") -> bytes:
    """At telephony quality: what a caller's words are when they arrive."""
    return service.speech(text, voice=voice).content


def heard(response: requests.Response) -> Heard:
    assert response.status_code == 200, response.text
    return Heard(**response.json())


# -- pocketsphinx, with our own voice


@pytest.mark.parametrize("voice", ["man", "woman"])
@pytest.mark.parametrize(
    ("said", "hints", "expected"),
    [
        ("sales", "sales,support,billing", "sales"),
        ("support", "sales,support,billing", "support"),
        ("billing", "sales, support, billing", "billing"),
        ("yes", "yes,no", "yes"),
        ("no", "yes,no", "no"),
        ("one", "one, two", "one"),
        ("two", "one, two", "two"),
        ("three", "1,2,3", "3"),
        ("customer service", "Customer Service,Opening hours,Order status", "Customer Service"),
        ("operator", "agent,operator,cancel,help", "operator"),
    ],
)
def test_a_hint_that_is_said_is_recognised_as_it_is_written(
    service: Media, said: str, hints: str, expected: str, voice: str
) -> None:
    found = heard(recognise(service, spoken(service, f"{said}.", voice), hints=hints))
    assert (found.text, found.confidence > 0.5) == (expected, True)


def test_a_long_quiet_before_and_after_changes_nothing(service: Media) -> None:
    mulaw = 3 * QUIET + spoken(service, "billing.") + 3 * QUIET
    assert heard(recognise(service, mulaw, hints="sales,support,billing")).text == "billing"


def test_what_is_none_of_the_hints_is_not_taken_for_one(service: Media) -> None:
    sentence = spoken(
        service, "I would like to know when my order will finally be delivered to my new house."
    )
    found = heard(recognise(service, sentence, hints="sales,support"))
    assert found.text not in ("sales", "support")
    assert len(found.text.split()) > 5


def test_without_hints_there_are_words(service: Media) -> None:
    found = heard(recognise(service, spoken(service, "one two three.", "woman")))
    assert found.text
    assert 0 < found.confidence <= 1


@pytest.mark.parametrize("hints", ["", "sales", "zzxqy", "$!?", "public <grammar> | ;", "<s>,</s>,[NOISE]"])
def test_quiet_is_no_text_and_odd_hints_do_no_harm(service: Media, hints: str) -> None:
    assert heard(recognise(service, QUIET, hints=hints)) == Heard(text="", confidence=0.0)
    assert recognise(service, spoken(service, "sales."), hints=hints).status_code == 200


@pytest.mark.parametrize(
    ("body", "headers", "parameters", "expected"),
    [
        (b"", MULAW, {}, (400, 20001)),
        (QUIET, {"Content-Type": "text/plain"}, {}, (415, 12300)),
        (QUIET, MULAW, {"partial": "yes"}, (400, 20001)),
        (QUIET * 61, MULAW, {}, (413, 20413)),
        (QUIET * 200, MULAW, {}, (413, 20413)),
        (QUIET, MULAW, {"language": "de-DE"}, (422, 13331)),
        (QUIET, MULAW, {"hints": "a" * 101}, (422, 13330)),
        (QUIET, MULAW, {"hints": ",".join(map(str, range(501)))}, (422, 13330)),
    ],
)
def test_what_cannot_be_recognised_has_a_code(
    service: Media,
    body: bytes,
    headers: dict[str, str],
    parameters: dict[str, str],
    expected: tuple[int, int],
) -> None:
    assert code(recognise(service, body, headers=headers, **parameters)) == expected


def test_only_our_own_services_may_ask(service: Media) -> None:
    url = f"{service.url}/v1/Accounts/{ACCOUNT}/recognitions"
    assert code(requests.post(url, data=QUIET, headers=MULAW, timeout=20)) == (401, 20003)


def test_without_an_engine_the_error_says_what_to_install(tmp_path: Path) -> None:
    with media(tmp_path, recognition_engine="none") as deaf:
        got = recognise(deaf, QUIET)
        deaf.ask("PUT", f"recordings/{RECORDING}", data=QUIET * 3)
        silent = deaf.ask("POST", f"recordings/{RECORDING}/transcription")
    assert code(got) == code(silent) == (503, 13340)
    assert "pip install callrouter[stt]" in got.json()["message"]


def test_a_worker_that_dies_costs_one_answer_and_is_replaced() -> None:
    engine = SphinxRecogniser(workers=1)
    try:
        assert engine.hear(Question(mulaw=QUIET), 9.0).text == ""
        process = engine._all[0]._process
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
        with pytest.raises(RecognitionFailed) as caught:
            engine.hear(Question(mulaw=QUIET), 9.0)
        assert caught.value.code == 13340
        assert engine.hear(Question(mulaw=QUIET), 9.0).text == ""
    finally:
        engine.close()


def test_a_worker_that_is_slow_is_an_error_in_time() -> None:
    engine = SphinxRecogniser(workers=1)
    noise = encode(np.random.default_rng(1).normal(0, 3_000, 8_000 * 60))
    try:
        began = time.monotonic()
        with pytest.raises(RecognitionFailed, match="took more than") as caught:
            engine.hear(Question(mulaw=noise), 0.5)
        assert (caught.value.code, time.monotonic() - began < 3) == (13340, True)
    finally:
        engine.close()


def test_many_at_once_each_get_their_own_words(service: Media) -> None:
    sounds = {word: spoken(service, f"{word}.") for word in ("sales", "support", "billing", "operator")}

    def ask(word: str) -> str:
        return heard(recognise(service, sounds[word], hints=",".join(sounds))).text

    asked = list(sounds) * 3
    with ThreadPoolExecutor(12) as callers:
        assert list(callers.map(ask, asked)) == asked


def test_md_7_one_answer_does_not_depend_on_the_callers_before() -> None:
    engine, rng = SphinxRecogniser(workers=1), np.random.default_rng(7)
    sounds = [encode(rng.normal(0, level, 8_000)) for level in (8_000, 300, 2_000)]
    try:
        alone = [engine.hear(Question(mulaw=sound, hints=("yes", "no")), 9.0) for sound in sounds]
        assert [
            engine.hear(Question(mulaw=sound, hints=("yes", "no")), 9.0) for sound in sounds[::-1]
        ] == alone[::-1]
    finally:
        engine.close()


# -- recordings


def put(service: Media, mulaw: bytes, sid: str, channels: int = 1) -> None:
    answered = service.ask("PUT", f"recordings/{sid}", data=mulaw, params={"channels": channels})
    assert answered.status_code == 201


def transcribe(service: Media, sid: str) -> requests.Response:
    return service.ask("POST", f"recordings/{sid}/transcription")


def test_a_recording_is_transcribed_and_so_are_both_sides_of_one_with_two_channels(service: Media) -> None:
    caller, agent = spoken(service, "no.", "woman"), spoken(service, "yes.", "woman")
    left, right = QUIET + caller + 2 * QUIET, 3 * QUIET + agent
    size = max(len(left), len(right))
    both = np.stack([np.frombuffer(side.ljust(size, b"\xff"), np.uint8) for side in (left, right)])
    mono, dual, other = ("RE" + letter * 32 for letter in "def")
    put(service, left, mono)
    put(service, right, other)
    put(service, both.T.tobytes(), dual, channels=2)
    one, two, together = (heard(transcribe(service, sid)) for sid in (mono, other, dual))
    assert one.text
    assert two.text
    assert together.text == f"{one.text} {two.text}"  # in the order of time
    assert 0 < together.confidence <= 1


@pytest.mark.parametrize("seconds", [1, 121])
def test_a_recording_out_of_twilios_range_is_not_transcribed(service: Media, seconds: int) -> None:
    """https://www.twilio.com/docs/api/errors/13617"""
    sid = f"RE{seconds:032x}"
    put(service, QUIET * seconds, sid)
    assert code(transcribe(service, sid)) == (422, 13617)


def test_md_7_a_recording_is_transcribed_for_its_account_only(service: Media) -> None:
    sid = "RE" + "9" * 32
    put(service, QUIET * 3, sid)
    assert heard(transcribe(service, sid)).text == ""
    assert code(service.ask("POST", f"recordings/{sid}/transcription", OTHER)) == (404, 20404)
    assert code(transcribe(service, "RE" + "8" * 32)) == (404, 20404)
    assert code(transcribe(service, "nonsense")) == (404, 20404)


@given(st.lists(st.booleans(), max_size=3_000))
def test_no_loud_frame_is_lost_or_heard_twice(loud: list[bool]) -> None:
    found = list(stretches(np.array(loud, np.bool_)))
    covered = [frame for first, last in found for frame in range(first, last)]
    assert len(covered) == len(set(covered))
    assert {frame for frame, one in enumerate(loud) if one} <= set(covered)
    assert all(0 < last - first <= 750 for first, last in found)


def test_a_pause_of_a_second_begins_a_piece_and_a_short_one_does_not() -> None:
    tone = encode(8_000 * np.sin(np.arange(8_000)))
    assert len(list(pieces(tone + QUIET + tone, 1))) == 2
    assert len(list(pieces(tone + QUIET[:4_000] + tone, 1))) == 1
    assert list(pieces(QUIET, 1)) == list(pieces(b"", 2)) == []


# -- hints


@pytest.mark.parametrize(
    ("hint", "ways"),
    [
        ("sales", {("sales",)}),
        (" Customer Service ", {("customer", "service")}),
        ("e-mail", {("e-mail",), ("e", "mail")}),
        ("FAQ", {("faq",), ("f.", "a.", "q.")}),
        ("7", {("seven",)}),
        ("10", {("ten",), ("one", "zero"), ("one", "oh")}),
        ("42", {("forty", "two"), ("four", "two")}),
        ("30", {("thirty",), ("three", "zero"), ("three", "oh")}),
        ("line 2", {("line", "two")}),
        ("caller's", {("caller's",)}),
        ("!?", set()),
        ("", set()),
    ],
)
def test_how_a_hint_may_be_said(hint: str, ways: set[tuple[str, ...]]) -> None:
    assert phrases([hint], lambda _word: True) == dict.fromkeys(ways, hint.strip())


def test_a_hint_with_an_unknown_word_is_left_out() -> None:
    assert phrases(["sales", "sales xyzzy"], lambda word: word != "xyzzy") == {("sales",): "sales"}


@given(st.lists(st.text(max_size=30), max_size=20))
def test_a_grammar_says_its_phrases_and_nothing_else(hints: list[str]) -> None:
    said = phrases(hints, lambda _word: True)
    arcs = grammar(said)
    leaving: dict[int, list[tuple[int, str]]] = {}
    for start, end, likely, word in arcs:
        assert 0 < likely <= 1
        leaving.setdefault(start, []).append((end, word))
    found, open_ = set(), [(START, ())] if arcs else []
    while open_:
        state, words = open_.pop()
        for end, word in leaving[state]:
            if end == END:
                found.add((*words, word))
            else:
                open_.append((end, (*words, word)))
    assert found == set(said)


def test_the_recogniser_hears_the_words_and_a_margin_at_16_khz() -> None:
    tone = encode(8_000 * np.sin(np.arange(8_000)))
    for before, after in ((0, 0), (5, 5), (0, 5)):
        sound = prepared(QUIET * before + tone + QUIET * after)
        assert sound is not None
        assert len(sound) == 2 * 16_000 * 1.6
        assert sound == prepared(QUIET * before + tone + QUIET * after)
    assert prepared(QUIET) is None


# -- bounds


@dataclass
class Held:
    """An engine that answers when it is let go."""

    at_once: int = 2
    go: threading.Event = field(default_factory=threading.Event)
    working: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def hear(self, question: Question, seconds: float) -> Heard:
        self.working.release()
        assert self.go.wait(20)
        return Heard(text=question.mulaw.decode(), confidence=1.0)

    def close(self) -> None:
        self.go.set()


def refused(recogniser: Recognition, account: str, *, partial: bool = False) -> tuple[int, int]:
    with pytest.raises(ApiError) as caught:
        recogniser.heard(account, b"x", partial=partial)
    assert "Retry-After" in caught.value.headers
    return caught.value.status, caught.value.code


def test_a_partial_one_does_not_wait_and_a_final_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Held()
    asked = Recognition(engine)
    with ThreadPoolExecutor(4) as callers:
        first = [callers.submit(asked.heard, ACCOUNT, b"a") for _ in range(2)]
        for _ in first:
            assert engine.working.acquire(timeout=20)
        assert refused(asked, ACCOUNT, partial=True) == (503, 13340)
        later = callers.submit(asked.heard, ACCOUNT, b"b")
        engine.go.set()
        assert [one.result(20).text for one in (*first, later)] == ["a", "a", "b"]
        assert asked.heard(ACCOUNT, b"c", partial=True).text == "c"


def test_one_account_cannot_take_all_turns_and_all_together_have_a_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "MOST_WAITING", 2)
    monkeypatch.setattr(turns, "MOST_OF_ACCOUNT", 2)
    engine = Held()
    asked = Recognition(engine)
    with ThreadPoolExecutor(4) as callers:
        waiting = []
        for account in (ACCOUNT, OTHER):
            waiting += [callers.submit(asked.heard, account, b"a") for _ in range(2)]
            while asked._turns._inside[account] < 2:
                assert not any(one.done() for one in waiting)
            assert refused(asked, account)[1] == 20429
        assert refused(asked, "AC" + "c" * 32) == (503, 13340)
        engine.go.set()
        assert {one.result(20).text for one in waiting} == {"a"}
    assert not asked._turns._inside


def test_who_waits_for_too_long_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognition, "SECONDS", 0.2)
    engine = Held(at_once=1)
    asked = Recognition(engine)
    with ThreadPoolExecutor(1) as callers:
        first = callers.submit(asked.heard, ACCOUNT, b"a")
        assert engine.working.acquire(timeout=20)
        assert refused(asked, OTHER) == (503, 13340)
        engine.go.set()
        assert first.result(20).text == "a"
