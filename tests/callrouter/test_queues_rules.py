"""The rules of queues, pure (callrouter.queues.rules; twilio-surface 2.4, 2.8)."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from callrouter.queues import rules
from callrouter.queues.rules import Decision, Member
from instructions import events as e

AT = 100.0


def member(name: str, **details: Any) -> Member:
    agent = name.isupper()
    url = {"url": f"https://{name}"} if agent else {}
    return Member(
        call_sid=name, session_sid=name, leg="", ticket=f"t{name}", agent=agent, **{**url, **details}
    )


def line(*names: str) -> Decision:
    decision = Decision(members=())
    for name in names:
        decision = rules.join(decision.members, member(name), at=AT)
    return decision


def pairs(decision: Decision) -> dict[str, str]:
    return {one.call_sid: one.partner for one in decision.members if one.partner}


def words(decision: Decision) -> list[tuple[str, str]]:
    return [(word.to.call_sid, type(word.event).__name__) for word in decision.words]


def test_callers_go_in_order_to_the_agent_who_waits_longest() -> None:
    assert pairs(line("a", "b", "X")) == {"a": "X", "X": "a"}
    both = line("a", "b", "X", "Y", "Z", "c")
    assert pairs(both) == {"a": "X", "X": "a", "b": "Y", "Y": "b", "c": "Z", "Z": "c"}
    assert [(word.to.call_sid, word.event) for word in both.words] == [
        ("Z", e.QueueFound(at=AT)),
        ("c", e.QueueTaken(at=AT, url="https://Z", method="POST", by="Z")),
    ]


def test_an_agent_without_a_document_hears_of_its_caller_by_the_bridge() -> None:
    matched = rules.join(line("a").members, member("X", url=None), at=AT)
    assert words(matched) == [("a", "QueueTaken")]
    assert words(rules.leave(matched.members, "a", at=AT)) == []


def test_both_are_told_when_they_are_connected() -> None:
    matched = line("a", "X")
    bridged = rules.connect(matched.members, "a", at=AT)
    assert [(word.to.call_sid, word.event) for word in bridged.words] == [
        ("a", e.QueueBridged(at=AT, call_sid="X")),
        ("X", e.QueueBridged(at=AT, call_sid="a")),
    ]
    assert rules.connect(bridged.members, "a", at=AT).words == ()
    assert rules.connect(line("a").members, "a", at=AT).words == ()
    parted = rules.leave(bridged.members, "X", at=AT)
    assert (words(parted), parted.members) == ([("a", "QueueParted")], ())


def test_a_caller_whose_agent_gives_up_waits_at_its_old_place_or_gets_another() -> None:
    alone = rules.leave(line("a", "b", "X").members, "X", at=AT)
    assert words(alone) == [("a", "QueueParted")]
    assert [one.call_sid for one in alone.members if one.waits] == ["a", "b"]
    other = rules.leave(line("a", "X", "Y").members, "X", at=AT)
    assert words(other) == [("a", "QueueParted"), ("Y", "QueueFound"), ("a", "QueueTaken")]
    assert pairs(other) == {"a": "Y", "Y": "a"}


def test_an_agent_whose_caller_hangs_up_gets_the_next() -> None:
    next_one = rules.leave(line("a", "b", "X").members, "a", at=AT)
    assert words(next_one) == [("X", "QueueParted"), ("X", "QueueFound"), ("b", "QueueTaken")]
    assert pairs(next_one) == {"b": "X", "X": "b"}


NAMES = st.sampled_from("abcXYZ")
ACTS = st.lists(st.tuples(st.sampled_from(["join", "leave", "connect"]), NAMES), max_size=40)


@settings(max_examples=200, deadline=None)
@given(ACTS)
def test_any_history_keeps_pairs_whole_and_nobody_waits_in_vain(acts: list[tuple[str, str]]) -> None:
    members: tuple[Member, ...] = ()
    for act, name in acts:
        known = rules.find(members, name)
        match act:
            case "join" if known is None:
                decision = rules.join(members, member(name), at=AT)
            case "leave":
                decision = rules.leave(members, name, at=AT)
            case "connect" if known and not known.agent:
                decision = rules.connect(members, name, at=AT)
            case _:
                continue
        members = decision.members
        by_name = {one.call_sid: one for one in members}
        assert len(by_name) == len(members)
        for one in members:
            if one.partner:
                other = by_name[one.partner]
                assert (other.partner, other.agent, other.connected) == (
                    one.call_sid,
                    not one.agent,
                    one.connected,
                )
            else:
                assert not one.connected
        waiting = {one.agent for one in members if one.waits}
        assert waiting != {True, False}, "a caller and an agent both wait"
