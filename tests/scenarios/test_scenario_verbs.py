"""Documents without a Dial: what the caller gets from Reject, Hangup, Pause and Redirect (twilio-surface 2.5)."""

import asyncio

import pytest
from scene import CALLER, Scene, soon

from callrouter.carriers.simulator.call import CallEnded, Cause


@pytest.mark.parametrize(
    ("document", "cause", "status"),
    [
        ("<Response><Reject/></Response>", Cause.REJECTED, "no-answer"),
        ("<Response><Reject reason='busy'/></Response>", Cause.BUSY, "busy"),
    ],
)
async def test_rejected_call_is_never_answered(
    scene: Scene, document: str, cause: Cause, status: str
) -> None:
    number = scene.number(document)
    async with scene.carrier() as carrier:
        call = await carrier.call(CALLER, number)
        with pytest.raises(CallEnded) as ended:
            await soon(call.answered)
        assert ended.value.ending.cause is cause
        await scene.over()
    assert scene.statuses() == {number: status}
    assert (await scene.form("/status/parent"))["CallDuration"] == "0"


@pytest.mark.parametrize("document", ["<Response/>", "<Response><Hangup/></Response>"])
async def test_document_without_an_answer_ends_the_call(scene: Scene, document: str) -> None:
    number = scene.number(document)
    async with scene.carrier() as carrier:
        call = await carrier.call(CALLER, number)
        assert (await soon(call.ended)).by == "router"
        await scene.over()
    assert len(scene.app.forms("/voice")) == 1


async def test_pause_first_delays_the_answer(scene: Scene) -> None:
    """twilio-surface 2.5: a Pause that comes first is time in which the caller still hears ringing."""
    scene.app.answers["/next"] = "<Response><Dial><Client>nobody</Client></Dial></Response>"
    number = scene.number("<Response><Pause length='1'/><Redirect>/next</Redirect></Response>")
    async with scene.carrier() as carrier:
        call = await carrier.call(CALLER, number)
        await soon(call.answered)
        await soon(call.ended)
        answered_after = call.report().answered_after
        await scene.over()
    assert answered_after is not None
    assert 0.9 < answered_after < 3
    assert scene.statuses()[number] == "completed"


async def test_redirect_chain_is_followed_with_relative_urls(scene: Scene) -> None:
    """FB-6; the third document is asked for with GET."""
    scene.app.answers["/second"] = "<Response><Redirect method='GET'>third?x=1</Redirect></Response>"
    scene.app.answers["/third"] = "<Response><Pause length='1'/><Hangup/></Response>"
    number = scene.number("<Response><Redirect>second</Redirect><Reject/></Response>")
    async with scene.carrier() as carrier:
        call = await carrier.call(CALLER, number)
        await soon(call.ended)
        await scene.over()
    assert [request.path for request in scene.app.received][:3] == ["/voice", "/second", "/third"]
    third = scene.app.received[2]
    assert third.method == "GET"
    assert "x=1" in third.target
    assert f"CallSid={call.call_sid}" in third.target


async def test_caller_hangs_up_while_the_document_is_fetched(scene: Scene) -> None:
    """The late document has no effect (F11)."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(_request: object) -> list[float | bytes | str]:
        loop.call_soon_threadsafe(asked.set)
        return [0.3, b"HTTP/1.1 200 OK\r\nContent-Length: 27\r\n\r\n<Response><Pause/></Respons"]

    number = scene.number(slow)
    async with scene.carrier() as carrier:
        call = await carrier.call(CALLER, number)
        await soon(asked.wait())
        await call.hangup(Cause.CANCELED)
        await scene.over()
        assert scene.statuses() == {number: "canceled"}
    assert scene.callbacks("/status/parent") == ["canceled"]


async def test_number_without_a_voice_url_fails_the_call_at_once(scene: Scene) -> None:
    number = scene.tenant.number("")
    async with scene.carrier() as carrier:
        call = await carrier.call(CALLER, number)
        assert (await soon(call.ended)).by == "router"
        await scene.over()
    assert scene.statuses() == {number: "failed"}
