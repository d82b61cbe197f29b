"""Speech that a program listens for, step by step (callrouter.calls.steps.listening)."""

from step_history import History

from callrouter.calls import happenings as h
from callrouter.calls.session import OWN
from callrouter.calls.steps.draft import Entry

GATHER = (
    "<Response><Gather input='speech dtmf' action='/said' hints='sales, support' language='en-GB' speechTimeout='2' "
    "partialResultCallback='/partial'><Play loop='0'>/menu.wav</Play></Gather></Response>"
)


def last(history: History, kind: str) -> Entry:
    return [entry for entry in history.outbox if entry.kind == kind][-1]


def asked(history: History) -> str:
    return str(last(history, "fetch").payload["url"])


def test_listening_begins_and_what_is_said_goes_to_the_app() -> None:
    history = History().begin(GATHER)
    wanted = last(history, "listen").payload
    assert (wanted["language"], wanted["hints"], wanted["silence"]) == ("en-GB", ["sales", "support"], 2.0)
    assert wanted["partial"]
    history.tell(h.SpeechBegan, leg=OWN, listen=wanted["listen"])
    assert history.kinds()["stop"] == 1
    history.tell(h.SpeechOver, leg=OWN, listen=wanted["listen"], text="sales", confidence=0.87)
    assert asked(history) == "https://app.test/said"
    told = last(history, "fetch").payload["parameters"]
    assert (told["SpeechResult"], told["Confidence"]) == ("sales", "0.87")
    assert history.session.listening == {}


def test_partial_results_go_out_in_order_and_nobody_waits() -> None:
    history = History().begin(GATHER)
    listen = last(history, "listen").payload["listen"]
    for number, text in enumerate(("sa", "sales")):
        history.tell(h.SpeechSoFar, leg=OWN, listen=listen, text=text, number=number)
    sent = [entry for entry in history.outbox if entry.kind == "partial"]
    assert {entry.lane for entry in sent} == {"partial:CA0"}
    told = [entry.payload["parameters"] for entry in sent]
    assert [(one["UnstableSpeechResult"], one["SequenceNumber"]) for one in told] == [
        ("sa", "0"),
        ("sales", "1"),
    ]
    assert sent[0].payload["url"] == "https://app.test/partial"
    assert told[0]["CallSid"] == "CA0"


def test_a_key_ends_the_listening_and_late_speech_is_no_news() -> None:
    history = History().begin(GATHER)
    listen = last(history, "listen").payload["listen"]
    history.tell(h.Pressed, leg=OWN, digits="1")
    assert last(history, "listen.stop").payload["listen"] == listen
    before = history.session
    history.tell(h.SpeechOver, leg=OWN, listen=listen, text="sales")
    history.tell(h.SpeechSoFar, leg=OWN, listen=listen, text="sales", number=0)
    assert history.session == before


def test_a_recogniser_that_is_away_is_noted_and_keys_still_count() -> None:
    history = History().begin(GATHER)
    listen = last(history, "listen").payload["listen"]
    taken = history.tell(
        h.SpeechOver, leg=OWN, listen=listen, failed=True, code=13340, reason="no recogniser is installed"
    )
    assert [note.code for note in taken.notes] == [13340]
    history.tell(h.Pressed, leg=OWN, digits="7#")
    assert last(history, "fetch").payload["parameters"]["Digits"] == "7"


def test_partial_results_are_not_sent_unless_asked_for() -> None:
    history = History().begin(GATHER.replace("partialResultCallback='/partial'", ""))
    wanted = last(history, "listen").payload
    assert not wanted["partial"]
    history.tell(h.SpeechSoFar, leg=OWN, listen=wanted["listen"], text="sa", number=0)
    assert history.kinds()["partial"] == 0
