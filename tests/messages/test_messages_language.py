"""Documents that an app answers a message with: which are taken, and what goes to the fallback (twilio-surface 3)."""

from __future__ import annotations

import pytest
from messages_talk import APP, END, ERROR, FALLBACK, PARAMS, Talk, codes, reply

from instructions.messaging import DocumentFailed, Fault, Fetch


def test_the_app_is_asked_once_with_the_messages_parameters() -> None:
    talk = Talk(method="GET")
    assert talk.start() == [Fetch(fetch="fetch-1", url=APP, method="GET", params=PARAMS)]
    assert talk.start() == []


def test_a_reply_and_the_end() -> None:
    assert Talk().run("<Message>Hi <!-- there --> you</Message>") == [reply("Hi  you"), END]


def test_replies_go_in_the_documents_order() -> None:
    commands = Talk().run("<Message>1</Message><Sms>2</Sms><Message><Body>3</Body></Message>")
    assert commands == [reply("1"), reply("2", 1), reply("3", 2), END]


@pytest.mark.parametrize("twiml", ["", "just words"])
def test_an_empty_response_is_no_reply(twiml: str) -> None:
    assert Talk().run(twiml) == [END]


@pytest.mark.parametrize("content_type", ["text/xml", "text/plain", "application/json", None])
@pytest.mark.parametrize("body", [b"", b" \r\n"])
def test_an_empty_answer_is_no_reply_and_no_error(content_type: str | None, body: bytes) -> None:
    talk = Talk()
    talk.start()
    assert talk.answer(body, content_type) == [END]


def test_text_is_the_reply_as_it_is() -> None:
    """Twilio sends text/plain back word by word, also when it looks like TwiML."""
    for body in ("Hello\n  there ", "<Response><Message>x</Message></Response>", "5 < 6 & 7"):
        talk = Talk()
        talk.start()
        assert talk.answer(body, "text/plain; charset=utf-8") == [reply(body), END]


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        (b"caf\xe9", "text/plain; charset=iso-8859-1", "café"),
        (b"caf\xe9", "text/plain", "caf\ufffd"),
        (b"a\x00b", "text/plain", "a b"),
        ("\ufeffhi".encode(), "TEXT/PLAIN", "hi"),
    ],
)
def test_text_that_is_hard_to_read(body: bytes, content_type: str, text: str) -> None:
    talk = Talk()
    talk.start()
    assert talk.answer(body, content_type) == [reply(text), END]


def test_a_text_that_is_too_long_is_not_sent() -> None:
    talk = Talk()
    talk.start()
    assert codes(talk.answer("x" * 1601, "text/plain")) == [14103]
    assert talk.commands[-1] == END


BROKEN: list[tuple[str | bytes, str | None, int]] = [
    ("<Response>", "text/xml", 12100),
    ("<!DOCTYPE x><Response/>", "text/xml", 12100),
    ("<Answer/>", "application/xml", 12102),
    ("<?xml version='1.7'?><Response/>", "text/xml", 12101),
    ("<Response/>" + " " * 65_536, "text/xml", 11750),
    ("x" * 65_537, "text/plain", 11750),
    ("{}", "application/json", 12300),
    ("RIFF", "audio/wav", 12300),
    ("<Response/>", None, 11200),
    ("<Response/>", "", 11200),
    ("hello", "text/xml", 12100),
    (b"\xff\xfe\x00", "text/xml", 12100),
]


@pytest.mark.parametrize(("body", "content_type", "code"), BROKEN)
def test_a_broken_document_goes_to_the_fallback_once(
    body: str | bytes, content_type: str | None, code: int
) -> None:
    """I9: then it is over, and nothing was sent."""
    talk = Talk(fallback_url=FALLBACK, fallback_method="GET")
    talk.start()
    fault, fetch = talk.answer(body, content_type)
    assert isinstance(fault, Fault)
    assert (fault.code, fault.url) == (code, APP)
    errors = (("ErrorCode", str(code)), ("ErrorUrl", APP))
    assert fetch == Fetch(fetch="fetch-2", url=FALLBACK, method="GET", params=PARAMS + errors)
    assert codes(talk.answer(body, content_type)) == [code]
    assert talk.commands[-1] == ERROR


def test_a_failed_fetch_goes_to_the_fallback_and_its_document_runs() -> None:
    talk = Talk(fallback_url=FALLBACK)
    talk.start()
    failed = DocumentFailed(fetch="fetch-1", code=11205, reason="refused", url="")
    assert codes(talk.tell(failed)) == [11205]
    assert dict(talk.last(Fetch).params)["ErrorUrl"] == APP
    assert talk.tell(failed) == [], "the same event again means nothing"
    redirected = talk.run("<Message>sorry</Message><Redirect>again</Redirect>")
    assert redirected[0] == reply("sorry")
    assert redirected[1] == Fetch(
        fetch="fetch-3", url="https://app.test/again", method="POST", params=PARAMS
    ), "what comes after a fallback is no fallback: it may have one of its own"


def test_without_a_fallback_it_is_over() -> None:
    talk = Talk()
    talk.start()
    failed = DocumentFailed(fetch="fetch-1", code=11200, reason="answered 500", url=APP)
    assert talk.tell(failed)[-1] == ERROR
    assert talk.answer("<Response><Message>late</Message></Response>") == []
