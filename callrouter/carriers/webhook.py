"""The open HTTP carrier protocol, router's side out: signed commands and messages to a carrier's control URL."""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import select

from callrouter.messages.transport import NotNow, Outgoing, Refused, Taken, Unavailable
from callrouter.models import Carrier
from foundation.db import Database
from foundation.failpoints import failpoint
from foundation.keys import Keys
from foundation.memory import Memory
from foundation.outbound.errors import OutboundError
from foundation.outbound.message import OutboundRequest, OutboundResponse
from foundation.outbound.overrides import Overrides
from foundation.outbound.pool import FetchPool
from foundation.outbound.signature import sign_body

ANYWHERE = ("0.0.0.0/0", "::/0")
"""Control URLs are the operator's own words, often on a private network: the guard against strangers' URLs is not
for them."""


CARRIER_SECONDS = 1.0
"""How long a carrier's URL and secret are remembered."""


MESSAGE_SECONDS = 10.0
"""How long a carrier may take to answer to a message."""
PAUSE_SECONDS, LONGEST_PAUSE = 1.0, 300.0
"""Of a carrier that asks for one, without and with its own word about how long."""
UNKNOWN_ERROR = 30008


class CarrierUnavailable(Exception):
    """The carrier did not take a command now; trying again may help."""


class CarrierRefused(Exception):
    """The carrier says that this command can't be done; trying again will not help."""


class _Control:
    """Signed requests to the control URL of a carrier, by its name."""

    def __init__(self, database: Database, keys: Keys, pool: FetchPool, now: Callable[[], float]) -> None:
        self._database = database
        self._keys = keys
        self._pool = pool
        self._now = now
        self._known = Memory(self._find, CARRIER_SECONDS)

    async def post(
        self, name: str, path: str, token: str, fields: Mapping[str, Any], overrides: Overrides | None = None
    ) -> OutboundResponse | None:
        """Its answer; None when there is no such active carrier. Raises OutboundError."""
        carrier = self._known.known(name) or await asyncio.to_thread(self._known, name)
        if carrier is None:
            return None
        control_url, secrets = carrier
        body = json.dumps(fields).encode()
        timestamp = int(self._now())
        request = OutboundRequest(
            url=f"{control_url.rstrip('/')}/{path}",
            body=body,
            headers={
                "X-Callrouter-Timestamp": str(timestamp),
                "X-Callrouter-Signature": " ".join(sign_body(one, timestamp, body) for one in secrets),
            },
            idempotency_token=token,
            follow_redirects=False,
            overrides=overrides,
        )
        return await self._pool.fetch(f"carrier:{name}", request)

    def _find(self, name: str) -> tuple[str, list[str]] | None:
        """Its control URL, and its secrets: all that are good while they change, because it may know the old one."""
        with self._database.read() as connection:
            row = connection.execute(
                select(Carrier.control_url, Carrier.secrets_sealed).where(
                    Carrier.name == name, Carrier.status == "active"
                )
            ).first()
        return None if row is None else (row.control_url, list(map(self._keys.open, row.secrets_sealed)))


class Carriers:
    """Sends commands about calls to carriers by name."""

    def __init__(self, database: Database, keys: Keys, pool: FetchPool, now: Callable[[], float]) -> None:
        self._control = _Control(database, keys, pool, now)

    async def command(self, name: str, call_id: str, command_id: str, type: str, **fields: Any) -> None:
        """Sends a command about the carrier's call; CarrierUnavailable or CarrierRefused when it is not taken."""
        path, command = f"calls/{call_id}/commands", {"id": command_id, "type": type, **fields}
        try:
            response = await self._control.post(name, path, command_id, command)
        except OutboundError as error:
            raise CarrierUnavailable(f"carrier {name!r}: {error.reason}") from error
        if response is None:
            raise CarrierRefused(f"there is no active carrier {name!r}")
        if response.ok:
            return
        message = f"carrier {name!r} answered {response.status} to {type}"
        if 400 <= response.status < 500 and response.status not in (408, 425, 429):
            raise CarrierRefused(message)
        raise CarrierUnavailable(message)


class CarrierMessages:
    """`callrouter.messages.transport.Transport`: gives messages to carriers by name (docs/protocols/carrier.md)."""

    def __init__(self, database: Database, keys: Keys, pool: FetchPool, now: Callable[[], float]) -> None:
        """`pool` is for this alone: a carrier that hangs must hold back neither calls nor other carriers."""
        self._control = _Control(database, keys, pool, now)

    async def send(self, carrier: str, message: Outgoing) -> Taken:
        """Taken says that the carrier has it, and nothing about its delivery (MR-3)."""
        patience = Overrides(
            connect_ms=3_000, read_ms=round(MESSAGE_SECONDS * 1000), total_ms=round(MESSAGE_SECONDS * 1000)
        )
        failpoint("OM5")
        try:
            response = await self._control.post(carrier, "messages", message.sid, _fields(message), patience)
        except OutboundError as error:
            reason = f"carrier {carrier!r}: {error.reason}"
            raise Unavailable(reason, maybe_taken=error.sent) from error
        failpoint("OM7")
        if response is None:
            raise Unavailable(f"there is no active carrier {carrier!r}", maybe_taken=False)
        if response.ok:
            return Taken()
        raise _not_taken(carrier, response)


def _fields(message: Outgoing) -> dict[str, Any]:
    return {
        "id": message.sid,
        "from": message.from_,
        "to": message.to,
        "body": message.body,
        "encoding": message.encoding,
        "segments": message.segments,
        "media": [{"url": each.url, "content_type": each.content_type} for each in message.media],
        "valid_until": message.valid_until,
        "again": message.again,
    }


def _not_taken(carrier: str, response: OutboundResponse) -> NotNow | Unavailable | Refused:
    """What the carrier's answer means, which is not 2xx."""
    status, reason = response.status, f"carrier {carrier!r} answered {response.status}"
    if status == 429:
        return NotNow(_seconds(response.header("Retry-After")))
    if status in (
        401,
        403,
    ):  # about us, not about the message: it will do once the operator has put that right
        hint = f"{reason}: it does not take our signature; give it the secret of `carrier rotate-secret`"
        return Unavailable(hint, maybe_taken=False)
    if not 400 <= status < 500 or status in (408, 425):
        return Unavailable(reason, maybe_taken=status not in (425, 503))
    said = _object(response.body)
    code = said.get("code")
    if not (isinstance(code, int) and 30001 <= code <= 30999):
        code = UNKNOWN_ERROR
    return Refused(code, reason, elsewhere=said.get("final") is not True)


def _seconds(text: str) -> float:
    """What Retry-After says, within reason."""
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,3})?", text, re.ASCII):
        return PAUSE_SECONDS
    return min(LONGEST_PAUSE, max(0.01, float(text)))


def _object(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
