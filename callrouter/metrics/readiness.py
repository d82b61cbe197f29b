"""When a router is ready to be sent calls, and what its operator should know besides."""

import threading

import requests

from callrouter.calls.engine import Engine
from callrouter.metrics.router import outbox_age
from callrouter.voice.client import VoiceClient
from foundation.db import Database
from foundation.settings import Settings
from foundation.webserver.database import database_check
from foundation.webserver.health import Check, remembered
from migrations import revisions

OUTBOX_SECONDS = 60.0
"""An entry that is overdue for longer is stuck: what this router is told may not be carried out either."""
PEER_SECONDS = 1.0
REMEMBERED_SECONDS = 2.0


class Draining:
    """Set once, when the process is told to stop."""

    def __init__(self) -> None:
        self._set = threading.Event()

    def __bool__(self) -> bool:
        return self._set.is_set()

    def begin(self) -> None:
        self._set.set()

    def check(self) -> str | None:
        return "this router is stopping and takes no new calls" if self else None


def checks(database: Database, engine: Engine, voice: VoiceClient, draining: Draining) -> dict[str, Check]:
    """Each is a reason to send this router nothing."""

    def outbox() -> str | None:
        with database.read() as connection:
            age = outbox_age(connection, engine.now())
        return f"an outbox entry is {age:.0f} s overdue; the log says why" if age > OUTBOX_SECONDS else None

    def tables() -> str | None:
        return revisions.unfit(revisions.current(database.url, "callrouter"), "callrouter") or None

    def lease() -> str | None:
        held = engine.held_until > engine.now()
        return (
            None if held else "this router lost its lease: others may take its calls; is the database slow?"
        )

    return {
        "draining": draining.check,
        "database": database_check(database),
        "tables": remembered(tables, REMEMBERED_SECONDS),
        "lease": lease,
        "outbox": remembered(outbox, REMEMBERED_SECONDS),
        "voice": lambda: None if voice.up else "no voice node answers at CALLROUTER_VOICE_CONTROL",
    }


def warnings(settings: Settings) -> dict[str, Check]:
    """Peers that all routers share: calls go on without them as far as they can."""

    def peer(name: str, url: str, variable: str) -> Check:
        def reach() -> str | None:
            try:
                sound = requests.get(f"{url}/livez", timeout=PEER_SECONDS, allow_redirects=False).ok
            except requests.RequestException:
                sound = False
            return None if sound else f"the {name} does not answer at {variable}"

        return remembered(reach, REMEMBERED_SECONDS)

    return {
        "presence": peer("presence server", settings.presence_base(), "CALLROUTER_PRESENCE_URL"),
        "media": peer("media service", settings.media_base(), "CALLROUTER_MEDIA_URL"),
    }
