"""The server that a playground's documents seem to come from: a host of no network, whose requests we answer.

So `action="/menu"` means another document of the same text, nothing leaves the process, and no address has to be let
through the guard of outgoing requests.
"""

import re
from urllib.parse import urlsplit

from sqlalchemy import Connection, select
from sqlalchemy.orm import aliased

from callrouter.calls.routing import Target
from callrouter.models import Account
from callrouter.playground import documents, store
from foundation.db import Database
from foundation.outbound.message import OutboundRequest, OutboundResponse

DOMAIN = "playground.invalid"
"""Never a real name (RFC 2606)."""
_HOST = re.compile(rf"(pg[0-9a-f]{{32}})\.{re.escape(DOMAIN)}")


def url(sid: str, path: str = documents.FIRST) -> str:
    return f"http://{sid.lower()}.{DOMAIN}{path}"


def serves(address: str) -> bool:
    """Whether a request to this URL is ours to answer."""
    try:
        return _HOST.fullmatch(urlsplit(address).hostname or "") is not None
    except ValueError:
        return False


def respond(database: Database, account_sid: str, request: OutboundRequest) -> OutboundResponse:
    """What the playground's server says. An account reaches its own texts only."""
    parts = urlsplit(request.url)
    sid = (parts.hostname or "").partition(".")[0]
    with database.read() as connection:
        text = store.fetch(connection, account_sid, store.PREFIX + sid[len(store.PREFIX) :])
    path = parts.path or "/"
    found = None if text is None else documents.answer(text, path, dict(request.params))
    if found is not None:
        return _said(200, "text/xml", found, request.url)
    there = ", ".join(dict.fromkeys(one.path for one in documents.sections(text or "")))
    why = f"This playground has no document {path}, only: {there}." if text else "This playground is gone."
    return _said(404, "text/plain", why, request.url)


def target(connection: Connection, account_sid: str, sid: str) -> Target | None:
    """What answers a client whose token names a playground instead of an application."""
    if store.fetch(connection, account_sid, sid) is None:
        return None
    owner = aliased(Account)
    statuses = (
        select(Account.status, owner.status)
        .join(owner, owner.account_sid == Account.owner_account_sid)
        .where(Account.account_sid == account_sid)
    )
    own, owners = connection.execute(statuses).one()
    return Target(
        account_sid=account_sid,
        account_status=own if own != "active" else owners,
        phone_number_sid=None,
        application_sid=None,
        voice_url=url(sid),
        voice_method="POST",
        voice_fallback_url="",
        voice_fallback_method="POST",
        status_callback="",
        status_callback_method="POST",
    )


def _said(status: int, kind: str, text: str, address: str) -> OutboundResponse:
    body = text.encode("utf-8", "replace")
    return OutboundResponse(status=status, headers=(("Content-Type", kind),), body=body, url=address)
