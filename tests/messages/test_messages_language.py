"""The session of an inbound message as a conversation (twilio-surface 3 and 7.4): events in, commands out."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.twiml.messaging_response import Body, Media, Message, MessagingResponse, Redirect

from instructions.errors import CATALOGUE, SnapshotError, is_warning
from instructions.messaging import (
    MAX_DOCUMENTS,
    MAX_REPLIES,
    Command,
    DocumentFailed,
    DocumentFetched,
    Event,
    Fault,
    Fetch,
    Finish,
    FinishReason,
    Reply,
    Sent,
    Started,
    State,
    Warn,
    advance,
    dumps,
    loads,
    new_session,
    verbs,
)
from instructions.messaging.state import Waiting

APP = "https://app.test/sms/in"
FALLBACK = "https://app.test/fallback"
PARAMS = (
    ("MessageSid", "SM1"),
    ("AccountSid", "AC1"),
    ("From", "+15550100"),
    ("To", "+15550199"),
    ("Body", "hello"),
    ("ApiVersion", "2010-04-01"),
)
END, ERROR = Finish(reason=FinishReason.END_OF_DOCUMENT), Finish(reason=FinishReason.APPLICATION_ERROR)


class Talk:
    """Tells a session events; its state goes through JSON each time."""

    def __init__(self, **options: Any) -> None:
        self.state = new_session(**{"url": APP, "params": PARAMS, **options})
        self.commands: list[Command] = []

    def tell(self, event: Event) -> list[Command]:
        self.state, commands = advance(loads(dumps(self.state)), event)
        self.commands += commands
        return list(commands)

    def start(self) -> list[Command]:
        return self.tell(Started())

    def answer(
        self, body: str | bytes, content_type: str | None = "text/xml", url: str = ""
    ) -> list[Command]:
        fetch = self.last(Fetch)
        raw = body.encode() if isinstance(body, str) else body
        return self.tell(
            DocumentFetched(fetch=fetch.fetch, body=raw, content_type=content_type, url=url or fetch.url)
        )

    def run(self, twiml: str) -> list[Command]:
        if self.state.waiting is Waiting.START:
            self.start()
        return self.answer(f"<Response>{twiml}</Response>")

    def last(self, kind: type[Any]) -> Any:
        return [command for command in self.commands if isinstance(command, kind)][-1]


def codes(commands: list[Command]) -> list[int]:
    found = [command for command in commands if isinstance(command, Warn | Fault)]
    assert all(is_warning(each.code) == isinstance(each, Warn) for each in found)
    return [each.code for each in found]


def replies(commands: list[Command]) -> list[Reply]:
    return [command for command in commands if isinstance(command, Reply)]


def reply(body: str, index: int = 0, **fields: Any) -> Reply:
    plain = Reply(
        index=index,
        to=None,
        from_=None,
        body=body,
        media=(),
        status_callback=None,
        otherwise=None,
        session=None,
        media_required=False,
        wanted_action=False,
    )
    return replace(plain, **fields)


# -- documents


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


# -- Message


def test_every_attribute_of_message() -> None:
    talk = Talk()
    talk.start()
    commands = talk.answer(
        "<Response><Message to='+1 (415) 555-0100' from='ACME Ltd' statusCallback='/status' otherwise='hold' "
        "session='600' media='required'><Body>Look:</Body><Media>a.png</Media>"
        "<Media>https://cdn.test/b.jpg</Media></Message></Response>",
        url="https://www.app.test/v2/in?x=1",
    )
    expected = reply(
        "Look:",
        to="+14155550100",
        from_="ACME Ltd",
        status_callback="https://www.app.test/status",
        otherwise="hold",
        session=600,
        media_required=True,
        media=("https://www.app.test/v2/a.png", "https://cdn.test/b.jpg"),
    )
    assert commands == [expected, END]


@pytest.mark.parametrize(
    ("to", "read"),
    [
        ("client:alice", "client:alice"),
        ("client:zoë.b-1@x", "client:zoë.b-1@x"),
        ("+14155550100", "+14155550100"),
        ("1-415-555.0100", "14155550100"),
        ("12345", "12345"),
    ],
)
def test_whom_it_goes_to(to: str, read: str) -> None:
    """PR-70: a document may address a client."""
    assert Talk().run(f"<Message to='{to}'>x</Message>") == [reply("x", to=read), END]


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ("to='nobody'", 14101),
        ("to=''", 14101),
        ("to='+1415555０100'", 14101),
        ("to='client:'", 14101),
        ("to='client:a b'", 14101),
        ("to='whatsapp:+14155550100'", 14101),
        ("to='+1234567890123456'", 14101),
        ("from='twelve chars'", 14102),
        ("from='ACMÉ'", 14102),
        ("from=''", 14102),
        ("from='client:alice'", 14102),
    ],
)
def test_a_message_with_a_wrong_address_goes_to_nobody(attributes: str, code: int) -> None:
    """Least of all to the default: that may be a stranger to what it says."""
    commands = Talk().run(f"<Message {attributes}>secret</Message><Message>next</Message>")
    assert codes(commands) == [code]
    assert replies(commands) == [reply("next")]


@pytest.mark.parametrize(
    "inside",
    [
        "",
        "<Body/>",
        "<Body> </Body>",
        "<Media/>",
        "<Media>ftp://x.test/a</Media>",
        "x" * 1601,
        "<Body>" + "x" * 1601 + "</Body><Media>a.png</Media>",
    ],
)
def test_a_message_without_a_body_that_can_be_sent(inside: str) -> None:
    commands = Talk().run(f"<Message>{inside}</Message>")
    assert 14103 in codes(commands)
    assert replies(commands) == []
    assert commands[-1] == END


@pytest.mark.parametrize(
    ("twiml", "code", "sent"),
    [
        ("<Message method='PUT'>x</Message>", 14104, reply("x")),
        ("<Message statusCallback='ftp://x'>x</Message>", 14105, reply("x")),
        ("<Message action='http://'>x</Message>", 11100, reply("x")),
        ("<Message colour='red'>x</Message>", 12200, reply("x")),
        ("<Message otherwise='wait'>x</Message>", 12200, reply("x")),
        ("<Message session='0'>x</Message>", 12200, reply("x")),
        ("<Message media='never'>x</Message>", 12200, reply("x")),
        ("<Message>x<Media>http://</Media></Message>", 12200, reply("x")),
        ("<Message>x<Body>y</Body><Body>z</Body></Message>", 12200, reply("y")),
        ("<Message>x<Picture>a.png</Picture></Message>", 12200, reply("x")),
        ("<Sms>x<Body>y</Body></Sms>", 12200, reply("x")),
        ("<Say>hello</Say><Message>x</Message>", 14110, reply("x")),
        ("<Dial>+15550100</Dial><Message>x</Message>", 14110, reply("x")),
        ("<Mesage>no</Mesage><Message>x</Message>", 14110, reply("x")),
    ],
)
def test_what_is_only_warned_about(twiml: str, code: int, sent: Reply) -> None:
    talk = Talk()
    talk.start()
    commands = talk.answer(f"<Response>\n{twiml}</Response>")
    warned = [command for command in commands if isinstance(command, Warn | Fault)]
    assert [(each.code, each.line, each.url) for each in warned] == [(code, 2, APP)]
    assert replies(commands) == [sent]


def test_at_most_ten_media() -> None:
    media = "".join(f"<Media>{number}.png</Media>" for number in range(12))
    commands = Talk().run(f"<Message>{media}</Message>")
    assert codes(commands) == [12200]
    assert len(replies(commands)[0].media) == 10


def test_ten_replies_and_no_more_over_all_documents() -> None:
    talk = Talk()
    assert len(replies(talk.run("<Message>x</Message>" * 6 + "<Redirect>/2</Redirect>"))) == 6
    commands = talk.run("<Message>x</Message>" * 9 + "<Redirect>/3</Redirect>")
    assert [each.index for each in replies(commands)] == [6, 7, 8, 9]
    assert codes(commands) == [14109], "said once"
    assert talk.run("<Message action='/a'>x</Message>") == [END]
    assert len(replies(talk.commands)) == MAX_REPLIES


# -- Redirect and action


def test_redirect_leaves_the_rest_behind() -> None:
    talk = Talk()
    talk.start()
    commands = talk.answer(
        "<Response><Redirect method='get'>more?a=1&amp;b=2</Redirect><Message>no</Message></Response>"
    )
    url = "https://app.test/sms/more?a=1&b=2"
    assert commands == [Fetch(fetch="fetch-2", url=url, method="GET", params=PARAMS)]
    assert talk.run("<Redirect/>")[0].url == url, "without a URL: the same document"  # type: ignore[union-attr]


def test_redirect_to_nowhere_goes_to_the_fallback() -> None:
    talk = Talk(fallback_url=FALLBACK)
    commands = talk.run("<Redirect>mailto:x@y</Redirect>")
    assert [command.url for command in commands if isinstance(command, Fetch)] == [FALLBACK]
    assert dict(talk.last(Fetch).params)["ErrorCode"] == "11100"


def test_fifty_documents_and_no_more() -> None:
    talk = Talk(fallback_url=FALLBACK)
    talk.start()
    for _ in range(MAX_DOCUMENTS - 1):
        assert isinstance(talk.run("<Redirect/>")[-1], Fetch)
    commands = talk.run("<Redirect/>")
    assert (codes(commands), commands[-1]) == ([14106], ERROR)


def test_action_hears_of_the_reply_and_goes_on_instead() -> None:
    talk = Talk()
    first = talk.run("<Message action='done' method='GET' to='client:alice'>x</Message><Message>no</Message>")
    assert first == [reply("x", to="client:alice", wanted_action=True)]
    assert talk.tell(Sent(reply=3, sid="SM9", status="queued")) == [], "that is another reply"
    (fetch,) = talk.tell(Sent(reply=0, sid="SM2", status="queued"))
    assert isinstance(fetch, Fetch)
    assert (fetch.fetch, fetch.url, fetch.method) == ("fetch-2", "https://app.test/sms/done", "GET")
    assert dict(fetch.params) == {
        "AccountSid": "AC1",
        "ApiVersion": "2010-04-01",
        "MessageSid": "SM2",
        "SmsSid": "SM2",
        "MessageStatus": "queued",
        "SmsStatus": "queued",
        "To": "client:alice",
        "From": "+15550199",
    }
    assert talk.tell(Sent(reply=0, sid="SM2", status="queued")) == []
    assert talk.run("<Message>after</Message>") == [reply("after", 1), END]


def test_action_hears_of_a_reply_that_could_not_be_sent() -> None:
    talk = Talk(fallback_url=FALLBACK)
    talk.run("<Message action='done'>x</Message>")
    (fetch,) = talk.tell(Sent(reply=0, sid="", status="failed", error_code=21610, from_="ACME"))
    assert isinstance(fetch, Fetch)
    told = dict(fetch.params)
    assert (told["MessageStatus"], told["ErrorCode"], told["To"]) == ("failed", "21610", "+15550100")
    assert told["From"] == "ACME"
    assert "MessageSid" not in told
    failed = DocumentFailed(fetch=fetch.fetch, code=11200, reason="500", url=fetch.url)
    assert dict(talk.tell(failed)[-1].params)["ErrorUrl"] == fetch.url  # type: ignore[union-attr]


def test_a_reply_without_an_action_is_not_waited_for() -> None:
    talk = Talk()
    assert talk.run("<Message>x</Message>")[-1] == END
    assert talk.tell(Sent(reply=0, sid="SM2", status="queued")) == []


# -- the tables, and everything at once


def test_twilios_own_library_writes_nothing_that_is_unknown() -> None:
    """twilio-surface 9.4: each element and attribute that the official builder can write."""
    response = MessagingResponse()
    message = Message(
        to="+15550101",
        from_="+15550199",
        action="/action",
        method="POST",
        status_callback="/status",
    )
    message.append(Body("Hello"))
    message.append(Media("https://cdn.test/a.png"))
    response.append(message)
    response.append(Redirect("/next", method="GET"))
    talk = Talk()
    talk.start()
    (sent,) = talk.answer(str(response))
    assert sent == reply(
        "Hello",
        to="+15550101",
        from_="+15550199",
        media=("https://cdn.test/a.png",),
        status_callback="https://app.test/status",
        wanted_action=True,
    )


def test_every_code_is_in_the_catalogue() -> None:
    elements = (verbs.Message, verbs.Sms, verbs.Redirect, verbs.Response, verbs.Body, verbs.Media)
    for cls in elements:
        assert {cls.nest_code, cls.content_code, *(row.code for row in cls.table)} <= CATALOGUE.keys()
    assert {14101, 14102, 14103, 14104, 14105, 14106, 14107, 14108, 14109, 14110, 14111} <= CATALOGUE.keys()
    assert not is_warning(14107)


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"schema":2,"state":{}}',
        '{"schema":1,"state":{"origin":{"url":1}}}',
        "\ud800",
    ],
)
def test_what_is_no_state_is_refused(stored: str) -> None:
    with pytest.raises(SnapshotError):
        loads(stored)


def test_a_state_is_small() -> None:
    talk = Talk()
    talk.start()
    assert len(dumps(talk.state)) < 1000
    assert json.loads(dumps(talk.state))["schema"] == 1


DOCUMENTS = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=200).map(str.encode),
    st.lists(
        st.sampled_from(
            [
                "<Message>hi</Message>",
                "<Message action='a'>hi</Message>",
                "<Message to='?'>hi</Message>",
                "<Message><Body>x</Body><Media>m.png</Media></Message>",
                "<Redirect>r</Redirect>",
                "<Redirect>ftp://r</Redirect>",
                "<Sms>x</Sms>",
                "<Say>x</Say>",
                "text",
            ]
        ),
        max_size=15,
    ).map(lambda verbs: f"<Response>{''.join(verbs)}</Response>".encode()),
)
NAMES = st.integers(0, 60).map(lambda number: f"fetch-{number}")
EVENTS = st.one_of(
    st.just(Started()),
    st.builds(
        DocumentFetched,
        fetch=NAMES,
        body=DOCUMENTS,
        content_type=st.sampled_from(["text/xml", "text/plain", "image/png", "", None]),
        url=st.sampled_from([APP, "https://other.test/", "http://[::1", ""]),
    ),
    st.builds(DocumentFailed, fetch=NAMES, code=st.just(11200), reason=st.text(max_size=5), url=st.just(APP)),
    st.builds(Sent, reply=st.integers(0, 12), sid=st.just("SM2"), status=st.just("queued")),
)


@given(st.lists(st.tuples(EVENTS, st.booleans()), max_size=40), st.booleans())
def test_any_events_in_any_order(events: list[tuple[Event, bool]], fallback: bool) -> None:
    """It never raises, ends once, says nothing after the end, and keeps its bounds."""
    talk = Talk(fallback_url=FALLBACK if fallback else "")
    talk.start()
    for event, meant in events:
        if meant and isinstance(event, DocumentFetched | DocumentFailed) and talk.state.request:
            event = replace(event, fetch=talk.state.request.fetch)
        over = talk.state.finished
        told = talk.tell(event)
        assert not (over and told)
    ends = [command for command in talk.commands if isinstance(command, Finish)]
    assert len(ends) == (talk.state.finished is not None)
    assert [each.index for each in replies(talk.commands)] == list(range(len(replies(talk.commands))))
    assert len(replies(talk.commands)) <= MAX_REPLIES
    assert sum(isinstance(command, Fetch) for command in talk.commands) <= MAX_DOCUMENTS


@given(DOCUMENTS)
def test_the_same_state_and_event_give_the_same(body: bytes) -> None:
    state, _ = advance(new_session(url=APP), Started())
    event = DocumentFetched(fetch="fetch-1", body=body, content_type="text/xml", url=APP)
    assert advance(state, event) == advance(State(**vars(state)), event)
