"""Whom a message to `client:NAME` is for: a client, or the first client of a destination who takes messages. Pure."""

from collections.abc import Sequence
from typing import Any

from presence.client import ClientMessage, Presence, Reach

SMS, MMS = "sms", "mms"


def takes(one: Presence, *, media_required: bool) -> bool:
    """Whether a device of this client takes such a message now."""
    wanted = {MMS} if media_required else {SMS, MMS}
    return any(device.incoming and wanted & set(device.takes) for device in one.endpoints)


def choose(reach: Reach, *, media_required: bool, before: tuple[str, str] | None = None) -> Presence:
    """The target: the one of an earlier try, lest two get it; else the first who takes it; else the first, who may have
    to wait for it. Every answer of the presence server has a target."""
    for one in reach.targets:
        if before == (one.account_sid, one.client):
            return one
    there = (one for one in reach.targets if takes(one, media_required=media_required))
    return next(there, reach.targets[0])


def considered(
    reach: Reach, chosen: Presence, *, media_required: bool, placed: ClientMessage | None = None
) -> list[dict[str, Any]]:
    """Why it went where it went, for whoever asks later (PR-78, PR-79): each target as presence had it, and the devices
    of the one that was chosen."""
    return [
        {
            "account_sid": one.account_sid,
            "client": one.client,
            "status": one.status,
            "version": placed.version if placed and one is chosen else one.version,
            "takes": takes(one, media_required=media_required),
            "chosen": one is chosen,
            **(_devices(placed) if placed and one is chosen else {}),
        }
        for one in reach.targets
    ]


def chosen_before(considered: Sequence[Any]) -> tuple[str, str] | None:
    """The account and client of an earlier try's decision."""
    for one in considered:
        if isinstance(one, dict) and one.get("chosen") and "client" in one:
            return str(one["account_sid"]), str(one["client"])
    return None


def _devices(placed: ClientMessage) -> dict[str, Any]:
    return {
        "result": placed.status,
        "endpoints": list(placed.endpoints),
        "skipped": [{"endpoint_id": one, "reason": why} for one, why in placed.skipped.items()],
    }
