"""A careless, hostile or broken carrier (F23 to F27, TS-1; docs/protocols/carrier.md)."""

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any

import pytest
from scene import CALLEE_HZ, CALLER, CALLER_HZ, EVENTS, Scene, soon, until_hears

from callrouter import models
from callrouter.audio.sources import Tone
from callrouter.carriers.simulator.call import Cause
from callrouter.carriers.simulator.gateway import SimulatedCarrier
from callrouter.carriers.simulator.link import CallRefused, Sent
from callrouter.carriers.simulator.script import DialScript, Faults, Outcome
from callrouter.directory import accounts, carriers
from foundation.outbound.signature import sign_body

CALLEE = "+14155550177"
SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 30000 RTP/AVP 0\r\n"


async def _post(carrier: SimulatedCarrier, path: str, body: bytes, secret: str = "") -> Sent:
    now = int(time.time())
    signature = sign_body(secret or carrier._link._secret, now, body)
    headers = {"X-Callrouter-Timestamp": str(now), "X-Callrouter-Signature": signature}
    return await carrier._link.post_raw(f"/carriers/{carrier.name}{path}", body, headers)


async def _dial(scene: Scene) -> str:
    scene.app.answers["/done"] = "<Response/>"
    callback = f"statusCallback='{scene.app.url('/status/callee')}' {EVENTS}"
    noun = f"<Number {callback}>{CALLEE}</Number>"
    return scene.number(f"<Response><Dial action='/done' timeout='5'>{noun}</Dial></Response>")


async def test_unknown_number_is_refused_with_a_reason(scene: Scene) -> None:
    async with scene.carrier() as carrier:
        with pytest.raises(CallRefused) as refused:
            await carrier.call(CALLER, "+14159999999")
    assert (refused.value.status, refused.value.code) == (404, 21421)
    assert scene.rows(models.Call) == []


async def test_unknown_and_disabled_carriers_are_refused(scene: Scene) -> None:
    number = scene.number("<Response/>")
    async with scene.deployment.carrier() as stranger:
        with pytest.raises(CallRefused) as unknown:
            await stranger.call(CALLER, number)
    async with scene.carrier() as carrier:
        scene.deployment.write(
            lambda connection: carriers.change(
                connection, carrier.name, now=time.time(), status=carriers.Status.DISABLED
            )
        )
        with pytest.raises(CallRefused) as disabled:
            await carrier.call(CALLER, number)
    assert unknown.value.status == disabled.value.status == 403
    assert scene.rows(models.Call) == []


@pytest.mark.parametrize("status", [accounts.Status.SUSPENDED, accounts.Status.CLOSED])
@pytest.mark.parametrize("owner", [False, True], ids=["itself", "its owner"])
async def test_account_that_is_not_active_gets_no_calls(
    scene: Scene, status: accounts.Status, owner: bool
) -> None:
    """10001, also for the subaccount of an owner that was stopped."""
    number = scene.number("<Response/>")
    stopped = scene.tenant.sid
    if owner:
        boss = scene.deployment.tenant().sid
        belongs = models.Account.__table__.update().where(models.Account.account_sid == stopped)
        scene.deployment.write(lambda c: c.execute(belongs.values(owner_account_sid=boss)))
        stopped = boss
    scene.deployment.write(
        lambda c: c.execute(
            models.Account.__table__.update()
            .where(models.Account.account_sid == stopped)
            .values(status=status.value)
        )
    )
    async with scene.carrier() as carrier:
        with pytest.raises(CallRefused) as refused:
            await carrier.call(CALLER, number)
    assert (refused.value.status, refused.value.code) == (403, 10001)
    assert scene.rows(models.Call) == []


@pytest.mark.parametrize(
    "faults", [Faults(duplicates=3), Faults(reorder=True), Faults(duplicates=2, reorder=True)]
)
async def test_duplicates_and_disorder_change_nothing(scene: Scene, faults: Faults) -> None:
    """F23, F24: the callee's leg rings, is answered and ends once each."""
    number = await _dial(scene)
    script = DialScript(answer_after=0.2, source=Tone(hz=CALLEE_HZ))
    async with scene.carrier(script=script) as carrier:
        carrier.faults = faults
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        callee = await soon(carrier.dialled())
        await scene.until(lambda: scene.statuses().get(CALLEE) == "in-progress", "the callee took it")
        await until_hears(callee, CALLER_HZ)
        await until_hears(call, CALLEE_HZ)
        await callee.hangup()
        assert (await scene.form("/done"))["DialCallStatus"] == "completed"
        await scene.over()
    told = scene.callbacks("/status/callee")
    assert told[0] == "initiated"
    assert told[-2:] == ["in-progress", "completed"]
    assert len(told) == len(set(told))


async def test_repeated_call_is_the_same_call(scene: Scene) -> None:
    """I7: the same id again gets the first call's sid, and the app is asked once."""
    number = scene.number("<Response><Dial><Client>nobody</Client></Dial><Pause length='1'/></Response>")
    async with scene.carrier() as carrier:
        first = await carrier.call(CALLER, number)
        repeated = await carrier.replay(carrier.sent[0])
        assert (repeated.status, repeated.answer["call_sid"]) == (200, first.call_sid)
        many = await asyncio.gather(*(carrier.replay(carrier.sent[0]) for _ in range(20)))
        assert {sent.answer["call_sid"] for sent in many} == {first.call_sid}
        await soon(first.ended)
        await scene.over()
        late = await carrier.replay(carrier.sent[0])
        assert (late.status, late.answer["call_sid"]) == (200, first.call_sid)
    assert len(scene.app.forms("/voice")) == 1


async def test_replayed_events_of_a_call_that_is_over_change_nothing(scene: Scene) -> None:
    number = await _dial(scene)
    async with scene.carrier(script=DialScript(answer_after=0.1)) as carrier:
        await carrier.call(CALLER, number)
        callee = await soon(carrier.dialled())
        await soon(callee.answered)
        await callee.hangup()
        await scene.over()
        before = scene.statuses(), len(scene.app.received)
        for sent in carrier.sent[1:]:
            assert (await carrier.replay(sent)).status == 200
        await scene.over()
        assert (scene.statuses(), len(scene.app.received)) == before


@pytest.mark.parametrize(
    "faults", [Faults(unsigned=True), Faults(clock_offset=-301), Faults(clock_offset=301)]
)
async def test_unsigned_and_late_webhooks_are_refused(scene: Scene, faults: Faults) -> None:
    number = scene.number("<Response/>")
    async with scene.carrier() as carrier:
        carrier.faults = faults
        with pytest.raises(CallRefused) as refused:
            await carrier.call(CALLER, number)
    assert refused.value.status == 403
    assert scene.rows(models.Call) == []


async def test_wrong_secret_is_refused(scene: Scene) -> None:
    async with scene.carrier() as carrier:
        body = json.dumps({"id": "x", "from": CALLER, "to": CALLEE, "media": {"sdp": SDP}}).encode()
        assert (await _post(carrier, "/calls", body, "another secret")).status == 403


def _call(**fields: Any) -> Mapping[str, Any]:
    return {"id": "x", "from": CALLER, "to": "NUMBER", "media": {"sdp": SDP}, **fields}


@pytest.mark.parametrize(
    "fields",
    [
        [],
        "text",
        7,
        None,
        {},
        _call(id=""),
        _call(id=7),
        _call(id="x" * 129),
        _call(id="x\0"),
        {key: value for key, value in _call().items() if key != "from"},
        _call(to=["NUMBER"]),
        _call(**{"from": {"a": 1}}),
        _call(media="sdp"),
        _call(media={}),
        _call(media={"sdp": ""}),
        _call(media={"sdp": "v=0" + "x" * 20_000}),
        _call(caller_name=5),
        _call(caller_name="x" * 65),
    ],
    ids=repr,
)
async def test_call_of_a_wrong_shape_is_refused(scene: Scene, fields: Any) -> None:
    number = scene.number("<Response/>")
    async with scene.carrier() as carrier:
        body = json.dumps(fields).replace("NUMBER", number).encode()
        sent = await _post(carrier, "/calls", body)
    assert sent.status == 400
    assert set(sent.answer) >= {"code", "message", "status"}
    assert scene.rows(models.Call) == []


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"{" + b" " * 2_000_000 + b"}"])
async def test_garbage_is_refused(scene: Scene, body: bytes) -> None:
    async with scene.carrier() as carrier:
        sent = await _post(carrier, "/calls", body)
    assert sent.status in (400, 413)


async def test_unusable_sdp_ends_the_call_with_a_reason(scene: Scene) -> None:
    number = scene.number("<Response><Dial><Client>nobody</Client></Dial></Response>")
    async with scene.carrier() as carrier:
        body = json.dumps(_call(to=number, media={"sdp": "not an SDP"})).encode()
        sent = await _post(carrier, "/calls", body)
        assert sent.status in (201, 400)
        await scene.over()
    if sent.status == 201:
        assert scene.statuses()[number] == "failed"
        assert scene.codes() == ["53405"]


@pytest.mark.parametrize(
    "event",
    [
        {"type": "hangup"},
        {"event_id": "e", "type": "explode"},
        {"event_id": "e", "type": 5},
        {"event_id": "e", "type": "dtmf"},
        {"event_id": "e", "type": "dtmf", "digits": "x"},
        {"event_id": "e", "type": "dtmf", "digits": "1" * 65},
        {"event_id": "e" * 129, "type": "hangup"},
    ],
    ids=repr,
)
async def test_event_of_a_wrong_shape_is_refused_and_changes_nothing(scene: Scene, event: Any) -> None:
    number = scene.number("<Response><Pause length='30'/></Response>")
    async with scene.carrier() as carrier:
        call = await carrier.call(CALLER, number)
        sent = await _post(carrier, f"/calls/{call.id}/events", json.dumps(event).encode())
        assert sent.status == 400
        assert not call.ended.done()
        await call.hangup()
        await scene.over()


async def test_event_for_an_unknown_call(scene: Scene) -> None:
    async with scene.carrier() as carrier:
        body = json.dumps({"event_id": "e", "type": "hangup"}).encode()
        assert (await _post(carrier, "/calls/nothing/events", body)).status == 404


async def test_carrier_cannot_touch_another_carriers_call(scene: Scene) -> None:
    number = scene.number("<Response><Pause length='30'/></Response>")
    async with scene.carrier() as carrier:
        call = await carrier.call(CALLER, number)
        async with scene.carrier() as other:
            body = json.dumps({"event_id": "e", "type": "hangup"}).encode()
            assert (await _post(other, f"/calls/{call.id}/events", body)).status == 404
            assert not call.ended.done()
        scene.deployment.write(
            lambda c: carriers.change(c, carrier.name, now=time.time(), status=carriers.Status.ACTIVE)
        )
        await call.hangup()
        await scene.over()


OUTCOMES = {
    Outcome.BUSY: "busy",
    Outcome.REJECT: "busy",
    Outcome.FAIL: "failed",
    Outcome.UNREACHABLE: "no-answer",
}


@pytest.mark.parametrize("outcome", OUTCOMES)
async def test_callee_who_can_not_be_had(scene: Scene, outcome: Outcome) -> None:
    """PR-55's words for each of the protocol's causes."""
    number = await _dial(scene)
    async with scene.carrier(script=DialScript(outcome=outcome)) as carrier:
        await carrier.call(CALLER, number)
        assert (await scene.form("/done"))["DialCallStatus"] == OUTCOMES[outcome]
        await scene.over()
    assert scene.statuses()[CALLEE] == OUTCOMES[outcome]


async def test_carrier_that_accepts_and_says_nothing(scene: Scene) -> None:
    """F26: the ring time ends the leg, the carrier is told to stop."""
    number = await _dial(scene)
    async with scene.carrier(script=DialScript(outcome=Outcome.MUTE)) as carrier:
        await carrier.call(CALLER, number)
        callee = await soon(carrier.dialled())
        ending = await soon(callee.ended)
        assert (ending.by, ending.cause) == ("router", Cause.CANCELED)
        assert (await scene.form("/done"))["DialCallStatus"] == "no-answer"
        await scene.over()


async def test_carrier_that_refuses_to_dial(scene: Scene) -> None:
    """A 4xx is final: the leg fails at once with a notification, and the document goes on."""
    number = await _dial(scene)
    async with scene.carrier() as carrier:
        carrier._dial = lambda _id, _command: (403, {"message": "No."})  # type: ignore[method-assign]
        await carrier.call(CALLER, number)
        assert (await scene.form("/done"))["DialCallStatus"] == "failed"
        await scene.over()
    assert scene.codes() == ["13224"]


async def test_carrier_that_is_down_when_it_shall_dial(scene: Scene) -> None:
    """12400 after a few tries, some seconds in all; the document goes on."""
    app = scene.application("PLACEHOLDER")
    owned = scene.tenant.number()
    scene.app.answers["/app"] = (
        f"<Response><Dial callerId='{owned}' action='/done'>{CALLEE}</Dial></Response>"
    )
    scene.app.answers["/done"] = "<Response/>"
    async with scene.carrier():
        pass  # known to the router, and gone
    async with scene.phone("alice", app=app) as alice:
        call = await alice.call({})
        await scene.form("/done")
        await soon(call.ended)
        await scene.over()
    assert scene.app.forms("/done")[0]["DialCallStatus"] == "failed"
    assert scene.codes() == ["12400"]
    assert scene.causes()[CALLEE] == "carrier-unavailable"


async def test_failed_leg_that_answers_later_stays_failed(scene: Scene) -> None:
    """F27: and the carrier is told to hang up, as long as the parent call is there to do it."""
    scene.app.answers["/done"] = "<Response><Pause length='30'/></Response>"
    number = scene.number(f"<Response><Dial action='/done'>{CALLEE}</Dial></Response>")
    async with scene.carrier(script=DialScript(outcome=Outcome.MUTE)) as carrier:
        call = await carrier.call(CALLER, number)
        callee = await soon(carrier.dialled())
        path = f"/calls/{callee.id}/events"
        failed = json.dumps({"event_id": "1", "type": "failed", "cause": "busy"}).encode()
        assert (await _post(carrier, path, failed)).answer == {"status": "busy"}
        await scene.form("/done")
        answered = json.dumps({"event_id": "2", "type": "answered", "sdp": SDP}).encode()
        assert (await _post(carrier, path, answered)).answer == {"status": "busy"}
        assert (await soon(callee.ended)).by == "router"
        await call.hangup()
        await scene.over()
    assert scene.statuses() == {number: "completed", CALLEE: "busy"}
