"""Requests that tell of a recording whose call has just ended wait a moment, to tell how long it became."""

import asyncio

from sqlalchemy import select

from callrouter.calls.recordings import LIVE
from callrouter.models import Recording
from foundation.db import Database

PAUSES = (0.1, 0.1, 0.2, 0.3, 0.3, *(0.5,) * 8)
"""Seconds between looks: five in all. Then a request goes out with the duration that we guess."""


async def duration(database: Database, account_sid: str, sid: str) -> int | None:
    """Whole seconds of the recording, once it is over; None when nobody knows them in time."""

    def look() -> tuple[bool, int | None]:
        mine = (Recording.account_sid == account_sid, Recording.sid == sid)
        with database.read() as connection:
            row = connection.execute(select(Recording.status, Recording.duration).where(*mine)).first()
        return (False, None) if row is None else (row.status in LIVE, row.duration)

    for pause in PAUSES:
        live, seconds = await asyncio.to_thread(look)
        if not live:
            return seconds
        await asyncio.sleep(pause)
    return None
