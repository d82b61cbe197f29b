"""The open HTTP carrier protocol, router's side out: signed commands to a carrier's control URL."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from sqlalchemy import select

from callrouter.models import Carrier
from foundation.db import Database
from foundation.keys import Keys
from foundation.memory import Memory
from foundation.outbound.errors import OutboundError
from foundation.outbound.message import OutboundRequest
from foundation.outbound.pool import FetchPool
from foundation.outbound.signature import sign_body

ANYWHERE = ("0.0.0.0/0", "::/0")
"""Control URLs are the operator's own words, often on a private network: the guard against strangers' URLs is not
for them."""


CARRIER_SECONDS = 1.0
"""How long a carrier's URL and secret are remembered."""


class CarrierUnavailable(Exception):
    """The carrier did not take a command now; trying again may help."""


class CarrierRefused(Exception):
    """The carrier says that this command can't be done; trying again will not help."""


class Carriers:
    """Sends commands to carriers by name."""

    def __init__(self, database: Database, keys: Keys, pool: FetchPool, now: Callable[[], float]) -> None:
        self._database = database
        self._keys = keys
        self._pool = pool
        self._now = now
        self._known = Memory(self._find, CARRIER_SECONDS)

    async def command(self, name: str, call_id: str, command_id: str, type: str, **fields: Any) -> None:
        """Sends a command about the carrier's call; CarrierUnavailable or CarrierRefused when it is not taken."""
        carrier = self._known.known(name) or await asyncio.to_thread(self._known, name)
        if carrier is None:
            raise CarrierRefused(f"there is no active carrier {name!r}")
        control_url, secret = carrier
        body = json.dumps({"id": command_id, "type": type, **fields}).encode()
        timestamp = int(self._now())
        request = OutboundRequest(
            url=f"{control_url.rstrip('/')}/calls/{call_id}/commands",
            body=body,
            headers={
                "X-Callrouter-Timestamp": str(timestamp),
                "X-Callrouter-Signature": sign_body(secret, timestamp, body),
            },
            idempotency_token=command_id,
            follow_redirects=False,
        )
        try:
            response = await self._pool.fetch(f"carrier:{name}", request)
        except OutboundError as error:
            raise CarrierUnavailable(f"carrier {name!r}: {error.reason}") from error
        if response.ok:
            return
        message = f"carrier {name!r} answered {response.status} to {type}"
        if 400 <= response.status < 500 and response.status not in (408, 425, 429):
            raise CarrierRefused(message)
        raise CarrierUnavailable(message)

    def _find(self, name: str) -> tuple[str, str] | None:
        with self._database.read() as connection:
            row = connection.execute(
                select(Carrier.control_url, Carrier.secrets_sealed).where(
                    Carrier.name == name, Carrier.status == "active"
                )
            ).first()
        return None if row is None else (row.control_url, self._keys.open(row.secrets_sealed[0]))
