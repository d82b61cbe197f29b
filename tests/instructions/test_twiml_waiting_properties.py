"""Any events, in any order, while a caller is in a conference, in a queue, or waits for one: what was joined is
left exactly once, and at most one thing is heard.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from instructions import snapshot
from instructions.commands import (
    CancelTimer,
    Command,
    ConnectQueued,
    FinishReason,
    JoinConference,
    JoinQueue,
    LeaveConference,
    LeaveQueue,
    Play,
    RunAside,
    SetTimer,
    StopAside,
    StopSounds,
    StopTaking,
    TakeFromQueue,
)
from instructions.events import (
    AsideEnded,
    ConferenceAnnounced,
    ConferenceHeld,
    ConferenceJoined,
    ConferenceLeft,
    ConferenceResumed,
    ConferenceStarted,
    DigitsReceived,
    Event,
    HungUp,
    QueueBridged,
    QueueFound,
    QueueJoined,
    QueueMissing,
    QueueParted,
    QueueRefused,
    QueueTaken,
    Replaced,
    SoundEnded,
    Started,
    TimerFired,
)
from instructions.interpreter import advance, new_session
from instructions.state import State
from instructions.verbs.dial_conference import ConferenceMemory
from instructions.verbs.dial_queue import TakingMemory
from instructions.verbs.enqueue import EnqueueMemory

JOINS = {JoinConference: LeaveConference, JoinQueue: LeaveQueue, TakeFromQueue: StopTaking}
OUTSIDE = (ConferenceLeft, QueueRefused, QueueParted, QueueMissing)
"""What may say that the own leg is out."""
WAITING = (ConferenceMemory, EnqueueMemory, TakingMemory)

ACTIONS = st.sampled_from(["", ' action="/done"', ' action="https://b.test/"'])
WAITS = st.sampled_from(["", ' waitUrl=""', ' waitUrl="/wait"', ' waitUrl="https://b.test/wait"'])
DOCUMENTS = st.builds(
    "<Response>{}<Pause/></Response>".format,
    st.one_of(
        st.builds(
            '<Dial{} hangupOnStar="{}"><Conference{}>room</Conference></Dial>'.format,
            ACTIONS,
            st.sampled_from(["true", "false"]),
            WAITS,
        ),
        st.builds("<Enqueue{}{}>support</Enqueue>".format, ACTIONS, WAITS),
        st.builds(
            "<Dial{}{}><Queue>support</Queue></Dial>".format,
            ACTIONS,
            st.sampled_from(["", ' hangupOnStar="true"']),
        ),
        st.just('<Queue url="/hear">support</Queue>'),
    ),
)
URLS = st.sampled_from(["https://b.test/one", "https://b.test/two"])
TIMES = st.floats(0, 1e4) | st.floats(0, 1e11)


NAMES = st.sampled_from(["last", "last", "last", "first", "stranger"])
"""Of the names that the session has used."""
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(ConferenceJoined, at=TIMES, conference_sid=st.just("CF"), started=st.booleans()),
    st.builds(ConferenceStarted, at=TIMES),
    st.builds(ConferenceHeld, at=TIMES, url=st.none() | URLS, method=st.just("GET")),
    st.builds(ConferenceResumed, at=TIMES),
    st.builds(ConferenceAnnounced, at=TIMES, url=URLS, method=st.just("POST")),
    st.builds(ConferenceLeft, at=TIMES, why=st.sampled_from(["ended", "kicked", "full", "failed"])),
    st.builds(QueueJoined, at=TIMES, queue_sid=st.just("QU")),
    st.builds(QueueJoined, at=TIMES, queue_sid=st.just("QU")),
    st.builds(QueueRefused, at=TIMES, queue_sid=st.none() | st.just("QU")),
    st.builds(QueueTaken, at=TIMES, url=st.none() | URLS, method=st.just("POST"), by=st.just("CA1")),
    st.builds(QueueFound, at=TIMES),
    st.builds(QueueBridged, at=TIMES, call_sid=st.just("CA2")),
    st.builds(QueueParted, at=TIMES),
    st.builds(QueueMissing, at=TIMES),
    st.builds(AsideEnded, at=TIMES, aside=NAMES, reason=st.sampled_from(FinishReason)),
    st.builds(AsideEnded, at=TIMES, aside=NAMES, reason=st.just(FinishReason.END_OF_DOCUMENT)),
    st.builds(SoundEnded, at=TIMES, sound_id=NAMES, failed=st.booleans(), code=st.just(12400)),
    st.builds(TimerFired, at=TIMES, timer=NAMES),
    st.builds(DigitsReceived, at=TIMES, leg=st.just(""), digits=st.sampled_from(["1", "*"])),
    # Rarely: they end or change everything.
    st.integers(0, 9).flatmap(
        lambda n: (
            st.builds(HungUp, at=TIMES)
            if n == 9
            else st.builds(
                Replaced,
                at=TIMES,
                url=st.none(),
                method=st.just("GET"),
                twiml=DOCUMENTS if n == 8 else st.none(),
            )
        )
    ),
)


class Model:
    """What the engine would have under way."""

    def __init__(self) -> None:
        self.joined: type[Command] | None = None
        """The command that leaves it."""
        self.heard: set[str] = set()
        self.timers: set[str] = set()
        self.used: dict[type, list[str]] = {RunAside: [], Play: [], SetTimer: []}

    def name(self, event: Event) -> Event:
        """The event with a real name, where it was drawn with which of those that were used."""
        for field, kind in (("aside", RunAside), ("sound_id", Play), ("timer", SetTimer)):
            if hasattr(event, field) and (used := self.used[kind]):
                which = {"last": used[-1], "first": used[0]}
                return replace(event, **{field: which.get(getattr(event, field), "stranger")})
        return event

    def happen(self, event: Event) -> None:
        self.heard -= {getattr(event, "aside", ""), getattr(event, "sound_id", "")}
        self.timers.discard(getattr(event, "timer", ""))

    def do(self, command: Any) -> None:
        match command:
            case JoinConference() | JoinQueue() | TakeFromQueue():
                assert self.joined is None, "what is joined was left before"
                self.joined = JOINS[type(command)]
            case LeaveConference() | LeaveQueue() | StopTaking():
                assert self.joined is type(command), "only what was joined is left, and once"
                self.joined = None
            case ConnectQueued():
                assert self.joined is LeaveQueue
            case RunAside(aside=name) | Play(sound_id=name):
                assert not self.heard, "what is heard is stopped before something else begins"
                self._use(command, name)
                self.heard.add(name)
            case StopAside() | StopSounds():
                kind = "aside-" if isinstance(command, StopAside) else "sound-"
                assert any(name.startswith(kind) for name in self.heard), "only what is heard is stopped"
                self.heard.clear()
            case SetTimer(timer=name):
                self._use(command, name)
                self.timers.add(name)
            case CancelTimer(timer=name):
                self.timers.remove(name)

    def _use(self, command: Command, name: str) -> None:
        assert name not in self.used[type(command)], "a name is used once"
        self.used[type(command)].append(name)


def remembered(state: State) -> object:
    return state.frames[-1].memory if state.frames else None


@settings(max_examples=300, deadline=None)
@given(twiml=DOCUMENTS, data=st.data())
def test_what_was_joined_is_left_once_and_one_thing_is_heard(twiml: str, data: st.DataObject) -> None:
    state, model = new_session(url="https://app.test/", twiml=twiml, answered=True), Model()
    event: Event = Started(at=0)
    for _ in range(data.draw(st.integers(1, 25))):
        before = remembered(state)
        event = snapshot.event_from_json(snapshot.event_to_json(event))
        state, commands = advance(state, event)

        assert snapshot.loads(snapshot.dumps(state)) == state
        model.happen(event)
        after = remembered(state)
        if isinstance(event, OUTSIDE) and isinstance(before, WAITING) and not isinstance(after, type(before)):
            assert model.joined is not None
            model.joined = None
        for command in commands:
            assert snapshot.command_from_json(snapshot.command_to_json(command)) == command
            model.do(command)

        assert (model.joined is not None) == isinstance(after, WAITING)
        assert len(model.timers) <= 2, "a limit, and when to begin something again"
        assert not (model.heard and any(name.startswith("again-") for name in model.timers))
        if not isinstance(after, WAITING):
            assert all(name.endswith("-apology") for name in model.heard), "its action could not be asked"
            assert all(name.startswith("pause-") for name in model.timers)
        event = model.name(data.draw(EVENTS))
