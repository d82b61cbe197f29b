"""How messages are given to a carrier over HTTP (docs/protocols/carrier.md), and what its answers mean."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from queue_world import KEYS, QueueWorld, databases

from callrouter.carriers.webhook import ANYWHERE, LONGEST_PAUSE, PAUSE_SECONDS, CarrierMessages
from callrouter.messages.status import Status
from callrouter.messages.transport import Attachment, NotNow, Outgoing, Refused, Taken, Unavailable
from callrouter.scenario.ports import free_ports
from foundation.db import Database
from foundation.outbound.fetch import Fetcher
from foundation.outbound.pool import FetchPool
from foundation.outbound.signature import verify_body
from tests.support.origin import DIE, HANG, RESET, Origin, reply

NOW = 1_000.0


@pytest.fixture(scope="module", params=["sqlite"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    yield from databases(request, tmp_path_factory.mktemp("transport"))


@pytest.fixture
def world(database: Database) -> QueueWorld:
    return QueueWorld(database)


def outgoing(**more: Any) -> Outgoing:
    given = {"account_sid": "AC1", "sid": "SM1", "from_": "+14155550100", "to": "+447700900001", "body": "hé"}
    given |= {"encoding": "gsm-7", "segments": 1, "media": (), "valid_until": 2_000.0, "again": False}
    return Outgoing(**{**given, **more})


async def send(world: QueueWorld, carrier: str, message: Outgoing | None = None) -> Taken | Exception:
    """What the transport answers or raises."""
    pool = FetchPool(Fetcher(allow=ANYWHERE), threads=2)
    try:
        return await CarrierMessages(world.database, KEYS, pool, lambda: NOW).send(
            carrier, message or outgoing()
        )
    except (NotNow, Unavailable, Refused) as answer:
        return answer
    finally:
        await pool.close()


def answered(world: QueueWorld, script: Any, message: Outgoing | None = None) -> tuple[Any, Origin]:
    origin = Origin(lambda _request: script)
    try:
        world.carrier("c", url=origin.url("/control/"))
        return asyncio.run(send(world, "c", message)), origin
    finally:
        origin.close()


def test_the_request_is_as_the_protocol_says_and_signed(world: QueueWorld) -> None:
    media = (Attachment(sid="ME1", url="https://router.test/ME1", content_type="image/png"),)
    taken, origin = answered(world, reply(202, b"{}"), outgoing(media=media, again=True))
    assert taken == Taken(status=Status.SENT)
    (request,) = origin.received
    assert (request.method, request.path) == ("POST", "/control/messages")
    assert json.loads(request.body) == {
        "id": "SM1",
        "from": "+14155550100",
        "to": "+447700900001",
        "body": "hé",
        "encoding": "gsm-7",
        "segments": 1,
        "media": [{"url": "https://router.test/ME1", "content_type": "image/png"}],
        "valid_until": 2_000.0,
        "again": True,
    }
    stamp, signature = (request.headers[f"x-callrouter-{name}"] for name in ("timestamp", "signature"))
    verify_body(["secret"], stamp, signature, request.body, NOW)
    assert request.headers["i-twilio-idempotency-token"] == "SM1"


@pytest.mark.parametrize("body", [b'{"status": "delivered"}', b"", b"not json", b"\xff"])
def test_mr3_an_answer_is_no_delivery_report_whatever_it_says(world: QueueWorld, body: bytes) -> None:
    assert answered(world, reply(200, body))[0] == Taken(status=Status.SENT)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (["Retry-After: 3"], 3.0),
        (["Retry-After: 0.5"], 0.5),
        (["Retry-After: 0"], 0.01),
        (["Retry-After: 999999"], LONGEST_PAUSE),
        (["Retry-After: soon"], PAUSE_SECONDS),
        (["Retry-After: -1"], PAUSE_SECONDS),
        (["Retry-After: 1e9"], PAUSE_SECONDS),
        ([], PAUSE_SECONDS),
    ],
)
def test_pq3_a_pause_is_asked_for_within_reason(world: QueueWorld, header: list[str], seconds: float) -> None:
    answer = answered(world, reply(429, b"", *header))[0]
    assert isinstance(answer, NotNow)
    assert answer.seconds == seconds


@pytest.mark.parametrize(
    ("body", "code", "elsewhere"),
    [
        (b'{"code": 30003}', 30003, True),
        (b'{"code": 30007, "final": true}', 30007, False),
        (b'{"code": 30007, "final": "yes"}', 30007, True),
        (b'{"code": 21610}', 30008, True),
        (b'{"code": "30003"}', 30008, True),
        (b'{"code": true}', 30008, True),
        (b"[1]", 30008, True),
        (b"[" * 20_000, 30008, True),
        (b"", 30008, True),
    ],
)
def test_a_refusal_carries_a_code_of_twilios(
    world: QueueWorld, body: bytes, code: int, elsewhere: bool
) -> None:
    answer = answered(world, reply(400, body))[0]
    assert isinstance(answer, Refused)
    assert (answer.code, answer.elsewhere) == (code, elsewhere)


def test_while_a_secret_changes_both_are_good(world: QueueWorld) -> None:
    """A gateway that has not been told yet goes on; one that knows neither fails nobody's message."""
    world.carrier("c")
    world.change_carrier("c", secrets_sealed=[KEYS.seal("new"), KEYS.seal("secret")])
    origin = Origin(lambda _request: reply(202))
    try:
        world.change_carrier("c", control_url=origin.url("/control/"))
        assert asyncio.run(send(world, "c")) == Taken()
        (request,) = origin.received
    finally:
        origin.close()
    stamp, signature = (request.headers[f"x-callrouter-{name}"] for name in ("timestamp", "signature"))
    for known in ("new", "secret"):
        verify_body([known], stamp, signature, request.body, NOW)


@pytest.mark.parametrize("status", [401, 403])
def test_a_gateway_that_does_not_know_us_is_tried_again(world: QueueWorld, status: int) -> None:
    answer = answered(world, reply(status, b'{"code": 30007, "final": true}'))[0]
    assert isinstance(answer, Unavailable)
    assert not answer.maybe_taken
    assert "rotate-secret" in str(answer)


@pytest.mark.parametrize(
    ("script", "maybe_taken"),
    [
        (reply(503), False),
        (reply(425), False),
        (reply(500), True),
        (reply(504), True),
        (reply(408), True),
        (reply(302, b"", "Location: http://127.0.0.1:9/"), True),
        ([RESET], True),
        ([*reply(202, b"short", length=500), "close"], True),
    ],
)
def test_om5_what_is_not_known_is_said_to_be_so(world: QueueWorld, script: Any, maybe_taken: bool) -> None:
    answer = answered(world, script)[0]
    assert isinstance(answer, Unavailable)
    assert answer.maybe_taken is maybe_taken


def test_what_never_left_was_never_taken(world: QueueWorld) -> None:
    world.carrier("gone", url=f"http://127.0.0.1:{free_ports(1)[0]}")
    world.carrier("off", url="http://127.0.0.1:9")
    world.change_carrier("off", status="disabled")
    for name in ("gone", "off", "nobody"):
        answer = asyncio.run(send(world, name))
        assert isinstance(answer, Unavailable)
        assert not answer.maybe_taken


def test_a_carrier_that_hangs_is_waited_for_so_long_and_no_longer(
    world: QueueWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callrouter.carriers.webhook.MESSAGE_SECONDS", 0.2)
    answer = answered(world, [HANG])[0]
    assert isinstance(answer, Unavailable)
    assert answer.maybe_taken


def test_om6_a_carrier_that_dies_over_a_message_may_have_it(world: QueueWorld) -> None:
    """On a connection that was kept from the message before; the next one is refused."""
    answers = iter([reply(202), [DIE]])

    async def twice() -> Unavailable:
        pool = FetchPool(Fetcher(allow=ANYWHERE), threads=1)
        carriers = CarrierMessages(world.database, KEYS, pool, lambda: NOW)
        try:
            assert await carriers.send("c", outgoing(sid="SM1")) == Taken()
            with pytest.raises(Unavailable) as caught:
                await carriers.send("c", outgoing(sid="SM2"))
            return caught.value
        finally:
            await pool.close()

    with Origin(lambda _request: next(answers)) as origin:
        world.carrier("c", url=origin.url("/control"))
        assert asyncio.run(twice()).maybe_taken
    assert [json.loads(request.body)["id"] for request in origin.received] == ["SM1", "SM2"]


def test_a_message_that_is_cut_off_by_our_own_stop_may_have_been_taken(world: QueueWorld) -> None:
    async def stopped() -> Taken | Exception:
        pool = FetchPool(Fetcher(allow=ANYWHERE), threads=1)
        carriers = CarrierMessages(world.database, KEYS, pool, lambda: NOW)
        sending = asyncio.create_task(carriers.send("c", outgoing()))
        while not origin.received:
            await asyncio.sleep(0.01)
        await pool.close(grace=0.0)
        return (await asyncio.gather(sending, return_exceptions=True))[0]

    with Origin(lambda _request: [HANG]) as origin:
        world.carrier("c", url=origin.url("/control"))
        answer = asyncio.run(stopped())
    assert isinstance(answer, Unavailable)
    assert answer.maybe_taken
