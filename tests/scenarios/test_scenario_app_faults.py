"""The customer's app fails in every way: the fallback is asked once, with the code, and the call ends once if it
fails too (I9, F10 to F13, FB-2 to FB-8, TS-6, TS-7)."""

import asyncio
import socket
import time

import pytest
from scene import CALLER, App, Scene, soon, within

from tests.support.deployment import deployments
from tests.support.origin import CLOSE, HANG, RESET, Answer, Received, Script, drip, endless, redirect, reply

QUICK = "#tt=700&rt=500&ct=300"
"""Twilio's own overrides keep the slow ones short (twilio-surface 4.6)."""
SLOW = ("hangs", "drips")
BOMB = b'<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa">]><Response><Reject/>&a;</Response>'


def _next_redirect(request: Received) -> Script:
    """Redirects to itself with a higher number, eleven times."""
    number = int(request.target.partition("n=")[2].partition("&")[0] or 0) + 1
    return redirect(f"{request.path}?n={number}") if number <= 11 else reply(body=b"<Response/>")


FAULTS: dict[str, tuple[Answer, str]] = {
    "hangs": ([HANG], "11200"),
    "drips": (lambda _: drip(b"HTTP/1.1 200 OK\r\n" + b"x" * 500, 0.1), "11200"),
    "answers 500": (reply(500, b"<Response/>"), "11200"),
    "answers 404": (reply(404), "11200"),
    "closes": ([CLOSE], "11206"),
    "resets": ([RESET], "11206"),
    "cut short": ([*reply(body=b"<Response/>", length=500), CLOSE], "11206"),
    "HTML": (reply(body=b"<html><body>Hello</body></html>"), "12102"),
    "wrong type": (
        [b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 4\r\n\r\n\x89PNG"],
        "12300",
    ),
    "a megabyte": (reply(body=b"<Response>" + b" " * 1_000_000 + b"</Response>"), "11750"),
    "endless": (lambda _: endless(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n"), "11750"),
    "DTD": (reply(body=BOMB), "12100"),
    "broken XML": (reply(body=b"<Response><Dial></Response>"), "12100"),
    "empty": (reply(), "11770"),
    "redirects for ever": (lambda request: redirect(request.path), "11215"),
    "eleven redirects": (_next_redirect, "11215"),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_fallback_takes_over(scene: Scene, fault: str) -> None:
    answer, code = FAULTS[fault]
    scene.app.answers["/fallback"] = "<Response><Reject reason='busy'/></Response>"
    number = _number(scene, answer)
    async with scene.carrier() as carrier:
        call = await carrier.call(CALLER, number)
        form = await scene.form("/fallback")
        assert (await soon(call.ended)).cause == "busy"
        await scene.over()
    assert form["ErrorCode"] == code
    assert form["ErrorUrl"].startswith(scene.app.url("/voice"))
    assert (form["CallSid"], form["CallStatus"]) == (call.call_sid, "ringing")
    assert len(scene.app.forms("/fallback")) == 1
    assert scene.codes() == [code]
    assert scene.statuses() == {number: "busy"}


async def test_broken_fallbacks_end_each_call_once(scene: Scene) -> None:
    """All faults at once, each with a fallback that fails too: waits overlap, nobody is asked twice."""
    scene.app.answers["/fallback"] = reply(503)
    numbers = {}
    for index, (fault, (answer, _)) in enumerate(FAULTS.items()):
        path = f"/voice{index}"
        scene.app.answers[path] = answer
        numbers[fault] = scene.tenant.number(
            scene.app.url(path) + (QUICK if fault in SLOW else ""),
            voice_fallback_url=scene.app.url("/fallback"),
            status_callback=scene.app.url(f"/status/{index}"),
        )
    async with scene.carrier() as carrier:
        calls = await asyncio.gather(*(carrier.call(CALLER, number) for number in numbers.values()))
        await soon(asyncio.gather(*(call.ended for call in calls)))
        await scene.over()
    assert set(scene.statuses().values()) == {"failed"}
    assert set(scene.causes().values()) == {"application-error"}
    assert len(scene.app.forms("/fallback")) == len(FAULTS)
    for index in range(len(FAULTS)):
        assert scene.callbacks(f"/status/{index}") == ["failed"]
    codes = sorted([code for _, code in FAULTS.values()] + ["11200"] * len(FAULTS))
    assert sorted(scene.codes()) == codes


async def test_app_that_is_not_there(scene: Scene) -> None:
    """Connection refused: the fallback elsewhere is asked."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    scene.app.answers["/fallback"] = "<Response><Reject/></Response>"
    number = scene.tenant.number(
        f"http://127.0.0.1:{port}/voice", voice_fallback_url=scene.app.url("/fallback")
    )
    async with scene.carrier() as carrier:
        call = await carrier.call(CALLER, number)
        form = await scene.form("/fallback")
        await soon(call.ended)
        await scene.over()
    assert form["ErrorUrl"] == f"http://127.0.0.1:{port}/voice"
    assert scene.codes() == [form["ErrorCode"]] == ["11202"]


async def test_action_url_deep_in_the_call_falls_back_too(scene: Scene) -> None:
    """FB-5: the fallback keeps the parameters of the request that failed."""
    scene.app.answers["/done"] = reply(500)
    scene.app.answers["/fallback"] = "<Response><Hangup/></Response>"
    number = scene.number(
        "<Response><Dial action='/done'><Client>nobody</Client></Dial></Response>",
        voice_fallback_url=scene.app.url("/fallback"),
    )
    async with scene.carrier() as carrier:
        await carrier.call(CALLER, number)
        form = await scene.form("/fallback")
        await scene.over()
    assert (form["ErrorCode"], form["DialCallStatus"]) == ("11200", "no-answer")
    assert form["ErrorUrl"] == scene.app.url("/done")
    assert scene.statuses()[number] == "completed"


async def test_documents_that_lead_to_each_other_for_ever_end(scene: Scene) -> None:
    """F12, TS-14: a loop of documents has a cap, and the reason is written down (11215)."""
    number = scene.number("<Response><Redirect>/voice</Redirect></Response>")
    async with scene.carrier() as carrier:
        call = await carrier.call(CALLER, number)
        await within(60, call.ended)
        await scene.over()
    assert scene.codes() == ["11215"]
    assert len(scene.app.forms("/voice")) == 500


async def test_unknown_attribute_is_a_warning_and_the_call_goes_on(scene: Scene) -> None:
    number = scene.number("<Response><Dial timeout='soon'><Client>nobody</Client></Dial><Reject/></Response>")
    async with scene.carrier() as carrier:
        call = await carrier.call(CALLER, number)
        await soon(call.ended)
        await scene.over()
    assert scene.codes() == ["13212"]


async def test_cookies_come_back_within_the_call(scene: Scene) -> None:
    """TS-4."""
    scene.app.answers["/second"] = "<Response><Reject/></Response>"
    body = b"<Response><Redirect>/second</Redirect></Response>"
    number = scene.number(reply(200, body, "Set-Cookie: basket=7; Path=/"))
    async with scene.carrier() as carrier:
        call = await carrier.call(CALLER, number)
        await soon(call.ended)
        await scene.over()
    second = next(request for request in scene.app.received if request.path == "/second")
    assert second.headers["cookie"] == "basket=7"


async def test_hanging_app_of_one_account_delays_no_other(scene: Scene) -> None:
    """I8, F14: 40 calls of one account hang in their fetch; another account's call takes its usual time."""
    slow = Scene(scene.deployment, app := App())
    try:
        slow.app.answers["/voice"] = [HANG]
        hanging = [slow.tenant.number(slow.app.url("/voice#tt=5000")) for _ in range(40)]
        number = scene.number("<Response><Reject/></Response>")
        async with scene.carrier() as carrier:
            calls = await asyncio.gather(*(carrier.call(CALLER, each) for each in hanging))
            began = time.monotonic()
            quick = await carrier.call(CALLER, number)
            await soon(quick.ended)
            took = time.monotonic() - began
            assert not any(call.ended.done() for call in calls)
            await soon(asyncio.gather(*(call.ended for call in calls)))
            await slow.over()
        assert took < 4
        await slow.settled()
    finally:
        app.close()


async def test_status_callback_that_hangs_delays_no_verb(scene: Scene) -> None:
    """FB-7."""
    scene.app.answers["/status/hangs"] = [HANG]
    callback = f"statusCallback='{scene.app.url('/status/hangs#tt=1500')}'"
    dial = f"<Dial><Client {callback} statusCallbackEvent='initiated completed'>nobody</Client></Dial>"
    number = scene.number(f"<Response>{dial}<Redirect>/next</Redirect></Response>")
    scene.app.answers["/next"] = "<Response/>"
    async with scene.carrier() as carrier:
        began = time.monotonic()
        call = await carrier.call(CALLER, number)
        await soon(call.ended)
        assert time.monotonic() - began < 1.4
        await scene.over()
    scene.app.answers["/status/hangs"] = reply(204)


async def test_status_callback_is_tried_again_with_the_same_token(scene: Scene) -> None:
    """I8: first 503, then taken: the same I-Twilio-Idempotency-Token, and a warning 15003."""
    answers = iter([reply(503), reply(204)])
    scene.app.answers["/status/parent"] = lambda _request: next(answers)
    number = scene.number("<Response><Reject/></Response>")
    async with scene.carrier() as carrier:
        await carrier.call(CALLER, number)
        await scene.over()
    await scene.form("/status/parent", 1)
    tries = [request for request in scene.app.received if request.path == "/status/parent"]
    assert tries[0].body == tries[1].body
    assert len({request.headers["i-twilio-idempotency-token"] for request in tries}) == 1
    assert scene.codes() == ["15003"]


async def test_status_callback_with_a_4xx_is_not_repeated(scene: Scene) -> None:
    scene.app.answers["/status/parent"] = reply(410)
    number = scene.number("<Response><Reject/></Response>")
    async with scene.carrier() as carrier:
        await carrier.call(CALLER, number)
        await scene.over()
    await scene.until(lambda: scene.codes() == ["15003"], "the warning")
    assert len(scene.app.forms("/status/parent")) == 1


def test_private_address_is_refused_without_an_allow_list(tmp_path_factory: pytest.TempPathFactory) -> None:
    """TS-7: 11205; nothing is sent to the address."""
    folder = tmp_path_factory.mktemp("guarded")
    for deployment in deployments(folder, outbound_allow=""):
        app = App()
        try:
            scene = Scene(deployment, app)
            number = scene.number("<Response/>")

            async def call(scene: Scene = scene, number: str = number) -> None:
                async with scene.carrier() as carrier:
                    call = await carrier.call(CALLER, number)
                    await soon(call.ended)
                    await scene.over()

            asyncio.run(call())
            assert scene.app.received == []
            assert "11205" in scene.codes()
            assert scene.statuses() == {number: "failed"}
        finally:
            app.close()


def _number(scene: Scene, answer: Answer) -> str:
    scene.app.answers["/voice"] = answer
    return scene.tenant.number(scene.app.url("/voice") + QUICK, voice_fallback_url=scene.app.url("/fallback"))
