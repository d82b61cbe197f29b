"""What becomes of a recording at the media service after its call: its text, or its end."""

import asyncio

from sqlalchemy import Connection, Delete, delete

from callrouter.calls import transcriptions
from callrouter.calls.dispatch import Done, Executor, Later
from callrouter.calls.engine import Engine
from callrouter.calls.store import OutboxRow
from callrouter.media.client import NO_ANSWER, MediaClient, MediaUnavailable
from callrouter.models import Recording

PAUSES = (1.0, 5.0, 30.0, 120.0)
"""Seconds before a recogniser that is away or busy is asked again."""
LONGEST_PAUSE = 60.0


class Keeping:
    """Executors of `transcribe` and `recording.discard`."""

    def __init__(self, engine: Engine, media: MediaClient) -> None:
        self._engine = engine
        self._media = media

    def executors(self) -> dict[str, Executor]:
        return {"transcribe": self.transcribe, "recording.discard": self.discard}

    async def transcribe(self, row: OutboxRow) -> Done:
        """Whoever asked is told of the text, or that there is none, with whose fault that is."""
        payload, account_sid = row["payload"], row["account_sid"]
        text, code, reason = None, 0, ""
        try:
            answer = await asyncio.to_thread(self._media.transcription, account_sid, payload["recording"])
        except MediaUnavailable as error:
            code, reason, again = NO_ANSWER, str(error), True
        else:
            text, code, reason = answer.text, answer.code, answer.reason
            again = answer.status >= 500 or answer.status == 429
        if text is None and again and row["attempts"] < len(PAUSES):
            raise Later(PAUSES[row["attempts"]], aside=True)
        now = self._engine.now()

        def unit(connection: Connection) -> None:
            if text is None:
                what = f"The recording has no transcription: {reason}"
                transcriptions.note(connection, account_sid, payload["call_sid"], code, what, now)
            transcriptions.finish(connection, account_sid, payload["sid"], text, now)

        return Done(also=unit)

    async def discard(self, row: OutboxRow) -> Done:
        """For as long as it takes: it was deleted, and must not be anywhere."""
        account_sid, sid = row["account_sid"], row["payload"]["sid"]
        pause = min(LONGEST_PAUSE, 2.0 ** min(row["attempts"], 6))
        try:
            answer = await asyncio.to_thread(self._media.recording, "DELETE", account_sid, sid)
        except MediaUnavailable as error:
            raise Later(pause, aside=True) from error
        if answer.status >= 500:
            raise Later(pause, aside=True)
        gone = delete(Recording).where(Recording.account_sid == account_sid, Recording.sid == sid)
        return Done(also=lambda connection: _run(connection, gone))


def _run(connection: Connection, statement: Delete) -> None:
    connection.execute(statement)
