"""Dial: phones and clients, one after the other and all at once (twilio-surface 2.2, PR-50 to PR-57)."""

from scene import CALLEE_HZ, CALLER, CALLER_HZ, EVENTS, Scene, soon, until_hears

from callrouter.audio.sources import Tone
from callrouter.carriers.simulator.call import Direction
from callrouter.carriers.simulator.script import DialScript, Outcome

CALLEE = "+14155550177"
TALKS = DialScript(answer_after=0.1, source=Tone(hz=CALLEE_HZ))


async def test_caller_is_put_through_to_a_phone(scene: Scene) -> None:
    scene.app.answers["/done"] = "<Response/>"
    callback = f"statusCallback='{scene.app.url('/status/callee')}' {EVENTS}"
    number = scene.number(
        f"<Response><Dial action='/done'><Number {callback}>{CALLEE}</Number></Dial></Response>"
    )
    async with scene.carrier(script=TALKS) as carrier:
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        callee = await soon(carrier.dialled())
        assert (callee.from_, callee.to) == (CALLER, CALLEE)
        await soon(callee.answered)
        await until_hears(callee, CALLER_HZ)
        await until_hears(call, CALLEE_HZ)
        await callee.hangup()
        done = await scene.form("/done")
        await soon(call.ended)
        await scene.over()
    assert (done["DialCallStatus"], done["DialCallSid"]) == ("completed", callee.call_sid)
    await scene.form("/status/callee", 3)
    assert scene.callbacks("/status/callee") == ["initiated", "ringing", "in-progress", "completed"]


async def test_first_of_phone_and_client_wins_and_the_other_is_cancelled(scene: Scene) -> None:
    """PR-51: one bridge, the loser's leg ends as canceled."""
    nouns = f"<Number>{CALLEE}</Number>{scene.client('alice')}"
    number = scene.number(f"<Response><Dial>{nouns}</Dial></Response>")
    async with (
        scene.carrier(script=DialScript(answer_after=30)) as carrier,
        scene.phone("alice") as phone,
    ):
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        callee = await soon(carrier.dialled())
        ringing = await soon(phone.incoming())
        await soon(callee.ringing)
        await ringing.answer()
        assert (await soon(callee.ended)).by == "router"
        await until_hears(ringing, CALLER_HZ)
        await call.hangup()
        await scene.over()
    assert scene.statuses() == {number: "completed", CALLEE: "canceled", "client:alice": "completed"}


async def test_phone_wins_and_the_client_stops_ringing(scene: Scene) -> None:
    nouns = f"<Number>{CALLEE}</Number>{scene.client('alice')}"
    number = scene.number(f"<Response><Dial>{nouns}</Dial></Response>")
    async with (
        scene.carrier(script=DialScript(answer_after=1.0)) as carrier,
        scene.phone("alice") as phone,
    ):
        call = await carrier.call(CALLER, number)
        ringing = await soon(phone.incoming())
        assert (await soon(ringing.ended)).how == "cancel"
        callee = await soon(carrier.dialled())
        await soon(callee.answered)
        await call.hangup()
        await soon(callee.ended)
        await scene.over()
    assert scene.statuses() == {number: "completed", CALLEE: "completed", "client:alice": "canceled"}


async def test_sequential_nouns_ring_one_after_the_other(scene: Scene) -> None:
    """twilio-surface 9.4 row 21; a busy phone, a client that is not there, then one that is."""
    nouns = f"<Number>{CALLEE}</Number><Client>nobody</Client>{scene.client('alice')}"
    number = scene.number(f"<Response><Dial sequential='true' action='/done'>{nouns}</Dial></Response>")
    scene.app.answers["/done"] = "<Response/>"
    busy = DialScript(outcome=Outcome.BUSY)
    async with scene.carrier(script=busy) as carrier, scene.phone("alice") as phone:
        call = await carrier.call(CALLER, number)
        ringing = await soon(phone.incoming())
        legs = {
            number: "in-progress",
            CALLEE: "busy",
            "client:nobody": "no-answer",
            "client:alice": "ringing",
        }
        await scene.until(lambda: scene.statuses() == legs, "alice rings")
        await ringing.answer()
        await soon(call.answered)
        await ringing.hangup()
        assert (await scene.form("/done"))["DialCallStatus"] == "completed"
        await scene.over()


async def test_star_of_the_caller_ends_the_dial_and_not_the_call(scene: Scene) -> None:
    """hangupOnStar; the key comes as an RFC 4733 event in the audio."""
    number = scene.number(
        f"<Response><Dial hangupOnStar='true' action='/done'>{scene.client('alice')}</Dial></Response>"
    )
    scene.app.answers["/done"] = "<Response><Pause length='1'/></Response>"
    async with scene.carrier() as carrier, scene.phone("alice") as phone:
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        ringing = await soon(phone.incoming())
        await ringing.answer()
        await until_hears(ringing, CALLER_HZ)
        await call.press("1*")
        assert (await soon(ringing.ended)).how == "hangup"
        done = await scene.form("/done")
        assert not call.report().ended_after
        await soon(call.ended)
        await scene.over()
    assert (done["DialCallStatus"], done["CallStatus"]) == ("completed", "in-progress")


async def test_star_by_a_carrier_event_works_too(scene: Scene) -> None:
    number = scene.number(
        f"<Response><Dial hangupOnStar='true' action='/done'>{scene.client('alice')}</Dial></Response>"
    )
    scene.app.answers["/done"] = "<Response/>"
    async with scene.carrier() as carrier, scene.phone("alice") as phone:
        call = await carrier.call(CALLER, number)
        ringing = await soon(phone.incoming())
        await call.press("*", signalled=True)
        assert (await soon(ringing.ended)).how == "cancel"
        assert (await scene.form("/done"))["DialCallStatus"] == "canceled"
        await scene.over()


async def test_star_by_a_calling_client(scene: Scene) -> None:
    """The SDK's `dtmf` message carries the keys of a browser (voice-sdk-protocol)."""
    app = scene.application(
        "<Response><Dial hangupOnStar='true' action='/done'><Client>bob</Client></Dial></Response>"
    )
    scene.app.answers["/done"] = "<Response/>"
    async with scene.phone("bob") as bob, scene.phone("alice", app=app) as alice:
        call = await alice.call({})
        ringing = await soon(bob.incoming())
        await ringing.answer()
        await soon(call.answered)
        await scene.until(lambda: scene.statuses().get("client:bob") == "in-progress", "bob took the call")
        await call.press("*")
        assert (await soon(ringing.ended)).how == "hangup"
        assert (await scene.form("/done"))["DialCallStatus"] == "completed"
        await scene.over()


async def test_time_limit_ends_the_talk(scene: Scene) -> None:
    number = scene.number(
        f"<Response><Dial timeLimit='1' action='/done'>{scene.client('alice')}</Dial></Response>"
    )
    scene.app.answers["/done"] = "<Response/>"
    async with scene.carrier() as carrier, scene.phone("alice") as phone:
        await carrier.call(CALLER, number)
        ringing = await soon(phone.incoming())
        await ringing.answer()
        assert (await soon(ringing.ended)).by == "server"
        done = await scene.form("/done")
        await scene.over()
    assert (done["DialCallStatus"], done["DialCallDuration"]) == ("completed", "1")


async def test_answer_on_bridge_lets_the_caller_ring_until_the_callee_answers(scene: Scene) -> None:
    """twilio-surface 9.4 row 22."""
    number = scene.number(f"<Response><Dial answerOnBridge='true'>{scene.client('alice')}</Dial></Response>")
    async with scene.carrier() as carrier, scene.phone("alice") as phone:
        call = await carrier.call(CALLER, number, source=Tone(hz=CALLER_HZ))
        ringing = await soon(phone.incoming())
        await soon(call.ringing)
        assert not call.answered.done()
        assert scene.statuses()[number] == "ringing"
        await ringing.answer()
        await soon(call.answered)
        await until_hears(ringing, CALLER_HZ)
        await until_hears(call, CALLEE_HZ)
        await call.hangup()
        await scene.over()
    assert scene.codes() == []


async def test_answer_on_bridge_without_an_answer_never_answers_the_caller(scene: Scene) -> None:
    number = scene.number("<Response><Dial answerOnBridge='true'><Client>nobody</Client></Dial></Response>")
    async with scene.carrier() as carrier:
        call = await carrier.call(CALLER, number)
        await soon(call.ended)
        assert call.report().answered_after is None
        await scene.over()
    assert scene.statuses() == {number: "no-answer", "client:nobody": "no-answer"}


async def test_identity_and_parameters_reach_the_client(scene: Scene) -> None:
    more = "<Identity>alice</Identity><Parameter name='colour' value='dark green'/><Parameter name='n' value='&amp;'/>"
    number = scene.number(f"<Response><Dial>{scene.client('alice', more)}</Dial></Response>")
    async with scene.carrier() as carrier, scene.phone("alice") as phone:
        await carrier.call(CALLER, number)
        ringing = await soon(phone.incoming())
        assert ringing.custom_parameters == {"colour": "dark green", "n": "&"}
        await ringing.reject()
        await scene.over()


async def test_unregistered_client_costs_no_time_and_the_next_verb_runs(scene: Scene) -> None:
    """PR-56: a child call that ends as no-answer at once, told to its callbacks, then the rest of the document."""
    number = scene.number(
        f"<Response><Dial>{scene.client('nobody')}</Dial><Redirect>/next</Redirect></Response>"
    )
    scene.app.answers["/next"] = "<Response/>"
    async with scene.carrier() as carrier:
        await carrier.call(CALLER, number)
        await scene.form("/next")
        await scene.over()
    await scene.form("/status/nobody", 1)
    assert scene.callbacks("/status/nobody") == ["initiated", "no-answer"]
    assert scene.causes()["client:nobody"] == "not-registered"


async def test_client_call_to_a_phone_needs_a_number_to_show(scene: Scene) -> None:
    """twilio-surface 9.4 row 39: 13214 and DialCallStatus=failed; with an owned number it goes through."""
    app = scene.application(f"<Response><Dial action='/bad'>{CALLEE}</Dial></Response>")
    owned = scene.tenant.number()
    scene.app.answers["/bad"] = (
        f"<Response><Dial action='/good' callerId='{owned}'>{CALLEE}</Dial></Response>"
    )
    scene.app.answers["/good"] = "<Response/>"
    async with scene.carrier(script=TALKS) as carrier, scene.phone("alice", app=app) as alice:
        call = await alice.call({"To": CALLEE})
        callee = await soon(carrier.dialled())
        assert (await scene.form("/bad"))["DialCallStatus"] == "failed"
        assert callee.from_ == owned
        await soon(callee.answered)
        await until_hears(callee, CALLEE_HZ)
        await call.hangup()
        await scene.over()
    assert "13214" in scene.codes()


async def test_foreign_number_is_no_caller_id(scene: Scene) -> None:
    """A number that another account owns can't be shown (13214); nobody is dialled."""
    foreign = Scene(scene.deployment, scene.app).tenant.number()
    number = scene.number(f"<Response><Dial action='/done' callerId='{foreign}'>{CALLEE}</Dial></Response>")
    scene.app.answers["/done"] = "<Response/>"
    async with scene.carrier(script=TALKS) as carrier:
        await carrier.call(CALLER, number)
        assert (await scene.form("/done"))["DialCallStatus"] == "failed"
        await scene.over()
        assert all(call.direction is Direction.INBOUND for call in carrier.calls.values())
    assert scene.codes() == ["13214"]
