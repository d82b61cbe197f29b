"""A phone writes to a number: through the carrier's protocol, the app and the queue back to the phone, for real."""

import asyncio
from collections.abc import Iterator

import pytest
import requests
from scene import CALLER, Scene, within

from callrouter import models
from callrouter.calls.parameters import API_VERSION
from callrouter.carriers.simulator import CallRefused, Faults, Text, TextScript
from callrouter.carriers.simulator.gateway import SimulatedCarrier
from callrouter.directory import places
from tests.support.origin import Origin, Received, Script, endless, redirect, reply

PNG = b"\x89PNG\r\n\x1a\n" + b"p" * 1_000
MESSAGE = "<Response><Message>{}</Message></Response>"


class Cdn:
    """Where media are."""

    def __init__(self) -> None:
        self._origin = Origin(self._answer)
        self.close, self.url = self._origin.close, self._origin.url

    def _answer(self, request: Received) -> Script:
        head = "HTTP/1.1 200 OK\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n"
        bodies = {"/cat.png": ("image/png", PNG), "/lie.png": ("image/png", b"<html>no cat</html>")}
        if request.path == "/endless.png":
            return endless(head.format("image/png", 10**12).encode())
        if request.path in bodies:
            kind, body = bodies[request.path]
            return [head.format(kind, len(body)).encode() + body]
        return reply(404)


@pytest.fixture
def cdn() -> Iterator[Cdn]:
    made = Cdn()
    yield made
    made.close()


def number(scene: Scene, document: str | Script | None = None, **settings: str) -> str:
    """A number whose messages this document answers."""
    if document is not None:
        scene.app.answers["/sms"] = document
    return scene.tenant.number(sms_url=scene.app.url("/sms"), **settings)


def statuses(scene: Scene) -> dict[str, str]:
    """Of the account's messages, by their words."""
    return {row.body: row.status for row in scene.rows(models.Message)}


async def has(scene: Scene, **wanted: str) -> None:
    await scene.until(lambda: statuses(scene).items() >= wanted.items(), f"messages are {wanted}")


async def answered(carrier: SimulatedCarrier) -> Text:
    return await within(10, carrier.inbox())


# -- the main job


async def test_a_phone_writes_and_the_apps_reply_comes_back_through_the_carrier(any_scene: Scene) -> None:
    """The design's main job for messages: IM1 to IM12, OM1 to OM14; parameters of twilio-surface 4.5."""
    scene = any_scene
    reply_ = (
        f"<Response><Message statusCallback='{scene.app.url('/status/reply')}'>Grüße</Message></Response>"
    )
    to = number(scene, reply_)
    async with scene.carrier() as carrier:
        sent = await carrier.text(CALLER, to, "Hello?")
        got = await answered(carrier)
        assert (got.from_, got.to, got.body, got.encoding, got.segments) == (to, CALLER, "Grüße", "gsm-7", 1)
        await has(scene, **{"Hello?": "received", "Grüße": "delivered"})
        await scene.form("/status/reply", 1)
        await scene.over()
    assert scene.app.forms("/sms") == [
        {
            **dict.fromkeys(("MessageSid", "SmsSid", "SmsMessageSid"), sent.message_sid),
            "AccountSid": scene.tenant.sid,
            "From": CALLER,
            "To": to,
            **places.parameters("From", CALLER),
            **places.parameters("To", to),
            "Body": "Hello?",
            "NumSegments": "1",
            "NumMedia": "0",
            "SmsStatus": "received",
            "ApiVersion": API_VERSION,
        }
    ]
    told = scene.app.forms("/status/reply")
    assert [form["MessageStatus"] for form in told] == ["sent", "delivered"]
    assert {form["MessageSid"] for form in told} == {got.id}
    shown = scene.tenant.rest.messages(got.id).fetch()
    assert (shown.direction, shown.status, shown.body) == ("outbound-reply", "delivered", "Grüße")
    assert scene.codes() == []


async def test_a_picture_message_reaches_the_app_with_its_pictures(scene: Scene, cdn: Cdn) -> None:
    """IM11, MD-12: stored with us, and handed out under our URL; the app sends one back."""
    picture = "<Response><Message><Body>Yours</Body><Media>{}</Media></Message></Response>"
    scene.app.answers["/sms"] = lambda request: reply(body=picture.format(request.form["MediaUrl0"]).encode())
    to = number(scene)
    async with scene.carrier() as carrier:
        await carrier.text(CALLER, to, "Mine", [(cdn.url("/cat.png"), "image/png")])
        form = await scene.form("/sms")
        assert (form["NumMedia"], form["MediaContentType0"]) == ("1", "image/png")
        kept = await asyncio.to_thread(requests.get, form["MediaUrl0"], timeout=10)
        assert (kept.content, kept.headers["Content-Type"]) == (PNG, "image/png")
        got = await answered(carrier)
        assert (got.body, len(got.media), got.media[0].content_type) == ("Yours", 1, "image/png")
        fetched = await asyncio.to_thread(requests.get, got.media[0].url, timeout=10)
        assert fetched.content == PNG
        await has(scene, Mine="received", Yours="delivered")
    listed = scene.tenant.rest.messages(form["MessageSid"]).media.list()
    assert [media.content_type for media in listed] == ["image/png"]


async def test_media_that_lie_never_end_or_are_not_there_cost_themselves_only(scene: Scene, cdn: Cdn) -> None:
    to = number(scene, MESSAGE.format("Got it"))
    bad = [(cdn.url(path), "image/png") for path in ("/lie.png", "/endless.png", "/missing.png")]
    async with scene.carrier() as carrier:
        await carrier.text(CALLER, to, "Look", [*bad, (cdn.url("/cat.png"), "image/png")])
        form = await scene.form("/sms")
        assert form["NumMedia"] == "1"
        await answered(carrier)
        await has(scene, Look="received")
    assert sorted(scene.codes()) == ["11200", "11751", "12300"]


# -- the app


async def test_the_fallback_is_asked_when_the_app_fails(scene: Scene) -> None:
    """I9, twilio-surface 4.7; the inbound message stays received."""
    scene.app.answers["/fallback"] = MESSAGE.format("Later, please")
    to = number(scene, reply(500), sms_fallback_url=scene.app.url("/fallback"))
    async with scene.carrier() as carrier:
        await carrier.text(CALLER, to, "Hi")
        assert (await answered(carrier)).body == "Later, please"
        await has(scene, Hi="received")
    form = scene.app.forms("/fallback")[0]
    assert (form["ErrorCode"], form["ErrorUrl"], form["Body"]) == ("11200", scene.app.url("/sms"), "Hi")
    assert scene.codes() == ["11200"]


async def test_replies_leave_in_their_order_and_redirects_are_followed(scene: Scene) -> None:
    """PQ-5."""
    many = "".join(f"<Message>{number}</Message>" for number in range(9))
    scene.app.answers["/more"] = MESSAGE.format("last")
    to = number(scene, f"<Response>{many}<Redirect>/more</Redirect></Response>")
    async with scene.carrier(texting=TextScript(answer_after=0.02)) as carrier:
        await carrier.text(CALLER, to, "Count")
        got = [(await answered(carrier)).body for _ in range(10)]
        await has(scene, last="delivered")
    assert got == [*"012345678", "last"]


async def test_the_apps_cookies_come_back_with_the_phones_next_message(scene: Scene) -> None:
    to = number(scene, reply(200, b"<Response/>", "Set-Cookie: step=2"))
    async with scene.carrier() as carrier:
        for body in ("one", "two"):
            await carrier.text(CALLER, to, body)
            await has(scene, **{body: "received"})
            await scene.over()
        await carrier.text("+14155550199", to, "three")
        await scene.form("/sms", 2)
    cookies = [request.headers.get("cookie") for request in scene.app.received]
    assert cookies == [None, "step=2", None]


async def test_stop_silences_the_number_for_that_phone_until_start(scene: Scene) -> None:
    """21610; the app hears of all of it."""
    to = number(scene, MESSAGE.format("News"))
    async with scene.carrier() as carrier:
        await carrier.text(CALLER, to, "STOP")
        await scene.form("/sms")
        await scene.until(lambda: scene.codes() == ["21610"], "the reply is refused")
        await carrier.text("+14155550199", to, "Me?")
        assert (await answered(carrier)).to == "+14155550199"
        await carrier.text(CALLER, to, "START")
        assert (await answered(carrier)).to == CALLER
    assert [form["Body"] for form in scene.app.forms("/sms")] == ["STOP", "Me?", "START"]


# -- the carrier


async def test_a_message_that_the_carrier_repeats_is_one_message(scene: Scene) -> None:
    """I7, F23: fifty deliveries in parallel, one effect."""
    to = number(scene, MESSAGE.format("Once"))
    async with scene.carrier() as carrier:
        sent = await asyncio.gather(*(carrier.text(CALLER, to, "Hi", id="same") for _ in range(50)))
        await answered(carrier)
        await has(scene, Once="delivered")
        await scene.over()
        assert len(carrier.messages) == 1
    assert len({text.message_sid for text in sent}) == 1
    assert len(scene.app.forms("/sms")) == 1


async def test_a_report_before_twice_and_late_changes_nothing(scene: Scene) -> None:
    """OM9, F25, MR-8: statuses go forward only, and one status callback tells of the end."""
    reply_ = f"<Response><Message statusCallback='{scene.app.url('/status/reply')}'>Yes</Message></Response>"
    to = number(scene, reply_)
    async with scene.carrier(texting=TextScript(early=True)) as carrier:
        carrier.faults = Faults(duplicates=2)
        await carrier.text(CALLER, to, "Hi")
        got = await answered(carrier)
        await has(scene, Yes="delivered")
        after = await carrier.report(got.id, "undelivered", 30003)
        assert after.answer == {"status": "delivered"}
        await scene.over()
    ends = [form["MessageStatus"] for form in scene.app.forms("/status/reply")]
    assert ends.count("delivered") == 1
    assert "undelivered" not in ends


async def test_reports_about_messages_that_are_not_the_carriers_are_refused(scene: Scene) -> None:
    """MR-8: unknown, foreign and inbound ones look the same."""
    to = number(scene, MESSAGE.format("Yes"))
    async with scene.carrier() as carrier:
        sent = await carrier.text(CALLER, to, "Hi")
        got = await answered(carrier)
        await has(scene, Yes="delivered")
        for sid in ("SM" + "0" * 32, sent.message_sid, "nonsense"):
            with pytest.raises(CallRefused, match="404"):
                await carrier.report(sid, "delivered")
        with pytest.raises(CallRefused, match="400"):
            await carrier.report(got.id, "vanished")
        async with scene.deployment.carrier() as other:
            scene.deployment.adopt(other)
            with pytest.raises(CallRefused, match="404"):
                await other.report(got.id, "undelivered")


@pytest.mark.parametrize(
    ("to", "body", "media", "status"),
    [
        ("+14155559999", "Hi", 0, "404"),
        ("12", "Hi", 0, "404"),
        ("", "Hi", 0, "400"),
        (None, "x" * 1_601, 0, "400"),
        (None, "Hi", 11, "400"),
    ],
)
async def test_what_no_number_takes_is_refused(
    scene: Scene, to: str | None, body: str, media: int, status: str
) -> None:
    """A clear answer, and nothing is stored."""
    ours = number(scene)
    pictures = [("http://127.0.0.1:8080/x", "image/png")] * media
    async with scene.carrier() as carrier:
        with pytest.raises(CallRefused, match=status):
            await carrier.text(CALLER, ours if to is None else to, body, pictures)
    assert scene.rows(models.Message) == []


async def test_words_of_every_kind_arrive_as_they_were_written(scene: Scene) -> None:
    to = number(scene, "<Response/>")
    bodies = ["", "😀 and half of one \ud83d", "nul \0 inside", "\u202eabc", "x" * 1_600]
    async with scene.carrier() as carrier:
        for body in bodies:
            await carrier.text(CALLER, to, body)
        await scene.form("/sms", len(bodies) - 1)
        await scene.over()
    expected = ["", "😀 and half of one �", "nul � inside", "\u202eabc", "x" * 1_600]
    assert sorted(form["Body"] for form in scene.app.forms("/sms")) == sorted(expected)


# -- faults


@pytest.mark.kill
async def test_a_router_killed_while_the_app_thinks_replies_once(broken: Scene) -> None:
    """IM8 to IM10, OM4 to OM8: kill -9 loses nothing and sends nothing twice."""
    scene = broken
    scene.app.answers["/sms"] = [1.0, *reply(body=MESSAGE.format("Still here").encode())]
    to = number(scene)
    async with scene.carrier() as carrier:
        await carrier.text(CALLER, to, "Hi")
        await scene.form("/sms")
        scene.deployment.kill("router")
        await asyncio.to_thread(scene.deployment.start, "router")
        await answered(carrier)
        await has(scene, Hi="received", **{"Still here": "delivered"})
        await scene.over()
        assert [text.body for text in carrier.messages] == ["Still here"]
    first, again = scene.app.received
    token = "i-twilio-idempotency-token"
    assert first.headers[token] == again.headers[token]


async def test_a_redirecting_app_is_followed(scene: Scene) -> None:
    scene.app.answers["/moved"] = MESSAGE.format("Moved")
    to = number(scene, redirect("/moved"))
    async with scene.carrier() as carrier:
        await carrier.text(CALLER, to, "Hi")
        assert (await answered(carrier)).body == "Moved"


async def test_a_call_can_send_a_text(scene: Scene) -> None:
    """`<Sms>`: outbound-call, from the number that was called (twilio-surface 2.5)."""
    scene.app.answers["/sent"] = "<Response><Hangup/></Response>"
    to = scene.number("<Response><Sms action='/sent'>We call you back</Sms></Response>")
    async with scene.carrier() as carrier:
        call = await carrier.call(CALLER, to)
        got = await answered(carrier)
        assert (got.from_, got.to, got.body) == (to, CALLER, "We call you back")
        await within(10, call.ended)
        await has(scene, **{"We call you back": "delivered"})
        await scene.over()
    form = scene.app.forms("/sent")[0]
    assert (form["SmsSid"], form["SmsStatus"]) == (got.id, "queued")
    assert scene.rows(models.Message)[0].direction == "outbound-call"
