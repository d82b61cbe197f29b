"""The SMPP gateway's way in: messages of phones, receipts, and garbage."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.smpp.parties import Smsc
from tests.support.extras import needs
from tests.support.fake_router import FakeRouter

needs("sms")

from callrouter.carriers.smpp.gateway import Options  # noqa: E402
from tests.smpp.gateways import eventually, hand, running, there  # noqa: E402


async def test_a_phone_writes(options: Options, smsc: Smsc, router: FakeRouter) -> None:
    async with running(options):
        await there(lambda: smsc.order(deliver={"hex": "041f0440", "data_coding": 8}))
        body = await there(router.wait)
    assert router.taken[0][0] == "/carriers/acme/messages"
    assert (body["from"], body["to"], body["body"]) == ("+15550142", "+15550199", "Пр")
    assert smsc.wait("deliver_sm_resp")["status"] == 0


async def test_parts_of_a_phone_are_put_together_in_any_order(
    options: Options, smsc: Smsc, router: FakeRouter
) -> None:
    """Across a restart, and with one part twice."""
    part = {n: {"esm_class": 0x40, "hex": bytes([5, 0, 3, 9, 3, n, 0x40 + n]).hex()} for n in (1, 2, 3)}
    async with running(options):
        await there(lambda: smsc.order(deliver=part[3]))
        await there(smsc.wait, "deliver_sm_resp")
    async with running(options):
        for number in (3, 1, 2):
            await there(lambda number=number: smsc.order(deliver=part[number]))
        assert (await there(router.wait))["body"] == "ABC"
    assert len(router.taken) == 1
    assert "error_code" not in router.taken[0][1]


async def test_a_part_that_never_comes(options: Options, smsc: Smsc, router: FakeRouter) -> None:
    """30009: the router gets what there is."""
    async with running(replace(options, piece_seconds=0.2)):
        await there(lambda: smsc.order(deliver={"esm_class": 0x40, "hex": "0500030902" + "02" + "4142"}))
        body = await there(router.wait)
    assert (body["body"], body["error_code"]) == ("AB", 30009)


async def test_a_reference_used_again_ends_the_message_before(
    options: Options, smsc: Smsc, router: FakeRouter
) -> None:
    async with running(options):
        for hexed in ("05000309020141", "05000309020142", "05000309020243"):
            await there(lambda hexed=hexed: smsc.order(deliver={"esm_class": 0x40, "hex": hexed}))
        await there(router.wait, 2)
    assert [(body["body"], body.get("error_code")) for _, body in router.taken] == [
        ("A", 30009),
        ("BC", None),
    ]


async def test_a_repeat_of_the_smsc_is_one_message(options: Options, smsc: Smsc, router: FakeRouter) -> None:
    """The same request again, or the same content in the next session; but a phone may say a thing twice."""
    async with running(options):
        await there(lambda: smsc.order(deliver={"text": "ok", "sequence": 77}))
        await there(lambda: smsc.order(deliver={"text": "ok", "sequence": 77}))
        await there(lambda: smsc.order(close=True))
        await there(smsc.wait, "bound", 2)
        await there(lambda: smsc.order(deliver={"text": "ok"}))
        await there(lambda: smsc.order(deliver={"text": "end"}))
        await there(lambda: smsc.order(deliver={"text": "end"}))
        await there(router.wait, 3)
    assert [body["body"] for _, body in router.taken] == ["ok", "end", "end"]


async def test_news_waits_for_a_router_that_is_away(options: Options, smsc: Smsc, router: FakeRouter) -> None:
    """IM: acknowledged to the SMSC means stored; told once the router is back, in order."""
    async with running(replace(options, router_url="http://127.0.0.1:9")):
        for word in ("one", "two"):
            await there(lambda word=word: smsc.order(deliver={"text": word}))
        await there(smsc.wait, "deliver_sm_resp", 2)
    assert not router.taken
    async with running(options):
        await there(router.wait, 2)
    assert [body["body"] for _, body in router.taken] == ["one", "two"]


async def test_what_the_router_refuses_is_not_told_again(
    options: Options, smsc: Smsc, router: FakeRouter
) -> None:
    """But its 403 for a wrong secret loses nothing: a retry that it believes is told."""
    router.answers = [(404, {"code": 21421, "message": "no such number"}), (403, {"message": "?"})]
    async with running(options):
        await there(lambda: smsc.order(deliver={"text": "to nobody"}))
        await eventually(lambda: len(router.answers) == 1)
        await there(lambda: smsc.order(deliver={"text": "wanted"}))
        await there(router.wait)
    assert [body["body"] for _, body in router.taken] == ["wanted"]


async def test_receipts_for_nothing_of_ours_change_nothing(
    options: Options, smsc: Smsc, router: FakeRouter
) -> None:
    async with running(options) as gateway:
        for text in ("id:unknown stat:DELIVRD", "stat:DELIVRD", "", "id:1001 stat:ENROUTE"):
            await there(lambda text=text: smsc.order(deliver={"esm_class": 4, "text": text}))
        await there(smsc.wait, "deliver_sm_resp", 4)
        assert (await hand(gateway)).status_code == 202
        await there(lambda: smsc.order(deliver={"esm_class": 4, "text": "id:1001 stat:DELIVRD"}))
        await there(lambda: smsc.order(deliver={"esm_class": 4, "text": "id:1001 stat:DELIVRD"}))
        await there(smsc.wait, "deliver_sm_resp", 6)
        await there(router.wait)
    assert all(each["status"] == 0 for each in smsc.all("deliver_sm_resp"))
    assert [body["status"] for _, body in router.taken] == ["delivered"]


@pytest.mark.parametrize(
    ("raw", "answer"),
    [
        ("00000010000003ff0000000000000009", "generic_nack"),  # unknown command
        ("00000014000000050000000000000009" + "00010101", "deliver_sm_resp"),  # its body ends too early
        ("00000010800000040000000000000999", ""),  # an answer to nothing
        ("00000010000001020000000000000009", ""),  # alert_notification needs none
    ],
)
async def test_garbage_is_answered_and_the_link_goes_on(
    raw: str, answer: str, options: Options, smsc: Smsc
) -> None:
    async with running(options) as gateway:
        await there(lambda: smsc.order(raw=raw))
        if answer:
            assert (await there(smsc.wait, answer))["status"] != 0
        assert (await hand(gateway)).status_code == 202
    assert len(smsc.all("bound")) == 1


@pytest.mark.parametrize("raw", ["00000003", "ffffffff", "0000000f", "7fffffff"])
async def test_a_length_that_no_pdu_has_ends_the_session(raw: str, options: Options, smsc: Smsc) -> None:
    async with running(options) as gateway:
        await there(lambda: smsc.order(raw=raw + "00000005" * 3))
        await there(smsc.wait, "bound", 2)
        await gateway.link.bound.wait()
        assert (await hand(gateway)).status_code == 202
