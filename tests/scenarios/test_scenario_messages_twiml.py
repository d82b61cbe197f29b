"""What the language of messages leads to: real processes, a scripted app (twilio-surface 3 and 7.4)."""

from typing import Any

import pytest
from scene import CALLER, Scene, within

from callrouter import models
from tests.support.deployment import PATIENCE


def answer(content_type: str, body: bytes) -> list[bytes]:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return [head.encode() + body]


def number(scene: Scene, document: Any) -> str:
    """A number whose messages this document answers."""
    scene.app.answers["/sms"] = document
    return scene.tenant.number(sms_url=scene.app.url("/sms"))


async def conversation(scene: Scene, to: str, replies: int) -> list[str]:
    """The words that come back to a phone that writes."""
    async with scene.carrier() as carrier:
        await carrier.text(CALLER, to, "Hello?")
        words = [(await within(PATIENCE, carrier.inbox())).body for _ in range(replies)]
        await scene.over()
        assert len(carrier.messages) == replies
    return words


async def test_an_action_hears_of_its_reply_and_its_document_goes_on(scene: Scene) -> None:
    to = number(scene, "<Response><Message action='/after'>One</Message><Message>never</Message></Response>")
    scene.app.answers["/after"] = "<Response><Message>Two</Message></Response>"
    assert await conversation(scene, to, 2) == ["One", "Two"]
    (form,) = scene.app.forms("/after")
    one = next(row for row in scene.rows(models.Message) if row.body == "One")
    assert {name: form[name] for name in ("MessageSid", "MessageStatus", "To", "From", "AccountSid")} == {
        "MessageSid": one.sid,
        "MessageStatus": "queued",
        "To": CALLER,
        "From": to,
        "AccountSid": scene.tenant.sid,
    }
    assert scene.codes() == []


async def test_an_action_hears_that_its_reply_was_refused(scene: Scene) -> None:
    """14102 and 21606: a sender that is not the account's own sends nothing."""
    to = number(scene, "<Response><Message action='/after' from='+14155559999'>Spoof</Message></Response>")
    scene.app.answers["/after"] = "<Response><Message>Sorry</Message></Response>"
    assert await conversation(scene, to, 1) == ["Sorry"]
    (form,) = scene.app.forms("/after")
    assert form["MessageStatus"] == "failed"
    assert form["ErrorCode"] in scene.codes()


@pytest.mark.parametrize(
    ("document", "words", "codes"),
    [
        (answer("text/plain", b"Plain words"), ["Plain words"], []),
        (
            "<Response><Say>x</Say><Message to='?'>x</Message><Message>y</Message></Response>",
            ["y"],
            ["14101", "14110"],
        ),
        ("<Response>" + "<Message>x</Message>" * 12 + "</Response>", ["x"] * 10, ["14109"]),
        ("<Response><Message>" + "x" * 1601 + "</Message></Response>", [], ["14103"]),
        ("<Response/>", [], []),
        (answer("application/json", b"{}"), [], ["12300"]),
        ("<Response><Redirect/></Response>", [], ["14106"]),
    ],
    ids=["words", "warnings", "ten replies", "too long", "nothing", "no TwiML", "fifty documents"],
)
async def test_limits_and_codes(scene: Scene, document: Any, words: list[str], codes: list[str]) -> None:
    to = number(scene, document)
    assert await conversation(scene, to, len(words)) == words
    assert sorted(scene.codes()) == codes
    received = [row.status for row in scene.rows(models.Message) if row.direction == "inbound"]
    assert received == ["received"]
