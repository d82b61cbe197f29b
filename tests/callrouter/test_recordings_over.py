"""What happens once a recording is over: its row, its callback, its text, its end if it was deleted meanwhile."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from callrouter.calls import recordings
from callrouter.calls.dispatch import Done, Later
from callrouter.calls.executors import endings
from callrouter.calls.executors.keeping import Keeping
from callrouter.media.client import MediaAnswer, MediaUnavailable, Transcript
from callrouter.models import Base, Call, Notification, Outbox, Recording, Transcription
from foundation.db import Database

AC, CA, RE = "AC" + "1" * 32, "CA" + "1" * 32, "RE" + "1" * 32
NOW = 1_772_710_000.0


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/router.sqlite3")
    Base.metadata.create_all(database.writer_engine)
    yield database
    database.close()


class World:
    """A recording of a call that is over, and what the router writes about it."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def add(self, **columns: Any) -> None:
        at = {"date_created": NOW, "date_updated": NOW}
        call = {"from": "+14155550100", "to": "+14155550101", "direction": "inbound", "status": "completed"}
        self.run(insert(Call).values(account_sid=AC, sid=CA, leg="", **call, **at))
        row = {"source": "RecordVerb", "track": "inbound", "channels": 1, "status": "in-progress"}
        row |= {"callback_url": None, "callback_method": "POST", "callback_events": "completed absent"}
        row |= {"account_sid": AC, "sid": RE, "call_sid": CA, "start_time": NOW, **at, **columns}
        self.run(insert(Recording).values(row))

    def over(self, *, failed: bool = False, silent: bool = False, seconds: int = 7) -> None:
        self.database.write(
            lambda c: recordings.finish(c, RE, failed=failed, silent=silent, seconds=seconds, now=NOW)
        ).result(10)

    def run(self, statement: Any) -> None:
        self.database.write(lambda c: c.execute(statement)).result(10)

    def rows(self, model: Any) -> list[Any]:
        with self.database.read() as connection:
            return list(connection.execute(select(model.__table__)).all())

    def outbox(self, kind: str) -> list[dict[str, Any]]:
        return [row.payload for row in self.rows(Outbox) if row.kind == kind]

    def entry(self, kind: str) -> dict[str, Any]:
        with self.database.read() as connection:
            query = select(Outbox.__table__).where(Outbox.kind == kind)
            return dict(connection.execute(query).mappings().one())

    def carry_out(self, media: "Media", kind: str) -> None:
        """Runs the entry's executor, and what it wants to be stored."""
        keeping = Keeping(_Now(), media)  # type: ignore[arg-type]
        done: Done = asyncio.run(keeping.executors()[kind](self.entry(kind)))  # type: ignore[arg-type]
        assert done.also is not None
        self.database.write(done.also).result(10)


class _Now:
    @staticmethod
    def now() -> float:
        return NOW + 60


class Media:
    """A media service that answers so."""

    def __init__(self, answer: Transcript | MediaAnswer | MediaUnavailable) -> None:
        self.answer = answer
        self.asked: list[tuple[str, ...]] = []

    def transcription(self, *question: str) -> Any:
        return self._ask(question)

    def recording(self, *question: str) -> Any:
        return self._ask(question)

    def _ask(self, question: tuple[str, ...]) -> Any:
        self.asked.append(question)
        if isinstance(self.answer, MediaUnavailable):
            raise self.answer
        return self.answer


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


@pytest.mark.parametrize("status", ["in-progress", "paused", "stopped"])
def test_a_recording_ends_once_whatever_it_was(world: World, status: str) -> None:
    world.add(status=status, callback_url="https://app.test/r")
    world.over()
    world.over(failed=True)
    (row,) = world.rows(Recording)
    assert (row.status, row.duration, row.error_code) == ("completed", 7, None)
    (told,) = world.outbox("callback")
    assert (told["parameters"]["RecordingStatus"], told["parameters"]["RecordingDuration"]) == (
        "completed",
        "7",
    )


def test_a_conferences_recording_names_the_conference_and_no_call(world: World) -> None:
    world.add(callback_url="https://app.test/r", conference_sid="CF" + "1" * 32, source="Conference")
    world.over()
    (told,) = world.outbox("callback")
    assert told["parameters"]["ConferenceSid"] == "CF" + "1" * 32
    assert "CallSid" not in told["parameters"]


def test_what_was_deleted_while_it_went_on_is_thrown_away_once_it_is_stored(world: World) -> None:
    world.add(status="deleted", callback_url="https://app.test/r", transcribe=True)
    world.over()
    world.over()
    assert world.outbox("callback") == []
    media = Media(MediaAnswer(status=204, headers={}, body=b""))
    world.carry_out(media, "recording.discard")
    assert media.asked == [("DELETE", AC, RE)]
    assert world.rows(Recording) == []


@pytest.mark.parametrize("answer", [MediaUnavailable("away"), MediaAnswer(status=500, headers={}, body=b"")])
def test_it_is_thrown_away_for_as_long_as_it_takes(world: World, answer: Any) -> None:
    world.add(status="deleted")
    world.over()
    row = {**world.entry("recording.discard"), "attempts": 1_000}
    keeping = Keeping(_Now(), Media(answer))  # type: ignore[arg-type]
    with pytest.raises(Later):
        asyncio.run(keeping.discard(row))


# -- texts


def test_a_text_is_asked_for_and_told(world: World) -> None:
    """The callback of <Record transcribe> (twilio-surface 2.7)."""
    world.add(transcribe=True, transcribe_url="https://app.test/t")
    world.over()
    (row,) = world.rows(Transcription)
    assert (row.status, row.duration, row.recording_sid) == ("in-progress", 7, RE)
    media = Media(Transcript(status=200, text="call me back"))
    world.carry_out(media, "transcribe")
    assert media.asked == [(AC, RE)]
    (row,) = world.rows(Transcription)
    assert (row.status, row.text) == ("completed", "call me back")
    (told,) = world.outbox("callback")
    assert told["url"] == "https://app.test/t"
    assert told["parameters"] == {
        "TranscriptionSid": row.sid,
        "TranscriptionText": "call me back",
        "TranscriptionStatus": "completed",
        "TranscriptionType": "fast",
        "TranscriptionUrl": f"/2010-04-01/Accounts/{AC}/Recordings/{RE}/Transcriptions/{row.sid}",
        "RecordingSid": RE,
        "RecordingUrl": f"/2010-04-01/Accounts/{AC}/Recordings/{RE}",
        "AccountSid": AC,
        "ApiVersion": "2010-04-01",
        "CallSid": CA,
        "From": "+14155550100",
        "To": "+14155550101",
        "CallStatus": "completed",
        "Direction": "inbound",
    }


@pytest.mark.parametrize("seconds", [1, 121])
def test_a_recording_of_another_length_has_no_text(world: World, seconds: int) -> None:
    """13617."""
    world.add(transcribe=True, transcribe_url="https://app.test/t")
    world.over(seconds=seconds)
    assert world.outbox("transcribe") == []
    (told,) = world.outbox("callback")
    assert (told["parameters"]["TranscriptionStatus"], told["parameters"]["TranscriptionText"]) == (
        "failed",
        "",
    )
    assert [row.error_code for row in world.rows(Notification)] == ["13617"]


def test_nothing_heard_has_no_text(world: World) -> None:
    world.add(transcribe=True)
    world.over(silent=True)
    assert world.rows(Transcription) == []


def test_a_recogniser_that_is_away_is_asked_again_and_then_given_up(world: World) -> None:
    world.add(transcribe=True, transcribe_url="https://app.test/t")
    world.over()
    media = Media(Transcript(status=503, code=13340, reason="no recogniser is installed"))
    keeping = Keeping(_Now(), media)  # type: ignore[arg-type]
    with pytest.raises(Later):
        asyncio.run(keeping.transcribe(world.entry("transcribe")))
    world.run(update(Outbox).where(Outbox.kind == "transcribe").values(attempts=4))
    world.carry_out(media, "transcribe")
    assert [row.status for row in world.rows(Transcription)] == ["failed"]
    (note,) = world.rows(Notification)
    assert note.error_code == "13340"
    assert "no recogniser is installed" in note.message_text
    assert world.outbox("callback")[0]["parameters"]["TranscriptionStatus"] == "failed"


# -- requests that wait for the end


def test_whoever_asks_for_a_duration_gets_it_once_the_recording_is_stored(world: World) -> None:
    world.add()

    async def ask() -> int | None:
        asking = asyncio.create_task(endings.duration(world.database, AC, RE))
        await asyncio.sleep(0)
        await asyncio.to_thread(world.over, seconds=42)
        return await asking

    assert asyncio.run(ask()) == 42


def test_nobody_waits_for_ever(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.add()
    monkeypatch.setattr(endings, "PAUSES", (0.0, 0.0))
    assert asyncio.run(endings.duration(world.database, AC, RE)) is None
    assert asyncio.run(endings.duration(world.database, AC, "RE" + "2" * 32)) is None
