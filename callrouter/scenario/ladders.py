"""What happened in a world, as callrouter.ladders shows it."""

from __future__ import annotations

from typing import Any

from callrouter.ladders import calls, mermaid, messages, text
from callrouter.scenario.world import World


def ladders(world: World) -> list[dict[str, Any]]:
    """Every call that was not dialled by another, then every message; oldest first."""
    sid, tops, texts = world.tenant.sid, world.calls(), world.messages()
    with world.deployment.database.read() as connection:
        return [
            *(calls.fetch(connection, sid, row.sid) for row in tops),
            *(messages.fetch(connection, sid, row.sid) for row in texts),
        ]


def as_text(ladder: dict[str, Any]) -> str:
    return text.render(ladder)


def as_mermaid(ladder: dict[str, Any]) -> str:
    return mermaid.render(ladder)
