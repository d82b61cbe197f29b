"""Two servers, not one: the router knows presence by HTTP only (design 1 and 3)."""

import os
from pathlib import Path

from scene import CALLER, Scene, soon


def _open_files(pid: int) -> set[str]:
    folder = Path(f"/proc/{pid}/fd")
    return {os.readlink(entry) for entry in folder.iterdir() if entry.exists()}


async def test_router_opens_no_presence_table(scene: Scene) -> None:
    """While it resolves a client: neither the file, nor, in its own database, a table of that kind."""
    number = scene.number(f"<Response><Dial>{scene.client('alice')}</Dial></Response>")
    async with scene.carrier() as carrier, scene.phone("alice") as phone:
        call = await carrier.call(CALLER, number)
        ringing = await soon(phone.incoming())
        files = _open_files(scene.deployment.processes["router"].pid)
        presence_files = _open_files(scene.deployment.processes["presence"].pid)
        await ringing.reject()
        await soon(call.ended)
        await scene.over()
    assert any("router.sqlite3" in file for file in files)
    assert any("presence.sqlite3" in file for file in presence_files)
    assert not any("presence.sqlite3" in file for file in files)
    assert not any("router.sqlite3" in file for file in presence_files)
