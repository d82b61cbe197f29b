"""The sounds' side of the outbox: what legs say and record, at the voice node and by URLs of the media service."""

from urllib.parse import urlencode

import structlog

from callrouter.calls import happenings as h
from callrouter.calls.dispatch import Done, Executor
from callrouter.calls.engine import Engine
from callrouter.calls.executors.live import live
from callrouter.calls.session import CallSession, Leg
from callrouter.calls.store import OutboxRow
from callrouter.voice.client import VoiceClient
from callrouter.voice.contract import VoiceError

log = structlog.get_logger(__name__)


class Sounds:
    """Executors. The voice node's requests carry the entry's id, so each may run twice."""

    def __init__(self, engine: Engine, voice: VoiceClient, media_base: str) -> None:
        self._engine = engine
        self._voice = voice
        self._media = f"{media_base}/v1/Accounts"
        self._music = f"{media_base}/v1/music"

    def executors(self) -> dict[str, Executor]:
        return {
            "play": live(self._engine, self.play),
            "stop": live(self._engine, self.stop),
            "echo": live(self._engine, self.echo, failed=_shrug),
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

    async def echo(self, row: OutboxRow, session: CallSession, leg: Leg) -> Done:
        await self._voice.request("leg.echo", request_id=row["id"], leg=leg.call_sid, on=row["payload"]["on"])
        return Done()

    def _address(self, account_sid: str, sound: dict[str, str]) -> str:
        """Where the media service has the sound: the question is the address (MD-1)."""
        if sound["kind"] == "music":
            return self._music
        if sound["kind"] == "file":
            return f"{self._media}/{account_sid}/files?{urlencode({'url': sound['url']})}"
        speech = {
            "text": sound["text"],
            "markup": int(sound["markup"]),
            "voice": sound["voice"] or "",
            "language": sound["language"],
        }
        return f"{self._media}/{account_sid}/speech?{urlencode(speech)}"


def _shrug(row: OutboxRow, leg: Leg, error: Exception, at: float) -> Done:
    """The call goes on without."""
    log.warning("not done", kind=row["kind"], call_sid=leg.call_sid, error=str(error))
    return Done()


def job(entry: str, sound_id: str) -> str:
    """The node's name for a sound: unique by the entry, and it tells the program's name for it."""
    return f"{entry}/{sound_id}"


def sound_of(job: str) -> str | None:
    """The program's name for a job; None for one that no program waits for, such as a ringback tone."""
    _, slash, sound_id = job.partition("/")
    return sound_id if slash else None
