"""The SMPP gateway's way out: messages of a router that verifies signatures, to an SMSC of another implementation.

docs/protocols/carrier.md says what the router may expect.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import AsyncMock

import pytest

from foundation.settings import Settings
from presence import tls
from tests.smpp.parties import Smsc
from tests.support.extras import needs
from tests.support.fake_router import FakeRouter

needs("sms")

from callrouter.carriers.smpp import outgoing  # noqa: E402
from callrouter.carriers.smpp.gateway import Gateway, Options  # noqa: E402
from callrouter.carriers.smpp.link import Bind  # noqa: E402
from callrouter.carriers.smpp.pdu import Command  # noqa: E402
from callrouter.carriers.smpp.receipts import Ids  # noqa: E402
from callrouter.carriers.smpp.session import LinkLost, Session  # noqa: E402
from tests.smpp.gateways import eventually, hand, running, there  # noqa: E402

LONG = "0123456789" * 40


async def test_a_message_goes_out_and_its_report_comes_back(
    options: Options, smsc: Smsc, router: FakeRouter
) -> None:
    await there(lambda: smsc.order(set={"receipt": "text"}))
    async with running(options) as gateway:
        assert (await hand(gateway)).status_code == 202
        submitted = smsc.wait("submit")
        assert await there(router.wait) == {"event_id": "SM1-delivered", "status": "delivered"}
    assert router.taken[0][0] == "/carriers/acme/messages/SM1/events"
    assert bytes.fromhex(submitted["hex"]) == b"hi"
    assert (submitted["source"], submitted["source_ton"]) == ("15550199", 1)
    assert (submitted["destination"], submitted["registered_delivery"]) == ("15550142", 1)
    assert smsc.wait("deliver_sm_resp")["status"] == 0
    assert smsc.all("unbind"), "it says good-bye"


@pytest.mark.parametrize("receipt", ["text", "tlv", "early"])
async def test_a_long_message_is_delivered_when_all_its_parts_are(
    receipt: str, options: Options, smsc: Smsc, router: FakeRouter
) -> None:
    """Also when the receipts come before the answers to the parts."""
    await there(lambda: smsc.order(set={"receipt": receipt}))
    async with running(options) as gateway:
        assert (await hand(gateway, body=LONG)).status_code == 202
        assert (await there(router.wait))["status"] == "delivered"
        await eventually(lambda: len(smsc.all("deliver_sm_resp")) == 3)
    parts = [bytes.fromhex(each["hex"]) for each in smsc.all("submit")]
    assert b"".join(part[6:] for part in parts) == LONG.encode()
    assert [part[4:6] for part in parts] == [bytes([3, 1]), bytes([3, 2]), bytes([3, 3])]
    assert len(router.taken) == 1


async def test_one_lost_part_is_a_lost_message(options: Options, smsc: Smsc, router: FakeRouter) -> None:
    async with running(options) as gateway:
        await hand(gateway, body=LONG)
        receipt = {"esm_class": 4, "text": "id:1002 stat:EXPIRED err:000"}
        await there(lambda: smsc.order(deliver={"esm_class": 4, "text": "id:1001 stat:DELIVRD err:000"}))
        await there(lambda: smsc.order(deliver=receipt))
        report = await there(router.wait)
    assert (report["status"], report["error_code"]) == ("undelivered", 30003)


async def test_a_repeat_is_answered_as_before_and_sends_nothing(options: Options, smsc: Smsc) -> None:
    """OM: also when the gateway was started anew between, and when both come at once."""
    async with running(options) as gateway:
        both = await asyncio.gather(hand(gateway), hand(gateway, again=True))
        assert [each.status_code for each in both] == [202, 202]
        await there(lambda: smsc.order(set={"statuses": [0x0B]}))
        refused = await hand(gateway, id="SM2")
        assert (refused.status_code, refused.json()["code"]) == (400, 30005)
    async with running(options) as gateway:
        assert (await hand(gateway, again=True)).status_code == 202
        assert (await hand(gateway, id="SM2")).json() == refused.json()
    assert len(smsc.all("submit")) == 2


async def test_an_smsc_that_wants_less_is_asked_again_later(options: Options, smsc: Smsc) -> None:
    await there(lambda: smsc.order(set={"statuses": [0x58, 0x14]}))
    async with running(options) as gateway:
        for _ in range(2):
            answer = await hand(gateway)
            assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
        assert (await hand(gateway)).status_code == 202


async def test_the_rest_of_a_message_waits_for_an_smsc_that_wants_less(
    options: Options, smsc: Smsc, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing.answers, "RETRY_AFTER", 0.05)
    await there(lambda: smsc.order(set={"statuses": [0, 0x58, 0x58]}))
    async with running(options) as gateway:
        assert (await hand(gateway, body=LONG)).status_code == 202
    assert [bytes.fromhex(each["hex"])[5] for each in smsc.all("submit") if not each["status"]] == [1, 2, 3]


async def test_half_a_message_goes_to_no_other_carrier(options: Options, smsc: Smsc) -> None:
    await there(lambda: smsc.order(set={"statuses": [0, 0x45]}))
    async with running(options) as gateway:
        answer = await hand(gateway, body=LONG)
    assert answer.status_code == 400
    assert answer.json()["final"] is True


async def test_a_link_lost_before_the_answer_leaves_it_open(options: Options, smsc: Smsc) -> None:
    """Nobody knows: 5xx that is not 503; the router's repeat sends what has no answer, with the same reference."""
    await there(lambda: smsc.order(set={"drop": 1}))
    async with running(options) as gateway:
        assert (await hand(gateway, body=LONG)).status_code == 504
        await eventually(lambda: len(smsc.all("bound")) == 2)
        await gateway.link.bound.wait()
        assert (await hand(gateway, body=LONG, again=True)).status_code == 202
    parts = [bytes.fromhex(each["hex"])[:6] for each in smsc.all("submit")]
    assert parts[0] == parts[1]
    assert len(parts) == 4


async def test_a_repeat_after_an_open_end_never_says_that_nothing_was_taken(
    options: Options, smsc: Smsc
) -> None:
    await there(lambda: smsc.order(set={"drop": 1}))
    async with running(options) as gateway:
        assert (await hand(gateway)).status_code == 504
        smsc.close()
        await eventually(lambda: not gateway.link.bound.is_set())
        assert (await hand(gateway, again=True)).status_code == 504
        assert (await hand(gateway, id="SM2")).status_code == 503


async def test_a_stalled_smsc_holds_nobody_up(
    options: Options, smsc: Smsc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The router gets its answer in time, and the link is made anew."""
    monkeypatch.setattr(outgoing, "ANSWER_SECONDS", 0.3)
    await there(lambda: smsc.order(set={"silent": True}))
    async with running(replace(options, smsc=replace(options.smsc, answer_seconds=1.0))) as gateway:
        began = time.monotonic()
        assert (await hand(gateway)).status_code == 504
        assert time.monotonic() - began < 1.0
        await there(smsc.wait, "bound", 2)


async def test_a_deaf_smsc_is_left_and_found_again(options: Options, smsc: Smsc) -> None:
    await there(lambda: smsc.order(set={"deaf": True}))
    access = replace(options.smsc, enquire_seconds=0.05, answer_seconds=0.2)
    async with running(replace(options, smsc=access)):
        await there(smsc.wait, "bound", 2)
    assert smsc.all("enquire")


async def test_what_smpp_can_not_do_is_refused(options: Options, smsc: Smsc) -> None:
    async with running(options) as gateway:
        media = [{"url": "http://127.0.0.1/x", "content_type": "image/png"}]
        assert (await hand(gateway, media=media)).json()["code"] == 30011
        late = await hand(gateway, id="SM2", valid_until=time.time() - 1)
        assert (late.json()["code"], late.json()["final"]) == (30036, True)
        for wrong in ({"body": 7}, {"id": ""}, {"body": "ж"}, {"valid_until": "x"}, {"to": "+" * 30}):
            assert (await hand(gateway, **wrong)).status_code == 400, wrong
        assert (await hand(gateway, secret="another")).status_code == 403
    assert not smsc.all("submit")


async def test_ids_in_decimal(options: Options, smsc: Smsc, router: FakeRouter) -> None:
    await there(lambda: smsc.order(set={"hex": True, "receipt": "text"}))
    async with running(replace(options, ids=Ids.DECIMAL)) as gateway:
        assert (await hand(gateway)).status_code == 202
        assert (await there(router.wait))["status"] == "delivered"


async def test_two_sessions(options: Options, smsc: Smsc, router: FakeRouter) -> None:
    async with running(replace(options, bind=Bind.PAIR)) as gateway:
        await there(smsc.wait, "bound", 2)
        assert (await hand(gateway)).status_code == 202
        await there(lambda: smsc.order(deliver={"esm_class": 4, "text": "id:1001 stat:DELIVRD"}))
        assert (await there(router.wait))["status"] == "delivered"
    assert {each["kind"] for each in smsc.all("bound")} == {"bind_receiver", "bind_transmitter"}


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[Smsc]:
    """An SMSC over TLS, by tls/ca.pem."""
    made = tls.certificate(Settings(data_dir=tmp_path), datetime.now(UTC))
    smsc = Smsc(str(made.chain), str(made.key))
    yield smsc
    smsc.close()


async def test_tls(options: Options, secure: Smsc, tmp_path: Path) -> None:
    context = ssl.create_default_context(cafile=str(tmp_path / "tls" / "ca.pem"))
    access = replace(options.smsc, host="localhost", port=secure.port, tls=context)
    async with running(replace(options, smsc=access)) as gateway:
        assert (await hand(gateway)).status_code == 202


async def test_tls_with_a_certificate_that_nobody_vouches_for(options: Options, secure: Smsc) -> None:
    access = replace(options.smsc, host="localhost", port=secure.port, tls=ssl.create_default_context())
    session = Session(access, Command.BIND_TRANSCEIVER, "a session", AsyncMock())
    with pytest.raises(LinkLost, match="certificate verify failed"):
        await session.run(lambda: None)
    assert not secure.all("bound")


async def test_a_wrong_password_is_tried_with_pauses(options: Options, smsc: Smsc) -> None:
    wrong = replace(options, smsc=replace(options.smsc, password="wrong"))
    async with asyncio.timeout(30), Gateway(wrong) as gateway:
        await there(smsc.wait, "refused", 2)
        assert (await hand(gateway)).status_code == 503


async def test_more_than_can_wait_comes_back_later(
    options: Options, smsc: Smsc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """429: the router keeps it, and nothing of it was taken."""
    monkeypatch.setattr(outgoing, "ANSWER_SECONDS", 2.0)
    await there(lambda: smsc.order(set={"silent": True}))
    async with running(replace(options, window=1, rate=0.5)) as gateway:
        answers = await asyncio.gather(*(hand(gateway, id=f"SM{n}") for n in range(6)))
    assert sorted(each.status_code for each in answers) == [429] * 3 + [504] * 3


async def test_the_rate_is_kept(options: Options, smsc: Smsc) -> None:
    async with running(replace(options, rate=10.0)) as gateway:
        began = time.monotonic()
        answers = await asyncio.gather(*(hand(gateway, id=f"SM{n}") for n in range(6)))
        assert time.monotonic() - began >= 0.5
    assert {each.status_code for each in answers} == {202}


async def test_none_is_lost_and_none_sent_twice_but_where_nobody_knew(
    options: Options, smsc: Smsc, router: FakeRouter
) -> None:
    """The link breaks again and again; the router asks until it hears that the message was taken."""
    await there(lambda: smsc.order(set={"receipt": "text"}))
    sids = [f"SM{number}" for number in range(60)]
    doubts = 0
    async with running(options) as gateway:
        for place, sid in enumerate(sids):
            if place % 15 == 0:
                await there(lambda: smsc.order(set={"drop": 1}))
            while (answer := await hand(gateway, id=sid, body=sid)).status_code != 202:
                doubts += answer.status_code == 504
                await gateway.link.bound.wait()
        await there(router.wait, len(sids))
    assert sorted(path.split("/")[4] for path, _ in router.taken) == sorted(sids)
    sent = [bytes.fromhex(each["hex"]).decode() for each in smsc.all("submit")]
    assert set(sent) == set(sids)
    assert len(sent) - len(sids) == 4
    assert doubts >= 4
