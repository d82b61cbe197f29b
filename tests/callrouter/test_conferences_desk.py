"""Conferences in the database (callrouter.conferences.desk and control), in both engines."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gathering_world import HERE, World, databases

from callrouter import models
from callrouter.conferences import control, desk
from callrouter.conferences.meeting import HeldElsewhere, Settings
from callrouter.conferences.rules import Participant, Refusal
from callrouter.models import Conference
from foundation.db import Database
from instructions.commands import ConferenceCallback, RecordingCallback

ALL = ("start", "end", "join", "leave", "mute", "hold", "modify", "speaker", "announcement")
SETTINGS = Settings(callback=ConferenceCallback(url="https://app.test/room", method="POST", events=ALL))


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    yield from databases(request, tmp_path)


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


def join(world: World, call_sid: str, *, ticket: str = "t1", most: int = 250, **details: Any) -> Any:
    """What the call is told when it comes into the conference `team`."""
    options = {name: details.pop(name) for name in ("owner", "settings", "name") if name in details}
    return world.run(
        desk.join,
        owner=options.get("owner", HERE),
        name=options.get("name", "team"),
        settings=options.get("settings", SETTINGS),
        newcomer=Participant(call_sid=call_sid, session_sid=call_sid, leg="", ticket=ticket, **details),
        most=most,
    )


def leave(world: World, call_sid: str, ticket: str = "t1") -> None:
    world.run(desk.leave, call_sid=call_sid, ticket=ticket, reason="participant_hung_up", status="completed")


def conference(world: World) -> Any:
    (row,) = world.all(models.Conference)
    return row


def test_two_come_and_go(world: World) -> None:
    a, b = world.call(), world.call()
    first, second = join(world, a), join(world, b, muted=True)
    assert (first["event"]["started"], second["event"]["started"]) == (False, True)
    assert second["seat"] == {
        "room": conference(world).sid,
        "muted": True,
        "hold": False,
        "coach": "",
        "speaker": True,
        "beep_on_exit": True,
    }
    assert (conference(world).status, world.told(a)) == ("in-progress", ["ConferenceStarted"])
    leave(world, a)
    leave(world, b)
    assert world.all(models.Participant) == []
    over = conference(world)
    assert (over.status, over.live_name, over.reason_ended) == ("completed", None, "last-participant-left")
    told = world.callbacks()
    assert [one["SequenceNumber"] for one in told] == ["1", "2", "3", "4", "5", "6"]
    assert [one["StatusCallbackEvent"] for one in told][2:] == [
        "conference-start",
        "participant-leave",
        "participant-leave",
        "conference-end",
    ]
    assert told[1]["Muted"] == "true"
    ids = [row["id"] for row in world.rows]
    assert len(set(ids)) == len(ids)
    assert {row["owner"] for row in world.rows} == {HERE}


def test_the_same_name_is_another_conference_once_it_is_over(world: World) -> None:
    a = world.call()
    join(world, a)
    leave(world, a)
    join(world, a, ticket="t2")
    assert sorted(row.status for row in world.all(models.Conference)) == ["completed", "init"]


def test_an_entry_that_runs_twice_changes_nothing_more(world: World) -> None:
    """I7: after a crash the same entry may run again."""
    a, b = world.call(), world.call()
    join(world, a)
    once = join(world, b)
    before = len(world.rows)
    again = join(world, b)
    assert len(world.rows) == before
    assert {**again["event"], "at": 0} == {**once["event"], "at": 0}
    leave(world, b, ticket="another")
    assert len(world.all(models.Participant)) == 2
    leave(world, b)
    leave(world, b)
    assert [one["StatusCallbackEvent"] for one in world.callbacks()].count("participant-leave") == 1


def test_who_is_not_let_in_makes_no_conference(world: World) -> None:
    refused = join(world, world.call(), coach="CA" + "0" * 32)
    assert (refused["event"]["type"], refused["event"]["code"]) == ("ConferenceLeft", 16028)
    assert world.all(models.Conference) == []
    a = world.call()
    join(world, a)
    assert join(world, world.call(), most=1)["event"]["why"] == "full"
    assert [row.call_sid for row in world.all(models.Participant)] == [a]


def test_a_leg_is_in_one_conference_at_a_time(world: World) -> None:
    a = world.call()
    join(world, a)
    join(world, a, ticket="t2", name="other")
    rows = {row.friendly_name: row.status for row in world.all(models.Conference)}
    assert rows == {"team": "completed", "other": "init"}


def test_a_conference_is_at_one_router(world: World) -> None:
    """Its audio is at one voice node: who calls elsewhere is told so, and REST is sent there (I3)."""
    a = world.call()
    join(world, a)
    refused = join(world, world.call("there"), owner="there")
    assert refused["event"]["why"] == "failed"
    assert "here" in refused["event"]["reason"]
    with pytest.raises(HeldElsewhere):
        world.run(control.complete, owner="there", sid=conference(world).sid)


def test_accounts_do_not_meet(world: World, database: Database) -> None:
    """I12: the same name in another account is another conference."""
    other = World(database)
    join(world, world.call())
    join(other, other.call())
    assert conference(world).sid != conference(other).sid
    assert world.run(control.complete, sid=conference(other).sid) is False
    assert conference(other).status == "init"


def test_rest_changes_announces_and_ends(world: World) -> None:
    a, b = world.call(), world.call()
    join(world, a)
    join(world, b)
    sid = conference(world).sid
    assert world.run(
        control.change,
        sid=sid,
        call_sid=a,
        changes={"hold": True, "muted": True},
        hold_url="https://app.test/hold",
        hold_method="GET",
    )
    row = next(row for row in world.all(models.Participant) if row.call_sid == a)
    assert (row.hold, row.muted) == (True, True)
    held = world.rows[-1] if world.rows[-1]["kind"] == "tell" else world.rows[-3]
    assert held["payload"]["event"]["url"] == "https://app.test/hold"
    assert held["payload"]["seat"]["hold"]
    assert world.run(control.announce, sid=sid, call_sid=None, url="https://app.test/say", method="POST")
    assert world.run(control.remove, sid=sid, call_sid=a)
    assert world.run(control.remove, sid=sid, call_sid=a) is False
    assert world.run(control.complete, sid=sid)
    assert world.run(control.complete, sid=sid) is False
    assert world.told(a)[1:] == ["ConferenceHeld", "ConferenceAnnounced", "ConferenceLeft"]
    assert world.told(b) == ["ConferenceAnnounced", "ConferenceLeft"]


def invite(world: World, call_sid: str, name: str | None = "team", **details: Any) -> Any:
    which = Conference.live_name == "team" if name else Conference.sid == "CF0"
    guest = Participant(call_sid=call_sid, session_sid=call_sid, leg="", **details)
    return world.run(control.invite, which=which, name=name, settings=SETTINGS, guest=guest, most=250)


def test_a_guest_makes_the_conference_and_comes_into_it(world: World) -> None:
    guest = world.call()
    sid, name = invite(world, guest, label="carla")
    assert (sid, name) == (conference(world).sid, "team")
    assert isinstance(invite(world, world.call(), label="carla"), Refusal)
    assert invite(world, world.call(), name=None) is None
    assert join(world, guest, label="carla")["event"]["type"] == "ConferenceJoined"
    (row,) = world.all(models.Participant)
    assert (row.joined, row.ticket) == (True, "t1")


def test_a_guest_whose_call_fails_or_is_not_wanted_any_more(world: World) -> None:
    failed, unwanted = world.call(), world.call()
    sid, _ = invite(world, failed)
    invite(world, unwanted)
    leave(world, failed, ticket="")
    assert world.callbacks()[-1]["ReasonParticipantLeft"] == "participant_add_failed"
    assert world.run(control.complete, sid=sid)
    assert world.told(unwanted) == ["end"]
    assert world.all(models.Participant) == []


def test_it_is_recorded_from_its_start(world: World) -> None:
    events = ("in-progress", "completed")
    recorded = Settings(
        record=True,
        recording_callback=RecordingCallback(url="https://app.test/recording", method="POST", events=events),
    )
    a, b = world.call(), world.call()
    join(world, a, settings=recorded)
    assert world.all(models.Recording) == []
    join(world, b)
    (row,) = world.all(models.Recording)
    (wanted,) = [entry["payload"] for entry in world.rows if entry["kind"] == "room.record"]
    assert (row.conference_sid, row.source) == (conference(world).sid, "Conference")
    assert (wanted["room"], wanted["recording"]) == (row.conference_sid, row.sid)
    (told,) = world.callbacks()
    assert (told["ConferenceSid"], told["RecordingStatus"]) == (conference(world).sid, "in-progress")
    assert "CallSid" not in told


def test_what_only_the_app_is_told(world: World) -> None:
    a = world.call()
    join(world, a)
    world.run(desk.report, call_sid=a, news={"event": "participant-speech-start", "leg": ""})
    assert world.callbacks()[-1]["StatusCallbackEvent"] == "participant-speech-start"
    assert world.callbacks()[-1]["CallSid"] == a
    leave(world, a)
    before = len(world.rows)
    world.run(desk.report, call_sid=a, news={"event": "participant-speech-stop"})
    assert len(world.rows) == before


def test_many_at_once_come_into_one_conference(database: Database) -> None:
    """Writers of several routers at the same moment: one conference, one start, and no number twice."""
    world = World(database)
    calls = [world.call() for _ in range(6)]

    def come(call_sid: str) -> Any:
        newcomer = Participant(call_sid=call_sid, session_sid=call_sid, leg="", ticket="t")
        return database.write(
            lambda c: desk.join(
                c,
                world.account_sid,
                HERE,
                1.0,
                name="team",
                settings=SETTINGS,
                newcomer=newcomer,
                most=250,
            ),
            world.account_sid,  # one writer for all of an account
        )

    answers = [future.result(10) for future in [come(call_sid) for call_sid in calls]]
    world.rows = [row for _, rows in answers for row in rows]
    assert len(world.all(models.Participant)) == 6
    numbers = [one["SequenceNumber"] for one in world.callbacks()]
    assert numbers == [str(number) for number in range(1, 8)]
    assert [one["StatusCallbackEvent"] for one in world.callbacks()].count("conference-start") == 1
