"""The rules of conferences, pure (callrouter.conferences.rules; twilio-surface 2.4)."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callrouter.conferences import rules
from callrouter.conferences.rules import Decision, Participant, Refusal, Room
from instructions import events as e

AT = 100.0


def someone(name: str, **details: Any) -> Participant:
    return Participant(call_sid=name, session_sid=f"session of {name}", leg="", ticket=f"t{name}", **details)


def join(room: Room, name: str, *, most: int = 250, **details: Any) -> Decision | Refusal:
    return rules.join(room, someone(name, **details), conference_sid="CF", most=most, at=AT)


def room(*who: Participant) -> Room:
    """With all of them in, one after the other."""
    room = Room()
    for one in who:
        decision = rules.join(room, one, conference_sid="CF", most=250, at=AT)
        assert isinstance(decision, Decision)
        room = decision.room
    return room


def words(decision: Decision) -> list[tuple[str, str]]:
    return [(word.to.call_sid, type(word.event).__name__) for word in decision.words]


def news(decision: Decision) -> list[tuple[str, str]]:
    return [(one.event, one.about.call_sid if one.about else "") for one in decision.news]


def test_it_starts_with_the_second_participant() -> None:
    first = join(Room(), "a")
    assert isinstance(first, Decision)
    assert words(first) == [("a", "ConferenceJoined")]
    assert not first.room.started
    second = join(first.room, "b")
    assert isinstance(second, Decision)
    assert second.room.started
    assert words(second) == [("a", "ConferenceStarted"), ("b", "ConferenceJoined")]
    assert second.words[1].event == e.ConferenceJoined(at=AT, conference_sid="CF", started=True)
    assert news(second) == [("participant-join", "b"), ("conference-start", "")]


def test_those_who_do_not_start_it_wait_for_one_who_does() -> None:
    waiting = room(someone("a", start_on_enter=False), someone("b", start_on_enter=False))
    assert not waiting.started
    decision = join(waiting, "c")
    assert isinstance(decision, Decision)
    assert words(decision) == [
        ("a", "ConferenceStarted"),
        ("b", "ConferenceStarted"),
        ("c", "ConferenceJoined"),
    ]


def test_a_started_conference_stays_so_for_the_one_who_is_left() -> None:
    left = rules.leave(room(someone("a"), someone("b")), "a", reason=rules.HUNG_UP, status="completed", at=AT)
    assert left.room.started
    assert left.ending is None
    assert left.words == ()
    (gone,) = left.news
    assert gone.more == {"ReasonParticipantLeft": "participant_hung_up", "ParticipantCallStatus": "completed"}


@pytest.mark.parametrize(
    ("details", "most", "why", "code"),
    [
        ({}, 2, "full", 16020),
        ({"label": "boss"}, 250, "failed", 16025),
        ({"coach": "nobody"}, 250, "failed", 16028),
        ({"coach": "guest"}, 250, "failed", 16028),
    ],
)
def test_who_is_not_let_in(details: dict[str, Any], most: int, why: str, code: int) -> None:
    full = room(someone("a", label="boss"), someone("b"))
    invited = rules.invite(full, someone("guest"), most=250)
    assert isinstance(invited, Decision)
    refused = join(invited.room, "c", most=most, **details)
    assert isinstance(refused, Refusal)
    assert (refused.why, refused.code) == (why, code)
    assert refused.reason


def test_a_guest_keeps_its_place_and_becomes_a_participant() -> None:
    invited = rules.invite(Room(), someone("a", label="boss"), most=1)
    assert isinstance(invited, Decision)
    assert (invited.words, invited.news) == ((), ())
    assert not invited.room.participants[0].joined
    came = join(invited.room, "a", label="boss", most=1)
    assert isinstance(came, Decision)
    assert [one.joined for one in came.room.participants] == [True]


def test_a_guest_who_never_comes_may_be_the_end_but_not_by_end_on_exit() -> None:
    guest = someone("g", end_on_exit=True)
    alone = rules.invite(Room(), guest, most=9)
    assert isinstance(alone, Decision)
    left = rules.leave(alone.room, "g", reason=rules.HUNG_UP, status="busy", at=AT)
    assert left.ending is not None
    assert left.ending.reason == "last-participant-left"
    assert (left.news[0].more or {})["ReasonParticipantLeft"] == "participant_add_failed"
    company = rules.invite(room(someone("a"), someone("b")), guest, most=9)
    assert isinstance(company, Decision)
    assert rules.leave(company.room, "g", reason=rules.HUNG_UP, status="busy", at=AT).ending is None


@pytest.mark.parametrize(
    ("reason", "ended"),
    [
        (rules.HUNG_UP, "participant-with-end-conference-on-exit-left"),
        (rules.UPDATED, "participant-with-end-conference-on-exit-left"),
        (rules.KICKED, "participant-with-end-conference-on-exit-kicked"),
    ],
)
def test_end_on_exit_ends_it_for_all(reason: str, ended: str) -> None:
    boss = someone("boss", end_on_exit=True, label="the boss")
    left = rules.leave(room(boss, someone("b"), someone("c")), "boss", reason=reason, status="x", at=AT)
    assert left.room.participants == ()
    assert words(left)[-2:] == [("b", "ConferenceLeft"), ("c", "ConferenceLeft")]
    end = left.news[-1]
    assert end.event == "conference-end"
    assert end.more is not None
    assert end.more["ReasonConferenceEnded"] == ended
    assert end.more["ParticipantLabelEndingConference"] == "the boss"
    reasons = [(one.more or {}).get("ReasonParticipantLeft") for one in left.news[:-1]]
    assert reasons[1:] == ["moderator_ended_conference"] * 2


def test_the_one_who_is_kicked_is_told() -> None:
    out = rules.leave(room(someone("a"), someone("b")), "a", reason=rules.KICKED, status="in-progress", at=AT)
    assert [word.event for word in out.words] == [e.ConferenceLeft(at=AT, why="kicked")]
    last = rules.leave(out.room, "b", reason=rules.KICKED, status="in-progress", at=AT)
    assert last.ending is not None
    assert last.ending.reason == "last-participant-kicked"


def test_rest_ends_it_for_all() -> None:
    done = rules.complete(room(someone("a"), someone("b")), at=AT)
    assert words(done) == [("a", "ConferenceLeft"), ("b", "ConferenceLeft")]
    assert news(done) == [("participant-leave", "a"), ("participant-leave", "b"), ("conference-end", "")]
    assert done.ending is not None
    assert done.ending.by is None


def change(before: Room, name: str, **changes: Any) -> Decision | Refusal:
    return rules.change(before, name, changes, hold_url="https://h", hold_method="GET", at=AT)


def test_changes_are_told_once() -> None:
    before = room(someone("a"), someone("b"))
    muted = change(before, "a", muted=True)
    assert isinstance(muted, Decision)
    assert (words(muted), news(muted)) == ([("a", "NoneType")], [("participant-mute", "a")])
    again = change(muted.room, "a", muted=True)
    assert isinstance(again, Decision)
    assert (again.words, again.news) == ((), ())
    held = change(muted.room, "a", hold=True, muted=False)
    assert isinstance(held, Decision)
    assert [word.event for word in held.words] == [e.ConferenceHeld(at=AT, url="https://h", method="GET")]
    assert news(held) == [("participant-unmute", "a"), ("participant-hold", "a")]
    back = change(held.room, "a", hold=False, coach="b")
    assert isinstance(back, Decision)
    assert words(back) == [("a", "ConferenceResumed")]
    assert news(back) == [("participant-unhold", "a"), ("participant-modify", "a")]
    assert isinstance(change(before, "a", coach="nobody"), Refusal)


def test_an_announcement_is_for_one_or_for_all_who_are_in() -> None:
    invited = rules.invite(room(someone("a"), someone("b")), someone("g"), most=9)
    assert isinstance(invited, Decision)
    said = rules.announce(invited.room, None, url="u", method="GET", at=AT)
    assert words(said) == [("a", "ConferenceAnnounced"), ("b", "ConferenceAnnounced")]
    assert words(rules.announce(invited.room, "b", url="u", method="GET", at=AT)) == [
        ("b", "ConferenceAnnounced")
    ]


NAMES = st.sampled_from("abcd")
ACTS = st.one_of(
    st.tuples(
        st.just("join"),
        NAMES,
        st.fixed_dictionaries(
            {
                "start_on_enter": st.booleans(),
                "end_on_exit": st.booleans(),
                "label": st.sampled_from([None, "x", "y"]),
                "coach": st.sampled_from(["", "a"]),
            }
        ),
    ),
    st.tuples(st.just("invite"), NAMES, st.just({})),
    st.tuples(st.just("leave"), NAMES, st.sampled_from([rules.HUNG_UP, rules.KICKED])),
    st.tuples(
        st.just("change"), NAMES, st.fixed_dictionaries({"muted": st.booleans(), "hold": st.booleans()})
    ),
    st.tuples(st.just("complete"), NAMES, st.none()),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(ACTS, max_size=25))
def test_any_history_keeps_the_rules(acts: list[Any]) -> None:
    """Whatever happens: who is in was told so and is told of its end once, and news come in pairs."""
    room, live, heard = Room(), set[str](), set[str]()
    for act, name, how in acts:
        decision: Decision | Refusal
        match act:
            case "join":
                decision = join(room, name, most=3, **how)
            case "invite":
                if room.find(name):
                    continue
                decision = rules.invite(room, someone(name), most=3)
            case "leave":
                decision = rules.leave(room, name, reason=how, status="completed", at=AT)
            case "change":
                decision = change(room, name, **how)
            case _:
                decision = rules.complete(room, at=AT)
        if isinstance(decision, Refusal):
            assert decision.code
            continue
        for word in decision.words:
            match word.event:
                case e.ConferenceJoined():
                    live.add(word.to.call_sid)
                case e.ConferenceLeft() if word.to.joined:
                    assert word.to.call_sid in live
                    live.discard(word.to.call_sid)
            if isinstance(word.event, e.ConferenceStarted) or (
                isinstance(word.event, e.ConferenceJoined) and word.event.started
            ):
                heard.add(word.to.call_sid)
        if act == "leave" and how == rules.HUNG_UP:
            live.discard(name)
        room = decision.room if decision.ending is None else Room()
        heard &= {one.call_sid for one in room.joined}
        assert {one.call_sid for one in room.joined} == live
        assert heard == (live if room.started else set())
        assert (decision.ending is None) == ("conference-end" not in [one.event for one in decision.news])
        assert len(room.joined) <= 3
        labels = [one.label for one in room.participants if one.label]
        assert len(labels) == len(set(labels))
    everyone = rules.complete(replace(room), at=AT)
    assert everyone.room.participants == ()
