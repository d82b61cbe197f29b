"""Client legs against a presence server that says what the test wants: who is rung, what is kept, whose call it is."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from test_choosing import AWAY, BUSY, DEVICE, client

from callrouter import models
from callrouter.calls import decisions
from callrouter.calls import happenings as h
from callrouter.calls.dispatch import Done, Later
from callrouter.calls.engine import Engine, Receipt
from callrouter.calls.executors.clients import Clients
from callrouter.calls.front import Front
from callrouter.calls.leases import BATCH, Leases, batches
from callrouter.calls.outgoing import Placement, outgoing_call
from callrouter.calls.session import OWN, Leg
from callrouter.calls.status import Cause, Status
from foundation.clock import from_timestamp
from foundation.db import Database
from foundation.keys import Keys
from foundation.sids import ACCOUNT, new_sid
from presence.client import Endpoint, Presence, PresenceRefused, PresenceUnavailable, Reach, Rung
from tests.support import tables

MINE, OTHER = new_sid(ACCOUNT), new_sid(ACCOUNT)
NOW = 1_000.0


class FakePresence:
    """Answers look-ups and invites from lists, the last of each again and again; notes what it was asked."""

    def __init__(self) -> None:
        self.reaches: list[Reach | Exception] = []
        self.answers: list[Rung | Exception] = []
        self.asked: list[tuple[Any, ...]] = []

    def reach(self, account_sid: str, name: str) -> Reach:
        self.asked.append(("reach", account_sid, name))
        found: Reach = _next(self.reaches)
        return found

    def invite(self, account_sid: str, call_sid: str, client: str, endpoints: list[str], **rest: Any) -> Rung:
        self.asked.append(("invite", account_sid, client, endpoints, rest))
        answer: Rung = _next(self.answers or [Rung(call_sid=call_sid, rung=tuple(endpoints), skipped={})])
        return answer

    def cancel_invite(self, account_sid: str, call_sid: str) -> None:
        self.asked.append(("cancel", account_sid))

    def frame(self, account_sid: str, call_sid: str, frame: dict[str, Any]) -> bool:
        self.asked.append(("frame", account_sid, frame["type"]))
        return True

    def renew_calls(self, account_sid: str, call_sids: list[str]) -> list[str]:
        self.asked.append(("renew", account_sid, call_sids))
        _next(self.reaches)
        return []

    def invites(self) -> list[tuple[Any, ...]]:
        return [asked for asked in self.asked if asked[0] == "invite"]


def _next(answers: list[Any]) -> Any:
    answer = answers.pop(0) if len(answers) > 1 else answers[0]
    if isinstance(answer, Exception):
        raise answer
    return answer


class FakeVoice:
    async def request(self, command: str, **_fields: Any) -> dict[str, str]:
        assert command == "leg.create"
        return {"sdp": "v=0"}


class Scene:
    """A call to `support` whose first command waits to be carried out."""

    def __init__(self, database: Database) -> None:
        self.database, self.presence = database, FakePresence()
        self.engine = Engine(database, lambda: from_timestamp(NOW), "here")
        self.rows: list[dict[str, Any]] = []
        self.engine.carry_out = self.rows.extend
        keys = Keys(["a key that only this test knows, 32 characters"])
        self.clients = Clients(self.engine, keys, FakeVoice(), self.presence)  # type: ignore[arg-type]

    async def dial(self, to: str = "client:support") -> dict[str, Any]:
        await self.engine.start()
        placement = Placement(
            account_sid=MINE, from_="+14155550100", to=to, url=None, twiml="<Response/>", timeout=30
        )
        session = outgoing_call(placement, NOW)
        receipt = Receipt(source="rest", event_id=session.call_sid)
        await self.engine.create(
            session, receipt, phone_number_sid=None, application_sid=None, caller_name=None
        )
        self.call_sid = session.call_sid
        return self.rows[-1]

    async def run(self, row: dict[str, Any]) -> Done:
        done: Done = await self.clients.executors()[row["kind"]](row)
        await self.engine.complete(row, done.happening, done.also)
        return done

    @property
    def leg(self) -> Leg:
        session = self.engine.session(self.call_sid)
        assert session
        return session.legs[OWN]

    def kept(self) -> list[Any]:
        with self.database.read() as connection:
            query = decisions.listed(MINE, self.call_sid).order_by(decisions.DECISIONS.c.attempt)
            return list(connection.execute(query))


Story = Callable[[Scene], Awaitable[None]]


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Callable[[Story], None]]:
    url = f"sqlite:///{tmp_path / 'router.sqlite3'}"
    tables.make(url, "callrouter")
    database = Database(url)

    async def within(story: Story) -> None:
        scene = Scene(database)
        try:
            async with asyncio.timeout(20):
                await story(scene)
        finally:
            await scene.engine.stop()

    yield lambda story: asyncio.run(within(story))
    database.close()


Play = Callable[[Story], None]


def reach(*targets: Presence) -> Reach:
    return Reach(name="support", shared=True, as_of=7, targets=targets)


def person(name: str, *devices: Endpoint, of: str = MINE) -> Presence:
    return client(name, *devices, account_sid=of)


def gone(*endpoints: str, why: str = "gone") -> Rung:
    return Rung(call_sid="CA", rung=(), skipped=dict.fromkeys(endpoints, why))


def test_pr50_pr79_available_devices_ring_and_the_decision_is_kept(play: Play) -> None:
    async def story(scene: Scene) -> None:
        tab = replace(AWAY, endpoint_id="tab")
        scene.presence.reaches = [reach(person("support", DEVICE, tab))]
        row = await scene.dial()
        await scene.run(row)
        assert (scene.leg.status, scene.leg.endpoints) == (Status.RINGING, ("desk",))
        (invite,) = scene.presence.invites()
        assert invite[1:4] == (MINE, "support", ["desk"])
        assert (invite[4]["waves"], invite[4]["parameters"]["AccountSid"]) == ((), MINE)
        (kept,) = scene.kept()
        assert (kept.outcome, kept.as_of, kept.presence_version, kept.rung) == ("ring", 7, 3, ["desk"])
        assert decisions.not_rung(kept) == [
            {"account_sid": MINE, "client": "support", "endpoint_id": "tab", "reason": "away"}
        ]
        again = decisions.replayed(kept)
        assert again
        assert decisions.same(kept, again)

    play(story)


@pytest.mark.parametrize(
    ("devices", "status", "cause", "code"),
    [
        ((), "no-answer", "not-registered", "480"),
        ((AWAY,), "no-answer", "not-available", "603"),
        ((BUSY,), "busy", "busy", "486"),
    ],
)
def test_pr55_pr56_nobody_to_ring_is_told_apart(
    play: Play, devices: tuple[Endpoint, ...], status: str, cause: str, code: str
) -> None:
    async def story(scene: Scene) -> None:
        scene.presence.reaches = [reach(person("support", *devices))]
        done = await scene.run(await scene.dial())
        assert isinstance(done.happening, h.Gone)
        assert (done.happening.cause, scene.presence.invites()) == (cause, [])
        with scene.database.read() as connection:
            call = connection.execute(select(models.Call.__table__)).one()
        assert (call.status, call.ended_because) == (status, cause)
        (kept,) = scene.kept()
        assert (kept.outcome, kept.waves, len(kept.skipped)) == (cause, [], len(devices))

    play(story)


def test_pr58_devices_that_vanished_make_the_router_ask_once_more(play: Play) -> None:
    async def story(scene: Scene) -> None:
        other = replace(DEVICE, endpoint_id="mobile")
        scene.presence.reaches = [reach(person("support", DEVICE)), reach(person("support", other))]
        scene.presence.answers = [gone("desk"), Rung(call_sid="CA", rung=("mobile",), skipped={})]
        await scene.run(await scene.dial())
        assert scene.leg.endpoints == ("mobile",)
        first, second = scene.kept()
        assert (first.refused, first.rung) == ({"desk": "gone"}, [])
        assert (second.attempt, second.rung) == (1, ["mobile"])

    play(story)


@pytest.mark.parametrize(
    ("why", "cause", "looks"),
    [
        ("gone", Cause.NOT_REGISTERED, 2),
        ("unreachable", Cause.NOT_AVAILABLE, 2),
        ("busy", Cause.BUSY, 1),
    ],
)
def test_pr58_and_then_gives_up(play: Play, why: str, cause: Cause, looks: int) -> None:
    async def story(scene: Scene) -> None:
        scene.presence.reaches = [reach(person("support", DEVICE))]
        scene.presence.answers = [gone("desk", why=why)]
        done = await scene.run(await scene.dial())
        assert isinstance(done.happening, h.Gone)
        assert done.happening.cause is cause
        assert len(scene.presence.invites()) == len(scene.kept()) == looks

    play(story)


@pytest.mark.parametrize(
    ("error", "cause", "outcome"),
    [
        (PresenceUnavailable("away"), Cause.PRESENCE_UNAVAILABLE, "presence-unavailable"),
        (PresenceRefused(400, 20001, "no such name"), Cause.FAILED, "presence-refused"),
    ],
)
def test_pr55_pr59_no_answer_from_presence_is_an_outcome_that_is_kept_too(
    play: Play, error: Exception, cause: Cause, outcome: str
) -> None:
    async def story(scene: Scene) -> None:
        scene.presence.reaches = [error]
        done = await scene.run(await scene.dial())
        assert isinstance(done.happening, h.Gone)
        assert done.happening.cause is cause
        (kept,) = scene.kept()
        assert (kept.outcome, kept.snapshot, kept.as_of) == (outcome, None, None)
        assert decisions.replayed(kept) is None

    play(story)


def test_pr59_a_server_that_was_there_a_moment_ago_is_asked_a_few_times(play: Play) -> None:
    async def story(scene: Scene) -> None:
        scene.presence.reaches = [reach(person("support", DEVICE))]
        scene.presence.answers = [PresenceUnavailable("away")]
        row = await scene.dial()
        for attempt in range(4):
            row["attempts"] = attempt
            with pytest.raises(Later):
                await scene.run(row)
        assert [one.outcome for one in scene.kept()] == ["ring"]  # nobody knows whether it did
        row["attempts"] = 4
        await scene.run(row)
        assert [one.outcome for one in scene.kept()] == ["presence-unavailable"]

    play(story)


def test_an_answer_that_overtook_its_command_stands(play: Play) -> None:
    """The invite got through and its answer did not: the device is busy by now, with this call."""

    async def story(scene: Scene) -> None:
        scene.presence.reaches = [reach(person("support", DEVICE)), reach(person("support", BUSY))]
        scene.presence.answers = [PresenceUnavailable("timed out")]
        row = await scene.dial()
        with pytest.raises(Later):
            await scene.run(row)
        await scene.engine.happen(scene.call_sid, h.Took(at=NOW + 1, leg=OWN, sdp="v=0", endpoint="desk"))
        row["attempts"] = 1
        done = await scene.run(row)
        assert (done.happening, scene.leg.status) == (None, Status.IN_PROGRESS)
        assert [(one.outcome, one.rung) for one in scene.kept()] == [("ring", [])]

    play(story)


def test_pr51_groups_of_devices_ring_one_after_the_other(play: Play) -> None:
    async def story(scene: Scene) -> None:
        mobile = replace(DEVICE, endpoint_id="mobile", priority=-1)
        scene.presence.reaches = [reach(person("support", mobile, DEVICE))]
        row = await scene.dial()
        row["payload"] |= {"mode": "priority", "every": 5}
        await scene.run(row)
        ((*_, endpoints, rest),) = scene.presence.invites()
        assert (endpoints, rest["waves"], rest["every"]) == (["desk", "mobile"], (("desk",), ("mobile",)), 5)
        assert (scene.leg.endpoints, scene.kept()[0].waves) == (("desk", "mobile"), [["desk"], ["mobile"]])

    play(story)


def test_pr61_client_of_another_account_is_rung_and_everything_is_said_to_its_account(play: Play) -> None:
    async def story(scene: Scene) -> None:
        scene.presence.reaches = [reach(person("alice", BUSY), person("bob", DEVICE, of=OTHER))]
        await scene.run(await scene.dial())
        (invite,) = scene.presence.invites()
        assert invite[1:4] == (OTHER, "bob", ["desk"])
        assert (invite[4]["parameters"]["AccountSid"], invite[4]["parameters"]["To"]) == (
            OTHER,
            "client:support",
        )
        leg = scene.leg
        assert (leg.identity, leg.client_account, leg.to) == ("bob", OTHER, "client:support")
        front = Front(scene.engine, scene.database, asyncio.get_running_loop())
        assert front.client_leg(OTHER, scene.call_sid, "bob") == leg
        assert front.client_leg(MINE, scene.call_sid, "bob") is None
        assert front.client_leg(OTHER, scene.call_sid, "support") is None
        await scene.engine.happen(scene.call_sid, h.Took(at=NOW + 1, leg=OWN, sdp="v=0", endpoint="desk"))
        assert list(batches(scene.engine.sessions())) == [(OTHER, [scene.call_sid])]
        with scene.database.read() as connection:
            call = connection.execute(select(models.Call.__table__)).one()
        assert (call.account_sid, call.taken_by, call.identity) == (MINE, OTHER, "bob")
        gone_ = h.EndRequested(at=NOW + 2, leg=OWN, status=Status.COMPLETED)
        await scene.engine.happen(scene.call_sid, gone_)
        await scene.run(next(row for row in scene.rows if row["kind"] == "client.hangup"))
        assert scene.presence.asked[-1] == ("frame", OTHER, "hangup")

    play(story)


def test_pr61_pr57_ringing_of_another_accounts_client_is_cancelled_there(play: Play) -> None:
    async def story(scene: Scene) -> None:
        scene.presence.reaches = [reach(person("bob", DEVICE, of=OTHER))]
        await scene.run(await scene.dial())
        await scene.engine.happen(scene.call_sid, h.TimerDue(at=NOW + 40, timer="ring"))
        await scene.run(next(row for row in scene.rows if row["kind"] == "client.cancel"))
        assert scene.presence.asked[-1] == ("cancel", OTHER)

    play(story)


def test_pr61_after_a_crash_nobody_but_the_client_that_may_ring_is_rung(play: Play) -> None:
    """Its invite may have arrived: an entry that runs again rings it again, or nobody."""

    async def story(scene: Scene) -> None:
        bob, carol = person("bob", DEVICE), person("carol", DEVICE)
        scene.presence.reaches = [reach(bob), reach(carol, bob), reach(carol)]
        row = await scene.dial()
        start = scene.clients.executors()["start.client"]
        await start(row)  # and the router dies before it stores what came of it
        await start(row)
        assert [invite[2] for invite in scene.presence.invites()] == ["bob", "bob"]
        done = await start(row)
        assert isinstance(done.happening, h.Gone)

    play(story)


def test_pr24_calls_of_clients_are_renewed_in_batches(play: Play) -> None:
    async def story(scene: Scene) -> None:
        scene.presence.reaches = [reach(person("support", DEVICE))]
        await scene.run(await scene.dial())
        session = scene.engine.session(scene.call_sid)
        assert session
        assert list(batches([session])) == []  # it only rings
        await scene.engine.happen(scene.call_sid, h.Took(at=NOW + 1, leg=OWN, sdp="v=0", endpoint="desk"))
        sessions = scene.engine.sessions()
        await Leases(scene.engine, scene.presence).renew()  # type: ignore[arg-type]
        assert scene.presence.asked[-1] == ("renew", MINE, [scene.call_sid])
        many = list(batches(sessions * (BATCH + 1)))
        assert [(account, len(sids)) for account, sids in many] == [(MINE, BATCH), (MINE, 1)]
        scene.presence.reaches = [PresenceUnavailable("away")]
        await Leases(scene.engine, scene.presence).renew()  # type: ignore[arg-type]

    play(story)
