"""<Message>, <Redirect> and their attributes (twilio-surface 3 and 7.4): events in, commands out."""

from __future__ import annotations

import pytest
from messages_talk import APP, END, ERROR, FALLBACK, PARAMS, Talk, codes, replies, reply
from twilio.twiml.messaging_response import Body, Media, Message, MessagingResponse, Redirect

from instructions.errors import CATALOGUE, is_warning
from instructions.messaging import (
    MAX_DOCUMENTS,
    MAX_REPLIES,
    DocumentFailed,
    Fault,
    Fetch,
    Reply,
    Sent,
    Warn,
    verbs,
)


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


# -- the tables


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
