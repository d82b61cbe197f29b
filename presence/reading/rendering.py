"""A client's presence and a registration as JSON (docs/protocols/presence.md, PR-26)."""

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from foundation.clock import from_timestamp
from presence.reading.reach import Reached
from presence.reading.snapshots import Client
from presence.registration import Consolidated, Endpoint, Seen, consolidate


def presence_text(
    account_sid: str,
    name: str,
    client: Client,
    now: float,
    *,
    capability: str | None = None,
    detail: bool = True,
) -> str:
    """One client as JSON; nobody live has the same shape. `available`: for that capability (PR-27); its devices for
    those who may see them only.

    It is kept from one reader to the next while nothing of it changes. The client must have been read as of `now`:
    with endpoints that are live then.
    """
    turned = 0.0
    for one in client.endpoints:
        if turned < one.busy_until <= now:
            turned = one.busy_until
    return _presence_text(account_sid, name, client, turned, capability, detail)


@lru_cache(5_000)
def _presence_text(
    account_sid: str, name: str, client: Client, turned: float, capability: str | None, detail: bool
) -> str:
    """`turned`: since when each device has been on a call or free as it is now. All live, they were the same then."""
    whole = consolidate(client.endpoints, turned, capability=capability)
    head, tail = _around(account_sid, name, client, whole)
    ends = compact(moment(whole.expires_at))
    text = f'{head},"expires_at":{ends},{tail}'
    if not detail:
        return f"{text}}}"
    return f'{text},"endpoints":[{",".join(_endpoint_text(one, turned) for one in whole.endpoints)}]}}'


def head_and_tail(account_sid: str, name: str, client: Client, capability: str | None) -> tuple[str, str]:
    """What comes before and after `expires_at` in the text of a client none of whose devices is on a call."""
    return _around(account_sid, name, client, consolidate(client.endpoints, 0.0, capability=capability))


def _around(account_sid: str, name: str, client: Client, whole: Consolidated) -> tuple[str, str]:
    head = {
        "account_sid": account_sid,
        "client": name,
        "status": whole.status,
        "available": whole.available,
        "capabilities": whole.capabilities,
        "note": whole.note,
        "version": client.version,
        "updated_at": moment(client.updated_at),
    }
    tail = {"uri": f"/v1/Accounts/{account_sid}/Presence/{quote(name, safe='')}"}
    return compact(head)[:-1], compact(tail)[1:-1]


def message_text(as_of: int, entries: Iterable[str], removed: Iterable[str], page_token: str) -> str:
    """Many clients as one message; those `removed` have left the view. The token is for the next page, if any."""
    tail: dict[str, Any] = {"removed": list(removed)}
    if page_token:
        tail["next_page_token"] = page_token
    return f'{{"as_of":{as_of},"clients":[{",".join(entries)}],{compact(tail)[1:]}'


def reach_text(name: str, found: Reached, now: float) -> str:
    """Whom the router may ring for a name, first choice first."""
    targets = ",".join(presence_text(*target, now) for target in found.targets)
    head = compact({"name": name, "shared": found.shared, "as_of": found.as_of})
    return f'{head[:-1]},"targets":[{targets}]}}'


compact = json.JSONEncoder(separators=(",", ":")).encode
"""JSON as Flask writes it."""


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
        "node": one.node,
        "last_seen": moment(one.refreshed_at),
        "expires_at": moment(one.expires_at),
    }


def _endpoint_text(one: Seen, now: float) -> str:
    """`endpoint` as JSON; most are the same as the last time but for the times of the last heartbeat, at its end."""
    seen, ends = moment(one.refreshed_at), moment(one.expires_at)
    return f'{endpoint_start(one, now)},"last_seen":"{seen}","expires_at":"{ends}"}}'


def endpoint_start(one: Seen, now: float = 0.0) -> str:
    """Of that text, what comes before the moments."""
    return _endpoint_start(
        one._replace(busy_until=float(one.busy_until > now), refreshed_at=0.0, expires_at=0.0)
    )


@lru_cache(15_000)
def _endpoint_start(lasting: Seen) -> str:
    """Of a device that is on a call until 1, if at all."""
    return compact(endpoint(lasting, 0.5)).partition(',"last_seen":')[0]


def registration(one: Endpoint, version: int, cursor: int, now: float) -> dict[str, Any]:
    """A registration as its client sees it, with where to send updates and to hear of others', and the cursor to
    resume from (PR-17). `status` is what the device said; `busy`: it is on a call."""
    account = f"/v1/Accounts/{one.account_sid}"
    uri = f"{account}/Clients/{quote(one.client, safe='')}/Registrations"
    return {
        "sid": one.sid,
        "account_sid": one.account_sid,
        "client": one.client,
        "endpoint_id": one.endpoint_id,
        "status": one.status,
        "busy": one.busy_until > now,
        "capabilities": list(one.capabilities),
        "priority": one.priority,
        "note": one.note,
        "hidden": one.hidden,
        "incoming": one.incoming,
        "version": version,
        "last_seen": moment(one.refreshed_at),
        "expires_at": moment(one.expires_at),
        "updates_uri": uri,
        "stream_uri": f"{account}/PresenceStream",
        "cursor": cursor,
        "uri": f"{uri}/{one.sid}",
    }


def moment(seconds: float | None) -> str | None:
    """A moment as ISO 8601 in UTC, whole seconds."""
    return None if seconds is None else _moment(int(seconds))


@lru_cache(4096)
def _moment(seconds: int) -> str:
    return from_timestamp(seconds).strftime("%Y-%m-%dT%H:%M:%SZ")
