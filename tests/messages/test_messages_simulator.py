"""The simulated carrier's messages against a small router of our own: docs/protocols/carrier.md, both ways."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests

from callrouter.carriers.simulator import (
    CallRefused,
    Faults,
    Line,
    Media,
    Receipts,
    SimulatedCarrier,
    Text,
    TextScript,
)
from callrouter.carriers.simulator import link as link_module
from callrouter.carriers.simulator.messages import Pace
from foundation.outbound.signature import sign_body
from tests.support.fake_router import FakeRouter
from tests.support.simulated_carrier import SECRET, carrier_of, router

__all__ = ["router"]


def receipts(router: FakeRouter, sid: str = "") -> list[str]:
    return [body["status"] for path, body in router.received if f"/{sid}" in path and "/events" in path]


async def eventually(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.01)


def message(sid: str = "SM7", **fields: Any) -> dict[str, Any]:
    plain = {
        "id": sid,
        "from": "+15550199",
        "to": "+15550142",
        "body": "hi",
        "encoding": "gsm-7",
        "segments": 1,
        "media": [],
        "valid_until": 2e9,
        "again": False,
    }
    return {**plain, **fields}


def post(carrier: SimulatedCarrier, fields: object, timeout: float = 5) -> requests.Response:
    body, now = json.dumps(fields).encode(), int(time.time())
    headers = {"X-Callrouter-Timestamp": str(now), "X-Callrouter-Signature": sign_body(SECRET, now, body)}
    return requests.post(f"{carrier.control_url}/messages", data=body, headers=headers, timeout=timeout)


async def handed(carrier: SimulatedCarrier, sid: str = "SM7", **fields: Any) -> requests.Response:
    return await asyncio.to_thread(post, carrier, message(sid, **fields))


# -- from a phone


def test_a_phones_message_comes_into_the_router(router: FakeRouter) -> None:
    async def scenario() -> None:
        async with carrier_of(router) as carrier:
            media = [("http://127.0.0.1/a.png", "image/png")]
            text = await carrier.text("+15550100", "+15550199", "Hello ✓", media)
            assert text.message_sid == "SM1"
            assert text.media == (Media("http://127.0.0.1/a.png", "image/png"),)
            ((path, body),) = router.received
            assert path == "/carriers/acme/messages"
            assert body == {
                "id": text.id,
                "from": "+15550100",
                "to": "+15550199",
                "body": "Hello ✓",
                "media": [{"url": "http://127.0.0.1/a.png", "content_type": "image/png"}],
            }
            again = await carrier.text("+15550100", "+15550199", "Hello ✓", media, id=text.id)
            assert again.id == text.id
            assert router.received[1] == (path, body), "the same message again, word by word"

    asyncio.run(scenario())


def test_a_refused_message_says_why(router: FakeRouter) -> None:
    async def scenario() -> None:
        async with carrier_of(router) as carrier:
            router.answers = [(404, {"code": 21421, "message": "No such number here."})]
            with pytest.raises(CallRefused, match="No such number") as refused:
                await carrier.text("+15550100", "+15550000", "x")
            assert refused.value.code == 21421
            carrier.faults = Faults(unsigned=True)
            with pytest.raises(CallRefused, match="403"):
                await carrier.text("+15550100", "+15550199", "x")
            with pytest.raises(CallRefused, match="403"):
                await carrier.report("SM1", "delivered")

    asyncio.run(scenario())


def test_a_receipt_of_the_tests_own_choice(router: FakeRouter) -> None:
    async def scenario() -> None:
        async with carrier_of(router) as carrier:
            await carrier.report("SM1", "undelivered", 30005, event_id="one")
            await carrier.report("MM2", "read")
            first, second = router.received
            assert first == (
                "/carriers/acme/messages/SM1/events",
                {"event_id": "one", "status": "undelivered", "error_code": 30005},
            )
            assert second[0] == "/carriers/acme/messages/MM2/events"
            assert second[1].keys() == {"event_id", "status"}

    asyncio.run(scenario())


# -- to a phone


def test_a_handed_over_message_is_taken_once_and_reported(router: FakeRouter) -> None:
    async def scenario() -> None:
        async with carrier_of(router) as carrier:
            media = [{"url": "http://127.0.0.1/m", "content_type": "image/gif"}]
            for again in (False, True, True):
                answer = await handed(carrier, body="Hi!", media=media, again=again)
                assert answer.status_code == 202
            taken = await carrier.inbox()
            assert carrier.messages == [taken]
            assert taken == Text(
                id="SM7",
                message_sid="SM7",
                from_="+15550199",
                to="+15550142",
                body="Hi!",
                media=(Media("http://127.0.0.1/m", "image/gif"),),
                encoding="gsm-7",
                segments=1,
                valid_until=2e9,
                again=False,
                delivered=True,
            )
            assert carrier.handed("SM7") == 3
            await eventually(lambda: bool(router.received))
            assert receipts(router, "SM7") == ["delivered"]

    asyncio.run(scenario())


def test_copies_at_the_same_moment_are_one_message(router: FakeRouter) -> None:
    async def scenario() -> None:
        async with carrier_of(router, texting=TextScript(answer_after=0.1)) as carrier:
            answers = await asyncio.gather(*(handed(carrier) for _ in range(6)))
            assert {answer.status_code for answer in answers} == {202}
            assert (len(carrier.messages), carrier.handed("SM7")) == (1, 6)

    asyncio.run(scenario())


TOLD = {
    "true": ({}, ["delivered"]),
    "true of a lost one": ({"delivered": 0.0}, ["undelivered"]),
    "none": ({"receipts": Receipts.NONE}, []),
    "lying": ({"receipts": Receipts.LYING}, ["undelivered"]),
    "lying of a lost one": ({"receipts": Receipts.LYING, "delivered": 0.0}, ["delivered"]),
    "contradicting": ({"receipts": Receipts.CONTRADICTING}, ["delivered", "undelivered"]),
    "unreported": ({"unreported": 1.0}, []),
}


@pytest.mark.parametrize(("script", "told"), TOLD.values(), ids=list(TOLD))
def test_what_a_carrier_says_of_a_message(
    router: FakeRouter, script: dict[str, Any], told: list[str]
) -> None:
    async def scenario() -> None:
        texting = TextScript(receipt_after=0, error_code=30005, **script)
        async with carrier_of(router, texting=texting) as carrier:
            await handed(carrier)
            carrier.texting = TextScript(receipt_after=0)
            await handed(carrier, "SM8")  # its receipt comes after those of the first
            await eventually(lambda: len(router.received) > len(told))
            assert sorted(receipts(router, "SM7")) == sorted(told)
            codes = [body.get("error_code") for path, body in router.received if "SM7" in path]
            assert codes == [30005 if status == "undelivered" else None for status in receipts(router, "SM7")]
            ids = [body["event_id"] for _, body in router.received]
            assert len(set(ids)) == len(ids)

    asyncio.run(scenario())


def test_receipts_come_again_with_their_id(router: FakeRouter) -> None:
    async def scenario() -> None:
        async with carrier_of(router) as carrier:
            carrier.faults = Faults(duplicates=2)
            await handed(carrier)
            await eventually(lambda: len(router.received) == 3)
            assert receipts(router) == ["delivered"] * 3
            assert len({body["event_id"] for _, body in router.received}) == 1

    asyncio.run(scenario())


def test_an_early_receipt_overtakes_the_answer(router: FakeRouter) -> None:
    """OM9 before OM8: the router hears what became of a message before it knows that it was taken."""

    async def scenario() -> None:
        async with carrier_of(router, texting=TextScript(early=True, receipt_after=9)) as carrier:
            answer = await handed(carrier)
            assert (answer.status_code, receipts(router, "SM7")) == (202, ["delivered"])

    asyncio.run(scenario())


def test_a_receipt_is_given_until_the_router_takes_it(
    router: FakeRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A router that is restarted misses none: more rounds of attempts than a request has."""
    monkeypatch.setattr(link_module, "FIRST_PAUSE", 0.001)

    async def scenario() -> None:
        async with carrier_of(router) as carrier:
            router.answers = [(503, {})] * (link_module.ATTEMPTS + 3)
            await handed(carrier)
            await eventually(lambda: len(router.received) == link_module.ATTEMPTS + 4)
            assert not router.answers

    asyncio.run(scenario())


# -- carriers that don't take it


def test_a_carrier_that_is_down_takes_nothing(router: FakeRouter) -> None:
    async def scenario() -> None:
        async with carrier_of(router, texting=TextScript(line=Line.DOWN)) as carrier:
            assert (await handed(carrier)).status_code == 503
            assert (carrier.messages, carrier.handed("SM7")) == ([], 0)
            carrier.texting = TextScript()
            assert (await handed(carrier)).status_code == 202

    asyncio.run(scenario())


def test_a_mute_carrier_takes_it_and_never_says_so(router: FakeRouter) -> None:
    """OM5 to OM8, the ambiguous window: the router hears nothing, and the message may be out."""

    async def scenario() -> None:
        async with carrier_of(router, texting=TextScript(line=Line.MUTE)) as carrier:
            with pytest.raises(requests.Timeout):
                await asyncio.to_thread(post, carrier, message(), 0.2)
            assert [text.id for text in carrier.messages] == ["SM7"]
            carrier.texting = TextScript()
            assert (await handed(carrier, again=True)).status_code == 202
            assert len(carrier.messages) == 1

    asyncio.run(scenario())


@pytest.mark.parametrize("final", [True, False])
def test_a_refusal_has_a_code_and_says_whether_it_is_final(router: FakeRouter, final: bool) -> None:
    async def scenario() -> None:
        texting = TextScript(refused=1.0, refusal=30007, final=final)
        async with carrier_of(router, texting=texting) as carrier:
            answer = await handed(carrier)
            assert answer.status_code == 400
            assert (answer.json()["code"], answer.json()["final"]) == (30007, final)
            assert carrier.messages == []

    asyncio.run(scenario())


def test_more_than_its_rate_is_asked_to_wait(router: FakeRouter) -> None:
    async def scenario() -> None:
        async with carrier_of(router, texting=TextScript(rate=2)) as carrier:
            answers = [await handed(carrier, f"SM{number}") for number in range(5)]
            slow = [answer for answer in answers if answer.status_code == 429]
            assert len(slow) >= 2
            assert {answer.headers["Retry-After"] for answer in slow} == {"1"}
            assert len(carrier.messages) == 5 - len(slow)

    asyncio.run(scenario())


def test_a_pace_by_the_clock() -> None:
    pace = Pace()
    assert [pace.wait(2, 100.0) for _ in range(3)] == [0, 0, 0.5]
    assert pace.wait(2, 100.5) == 0
    assert pace.wait(2, 100.5) == 0.5
    assert pace.wait(None, 100.5) == 0
    assert pace.wait(0, 100.5) == 1
    assert [pace.wait(0.5, at) for at in (200.0, 200.5, 202.0)] == [0, 1.5, 0]


def test_one_script_for_each_destination(router: FakeRouter) -> None:
    async def scenario() -> None:
        def script(_from: str, to: str) -> TextScript:
            return TextScript(refused=float(to.endswith("0")))

        async with carrier_of(router, texting=script) as carrier:
            assert (await handed(carrier, to="+15550100")).status_code == 400
            assert (await handed(carrier, to="+15550101")).status_code == 202

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "fields",
    [
        [],
        {},
        message(""),
        message(to=""),
        message(body=None),
        message(segments="1"),
        message(media=[1]),
        message(media=[{}]),
        message(valid_until="soon"),
        {name: value for name, value in message().items() if name != "again"},
    ],
)
def test_what_is_no_message_is_a_bad_request(router: FakeRouter, fields: object) -> None:
    async def scenario() -> None:
        async with carrier_of(router) as carrier:
            answer = await asyncio.to_thread(post, carrier, fields)
            assert answer.status_code == 400
            assert answer.json()["message"]
            assert carrier.messages == []

    asyncio.run(scenario())


def test_an_unsigned_message_changes_nothing(router: FakeRouter) -> None:
    async def scenario() -> None:
        async with carrier_of(router) as carrier:
            url = f"{carrier.control_url}/messages"
            answer = await asyncio.to_thread(requests.post, url, json=message(), timeout=5)
            assert (answer.status_code, carrier.messages) == (403, [])

    asyncio.run(scenario())


# -- chance


def test_lots_are_the_seeds_and_keep_their_shares() -> None:
    def lots(seed: int, **shares: float) -> list[bool]:
        script, chance = TextScript(**shares), random.Random(seed)
        return [script.draw(chance).delivered for _ in range(4000)]

    assert lots(1, delivered=0.6) == lots(1, delivered=0.6)
    assert lots(1, delivered=0.6) == lots(1, delivered=0.6, refused=0.5, unreported=0.5), "shares are apart"
    assert lots(1, delivered=0.6) != lots(2, delivered=0.6)
    assert sum(lots(1, delivered=0.6)) / 4000 == pytest.approx(0.6, abs=0.03)
    assert all(lots(1))
    assert not any(lots(1, delivered=0.0))


@pytest.mark.parametrize("seed", [1, 2])
def test_a_lossy_carrier_loses_the_same_ones_each_time(router: FakeRouter, seed: int) -> None:
    async def fates() -> list[bool]:
        script = TextScript(delivered=0.5, receipts=Receipts.NONE)
        async with carrier_of(router, texting=script, seed=seed) as carrier:
            for number in range(12):
                await handed(carrier, f"SM{number}")
            assert [text.id for text in carrier.messages] == [f"SM{number}" for number in range(12)]
            return [text.delivered for text in carrier.messages]

    first = asyncio.run(fates())
    assert first == asyncio.run(fates())
    assert 0 < sum(first) < 12
