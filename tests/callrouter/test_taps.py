"""What is asked of the voice node and of carriers for streams, recordings, speech and SIP addresses; and refusals."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select
from step_history import History
from twilio.request_validator import RequestValidator

from callrouter.calls import happenings as h
from callrouter.calls.dispatch import Done, Later
from callrouter.calls.executors.taps import Taps
from callrouter.calls.executors.targets import Targets
from callrouter.calls.session import OWN, CallSession
from callrouter.calls.status import Cause
from callrouter.models import Base, Carrier, Recording
from callrouter.voice.contract import VoiceError, VoiceUnavailable
from foundation.db import Database

STREAM = "<Response><Start><Stream url='wss://app.test/audio'/></Start><Gather timeout='60'/></Response>"
RECORD = "<Response><Record/></Response>"
LISTEN = "<Response><Gather input='speech' hints='sales, Müller &amp; Co'/></Response>"
SIP = "<Response><Dial><Sip username='u' password='p'>sip:bob@pbx.test?X-A=b</Sip></Dial></Response>"


class Peer:
    """A voice node, or a carrier, that notes what it is asked for and may refuse it."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.fault = fault
        self.asked: list[tuple[Any, ...]] = []
        self.fields: dict[str, Any] = {}

    async def request(self, type: str, **fields: Any) -> dict[str, Any]:
        return await self.command(type, **fields)

    async def command(self, *what: Any, **fields: Any) -> dict[str, Any]:
        self.asked.append(what)
        self.fields = fields
        if self.fault is not None:
            raise self.fault
        return {"sdp": "v=0"}


class Live:
    """The engine, of one call."""

    def __init__(self, session: CallSession) -> None:
        self._session = session

    def session(self, _call_sid: str) -> CallSession:
        return self._session

    def now(self) -> float:
        return 2_000.0

    async def persist(self, unit: Callable[[Any], Any], key: str) -> None: ...


class World:
    def __init__(self, document: str) -> None:
        self.history = History().begin(document)

    def row(self, kind: str) -> dict[str, Any]:
        entry = next(entry for entry in self.history.outbox if entry.kind == kind)
        about = {"id": "CA0.7", "call_sid": "CA0", "account_sid": "AC1", "kind": kind, "attempts": 0}
        return {**about, "payload": entry.payload}

    def taps(self, peer: Peer, kind: str, **changes: Any) -> Done:
        async def token(_account_sid: str) -> str:
            return "token"

        taps = Taps(Live(self.history.session), peer, "http://media.test", token)  # type: ignore[arg-type]
        return asyncio.run(taps.executors()[kind]({**self.row(kind), **changes}))  # type: ignore[arg-type]


def test_stream_is_opened_with_a_signature_over_its_url() -> None:
    peer = Peer()
    World(STREAM).taps(peer, "stream.start")
    assert peer.asked == [("stream.start",)]
    signature = peer.fields["headers"]["X-Twilio-Signature"]
    assert RequestValidator("token").validate("wss://app.test/audio", {}, signature)
    assert (peer.fields["account"], peer.fields["call"], peer.fields["leg"]) == ("AC1", "CA0", "CA0")


@pytest.mark.parametrize(
    ("fault", "code"),
    [(VoiceError("at_capacity", "full"), 31960), (VoiceError("bad_request", "a bug"), 31900)],
)
def test_stream_that_the_node_refuses_is_over_and_the_call_goes_on(fault: Exception, code: int) -> None:
    world = World(STREAM)
    done = world.taps(Peer(fault), "stream.start")
    assert isinstance(done.happening, h.StreamOver)
    assert (done.happening.failed, done.happening.code) == (True, code)
    world.history.tell(h.StreamOver, **_fields(done.happening))
    assert not world.history.session.finished


def test_node_that_is_away_is_asked_again_for_some_seconds() -> None:
    world, away = World(STREAM), VoiceUnavailable("away")
    with pytest.raises(Later):
        world.taps(Peer(away), "stream.start")
    assert isinstance(world.taps(Peer(away), "stream.start", attempts=4).happening, h.StreamOver)


def test_recording_that_the_node_refuses_is_absent_and_the_document_goes_on() -> None:
    world = World(RECORD)
    done = world.taps(Peer(VoiceError("at_capacity", "full")), "record")
    assert isinstance(done.happening, h.Recorded)
    assert done.also is not None
    world.history.tell(h.Recorded, **_fields(done.happening))
    assert world.history.session.finished  # by the end of its document


def test_recording_of_a_leg_that_is_over_is_absent(tmp_path: Path) -> None:
    """The entry comes too late: its row must not say for ever that it goes on."""
    world = World(RECORD)
    sid = world.row("record")["payload"]["recording"]
    world.history.tell(h.Gone, leg=OWN, cause=Cause.NORMAL)
    done = world.taps(Peer(), "record")
    database = Database(f"sqlite:///{tmp_path}/router.sqlite3")
    Base.metadata.create_all(database.writer_engine)
    row = {"source": "RecordVerb", "track": "inbound", "channels": 1, "status": "in-progress", "sid": sid}
    row |= {"account_sid": "AC1", "call_sid": "CA0", "start_time": 1.0, "callback_method": "POST"}
    row |= {"callback_events": "", "date_created": 1.0, "date_updated": 1.0}
    database.write(lambda c: c.execute(insert(Recording).values(row))).result(10)
    assert done.also is not None
    database.write(done.also).result(10)
    with database.read() as connection:
        assert connection.execute(select(Recording.status)).scalar() == "absent"
    database.close()


def test_speech_is_heard_with_its_language_and_hints() -> None:
    peer = Peer()
    World(LISTEN).taps(peer, "listen")
    assert peer.fields["url"] == (
        "http://media.test/v1/Accounts/AC1/recognitions?language=en-US&hints=sales%2CM%C3%BCller+%26+Co"
    )
    assert (peer.fields["silence"], peer.fields["longest"], peer.fields["partial"]) == (5000, 60, False)


def test_node_that_can_not_listen_is_a_recogniser_that_failed() -> None:
    done = World(LISTEN).taps(Peer(VoiceError("internal", "a bug")), "listen")
    assert isinstance(done.happening, h.SpeechOver)
    assert (done.happening.failed, done.happening.code) == (True, 12400)


@pytest.mark.parametrize("kind", ["listen.stop", "stream.stop"])
def test_what_can_not_be_stopped_ends_by_itself(kind: str) -> None:
    world = World(LISTEN)
    payload = {"leg": OWN, "call_sid": "CA0", "listen": "1", "stream": "MZ1"}
    row = {**world.row("listen"), "payload": payload}
    for fault in (VoiceError("no_such_leg", "gone"), VoiceUnavailable("away")):
        taps = Taps(Live(world.history.session), Peer(fault), "", None)  # type: ignore[arg-type]
        done = asyncio.run(taps.executors()[kind]({**row, "attempts": 4}))  # type: ignore[arg-type]
        assert (done.happening, done.also) == (None, None)


# -- SIP addresses


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/router.sqlite3")
    Base.metadata.create_all(database.writer_engine)
    yield database
    database.close()


def _add(database: Database, name: str, *, sip: bool, status: str = "active", at: float = 1.0) -> None:
    row = {"name": name, "sid": "CR" + name, "control_url": "http://a.test", "secrets_sealed": ["x"]}
    row |= {"status": status, "sip": sip, "date_created": at, "date_updated": at}
    database.write(lambda c: c.execute(insert(Carrier).values(row))).result(10)


def _start(database: Database, carriers: Peer, *, from_: str = "") -> Done:
    world = World(SIP)
    session = world.history.session
    name = next(name for name in session.legs if name)
    if from_:
        session = session.with_leg(replace(session.legs[name], from_=from_))
    targets = Targets(Live(session), database, Peer(), carriers)  # type: ignore[arg-type]
    return asyncio.run(targets.executors()["start.sip"](world.row("start.sip")))  # type: ignore[arg-type]


def test_sip_address_goes_to_the_oldest_active_carrier_that_takes_them(database: Database) -> None:
    _add(database, "plain", sip=False)
    _add(database, "gone", sip=True, status="disabled", at=2.0)
    _add(database, "newer", sip=True, at=4.0)
    _add(database, "older", sip=True, at=3.0)
    carriers = Peer()
    done = _start(database, carriers, from_="client:alice")
    assert done.happening is None
    assert (carriers.asked[0][0], carriers.asked[0][-1]) == ("older", "dial")
    assert carriers.fields == {
        "sdp": "v=0",
        "timeout": 35,
        "from": "alice",
        "to": "sip:bob@pbx.test",
        "headers": {"X-A": "b"},
        "username": "u",
        "password": "p",
    }


def test_without_such_a_carrier_the_leg_fails(database: Database) -> None:
    _add(database, "plain", sip=False)
    done = _start(database, Peer())
    assert isinstance(done.happening, h.Gone)
    assert (done.happening.code, done.happening.cause) == (13246, Cause.CARRIER_UNAVAILABLE)


def _fields(happening: h.Happening) -> dict[str, Any]:
    return {name: value for name, value in vars(happening).items() if name != "at"}
