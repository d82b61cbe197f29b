"""The presence board: who is there, on which devices, and which of them a call would ring now."""

from typing import Any

from flask import Blueprint, Response, jsonify, request

from callrouter.calls.choosing import Mode, choose
from callrouter.console.access import viewer
from callrouter.console.context import Console
from callrouter.console.pages import page
from foundation.webserver.errors import ApiError
from presence.client import (
    CursorTooOld,
    Presence,
    PresenceClient,
    PresenceRefused,
    PresenceUnavailable,
    Reach,
    Snapshot,
)


def add(blueprint: Blueprint, console: Console) -> None:
    presence = PresenceClient(console.parts.settings.presence_base(), console.parts.keys)

    @blueprint.get("/presence")
    def presence_board() -> Response:
        return page("console/presence.html")

    @blueprint.get("/presence.json")
    def presence_json() -> Response:
        """Everybody who is there; with `after`, a cursor of an earlier answer, only who changed since."""
        since = request.args.get("after", type=int)
        if not (mine := viewer().account_sid):
            return jsonify(cursor=0, reset=True, clients=[], removed=[])
        try:
            found, reset = _snapshot(presence, mine, since)
        except PresenceUnavailable as error:
            raise ApiError(503, 20503, f"The presence server does not answer: {error}.") from error
        except PresenceRefused as refused:
            # It refused us, not the viewer: with its own 401 the page would send them to sign in again.
            raise ApiError(502, refused.code, f"The presence server refused: {refused.message}") from refused
        shown = [_shown(one) for one in found.clients]
        return jsonify(cursor=found.as_of, reset=reset, clients=shown, removed=found.removed)


def _snapshot(presence: PresenceClient, account_sid: str, since: int | None) -> tuple[Snapshot, bool]:
    """Who changed since then, or everybody, which a reader has to begin with anew."""
    account = presence.account(account_sid)
    if since is not None:
        try:
            return account.query(since=since), False
        except CursorTooOld:
            pass
    return account.query(), True


def _shown(one: Presence) -> dict[str, Any]:
    choice = choose(Reach(name=one.client, shared=False, as_of=0, targets=(one,)), Mode.ALL)
    why = {device.endpoint_id: device.reason for device in choice.skipped}
    return {
        "client": one.client,
        "status": one.status,
        "available": one.available,
        "note": one.note,
        "since": one.updated_at,
        "call": choice.outcome.value,
        "devices": [
            {
                "id": device.endpoint_id,
                "status": device.status,
                "takes": list(device.takes),
                "note": device.note,
                "rings": why.get(device.endpoint_id, "yes"),
                "seen": device.last_seen,
                "node": device.node,
            }
            for device in one.endpoints
        ],
    }
