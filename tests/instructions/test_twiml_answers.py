"""Answers by content type (twilio-surface 1.2), and what a caller hears whose application failed (1.3)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructions.answers import LONGEST_SPEECH, as_twiml
from instructions.commands import Answer, Fault, Fetch, Finish, FinishReason, Play, StopSounds
from instructions.document import MAX_BYTES, parse
from instructions.errors import DocumentError
from instructions.events import Answered, DocumentFetched, HungUp, Replaced, SoundEnded, Started
from instructions.interpreter import APOLOGY

New = Callable[..., Any]
URL = "https://app.test/a.wav?x=1&y=2"
END, ERROR, GONE = (
    Finish(reason=reason)
    for reason in (
        FinishReason.END_OF_DOCUMENT,
        FinishReason.APPLICATION_ERROR,
        FinishReason.CALLER_HUNG_UP,
    )
)


def read(body: bytes | str, content_type: str) -> list[tuple[str, str | None]]:
    raw = body.encode() if isinstance(body, str) else body
    document = parse(as_twiml(raw, content_type, URL))
    assert document.warnings == ()
    return [(verb.tag, verb.text) for verb in document.verbs]


# -- content types


@pytest.mark.parametrize(
    "content_type",
    ["text/xml", "application/xml; charset=utf-8", "TEXT/HTML", "text/plain", " text/plain ; charset=x"],
)
def test_twiml_is_run_as_it_is(content_type: str) -> None:
    body = b"<Response><Pause/></Response>"
    assert as_twiml(body, content_type, URL) is body


def test_audio_is_played_once() -> None:
    assert read(b"\xff\xfb\x00", "audio/mpeg") == [("Play", URL)]
    assert read(b"\x00" * (MAX_BYTES + 1), "AUDIO/x-wav; rate=8000") == [("Play", URL)]


SPOKEN: dict[str, tuple[bytes | str, str, str]] = {
    "text": ("Hello there", "text/plain", "Hello there"),
    "several lines": ("Hello\r\n  there\n", "text/plain; charset=utf-8", "Hello    there"),
    "marks that are not TwiML": ("5 < 6 & 7 > 3", "text/plain", "5 < 6 & 7 > 3"),
    "a page": ("<html>x</html>", "text/plain", "<html>x</html>"),
    "Latin": ("Grüße".encode("latin-1"), 'text/plain; charset="ISO-8859-1"', "Grüße"),
    "UTF-16": ("Grüße".encode("utf-16"), "text/plain; charset=UTF-16", "Grüße"),
    "a mark in front": ("\ufeffGrüße", "text/plain", "Grüße"),
    "no such charset": ("Grüße", "text/plain; charset=punycode", "Grüße"),
    "bytes that are no text": (b"a\xff\x00\x07b", "text/plain", "a\ufffd  b"),
}


@pytest.mark.parametrize(("body", "content_type", "said"), SPOKEN.values(), ids=SPOKEN)
def test_text_is_read_aloud_once(body: bytes | str, content_type: str, said: str) -> None:
    assert read(body, content_type) == [("Say", said)]


def test_long_text_is_read_in_pieces_between_words() -> None:
    """<Say> takes 4,096 characters; a document has 64 kB."""
    pieces = read("some words " * 5000, "text/plain")
    assert {tag for tag, _ in pieces} == {"Say"}
    assert all(len(said or "") <= LONGEST_SPEECH for _, said in pieces)
    assert " ".join(said or "" for _, said in pieces) == ("some words " * 5000).strip()
    assert len(read("x" * 60_000, "text/plain")) == 15


REFUSED = {
    "JSON": ('{"a": 1}', "application/json", 12300),
    "an image": ("\x89PNG", "image/png", 12300),
    "TwiML of another type": ("<Response/>", "application/json", 12300),
    "no type": ("<Response/>", "", 11200),
    "broken TwiML as text": ("<Response><Say></Response>", "text/plain", 12100),
    "broken XML as text": ('<?xml version="1.0"?>\n<Response>', "text/plain", 12100),
    "another root as text": ('<?xml version="1.0"?><Answer/>', "text/plain", 12102),
    "nothing": ("", "", 11770),
    "nothing as JSON": ("", "application/json", 11770),
    "blanks as text": (" \n", "text/plain", 11770),
    "audio of no bytes": ("", "audio/mpeg", 11770),
    "long text": ("x" * (MAX_BYTES + 1), "text/plain", 11750),
}


@pytest.mark.parametrize(("body", "content_type", "code"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(body: str, content_type: str, code: int) -> None:
    with pytest.raises(DocumentError) as caught:
        as_twiml(body.encode("latin-1"), content_type, URL)
    assert caught.value.code == code


@given(
    st.binary(max_size=60),
    st.sampled_from(["text/plain; charset=", "audio/", "", "text/xml;"]),
    st.text(max_size=8),
)
def test_any_answer_is_a_document_or_a_document_error(body: bytes, kind: str, more: str) -> None:
    with suppress(DocumentError):  # anything else fails the test
        parse(as_twiml(body, kind + more, URL))


def arrive(talk: Any, body: bytes, content_type: str | None) -> Any:
    fetch = talk.last(Fetch)
    return talk.tell(DocumentFetched, fetch=fetch.fetch, url=fetch.url, body=body, content_type=content_type)


@pytest.mark.parametrize(
    ("content_type", "words"), [("audio/mpeg", "https://app.test/voice"), ("text/plain", "Hello")]
)
def test_a_call_answers_plays_and_ends(conversation: New, content_type: str, words: str) -> None:
    talk = conversation()
    talk.start()
    assert arrive(talk, b"Hello", content_type) == (Answer(),)
    (play,) = talk.tell(Answered)
    assert words == (play.sound.url if content_type == "audio/mpeg" else play.sound.text)
    assert play.loop == 1
    assert talk.tell(SoundEnded, sound_id=play.sound_id) == (END,)


def test_json_asks_the_fallback(conversation: New) -> None:
    talk = conversation(fallback_url="https://b.test/f")
    talk.start()
    fault, fetch = arrive(talk, b"{}", "application/json")
    assert (fault.code, fetch.params[0]) == (12300, ("ErrorCode", "12300"))


@pytest.mark.parametrize("answered", [True, False])
def test_an_empty_answer_ends_the_call_without_words(conversation: New, answered: bool) -> None:
    talk = conversation(answered=answered)
    talk.start()
    fault, ended = arrive(talk, b"", None)
    assert (fault.code, ended) == (11770, END)


@pytest.mark.parametrize("role", ["screening", "queued"])
def test_an_empty_answer_puts_nobody_through(conversation: New, role: str) -> None:
    talk = conversation(answered=True, role=role)
    talk.start()
    assert arrive(talk, b"", "text/xml")[-1] == ERROR


# -- the apology


def failed(conversation: New, **options: Any) -> tuple[Any, tuple[Any, ...]]:
    talk = conversation(**options)
    talk.start()
    return talk, talk.fail()


def test_a_caller_is_told_before_the_call_ends(conversation: New) -> None:
    """twilio-surface 1.3.4."""
    talk, (fault, play) = failed(conversation, answered=True)
    assert (type(fault), fault.code) == (Fault, 11200)
    assert play == Play(sound_id="sound-2-apology", sound=APOLOGY, loop=1)
    assert talk.tell(SoundEnded, sound_id="sound-1-0") == ()
    assert talk.tell(SoundEnded, sound_id=play.sound_id) == (ERROR,)


def test_words_that_cannot_be_spoken_hold_nobody(conversation: New) -> None:
    talk, (_, play) = failed(conversation, answered=True)
    assert talk.tell(SoundEnded, sound_id=play.sound_id, failed=True, code=20503, reason="-") == (ERROR,)


@pytest.mark.parametrize(
    "options", [{}, {"answered": True, "role": "screening"}], ids=["unanswered", "whisper"]
)
def test_nobody_else_is_told(conversation: New, options: dict[str, Any]) -> None:
    _, (_, ended) = failed(conversation, **options)
    assert ended == ERROR


def test_a_fallback_that_fails_too(conversation: New) -> None:
    talk, _ = failed(conversation, answered=True, fallback_url="https://b.test/f")
    assert talk.fail()[-1].sound == APOLOGY


def test_a_caller_who_hangs_up_meanwhile_ends_it(conversation: New) -> None:
    talk, (_, play) = failed(conversation, answered=True)
    assert talk.tell(HungUp) == (StopSounds(), GONE)
    assert talk.tell(SoundEnded, sound_id=play.sound_id) == ()


def test_rest_may_still_redirect_the_call(conversation: New) -> None:
    talk, (_, first) = failed(conversation, answered=True)
    stop, fetch = talk.tell(Replaced, url="https://app.test/new", method="GET", twiml=None)
    assert (stop, fetch.url) == (StopSounds(), "https://app.test/new")
    assert talk.tell(SoundEnded, sound_id=first.sound_id) == ()
    second = talk.fail()[-1]
    assert second.sound == APOLOGY
    assert second.sound_id != first.sound_id


def test_a_session_with_nothing_to_run(conversation: New) -> None:
    talk = conversation(url=None, answered=True)
    assert talk.tell(Started)[-1].sound == APOLOGY
