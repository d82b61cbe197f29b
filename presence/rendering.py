"""A client's presence and a registration as JSON (docs/protocols/presence.md, PR-26)."""

from functools import lru_cache
from typing import Any
from urllib.parse import quote

from foundation.clock import from_timestamp
from presence.registration import Endpoint, Seen, consolidate
from presence.snapshots import Client
from presence.store import Accepted


def presence(account_sid: str, name: str, client: Client, now: float) -> dict[str, Any]:
    """One client at the moment `now`; nobody live has the same shape."""
    whole = consolidate(client.endpoints, now)
    return {
        "account_sid": account_sid,
        "client": name,
        "status": whole.status,
        "available": whole.available,
        "capabilities": list(whole.capabilities),
        "note": whole.note,
        "version": client.version,
        "updated_at": moment(client.updated_at),
        "expires_at": moment(whole.expires_at),
        "uri": f"/v1/Accounts/{account_sid}/Presence/{quote(name, safe='')}",
        "endpoints": [endpoint(one, now) for one in whole.endpoints],
    }


def endpoint(one: Seen, now: float) -> dict[str, Any]:
    """A device, for those who may see devices. `takes`: what would come through to it now."""
    return {
        "endpoint_id": one.endpoint_id,
        "status": one.shown(now)[1],
        "available": one.takes(None, now),
        "capabilities": list(one.capabilities),
        "takes": [capability for capability in one.capabilities if one.takes(capability, now)],
        "priority": one.priority,
        "note": one.note,
        "hidden": one.hidden,
        "incoming": one.incoming,
        "last_seen": moment(one.refreshed_at),
        "expires_at": moment(one.expires_at),
        "node": one.node,
    }


def registration(accepted: Accepted, endpoint: Endpoint) -> dict[str, Any]:
    """A registration as its client sees it, with where to send updates and the cursor to resume from (PR-17)."""
    uri = f"/v1/Accounts/{endpoint.account_sid}/Clients/{quote(endpoint.client, safe='')}/Registrations"
    return {
        "sid": endpoint.sid,
        "account_sid": endpoint.account_sid,
        "client": endpoint.client,
        "endpoint_id": endpoint.endpoint_id,
        "status": endpoint.status,
        "capabilities": list(endpoint.capabilities),
        "priority": endpoint.priority,
        "note": endpoint.note,
        "hidden": endpoint.hidden,
        "version": accepted.version,
        "expires_at": moment(endpoint.expires_at),
        "updates_uri": uri,
        "cursor": accepted.sequence,
        "uri": f"{uri}/{endpoint.sid}",
    }


def moment(seconds: float | None) -> str | None:
    """A moment as ISO 8601 in UTC, whole seconds."""
    return None if seconds is None else _moment(int(seconds))


@lru_cache(4096)
def _moment(seconds: int) -> str:
    return from_timestamp(seconds).strftime("%Y-%m-%dT%H:%M:%SZ")
