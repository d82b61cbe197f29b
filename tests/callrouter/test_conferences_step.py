"""Calls in conferences and queues, step by step: what goes to the desk, to the voice node, and to the documents."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from step_history import A, History

from callrouter.calls import happenings as h
from callrouter.calls import words
from callrouter.calls.session import OWN
from callrouter.calls.status import Cause
from callrouter.calls.steps.draft import Entry
from instructions import events as e

CONFERENCE = (
    "<Response><Dial action='/done' hangupOnStar='true'>"
    "<Conference waitUrl='/wait' beep='onEnter'>team</Conference></Dial><Pause length='60'/></Response>"
)
ENQUEUE = "<Response><Enqueue action='/done' waitUrl='/wait'>support</Enqueue></Response>"
TAKE = "<Response><Dial action='/done'><Queue url='/whisper'>support</Queue></Dial></Response>"
PLAY = "<Response><Play>/music.mp3</Play></Response>"
SEAT = {"room": "CF1", "muted": False, "hold": False, "coach": "", "speaker": False, "beep_on_exit": True}


def entries(history: History, kind: str) -> list[Entry]:
    return [entry for entry in history.outbox if entry.kind == kind]


def last(history: History, kind: str) -> dict[str, Any]:
    return entries(history, kind)[-1].payload


def ticket(history: History, leg: str = OWN) -> str:
    stay = history.session.legs[leg].stay
    return stay.ticket if stay else "none"


def told(
    history: History, event: e.Event | None, *, leg: str = OWN, by: str | None = None, **more: Any
) -> None:
    """A tell, through the JSON of the outbox."""
    payload = words.event(leg, ticket(history, leg) if by is None else by, event, **more)
    happening = words.happening(payload, 5_000.0)
    values = {name: value for name, value in vars(happening).items() if name != "at"}
    history.tell(type(happening), **values)


def waiting() -> History:
    """In a conference that has not started; the wait document plays."""
    history = History().begin(CONFERENCE)
    told(history, e.ConferenceJoined(at=1.0, conference_sid="CF1", started=False), seat=SEAT)
    history.document(PLAY, program=last(history, "fetch")["program"])
    return history


def started() -> History:
    history = waiting()
    told(history, e.ConferenceStarted(at=1.0), seat=SEAT)
    return history


def test_a_caller_waits_and_is_heard_once_the_conference_starts() -> None:
    history = waiting()
    join = last(history, "conference.join")
    assert (join["name"], join["beep_on_exit"], join["max_participants"]) == ("team", False, 250)
    assert last(history, "fetch")["url"] == "https://app.test/wait"
    aside = last(history, "fetch")["program"]
    assert aside.startswith("~")
    assert entries(history, "fetch")[-1].lane != entries(history, "fetch")[0].lane
    assert last(history, "play")["sound_id"].startswith(f"{aside}|")
    assert not entries(history, "room.join")
    told(history, e.ConferenceStarted(at=1.0), seat=SEAT)
    kinds = [entry.kind for entry in history.outbox]
    assert "stop" in kinds
    assert last(history, "room.join") == {
        "leg": OWN,
        "call_sid": "CA0",
        "beep": True,
        "speaker": False,
        "room": "CF1",
        "muted": False,
        "hold": False,
    }
    assert history.session.asides == {}
    assert aside not in history.session.programs


def test_what_is_told_to_an_earlier_stay_is_void() -> None:
    history = waiting()
    before = history.session
    told(history, e.ConferenceStarted(at=1.0), by="CA0.1", seat=SEAT)
    assert history.session.legs == before.legs
    assert not entries(history, "room.join")


def test_the_end_of_a_call_takes_it_out() -> None:
    history = started()
    its = ticket(history)
    history.tell(h.Gone, leg=OWN, cause=Cause.NORMAL)
    assert history.session.finished
    kinds = [entry.kind for entry in history.outbox]
    assert kinds.index("room.leave") < kinds.index("close")
    assert last(history, "room.leave")["beep"]
    left = last(history, "conference.leave")
    assert (left["ticket"], left["status"], left["reason"]) == (its, "completed", "participant_hung_up")
    assert len(entries(history, "conference.leave")) == 1


def test_star_leaves_and_rest_redirects() -> None:
    history = started()
    history.tell(h.Pressed, leg=OWN, digits="*")
    assert last(history, "conference.leave")["reason"] == "participant_hung_up"
    assert last(history, "fetch")["parameters"]["DialCallStatus"] == "answered"
    redirected = started()
    redirected.tell(
        h.ReplaceRequested,
        leg=OWN,
        url="https://app.test/new",
        method="POST",
        twiml=None,
        fallback_url=None,
        fallback_method="POST",
    )
    left = last(redirected, "conference.leave")
    assert (left["reason"], left["status"]) == ("participant_updated_via_api", "in-progress")
    assert last(redirected, "fetch")["url"] == "https://app.test/new"


def test_who_is_put_out_goes_on_with_the_document() -> None:
    history = started()
    told(history, e.ConferenceLeft(at=1.0, why="kicked"))
    assert last(history, "room.leave")["room"] == "CF1"
    assert history.session.own.stay is None
    assert last(history, "fetch")["parameters"]["DialCallStatus"] == "answered"
    refused = History().begin(CONFERENCE)
    told(refused, e.ConferenceLeft(at=1.0, why="full", code=16020, reason="it is full"))
    assert not entries(refused, "room.leave")
    assert [note.code for step in refused.steps for note in step.notes] == [16020]
    assert last(refused, "fetch")["parameters"]["DialCallStatus"] == "failed"


def test_hold_and_mute_change_the_sound() -> None:
    history = started()
    told(history, None, seat={**SEAT, "muted": True})
    assert (last(history, "room.update")["muted"], last(history, "room.update")["hold"]) == (True, False)
    held = e.ConferenceHeld(at=1.0, url="https://app.test/hold", method="POST")
    told(history, held, seat={**SEAT, "muted": True, "hold": True})
    assert last(history, "room.update")["hold"]
    assert last(history, "fetch")["url"] == "https://app.test/hold"
    told(history, e.ConferenceResumed(at=1.0), seat=SEAT)
    assert not last(history, "room.update")["hold"]
    assert history.session.asides == {}


def test_a_late_document_of_an_earlier_aside_finds_nobody() -> None:
    history = started()
    held = e.ConferenceHeld(at=1.0, url="https://app.test/hold", method="POST")
    told(history, held, seat={**SEAT, "hold": True})
    earlier = last(history, "fetch")
    told(history, e.ConferenceResumed(at=1.0), seat=SEAT)
    told(history, held, seat={**SEAT, "hold": True})
    assert last(history, "fetch")["program"] != earlier["program"]
    history.tell(
        h.DocumentArrived,
        program=earlier["program"],
        fetch=earlier["fetch"],
        url=earlier["url"],
        body=PLAY.encode(),
        content_type="text/xml",
        cookies=(),
    )
    assert len(entries(history, "play")) == 1  # of the wait document


def test_the_app_is_told_when_an_announcement_is_over() -> None:
    for document, event in ((PLAY, "announcement-end"), ("<Respo", "announcement-fail")):
        history = started()
        told(history, e.ConferenceAnnounced(at=1.0, url="https://app.test/say", method="POST"))
        history.document(document, program=last(history, "fetch")["program"])
        if event == "announcement-end":
            sound = last(history, "play")["sound_id"]
            history.tell(h.Sounded, leg=OWN, sound_id=sound)
        report = last(history, "conference.report")
        assert (report["event"], report["more"]["AnnounceUrl"]) == (event, "https://app.test/say")


def test_the_app_is_told_who_speaks() -> None:
    history = waiting()
    history.tell(h.Spoke, leg=OWN, speaking=True)
    assert not entries(history, "conference.report")
    told(history, e.ConferenceStarted(at=1.0), seat=SEAT)
    history.tell(h.Spoke, leg=OWN, speaking=True)
    assert last(history, "conference.report")["event"] == "participant-speech-start"


# -- queues


def queued() -> History:
    history = History(identity="ann").begin(ENQUEUE)
    told(history, e.QueueJoined(at=1.0, queue_sid="QU1"))
    return history


def test_a_queued_caller_waits_leaves_and_says_how_it_ended() -> None:
    history = queued()
    fetch = last(history, "fetch")
    assert (fetch["url"], fetch["queue"]) == ("https://app.test/wait", "CA0")
    history.document("<Response><Gather><Pause/></Gather></Response>", program=fetch["program"])
    history.tell(h.Pressed, leg=OWN, digits="1")
    history.tell(h.Pressed, leg=OWN, digits="#")
    asked = last(history, "fetch")
    assert asked["parameters"]["Digits"] == "1"
    assert asked["program"] == fetch["program"]
    history.document("<Response><Leave/></Response>", program=asked["program"])
    assert len(entries(history, "queue.leave")) == 1
    assert last(history, "fetch")["parameters"]["QueueResult"] == "leave"
    assert history.session.own.stay is None


def test_a_taken_caller_hears_the_document_then_the_agent() -> None:
    history = queued()
    taken = e.QueueTaken(at=1.0, url="https://app.test/whisper", method="POST", by="CA9")
    told(history, taken)
    asked = last(history, "fetch")
    assert (asked["url"], asked["parameters"]["DequeingCallSid"]) == ("https://app.test/whisper", "CA9")
    assert asked["parameters"]["QueueSid"] == "QU1"
    history.document("<Response/>", program=asked["program"])
    assert last(history, "queue.connect")["ticket"] == ticket(history)
    told(history, e.QueueBridged(at=1.0, call_sid="CA9"))
    assert last(history, "pair")["legs"] == ["CA0", "CA9"]
    history.tell(h.Pressed, leg=OWN, digits="7")
    assert last(history, "queue.press")["digits"] == "7"
    told(history, None, digits="8")
    assert last(history, "press")["digits"] == "8"
    told(history, e.QueueParted(at=1.0))
    assert entries(history, "unbridge")
    assert last(history, "fetch")["parameters"]["QueueResult"] == "bridged"


def test_an_agent_waits_and_is_connected() -> None:
    history = History().begin(TAKE)
    wanted = last(history, "queue.take")
    assert (wanted["queue"], wanted["url"]) == ("support", "https://app.test/whisper")
    told(history, e.QueueBridged(at=1.0, call_sid="CA9"))
    assert not entries(history, "pair")  # the caller's side makes the bridge
    history.tell(h.Gone, leg=OWN, cause=Cause.NORMAL)
    assert len(entries(history, "queue.leave")) == 1
    assert history.session.finished


def test_a_redirected_caller_is_out_of_the_queue() -> None:
    history = queued()
    history.tell(
        h.ReplaceRequested,
        leg=OWN,
        url="https://app.test/new",
        method="POST",
        twiml=None,
        fallback_url=None,
        fallback_method="POST",
    )
    assert len(entries(history, "queue.leave")) == 1
    assert history.session.asides == {}
    assert last(history, "fetch")["url"] == "https://app.test/new"


DOCUMENTS = [CONFERENCE, ENQUEUE, TAKE, PLAY, "<Response><Leave/></Response>", "<Response/>", "no TwiML"]
EVENTS = [
    e.ConferenceJoined(at=1.0, conference_sid="CF1", started=False),
    e.ConferenceJoined(at=1.0, conference_sid="CF1", started=True),
    e.ConferenceStarted(at=1.0),
    e.ConferenceHeld(at=1.0, url="https://app.test/hold", method="POST"),
    e.ConferenceHeld(at=1.0, url=None, method="POST"),
    e.ConferenceResumed(at=1.0),
    e.ConferenceAnnounced(at=1.0, url="https://app.test/say", method="POST"),
    e.ConferenceLeft(at=1.0, why="ended"),
    e.ConferenceLeft(at=1.0, why="full", code=16020, reason="full"),
    e.QueueJoined(at=1.0, queue_sid="QU1"),
    e.QueueRefused(at=1.0, queue_sid=None),
    e.QueueTaken(at=1.0, url="https://app.test/whisper", method="POST", by="CA9"),
    e.QueueTaken(at=1.0, url=None, method="POST", by="CA9"),
    e.QueueBridged(at=1.0, call_sid="CA9"),
    e.QueueParted(at=1.0),
    e.QueueMissing(at=1.0),
]
ACTS = st.one_of(
    st.tuples(st.just("told"), st.sampled_from(EVENTS)),
    st.tuples(st.just("document"), st.sampled_from(DOCUMENTS)),
    st.tuples(st.just("press"), st.sampled_from(["1", "*", "#"])),
    st.tuples(st.just("sounded"), st.booleans()),
    st.tuples(st.just("timer"), st.integers(0, 3)),
    st.tuples(st.just("redirect"), st.sampled_from(DOCUMENTS)),
)


@settings(max_examples=250, deadline=None)
@given(st.sampled_from([CONFERENCE, ENQUEUE, TAKE]), st.lists(ACTS, max_size=14))
def test_any_history_leaves_what_it_came_into(document: str, acts: list[Any]) -> None:
    """I6: whatever happens, who came in leaves, no aside outlives its leg, and one aside runs at a time."""
    history = History().begin(document)
    for act, what in acts:
        _do(history, act, what)
        asides = list(history.session.asides)
        assert len(asides) <= 1
        assert {name for name in history.session.programs if "~" in name} == set(asides)
    history.tell(h.Gone, leg=OWN, cause=Cause.NORMAL)
    session = history.session
    assert session.finished
    assert session.asides == {}
    assert all(leg.stay is None for leg in session.legs.values())
    _everybody_left(history)


def _do(history: History, act: str, what: Any) -> None:
    match act:
        case "told":
            stay = history.session.own.stay
            of_conference = type(what).__name__.startswith("Conference")
            if stay is None or of_conference != (stay.kind == "conference"):
                return  # no desk tells that
            told(
                history,
                what,
                seat=SEAT if isinstance(what, e.ConferenceJoined | e.ConferenceStarted) else None,
            )
        case "document":
            history.document(what, program=last(history, "fetch")["program"])
        case "press":
            history.tell(h.Pressed, leg=OWN, digits=what)
        case "sounded":
            played = entries(history, "play")
            if played:
                history.tell(h.Sounded, leg=OWN, sound_id=played[-1].payload["sound_id"], failed=what)
        case "timer":
            due = {name: at for step in history.steps for name, at in step.timers.items()}
            armed = sorted(name for name, at in due.items() if at is not None and name != "limit")
            if armed:
                history.tell(h.TimerDue, timer=armed[what % len(armed)])
        case "redirect":
            history.tell(
                h.ReplaceRequested,
                leg=OWN,
                url=None,
                method="POST",
                twiml=what,
                fallback_url=None,
                fallback_method="POST",
            )


def _everybody_left(history: History) -> None:
    numbered = list(enumerate(history.outbox))
    came = {
        f"CA0.{n}" for n, entry in numbered if entry.kind in ("conference.join", "queue.join", "queue.take")
    }
    left = [
        entry.payload["ticket"] for _, entry in numbered if entry.kind in ("conference.leave", "queue.leave")
    ]
    conferences = {f"CA0.{n}" for n, entry in numbered if entry.kind == "conference.join"}
    assert set(left) <= came
    assert conferences <= set(left)
    for one in came - conferences:
        assert left.count(one) <= 1  # none: the queue has put it out itself
    joined, parted = len(entries(history, "room.join")), len(entries(history, "room.leave"))
    assert joined == parted


def test_the_second_name_of_a_dialled_leg_is_its_own() -> None:
    """A dialled leg that REST gave a document of its own may come into a conference, too."""
    history = History().begin()
    history.tell(h.Rang, leg=A, endpoints=("one",))
    history.tell(h.Took, leg=A, sdp="v=0", endpoint="one")
    history.tell(
        h.ReplaceRequested,
        leg=A,
        url=None,
        method="POST",
        twiml=CONFERENCE.replace("/wait", "https://app.test/wait").replace("/done", "https://app.test/done"),
        fallback_url=None,
        fallback_method="POST",
    )
    assert last(history, "conference.join")["leg"] == A
    joined = e.ConferenceJoined(at=1.0, conference_sid="CF1", started=True)
    told(history, joined, leg=A, seat=SEAT)
    assert last(history, "room.join")["call_sid"] == history.session.legs[A].call_sid
    history.tell(h.Gone, leg=A, cause=Cause.NORMAL)
    assert last(history, "conference.leave")["call_sid"] == history.session.legs[A].call_sid
