"""The sounds' side of the outbox: what legs say and record, at the voice node and by URLs of the media service."""

from urllib.parse import urlencode

from callrouter.calls import happenings as h
from callrouter.calls.dispatch import Done, Executor
from callrouter.calls.engine import Engine
from callrouter.calls.live import live
from callrouter.calls.session import CallSession, Leg
from callrouter.calls.store import OutboxRow
from callrouter.voice.client import VoiceClient
from callrouter.voice.contract import VoiceError


class Sounds:
    """Executors. The voice node's requests carry the entry's id, so each may run twice."""

    def __init__(self, engine: Engine, voice: VoiceClient, media_base: str) -> None:
        self._engine = engine
        self._voice = voice
        self._media = f"{media_base}/v1/Accounts"

    def executors(self) -> dict[str, Executor]:
        return {
            "play": live(self._engine, self.play),
            "stop": live(self._engine, self.stop),
            "record": live(self._engine, self.record),
            "record.stop": live(self._engine, self.stop_recording),
        }

    async def play(self, row: OutboxRow, session: CallSession, leg: Leg) -> Done:
        """Begins; that it has ended comes as the node's event (callrouter.calls.audio)."""
        payload, sound = row["payload"], row["payload"]["sound"]
        if sound["kind"] == "keys":
            what = {"keys": sound["digits"]}
        else:
            what = {"url": self._address(session.account_sid, sound), "loop": payload["loop"]}
        try:
            await self._voice.request(
                "leg.play", request_id=job(row["id"], payload["sound_id"]), leg=leg.call_sid, **what
            )
        except VoiceError as error:
            failed = h.Sounded(
                at=self._engine.now(),
                leg=leg.name,
                sound_id=payload["sound_id"],
                failed=True,
                code=12400,
                reason=str(error),
            )
            return Done(failed)
        return Done()

    async def stop(self, row: OutboxRow, session: CallSession, leg: Leg) -> Done:
        await self._voice.request("leg.stop", request_id=row["id"], leg=leg.call_sid)
        return Done()

    async def record(self, row: OutboxRow, session: CallSession, leg: Leg) -> Done:
        payload = row["payload"]
        trim = urlencode({"channels": 1, "trim": int(payload["trim"])})
        fields = ("recording", "silence", "max_length", "beep", "trim")
        await self._voice.request(
            "leg.record",
            request_id=row["id"],
            leg=leg.call_sid,
            upload=f"{self._media}/{session.account_sid}/recordings/{payload['recording']}?{trim}",
            **{name: payload[name] for name in fields},
        )
        return Done()

    async def stop_recording(self, row: OutboxRow, session: CallSession, leg: Leg) -> Done:
        await self._voice.request(
            "leg.record_stop", request_id=row["id"], leg=leg.call_sid, recording=row["payload"]["recording"]
        )
        return Done()

    def _address(self, account_sid: str, sound: dict[str, str]) -> str:
        """Where the media service has the sound: the question is the address (MD-1)."""
        if sound["kind"] == "file":
            return f"{self._media}/{account_sid}/files?{urlencode({'url': sound['url']})}"
        speech = {
            "text": sound["text"],
            "markup": int(sound["markup"]),
            "voice": sound["voice"] or "",
            "language": sound["language"],
        }
        return f"{self._media}/{account_sid}/speech?{urlencode(speech)}"


def job(entry: str, sound_id: str) -> str:
    """The node's name for a sound: unique by the entry, and it tells the program's name for it."""
    return f"{entry}/{sound_id}"


def sound_of(job: str) -> str | None:
    """The program's name for a job; None for one that no program waits for, such as a ringback tone."""
    _, slash, sound_id = job.partition("/")
    return sound_id if slash else None
