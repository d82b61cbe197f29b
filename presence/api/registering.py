"""Registrations over HTTP, past Flask: thousands of devices that come back at once should not wait for each other.

Only what is plain and succeeds is answered here, with the bytes that the view would answer; every other request, and
every fault, is Flask's (`api.registrations`), which asks the same again.
"""

import asyncio
import json
import re
from collections.abc import Callable
from urllib.parse import unquote

from sqlalchemy.exc import OperationalError

from foundation.db import DatabaseOverloaded
from foundation.landing import landed
from foundation.webserver.bridge import Response, Scope
from foundation.webserver.errors import ApiError
from presence.access.callers import Access
from presence.access.directory import NotRemembered
from presence.access.refusals import AccessRefused
from presence.access.tokens import demand_publish
from presence.api.registrations import asked
from presence.api.shared import STORE_SECONDS
from presence.joining import Accepted, StatusUnknown
from presence.reading.rendering import compact, registration
from presence.registration import StaleVersion
from presence.signalling.doorway import Door
from presence.store import Store

PATH = re.compile(rb"/v1/Accounts/(AC[0-9a-f]{32})/Clients/([^/]+)/Registrations\Z")
FAULTS = (
    ApiError,
    AccessRefused,
    NotRemembered,
    StaleVersion,
    StatusUnknown,
    DatabaseOverloaded,
    OperationalError,
    TimeoutError,
    ValueError,
    RecursionError,
)


class Registering:
    """A short way of `WsgiBridge`."""

    def __init__(self, access: Access, store: Store, door: Door, now: Callable[[], float]) -> None:
        self._access, self._store, self._door, self._now = access, store, door, now

    async def __call__(self, scope: Scope, body: bytes) -> Response | None:
        found = PATH.match(scope.get("raw_path") or b"")
        if found is None or scope["method"] != "POST" or scope["query_string"]:
            return None
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        if len(given) != 1:
            return None
        account_sid, client = found[1].decode(), unquote(found[2].decode("latin-1"))
        address = (scope.get("client") or ("",))[0]
        try:
            return await self._register(account_sid, client, given[0].decode("latin-1"), address, body)
        except FAULTS:
            return None

    async def _register(
        self, account_sid: str, client: str, authorization: str, address: str, body: bytes
    ) -> Response | None:
        now = self._now()
        grant = self._access.at_once(authorization, account_sid, address)
        demand_publish(grant, account_sid, client)
        source = json.loads(body)
        if not isinstance(source, dict):
            return None
        wanted = asked(account_sid, client, source, grant, now)
        if not wanted.endpoint.capabilities:
            return None
        async with asyncio.timeout(STORE_SECONDS):
            accepted = await landed(wanted.stored_in(self._store))
        if evicted := accepted.registered.evicted:
            await asyncio.to_thread(self._door.dropped, evicted)
        return _answer(accepted, now)


def _answer(accepted: Accepted, now: float) -> Response:
    one = registration(accepted.registered.endpoint, accepted.version, accepted.sequence, now)
    body = compact(one).encode() + b"\n"
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    return 201 if accepted.registered.created else 200, headers, body
