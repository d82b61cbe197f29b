"""An app sends messages by Twilio's library, which carriers take and report on: REST, for real."""

import asyncio
from typing import Any

import pytest
import requests
from click.testing import CliRunner
from scene import CALLER, Scene, within
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from callrouter import models
from callrouter.carriers.simulator import Line, Receipts, TextScript
from callrouter.cli import main
from tests.support.origin import Origin, Received, Script, reply

PNG = b"\x89PNG\r\n\x1a\n" + b"p" * 1_000


def rest(scene: Scene) -> Client:
    client: Client = scene.tenant.rest
    client.messaging.base_url = scene.deployment.router_url
    return client


async def create(scene: Scene, **given: Any) -> Any:
    """As an app would, in a thread of its own: the carrier lives on this loop."""
    return await asyncio.to_thread(lambda: rest(scene).messages.create(**{"to": CALLER, **given}))


async def becomes(scene: Scene, sid: str, status: str) -> Any:
    """The message, once it has that status."""

    def row() -> Any:
        return next(
            (one for one in scene.rows(models.Message) if (one.sid, one.status) == (sid, status)), None
        )

    return await scene.until(row, f"{sid} is {status}")


async def test_an_app_sends_a_message_and_hears_what_becomes_of_it(any_scene: Scene) -> None:
    """OM1 to OM14 from REST: create, queue, hand-off, report, callbacks, feedback, decision, redaction, deletion."""
    scene = any_scene
    number = scene.tenant.number()
    async with scene.carrier() as carrier:
        made = await create(
            scene,
            from_=number,
            body="Your code is 123",
            status_callback=scene.app.url("/status/message"),
            provide_feedback=True,
        )
        assert (made.status, made.direction) == ("queued", "outbound-api")
        got = await within(10, carrier.inbox())
        assert (got.id, got.from_, got.to, got.body) == (made.sid, number, CALLER, "Your code is 123")
        await becomes(scene, made.sid, "delivered")
        await scene.form("/status/message", 1)
        await scene.over()
    told = scene.app.forms("/status/message")
    assert [form["MessageStatus"] for form in told] == ["sent", "delivered"]
    assert {(form["MessageSid"], form["SmsSid"], form["From"], form["To"]) for form in told} == {
        (made.sid, made.sid, number, CALLER)
    }
    message = rest(scene).messages(made.sid)
    shown = message.fetch()
    assert (shown.status, shown.error_code) == ("delivered", None)
    assert shown.date_sent is not None
    assert message.feedback.create(outcome="confirmed").outcome == "confirmed"
    auth = (scene.tenant.sid, scene.tenant.auth_token)
    url = scene.deployment.router_url + shown.uri.replace(".json", "/Decisions.json")
    answer = await asyncio.to_thread(requests.get, url, auth=auth, timeout=10)
    (decision,) = answer.json()["decisions"]
    assert decision["carrier"] == carrier.name
    used = {record.category: record.count for record in rest(scene).usage.records.today.list()}
    assert (used["sms"], used["sms-outbound"], used["mms"]) == ("1", "1", "0")
    assert message.update(body="").body == ""
    assert message.delete()
    assert not scene.rows(models.Message)


async def test_a_service_chooses_a_sender_and_keeps_it(scene: Scene) -> None:
    """Sticky sender (twilio-surface 5.12): `accepted` first; the same number for every message to a phone."""
    client, numbers = rest(scene), [scene.tenant.number() for _ in range(3)]
    service = client.messaging.v1.services.create(friendly_name="alerts").sid
    for one in client.incoming_phone_numbers.list():
        client.messaging.v1.services(service).phone_numbers.create(one.sid)
    async with scene.carrier() as carrier:
        made = [
            await create(scene, messaging_service_sid=service, body=f"news {number}") for number in range(3)
        ]
        assert {(one.status, one.from_) for one in made} == {("accepted", None)}
        got = [await within(10, carrier.inbox()) for _ in made]
        for one in made:
            await becomes(scene, one.sid, "delivered")
    assert len({text.from_ for text in got}) == 1
    assert got[0].from_ in numbers


async def test_a_picture_is_stored_sent_and_deleted_with_its_message(scene: Scene) -> None:
    """The carrier gets our URL without a password, and nothing is left of the file afterwards."""

    def answer(request: Received) -> Script:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: {len(PNG)}\r\n\r\n"
        return [head.encode() + PNG] if request.path == "/cat.png" else reply(404)

    origin, number = Origin(answer), scene.tenant.number()
    try:
        async with scene.carrier() as carrier:
            made = await create(scene, from_=number, body="Look", media_url=[origin.url("/cat.png")])
            got = await within(10, carrier.inbox())
            url = got.media[0].url
            assert (await asyncio.to_thread(requests.get, url, timeout=10)).content == PNG
            await becomes(scene, made.sid, "delivered")
            missing = await create(scene, from_=number, body="Oh", media_url=[origin.url("/dog.png")])
            await becomes(scene, missing.sid, "failed")
    finally:
        origin.close()
    message = rest(scene).messages(made.sid)
    assert [(one.content_type, one.uri in url + ".json") for one in message.media.list()] == [
        ("image/png", True)
    ]
    failed = rest(scene).messages(missing.sid).fetch()
    assert failed.error_message
    assert message.delete()
    assert requests.get(url, timeout=10).status_code == 404


async def test_what_waits_can_be_canceled_and_what_left_cannot(scene: Scene) -> None:
    """PQ-12; the second waits behind the first, of which the carrier says nothing until it is told to."""
    number = scene.tenant.number()
    silent = TextScript(line=Line.MUTE, receipts=Receipts.NONE)
    async with scene.carrier(texting=silent) as carrier:
        first, second = [await create(scene, from_=number, body=body) for body in ("one", "two")]
        await becomes(scene, first.sid, "sending")
        canceled = await asyncio.to_thread(rest(scene).messages(second.sid).update, status="canceled")
        assert canceled.status == "canceled"
        with pytest.raises(TwilioRestException) as refused:
            await asyncio.to_thread(rest(scene).messages(first.sid).update, status="canceled")
        assert (refused.value.status, refused.value.code) == (409, 30409)
        await carrier.report(first.sid, "delivered")
        await becomes(scene, first.sid, "delivered")
        assert [text.body for text in carrier.messages] == ["one"]


async def test_the_command_line_sends_and_explains(scene: Scene, monkeypatch: Any) -> None:
    """`callrouter messages send` stores it; the router that runs finds it."""
    number = scene.tenant.number()
    for name, value in scene.deployment.environment.items():
        if name.startswith("CALLROUTER_"):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("CALLROUTER_CLI_ACCOUNT", scene.tenant.sid)
    async with scene.carrier() as carrier:
        sending = ("messages", "send", CALLER, "From the shell", "--from", number)
        sent = await asyncio.to_thread(CliRunner().invoke, main, sending)
        assert sent.exit_code == 0, sent.output
        got = await within(10, carrier.inbox())
        assert got.body == "From the shell"
        await becomes(scene, got.id, "delivered")
        shown = CliRunner().invoke(main, ("messages", "show", got.id))
    assert shown.exit_code == 0, shown.output
    for part in ("handed over", "reported: delivered", f"→  {carrier.name}"):
        assert part in shown.output
