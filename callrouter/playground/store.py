"""Where the texts of playgrounds are kept, so that any router can go on with a call that runs one."""

import hashlib

from sqlalchemy import Connection, delete, insert, select

from callrouter.models import PlaygroundDocument
from foundation.sids import SID

PREFIX = "PG"
KEPT_SECONDS = 30 * 86_400
"""No call lasts longer, and whoever wants a text for longer has it in a link."""


def keep(connection: Connection, account_sid: str, text: str, now: float) -> str:
    """Stores the text, and answers its SID: the same for the same text, so that playing it often fills nothing."""
    sid = PREFIX + hashlib.sha256(f"{account_sid}\n{text}".encode("utf-8", "replace")).hexdigest()[:32]
    mine = PlaygroundDocument.account_sid == account_sid
    connection.execute(delete(PlaygroundDocument).where(mine, PlaygroundDocument.sid == sid))
    old = PlaygroundDocument.date_created < now - KEPT_SECONDS
    connection.execute(delete(PlaygroundDocument).where(mine, old))
    row = {"account_sid": account_sid, "sid": sid, "text": text, "date_created": now}
    connection.execute(insert(PlaygroundDocument).values(row))
    return sid


def fetch(connection: Connection, account_sid: str, sid: str) -> str | None:
    """The text, or None when the account has none of that SID."""
    if not SID.fullmatch(sid):
        return None
    mine = PlaygroundDocument.account_sid == account_sid, PlaygroundDocument.sid == sid
    return connection.execute(select(PlaygroundDocument.text).where(*mine)).scalar()
