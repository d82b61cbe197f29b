"""Messages to clients and from them, at the router (PR-70 to PR-75)."""

import asyncio
from typing import Any

import pytest
from clients_world import NUMBER, OTHER_PHONE, PHONE, ClientsWorld, client, clients_world  # noqa: F401

from callrouter import models
from callrouter.calls.dispatch import Later
from callrouter.messages import retracting, sessions
from callrouter.messages.retracting import Retracting
from callrouter.messages.status import Status
from callrouter.messages.transport import NotNow, Refused, Unavailable
from foundation.sids import ACCOUNT, new_sid
from foundation.webserver.errors import ApiError
from presence.client import Reach
from presence.client.transport import PresenceRefused, PresenceUnavailable


@pytest.fixture
def world(clients_world: ClientsWorld) -> ClientsWorld:  # noqa: F811
    return clients_world


def test_pr70_message_goes_to_the_presence_server_and_is_delivered_when_shown(world: ClientsWorld) -> None:
    sid = world.stored(status_callback="https://app.test/status")
    assert world.send(sid).status is Status.SENT
    (put,) = world.presence.put
    assert (put["sid"], put["client"], put["body"], put["hold"]) == (sid, "alice", "hi", True)
    assert put["valid_until"] == world.message(sid).valid_until
    world.clients.delivered(world.event(sid))
    assert world.message(sid).status == "delivered"
    assert [row["payload"]["parameters"]["MessageStatus"] for row in world.rows] == ["delivered"]


def test_pr72_a_second_report_or_a_late_expiry_changes_nothing(world: ClientsWorld) -> None:
    sid = world.stored()
    for _ in range(2):
        world.clients.delivered(world.event(sid))
    world.clients.expired(world.event(sid))
    row = world.message(sid)
    assert (row.status, row.error_code) == ("delivered", None)


def test_reports_of_unknown_and_foreign_messages_change_nothing(world: ClientsWorld) -> None:
    sms = world.stored(to=PHONE)
    for sid in (sms, "SM" + "0" * 32):
        assert world.clients.delivered(world.event(sid)) == ({}, 200)
    assert world.message(sms).status == "queued"


def test_pr79_the_decision_names_the_presence_it_was_made_on(world: ClientsWorld) -> None:
    sid = world.stored()
    world.send(sid)
    *_, last = sorted(world.read(models.MessageDecision, message_sid=sid), key=lambda row: row.attempt)
    assert (last.carrier, last.reason) == ("presence", "presence")
    (target,) = last.considered
    assert (target["client"], target["version"], target["endpoints"]) == ("alice", 3, ["desk"])
    assert target["skipped"] == [{"endpoint_id": "mobile", "reason": "expired"}]


def test_pr70_destination_goes_to_the_first_client_that_takes_messages(world: ClientsWorld) -> None:
    other = new_sid(ACCOUNT)
    world.presence.targets["support"] = (
        client(world.account, "alice", "voice"),
        client(other, "bob", "voice", "sms"),
        client(world.account, "carol", "sms"),
    )
    sid = world.stored(to="client:support")
    world.send(sid)
    (put,) = world.presence.put
    assert (put["account_sid"], put["client"], put["recipient"]) == (other, "bob", "client:support")
    world.clients.delivered(world.event(sid, account_sid=other))
    assert world.message(sid).status == "delivered"


def test_pr71_the_session_with_a_destination_is_that_of_the_client_who_got_the_message(
    world: ClientsWorld,
) -> None:
    """So that she, and nobody else, goes on with it; a client of another account can't have a session of ours."""
    stranger = client(new_sid(ACCOUNT), "dora", "sms")
    for chosen, owner in ((client(world.account, "carol", "sms"), "carol"), (stranger, "support")):
        world.presence.targets["support"] = (client(world.account, "alice", "voice"), chosen)
        facts = {"number": NUMBER, "phone": PHONE, "client": "support", "timeout": 60, "now": world.time}
        session = world.write(lambda c, facts=facts: sessions.begin(c, world.account, **facts))
        sid = world.stored(to="client:support", session_sid=session)
        world.send(sid, session_sid=session)
        (row,) = world.read(models.MessageSession, sid=session)
        assert row.client == owner
        world.write(lambda c, session=session: sessions.close(c, world.account, session, world.time))


def test_pr72_another_try_goes_to_the_client_that_was_chosen_before(world: ClientsWorld) -> None:
    """The presence server may have kept it although no answer was heard: nobody else may get it."""
    world.presence.targets["support"] = (client(world.account, "bob", "sms"),)
    sid = world.stored(to="client:support")
    world.presence.fault = PresenceRefused(429, 20429, "slow down", retry_after=3.0)
    with pytest.raises(NotNow) as asked:
        world.send(sid)
    assert asked.value.seconds == 3.0
    world.presence.fault = None
    world.presence.targets["support"] = (
        client(world.account, "alice", "sms"),
        client(world.account, "bob", "sms"),
    )
    world.send(sid, again=True)
    assert [one["client"] for one in world.presence.put] == ["bob"]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (PresenceRefused(429, 20429, "1,000 wait already"), 30001),
        (PresenceRefused(400, 31105, "no name"), 30005),
        (PresenceRefused(404, 20404, "no account"), 30005),
    ],
)
def test_what_the_presence_server_will_not_take(
    world: ClientsWorld, fault: PresenceRefused, code: int
) -> None:
    sid = world.stored()
    world.presence.fault = fault
    with pytest.raises(Refused) as refused:
        world.send(sid)
    assert (refused.value.code, refused.value.elsewhere) == (code, False)


def test_pr59_presence_server_down_is_tried_again(world: ClientsWorld) -> None:
    sid = world.stored()
    world.presence.fault = PresenceUnavailable("down")
    with pytest.raises(Unavailable) as unavailable:
        world.send(sid)
    assert not unavailable.value.maybe_taken


def test_pq12_what_the_presence_server_may_hold_is_not_canceled(world: ClientsWorld) -> None:
    """It was asked to hold the message and did not answer: nobody may say that it was not sent."""
    sid = world.stored()
    world.presence.lost = PresenceUnavailable("no answer")
    with pytest.raises(Unavailable) as unavailable:
        world.send(sid)
    assert unavailable.value.maybe_taken
    assert [one["sid"] for one in world.presence.put] == [sid]


async def test_pr70_two_routers_choose_one_client_between_them(world: ClientsWorld) -> None:
    """The second asks while the first, whose lease it took over, has not chosen yet."""
    world.presence.targets["support"] = (
        client(world.account, "alice", "sms"),
        client(world.account, "bob", "sms"),
    )
    sid = world.stored(to="client:support")
    alice, bob = world.presence.targets["support"]
    message = world.outgoing(sid)
    one = Reach(name="support", shared=True, as_of=1, targets=(alice, bob))
    other = Reach(name="support", shared=True, as_of=2, targets=(bob, alice))
    chosen = await asyncio.gather(*(world.transport._choose(message, reach) for reach in (one, other)))
    assert chosen[0].client == chosen[1].client


def test_deleting_a_message_takes_it_back_from_the_presence_server(world: ClientsWorld) -> None:
    sid = world.stored()
    world.send(sid)
    (row,) = world.read(models.Message, sid=sid)
    world.write(lambda c: retracting.queue(c, row, world.time))
    (entry,) = world.read(models.Outbox, kind="message.retract")
    executor = Retracting(world.presence)  # type: ignore[arg-type]
    world.presence.fault = PresenceUnavailable("down")
    with pytest.raises(Later):
        asyncio.run(executor.retract(dict(entry._mapping)))
    world.presence.fault = None
    asyncio.run(executor.retract(dict(entry._mapping)))
    assert world.presence.removed == [(world.account, sid)]


def test_pr73_nobody_there_the_app_is_told(world: ClientsWorld) -> None:
    sid = world.stored(otherwise="tell")
    world.presence.status = "nobody"
    with pytest.raises(Refused) as refused:
        world.send(sid)
    assert (refused.value.code, refused.value.elsewhere) == (30003, False)
    (put,) = world.presence.put
    assert not put["hold"]
    assert put["valid_until"] == world.time + 30
    assert len(world.read(models.Message)) == 1


def test_pr73_nobody_there_it_goes_to_the_number_once(world: ClientsWorld) -> None:
    sid = world.stored(otherwise=PHONE)
    world.presence.status = "nobody"
    for _ in range(2):
        with pytest.raises(Refused):
            world.send(sid)
    (instead,) = [row for row in world.read(models.Message) if row.sid != sid]
    assert (instead.to, instead._mapping["from"], instead.body) == (PHONE, NUMBER, "hi")
    assert instead.status == "queued"
    assert world.pokes


def test_pr73_nobody_showed_it_in_time_and_it_goes_to_the_number(world: ClientsWorld) -> None:
    sid = world.stored(otherwise=PHONE)
    world.send(sid)
    for _ in range(2):
        world.clients.expired(world.event(sid))
    assert (world.message(sid).status, world.message(sid).error_code) == ("undelivered", 30003)
    assert sorted(row.to for row in world.read(models.Message)) == [PHONE, "client:alice"]


def test_pr73_a_held_message_that_expires_is_undelivered(world: ClientsWorld) -> None:
    sid = world.stored(otherwise="hold")
    world.send(sid)
    world.clients.expired(world.event(sid))
    row = world.message(sid)
    assert (row.status, row.error_code, row.due_at) == ("undelivered", 30036, None)


def test_pr74_no_device_for_media_that_must_arrive(world: ClientsWorld) -> None:
    sid = world.stored(media_required=True)
    world.presence.status = "no-media"
    with pytest.raises(Refused) as refused:
        world.send(sid)
    assert (refused.value.code, refused.value.elsewhere) == (30011, False)


def test_pr75_a_client_s_message_goes_out_from_a_number_of_the_account(world: ClientsWorld) -> None:
    answer = world.says(to=PHONE, **{"from": NUMBER})
    row = world.message(answer["message_sid"])
    assert (row.to, row._mapping["from"], row.status, row.body) == (PHONE, NUMBER, "queued", "hello")
    (queued,) = world.read(models.QueuedMessage)
    assert queued.carrier == "acme"


def test_pr75_the_same_id_sends_once_and_another_client_s_is_another(world: ClientsWorld) -> None:
    said = {"to": PHONE, "from": NUMBER}
    first = world.says(**said)
    assert world.says(**said)["message_sid"] == first["message_sid"]
    assert world.says("bob", **said)["message_sid"] != first["message_sid"]
    assert len(world.read(models.Message)) == 2


def test_pr75_a_client_writes_to_a_client(world: ClientsWorld) -> None:
    row = world.message(world.says(to="client:bob")["message_sid"])
    assert (row._mapping["from"], row.to) == ("client:alice", "client:bob")


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"to": PHONE}, 21603),
        ({"to": PHONE, "from": OTHER_PHONE}, 21606),
        ({"to": PHONE, "from": "client:bob"}, 21910),
        ({"to": "", "from": NUMBER}, 21604),
        ({"to": "hello", "from": NUMBER}, 21211),
        ({"to": "+1 415 555 0100", "from": NUMBER}, 21211),
        ({"to": "＋14155550100", "from": NUMBER}, 21211),
        ({"to": "client:", "from": NUMBER}, 21211),
        ({"to": "client:a b", "from": NUMBER}, 21211),
        ({"to": "MS" + "0" * 32}, 20404),
        ({"to": PHONE, "from": "x" * 300, "session": 60}, 21212),
        ({"to": PHONE, "from": OTHER_PHONE, "session": 60}, 21606),
    ],
)
def test_pr75_refusals_store_nothing(world: ClientsWorld, said: dict[str, Any], code: int) -> None:
    with pytest.raises(ApiError) as refused:
        world.says(**said)
    assert refused.value.code == code
    assert world.read(models.Message) == world.read(models.MessageSession) == []


def test_pr75_a_suspended_account_s_client_sends_nothing(world: ClientsWorld) -> None:
    world.suspend()
    with pytest.raises(ApiError) as refused:
        world.says(to=PHONE, **{"from": NUMBER})
    assert refused.value.status == 403


def test_pr71_in_a_session_the_client_needs_no_address(world: ClientsWorld) -> None:
    sid = open_session(world)
    for to in ("", PHONE, sid):
        row = world.message(world.says(id=f"to {to}", to=to)["message_sid"])
        assert (row.to, row._mapping["from"], row.session_sid) == (PHONE, NUMBER, sid)


def test_pr71_with_two_sessions_it_must_say_whom_it_means(world: ClientsWorld) -> None:
    open_session(world)
    second = open_session(world, phone=OTHER_PHONE)
    with pytest.raises(ApiError) as refused:
        world.says()
    assert refused.value.code == 21604
    assert world.message(world.says(to=OTHER_PHONE)["message_sid"]).session_sid == second


def test_pr71_a_client_opens_a_session_by_its_message(world: ClientsWorld) -> None:
    row = world.message(world.says(to=PHONE, session=60, **{"from": NUMBER})["message_sid"])
    (session,) = world.read(models.MessageSession)
    assert (session.sid, session.phone, session.number) == (row.session_sid, PHONE, NUMBER)
    assert (session.client, session.ends_at) == ("alice", world.time + 60)


def test_pr71_what_the_phone_wrote_keeps_the_session_alive(world: ClientsWorld) -> None:
    session = open_session(world)
    sid = world.stored(from_=PHONE, session_sid=session)
    world.time += 30
    world.send(sid)
    (row,) = world.read(models.MessageSession)
    assert row.ends_at == world.time + 60
    assert world.presence.put[0]["session_sid"] == session


def open_session(world: ClientsWorld, phone: str = PHONE, name: str = "alice", timeout: int = 60) -> str:
    return world.write(
        lambda c: sessions.begin(
            c, world.account, number=NUMBER, phone=phone, client=name, timeout=timeout, now=world.time
        )
    )


class TestSessions:
    """PR-71: one open session between a number and a phone, until it is closed or had no message for its timeout."""

    def find(self, world: ClientsWorld, later: float = 0.0) -> Any:
        with world.database.read() as connection:
            return sessions.open_for(connection, world.account, NUMBER, PHONE, world.time + later)

    def test_it_is_open_until_its_timeout(self, world: ClientsWorld) -> None:
        sid = open_session(world)
        assert self.find(world, 59.9).sid == sid
        assert self.find(world, 60.0) is None

    def test_again_for_the_same_client_it_goes_on(self, world: ClientsWorld) -> None:
        first = open_session(world)
        world.time += 50
        assert open_session(world, timeout=20) == first
        assert self.find(world, 19.9).sid == first
        assert self.find(world, 20.0) is None

    def test_for_another_client_it_ends_the_first(self, world: ClientsWorld) -> None:
        first, second = open_session(world), open_session(world, name="bob")
        assert self.find(world).client == "bob"
        rows = {row.sid: row.status for row in world.read(models.MessageSession)}
        assert rows == {first: "closed", second: "open"}

    def test_one_that_timed_out_makes_room_for_another(self, world: ClientsWorld) -> None:
        first = open_session(world)
        world.time += 61
        assert open_session(world) != first
        assert world.read(models.MessageSession, sid=first)[0].status == "timed-out"

    def test_closed_or_expired_it_stays_so(self, world: ClientsWorld) -> None:
        sid = open_session(world)
        world.write(lambda c: sessions.close(c, world.account, sid, world.time))
        world.write(lambda c: sessions.touch(c, world.account, sid, world.time))
        world.write(lambda c: sessions.close(c, world.account, sid, world.time + 100))
        assert self.find(world) is None
        assert world.read(models.MessageSession)[0].status == "closed"

    def test_expiry_marks_what_readers_know_already(self, world: ClientsWorld) -> None:
        sid = open_session(world)
        (row,) = world.read(models.MessageSession)
        assert sessions.status(row, world.time + 60) == "timed-out"
        assert world.write(lambda c: sessions.expire(c, world.time + 60)) == 1
        assert world.write(lambda c: sessions.expire(c, world.time + 60)) == 0
        assert world.read(models.MessageSession, sid=sid)[0].status == "timed-out"

    def test_between_lists_the_client_s_open_ones(self, world: ClientsWorld) -> None:
        first = open_session(world)
        world.time += 1
        second = open_session(world, phone=OTHER_PHONE)
        open_session(world, phone="+14155550102", name="bob")
        with world.database.read() as connection:
            found = [one.sid for one in sessions.between(connection, world.account, "alice", world.time)]
        assert found == [second, first]
