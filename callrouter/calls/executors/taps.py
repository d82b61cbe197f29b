"""What listens to a leg at the voice node: recordings, streams to apps, the recognition of speech.

None of it is worth a call: what the node refuses, or what comes too late for a leg that is over, is the end of the
recording or stream alone.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from urllib.parse import urlencode

from sqlalchemy import Connection

from callrouter.calls import happenings as h
from callrouter.calls import recordings
from callrouter.calls.dispatch import Done, Executor
from callrouter.calls.engine import Also, Engine
from callrouter.calls.executors.live import PLATFORM_FAULT, live
from callrouter.calls.session import CallSession, Leg
from callrouter.calls.store import OutboxRow
from callrouter.voice.client import VoiceClient
from callrouter.voice.contract import ErrorCode, VoiceError
from foundation.outbound.signature import twilio_signature

STREAM_FAILED, TOO_MANY_STREAMS = 31900, 31960
RECORDING_FIELDS = ("recording", "silence", "max_length", "beep", "trim", "track", "channels")


class Taps:
    """Executors. The voice node's requests carry the entry's id, so each may run twice."""

    def __init__(
        self,
        engine: Engine,
        voice: VoiceClient,
        media_base: str,
        auth_token: Callable[[str], Awaitable[str]],
    ) -> None:
        """`auth_token`: an account's, for signatures."""
        self._engine = engine
        self._voice = voice
        self._media = f"{media_base}/v1/Accounts"
        self._auth_token = auth_token

    def executors(self) -> dict[str, Executor]:
        one, passed = partial(live, self._engine), self._pass
        return {
            "record": one(self.record, failed=self._not_recorded, too_late=self._never_recorded),
            "record.stop": one(passed("leg.record_stop", "recording"), failed=_never_mind),
            "record.pause": one(passed("leg.record_pause", "recording", "skip"), failed=_never_mind),
            "record.resume": one(passed("leg.record_resume", "recording"), failed=_never_mind),
            "stream.start": one(self.stream, failed=_no_stream),
            "stream.stop": one(passed("stream.stop", "stream"), failed=_never_mind),
            "stream.press": one(passed("stream.press", "digits"), failed=_never_mind),
            "listen": one(self.listen, failed=_not_heard),
            "listen.stop": one(passed("leg.listen_stop", "listen"), failed=_never_mind),
        }

    async def record(self, row: OutboxRow, session: CallSession, leg: Leg) -> Done:
        payload = row["payload"]
        query = urlencode({"channels": payload["channels"], "trim": int(payload["trim"])})
        await self._voice.request(
            "leg.record",
            request_id=row["id"],
            leg=leg.call_sid,
            upload=f"{self._media}/{session.account_sid}/recordings/{payload['recording']}?{query}",
            **{name: payload[name] for name in RECORDING_FIELDS},
        )
        return Done()

    async def stream(self, row: OutboxRow, session: CallSession, leg: Leg) -> Done:
        """The app knows by the signature, over the URL alone, that it is us (twilio-surface 4.8)."""
        payload = row["payload"]
        sid, url = payload["stream"], payload["url"]
        if sid not in session.streams:
            return Done()
        token = await self._auth_token(session.account_sid)
        await self._voice.request(
            "stream.start",
            request_id=row["id"],
            leg=leg.call_sid,
            stream=sid,
            url=url,
            headers={"X-Twilio-Signature": twilio_signature(token, url)},
            account=session.account_sid,
            call=leg.call_sid,
            **{name: payload[name] for name in ("parameters", "track", "bidirectional")},
        )
        return Done()

    async def listen(self, row: OutboxRow, session: CallSession, leg: Leg) -> Done:
        payload = row["payload"]
        question = {"language": payload["language"], "hints": ",".join(payload["hints"])}
        await self._voice.request(
            "leg.listen",
            request_id=row["id"],
            leg=leg.call_sid,
            listen=payload["listen"],
            url=f"{self._media}/{session.account_sid}/recognitions?{urlencode(question)}",
            silence=round(payload["silence"] * 1000),
            longest=payload["longest"],
            partial=payload["partial"],
        )
        return Done()

    def _pass(self, command: str, *names: str) -> Callable[[OutboxRow, CallSession, Leg], Awaitable[Done]]:
        """Does what the entry says, with these fields of it."""

        async def execute(row: OutboxRow, session: CallSession, leg: Leg) -> Done:
            values = {name: row["payload"][name] for name in names}
            await self._voice.request(command, request_id=row["id"], leg=leg.call_sid, **values)
            return Done()

        return execute

    # -- what can't be done

    def _not_recorded(self, row: OutboxRow, leg: Leg, error: Exception, at: float) -> Done:
        sid = row["payload"]["recording"]
        over = h.Recorded(at=at, leg=leg.name, sid=sid, cause="failed", seconds=0, silent=False)
        return Done(over, self._finish(sid))

    def _never_recorded(self, row: OutboxRow) -> Done:
        return Done(also=self._finish(row["payload"]["recording"]))

    def _finish(self, sid: str) -> Also:
        now = self._engine.now()

        def unit(connection: Connection) -> None:
            recordings.finish(connection, sid, failed=True, silent=False, seconds=0, now=now)

        return unit


def _never_mind(row: OutboxRow, leg: Leg, error: Exception, at: float) -> Done:
    """What was to be changed is over by itself, or will be with its leg."""
    return Done()


def _no_stream(row: OutboxRow, leg: Leg, error: Exception, at: float) -> Done:
    full = isinstance(error, VoiceError) and error.code == ErrorCode.AT_CAPACITY
    over = h.StreamOver(
        at=at,
        leg=leg.name,
        sid=row["payload"]["stream"],
        failed=True,
        code=TOO_MANY_STREAMS if full else STREAM_FAILED,
        reason=str(error),
    )
    return Done(over)


def _not_heard(row: OutboxRow, leg: Leg, error: Exception, at: float) -> Done:
    listen = row["payload"]["listen"]
    return Done(
        h.SpeechOver(at=at, leg=leg.name, listen=listen, failed=True, code=PLATFORM_FAULT, reason=str(error))
    )
