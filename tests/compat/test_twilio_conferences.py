"""Twilio's Python library against Conferences, Participants and their recordings (twilio-surface 5.10)."""

from datetime import UTC, date, datetime
from functools import partial
from typing import Any
from urllib.parse import quote

import pytest
import requests
from lxml import etree
from sqlalchemy import insert, update
from twilio.rest import Client
from twilio_contract import refusal

from callrouter import models
from callrouter.conferences import desk
from callrouter.conferences.meeting import Settings
from callrouter.conferences.rules import Participant
from foundation.sids import CALL, PHONE_NUMBER, RECORDING, new_sid
from instructions.document import parse
from instructions.verbs.dial_nouns import Conference

OWN, CALLED = "+15555550111", "+15555550100"
UNKNOWN = "CF" + "0" * 32


class Room:
    """An account whose calls come into conferences, as the engine would have it."""

    def __init__(self, deployment: Any, account_sid: str) -> None:
        self.deployment, self.account_sid = deployment, account_sid

    def join(self, name: str = "team", **details: Any) -> str:
        """A call that is in; its SID."""
        call_sid = self.call("in-progress")
        self.settle(
            desk.join,
            name=name,
            settings=Settings(),
            newcomer=Participant(call_sid=call_sid, session_sid=call_sid, leg="", ticket="t", **details),
            most=250,
        )
        return call_sid

    def leave(self, call_sid: str) -> None:
        leaving = {"call_sid": call_sid, "ticket": "t", "reason": "participant_hung_up"}
        self.settle(lambda *args: (None, desk.leave(*args, **leaving, status="completed")))

    def settle(self, work: Any, **details: Any) -> Any:
        return self.deployment.live.settle(self.account_sid, partial(work, **details))

    def call(self, status: str) -> str:
        sid = new_sid(CALL)
        ends = {"from": CALLED, "to": OWN}
        self.insert(models.Call, sid=sid, status=status, direction="inbound", **ends)
        return sid

    def number(self) -> str:
        table = models.PhoneNumber.__table__
        self.deployment.write(lambda c: c.execute(table.delete().where(table.c.phone_number == OWN)))
        self.insert(models.PhoneNumber, sid=new_sid(PHONE_NUMBER), phone_number=OWN, friendly_name="")
        return OWN

    def insert(self, model: Any, **columns: Any) -> None:
        row = {"account_sid": self.account_sid, "date_created": 1.0, "date_updated": 1.0, **columns}
        self.deployment.write(lambda c: c.execute(insert(model).values(row)))

    def told(self, call_sid: str) -> list[str]:
        """What the call was told, in order."""
        rows = [how for what, _, sid, how in self.deployment.live.asked if (what, sid) == ("tell", call_sid)]
        return [(row["payload"].get("event") or {}).get("type", row["payload"]["what"]) for row in rows]


@pytest.fixture
def room(deployment: Any, account: tuple[str, str]) -> Room:
    return Room(deployment, account[0])


def sole(client: Client) -> Any:
    (conference,) = client.conferences.list()
    return conference


def test_a_conference_from_its_first_participant_to_its_end(room: Room, client: Client) -> None:
    a = room.join(label="ann", muted=True)
    conference = sole(client)
    assert (conference.friendly_name, conference.status) == ("team", "init")
    assert (conference.reason_conference_ended, conference.call_sid_ending_conference) == (None, None)
    assert set(conference.subresource_uris) == {"participants", "recordings"}
    b = room.join()
    assert client.conferences(conference.sid).fetch().status == "in-progress"
    everyone = client.conferences(conference.sid).participants.list()
    assert {(one.call_sid, one.label, one.muted) for one in everyone} == {(a, "ann", True), (b, None, False)}
    room.leave(a)
    room.leave(b)
    over = client.conferences(conference.sid).fetch()
    assert (over.status, over.reason_conference_ended) == ("completed", "last-participant-left")
    assert over.call_sid_ending_conference == b
    assert client.conferences(conference.sid).participants.list() == []


def test_lists_are_filtered(room: Room, client: Client) -> None:
    first = room.join("first")
    room.join("second")
    room.leave(first)
    assert [one.friendly_name for one in client.conferences.list(friendly_name="first")] == ["first"]
    assert [one.friendly_name for one in client.conferences.list(status="init")] == ["second"]
    today = datetime.now(UTC).date()
    assert len(client.conferences.list(date_created=today)) == 2
    assert client.conferences.list(date_updated_before=date(2020, 1, 1)) == []
    assert refusal(lambda: client.conferences.list(status="odd")) == (400, 20001)


def test_participants_are_filtered_and_found_by_call_or_label(room: Room, client: Client) -> None:
    a = room.join(label="the boss", muted=True)
    b = room.join(coach=a)
    participants = client.conferences(sole(client).sid).participants
    assert [one.call_sid for one in participants.list(muted=True)] == [a]
    assert [one.call_sid for one in participants.list(coaching=True)] == [b]
    assert [one.call_sid for one in participants.list(hold=True)] == []
    coach = client.conferences(sole(client).sid).participants(b).fetch()
    assert (coach.coaching, coach.call_sid_to_coach, coach.status) == (True, a, "connected")
    assert (coach.start_conference_on_enter, coach.end_conference_on_exit, coach.queue_time) == (
        True,
        False,
        "0",
    )
    assert client.conferences(sole(client).sid).participants("the boss").fetch().call_sid == a


def test_a_participant_is_changed(room: Room, client: Client) -> None:
    a, b = room.join(), room.join()
    participant = client.conferences(sole(client).sid).participants(b)
    assert participant.update(muted=True).muted
    held = participant.update(hold=True, hold_url="https://app.example/hold", hold_method="GET")
    assert (held.hold, held.muted) == (True, True)
    assert not participant.update(hold=False, muted=False, end_conference_on_exit=True).hold
    assert participant.update(coaching=True, call_sid_to_coach=a).call_sid_to_coach == a
    assert not participant.update(coaching=False).coaching
    participant.update(announce_url="https://app.example/say")
    told = [what for what in room.told(b) if what != "event"]  # that is: only its sound changes
    assert told == ["ConferenceHeld", "ConferenceResumed", "ConferenceAnnounced"]
    assert participant.fetch().end_conference_on_exit


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"coaching": True}, 16027),
        ({"coaching": True, "call_sid_to_coach": "CA" + "0" * 32}, 16028),
        ({"hold": True, "hold_url": "nonsense"}, 21205),
        ({"announce_url": "ftp://x/y"}, 21205),
    ],
)
def test_what_can_not_be_changed(room: Room, client: Client, changes: dict[str, Any], code: int) -> None:
    call_sid = room.join()
    participant = client.conferences(sole(client).sid).participants(call_sid)
    assert refusal(lambda: participant.update(**changes)) == (400, code)
    assert room.told(call_sid) == []


def test_a_participant_is_put_out(room: Room, client: Client) -> None:
    a, b = room.join(), room.join()
    participants = client.conferences(sole(client).sid).participants
    assert client.conferences(sole(client).sid).participants(b).delete()
    assert room.told(b) == ["ConferenceLeft"]
    assert [one.call_sid for one in participants.list()] == [a]
    assert refusal(client.conferences(sole(client).sid).participants(b).delete) == (404, 20404)


def test_a_conference_is_announced_to_and_ended(room: Room, client: Client) -> None:
    a, b = room.join(), room.join()
    conference = client.conferences(sole(client).sid)
    conference.update(announce_url="https://app.example/say", announce_method="GET")
    done = conference.update(status="completed")
    assert (done.status, done.reason_conference_ended) == ("completed", "conference-ended-via-api")
    assert room.told(b) == ["ConferenceAnnounced", "ConferenceLeft"]
    assert room.told(a)[-1] == "ConferenceLeft"
    assert refusal(lambda: conference.update(status="completed")) == (404, 20404)


# -- bringing somebody in


def test_a_participant_is_called(room: Room, client: Client) -> None:
    """The call's document is the conference, with all that was asked for."""
    a = room.join()
    made = client.conferences(sole(client).sid).participants.create(
        from_=room.number(),
        to=CALLED,
        label="carla & co",
        muted=True,
        beep="onExit",
        start_conference_on_enter=False,
        end_conference_on_exit=True,
        wait_url="",
        coaching=True,
        call_sid_to_coach=a,
        max_participants=10,
        timeout=20,
        time_limit=60,
        status_callback="https://app.example/status",
        status_callback_event=["ringing"],
    )
    assert (made.status, made.label, made.muted, made.hold) == ("queued", "carla & co", True, False)
    assert (made.call_sid_to_coach, made.end_conference_on_exit) == (a, True)
    what, _, sid, placement = room.deployment.live.asked[-1]
    assert (what, sid, placement.guest) == ("place", made.call_sid, True)
    assert (placement.to, placement.timeout, placement.time_limit) == (CALLED, 20, 60)
    assert placement.callback.events == ("ringing",)
    noun = conference_in(placement.twiml)
    assert (noun.text, noun.participant_label, noun.muted, noun.beep) == (
        "team",
        "carla & co",
        True,
        "onExit",
    )
    assert (noun.start_conference_on_enter, noun.end_conference_on_exit) == (False, True)
    assert (noun.wait_url, noun.coach, noun.max_participants) == ("", a, 10)


def conference_in(twiml: str) -> Conference:
    """As the language reads it, without a warning."""
    document = parse(twiml.encode())
    assert document.warnings == ()
    (dial,) = document.verbs
    (noun,) = dial.children
    assert isinstance(noun, Conference)
    return noun


def test_a_name_makes_the_conference(room: Room, client: Client) -> None:
    made = client.conferences("new <room>").participants.create(
        from_=room.number(),
        to=CALLED,
        conference_record="record-from-start",
        conference_trim="do-not-trim",
        conference_status_callback="https://app.example/room",
        conference_status_callback_event=["join leave"],
        conference_recording_status_callback="https://app.example/recording",
    )
    (conference,) = room_rows(room, models.Conference)
    assert (conference.sid, conference.friendly_name) == (made.conference_sid, "new <room>")
    assert (conference.callback_url, conference.callback_events) == ("https://app.example/room", "join leave")
    assert (conference.record, conference.trim) == (True, False)
    assert conference.recording_callback_events == "completed"
    assert conference_in(room.deployment.live.asked[-1][3].twiml).text == "new <room>"
    ringing = update(models.Call).where(models.Call.sid == made.call_sid).values(status="ringing")
    room.deployment.write(lambda c: c.execute(ringing))
    assert client.conferences(made.conference_sid).participants(made.call_sid).fetch().status == "ringing"
    assert client.conferences(made.conference_sid).participants(made.call_sid).delete()
    assert room.told(made.call_sid) == ["end"]


def room_rows(room: Room, model: Any) -> list[Any]:
    with room.deployment.database.read() as connection:
        mine = model.__table__.select().where(model.account_sid == room.account_sid)
        return list(connection.execute(mine))


@pytest.mark.parametrize(
    ("wanted", "status", "code"),
    [
        ({"label": "a/b"}, 400, 16024),
        ({"label": "CA" + "0" * 32}, 400, 16024),
        ({"label": "x" * 129}, 400, 16024),
        ({"label": "ann"}, 400, 16026),
        ({"max_participants": 1}, 400, 16020),
        ({"max_participants": 251}, 400, 20001),
        ({"coaching": True}, 400, 16027),
        ({"call_sid_to_coach": "CA" + "0" * 32}, 400, 16028),
        ({"beep": "loud"}, 400, 20001),
        ({"wait_url": "nonsense"}, 400, 21205),
        ({"to": "nobody"}, 400, 21211),
        ({"from_": "+15555550199"}, 400, 21210),
        ({"conference_status_callback_event": ["odd"]}, 400, 21626),
    ],
)
def test_who_can_not_be_brought_in(
    room: Room, client: Client, wanted: dict[str, Any], status: int, code: int
) -> None:
    room.join(label="ann")
    participants = client.conferences("team").participants
    asked = {"from_": room.number(), "to": CALLED, **wanted}
    before = len(room.deployment.live.asked)
    assert refusal(lambda: participants.create(**asked)) == (status, code)
    assert len(room.deployment.live.asked) == before
    assert [one.label for one in room_rows(room, models.Participant)] == ["ann"]


def test_a_conference_that_is_over_takes_nobody(room: Room, client: Client) -> None:
    room.leave(room.join())
    asked = {"from_": room.number(), "to": CALLED}
    over = client.conferences(sole(client).sid).participants
    assert refusal(lambda: over.create(**asked)) == (400, 16022)
    assert refusal(lambda: client.conferences(UNKNOWN).participants.create(**asked)) == (404, 20404)


def test_a_call_that_can_not_be_placed_keeps_no_place(
    room: Room, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_placement: Any) -> str:
        raise RuntimeError("the queue is full")

    monkeypatch.setattr(room.deployment.live, "place", full)
    participants = client.conferences("team").participants
    assert refusal(lambda: participants.create(from_=room.number(), to=CALLED))[0] == 500
    assert room_rows(room, models.Participant) == []
    assert [one.status for one in room_rows(room, models.Conference)] == ["completed"]


# -- recordings, and who may ask


def test_recordings_of_a_conference(room: Room, client: Client) -> None:
    call_sid, sid = room.join(), new_sid(RECORDING)
    conference = sole(client)
    room.insert(
        models.Recording,
        sid=sid,
        call_sid=call_sid,
        conference_sid=conference.sid,
        source="Conference",
        track="both",
        channels=1,
        status="completed",
        duration=7,
        start_time=1.0,
        callback_method="POST",
        callback_events="",
        transcribe=False,
    )
    (listed,) = client.conferences(conference.sid).recordings.list()
    assert (listed.sid, listed.source, listed.duration) == (sid, "Conference", "7")
    assert client.conferences(conference.sid).recordings(sid).fetch().conference_sid == conference.sid
    assert [one.sid for one in client.recordings.list(conference_sid=conference.sid)] == [sid]
    assert client.recordings.list(conference_sid=UNKNOWN) == []
    mine = client.conferences(conference.sid).recordings(sid)
    assert refusal(lambda: mine.update(status="stopped")) == (400, 21220)
    assert refusal(lambda: mine.update(status="paused")) == (400, 20001)
    going_on = update(models.Recording).where(models.Recording.sid == sid).values(status="in-progress")
    room.deployment.write(lambda c: c.execute(going_on))
    assert mine.update(status="stopped").status == "stopped"
    row = room.deployment.live.asked[-1][3]
    assert (row["kind"], row["payload"]) == (
        "room.record_stop",
        {"room": conference.sid, "recording": sid},
    )
    other = client.conferences(conference.sid).recordings(new_sid(RECORDING))
    assert refusal(other.fetch) == (404, 20404)


def test_other_accounts_see_nothing(deployment: Any, room: Room, client: Client) -> None:
    """I12."""
    call_sid = room.join()
    conference = sole(client)
    stranger = deployment.client(*deployment.account())
    assert stranger.conferences.list() == []
    theirs = stranger.conferences(conference.sid)
    for attempt in (
        theirs.fetch,
        theirs.participants.list,
        theirs.recordings.list,
        theirs.participants(call_sid).fetch,
        theirs.participants(call_sid).delete,
        lambda: theirs.update(status="completed"),
    ):
        assert refusal(attempt) == (404, 20404)
    assert conference.fetch().status == "init"


@pytest.mark.parametrize("name", ["%00", "a%0Ab", "x" * 5000])
def test_names_that_no_database_takes(
    deployment: Any, account: tuple[str, str], room: Room, client: Client, name: str
) -> None:
    room.join()
    url = f"{deployment.url}/2010-04-01/Accounts/{account[0]}/Conferences/{sole(client).sid}/Participants"
    assert requests.get(f"{url}/{name}.json", auth=account, timeout=5).status_code == 404
    by_name = f"{deployment.url}/2010-04-01/Accounts/{account[0]}/Conferences/{name}/Participants.json"
    assert requests.get(by_name, auth=account, timeout=5).status_code == 404
    form = {"To": CALLED, "From": room.number()}
    assert requests.post(by_name, form, auth=account, timeout=5).status_code == 400


def test_participants_as_xml(deployment: Any, account: tuple[str, str], room: Room, client: Client) -> None:
    call_sid = room.join(label="the boss")
    place = f"Conferences/{sole(client).sid}/Participants/{quote('the boss')}"
    answer = requests.get(
        f"{deployment.url}/2010-04-01/Accounts/{account[0]}/{place}", auth=account, timeout=5
    )
    (element,) = etree.fromstring(answer.content)
    assert (element.tag, element.findtext("CallSid")) == ("Participant", call_sid)
