"""Any events, in any order, while a verb listens, streams, echoes or records: what it began ends with it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from instructions import snapshot
from instructions.commands import (
    CancelTimer,
    Command,
    Echo,
    Listen,
    Play,
    Record,
    SetTimer,
    StartLeg,
    StartStream,
    StopEcho,
    StopListening,
    StopRecording,
    StopSounds,
    StopStream,
)
from instructions.events import (
    DigitsReceived,
    DocumentFetched,
    Event,
    HungUp,
    LegAnswered,
    LegEnded,
    LegStatus,
    RecordingEnded,
    Replaced,
    SoundEnded,
    SpeechHeard,
    SpeechStarted,
    Started,
    StreamEnded,
    TimerFired,
)
from instructions.interpreter import advance, new_session

TIMES = st.floats(0, 1e11)
ACTIONS = st.sampled_from(["", ' action="/done"'])
VERBS = st.one_of(
    st.builds(
        '<Gather input="{}" bargeIn="{}"{}>{}</Gather>'.format,
        st.sampled_from(["speech", "dtmf speech"]),
        st.sampled_from(["true", "false"]),
        st.sampled_from(["", ' actionOnEmptyResult="true"', ' numDigits="2"']),
        st.sampled_from(["", "<Say>A</Say>", "<Pause/><Say>A</Say>"]),
    ),
    st.builds('<Connect{}><Stream url="wss://a.test/"/></Connect>'.format, ACTIONS),
    st.builds(
        '<Dial{} record="{}"{}><Client>ann</Client><Sip><Uri>sip:a@b.test</Uri></Sip></Dial>'.format,
        ACTIONS,
        st.sampled_from(["record-from-answer", "record-from-ringing-dual"]),
        st.sampled_from(["", ' sequential="true"']),
    ),
    st.builds('<Record{} transcribe="true"/>'.format, ACTIONS),
    st.just("<Echo/>"),
)
DOCUMENTS = st.lists(VERBS, min_size=1, max_size=3).map(
    lambda verbs: f"<Response>{''.join(verbs)}</Response>"
)
NAMES = st.sampled_from(["last", "last", "last", "first", "stranger"])
"""Of the names that the session has used."""
CODES = st.just(20503)
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(SpeechStarted, at=TIMES, listen=NAMES),
    st.builds(
        SpeechHeard,
        at=TIMES,
        listen=NAMES,
        text=st.sampled_from(["", "yes"]),
        failed=st.booleans(),
        code=CODES,
    ),
    st.builds(StreamEnded, at=TIMES, stream=NAMES, failed=st.booleans(), code=CODES),
    st.builds(
        RecordingEnded,
        at=TIMES,
        recording=NAMES,
        cause=st.sampled_from(["silence", "length", "failed"]),
        seconds=st.integers(0, 3),
        silent=st.booleans(),
    ),
    st.builds(SoundEnded, at=TIMES, sound_id=NAMES),
    st.builds(TimerFired, at=TIMES, timer=NAMES),
    st.builds(LegAnswered, at=TIMES, leg=NAMES),
    st.builds(LegEnded, at=TIMES, leg=NAMES, status=st.sampled_from(LegStatus)),
    st.builds(DigitsReceived, at=TIMES, leg=st.just(""), digits=st.sampled_from(["1", "12", "#"])),
)
ENDS: st.SearchStrategy[Event] = st.one_of(
    st.builds(HungUp, at=TIMES),
    st.builds(Replaced, at=TIMES, url=st.just("https://b.test/"), method=st.just("GET"), twiml=st.none()),
)
FIELDS: dict[str, type[Any]] = {
    "listen": Listen,
    "stream": StartStream,
    "recording": Record,
    "sound_id": Play,
    "timer": SetTimer,
    "leg": StartLeg,
}


class Model:
    """What the engine would have under way on the session's own leg."""

    def __init__(self) -> None:
        self.used: dict[str, list[str]] = {field: [] for field in FIELDS}
        self.held: set[str] = set()
        self.ends_with_the_leg: set[str] = set()

    def name(self, event: Event) -> Event:
        """The event with a real name, where it was drawn with which of those that were used."""
        for field, used in self.used.items():
            if used and (word := getattr(event, field, "")):
                which = {"last": used[-1], "first": used[0]}
                return replace(event, **{field: which.get(word, "stranger")})
        return event

    def happen(self, event: Event) -> None:
        match event:
            case SpeechHeard(listen=name) | StreamEnded(stream=name) | RecordingEnded(recording=name):
                self.held.discard(name)
            case SoundEnded(sound_id=name) | TimerFired(timer=name):
                self.held.discard(name)
            case HungUp():
                self.held -= self.ends_with_the_leg

    def do(self, command: Command) -> None:
        for field, kind in FIELDS.items():
            if isinstance(command, kind):
                name = getattr(command, field)
                assert name not in self.used[field], "a name is used once"
                self.used[field].append(name)
                self.held |= {name} if kind is not StartLeg else set()
        match command:
            case Record(recording=name, source="RecordVerb"):
                self.ends_with_the_leg.add(name)
            case Echo():
                self.held.add("echo")
            case StopEcho():
                self.held.remove("echo")
            case StopSounds():
                self.held = {name for name in self.held if not name.startswith("sound-")}
            case StopListening(listen=name) | CancelTimer(timer=name):
                self.held.remove(name)  # it was under way: nobody stops what is over
            case StopStream(stream=str(name)):
                self.held.remove(name)
            case StopRecording(recording=name):
                assert name in self.used["recording"]
                self.held.discard(name)  # it may have ended by itself

    def kinds(self) -> list[str]:
        """A word for each thing that is under way."""
        words = {"speech": "timer", "gather": "timer", "again": "timer", "pause": "timer", "ring": "timer"}
        words |= {"talk": "timer", "sound": "sound"}
        return sorted(words.get(word, word) for word in (name.partition("-")[0] for name in self.held))


ALLOWED = {
    "Gather": [["sound"], ["timer"], ["listen", "sound"], ["listen", "timer"]],
    "Connect": [["stream"]],
    "Dial": [["timer"], ["recording", "timer"]],
    "Record": [["recording"], []],  # the key has stopped it, and its end is awaited
    "Echo": [["echo"]],
}
"""What may be under way while each verb runs: never nothing that would end it, never two of a kind."""


@settings(max_examples=500, deadline=None)
@given(document=DOCUMENTS, history=st.lists(EVENTS, max_size=15), end=ENDS)
def test_what_a_verb_began_ends_with_it(document: str, history: list[Event], end: Event) -> None:
    url = "https://app.test/voice"
    model, state = Model(), new_session(url=url, answered=True, caller="+15550100")
    state, _ = advance(state, Started(at=0))
    arrived = DocumentFetched(at=0, fetch="fetch-1", url=url, body=document.encode(), content_type="text/xml")
    for drawn in (arrived, *history, end):
        event = model.name(drawn)
        model.happen(event)
        state, commands = advance(snapshot.loads(snapshot.dumps(state)), event)
        for command in commands:
            model.do(command)
        if state.waiting != "verb":
            assert not model.held, "what was left is over"
            break
        assert model.kinds() in ALLOWED[state.frames[-1].verb]
