"""A simulated carrier in a process of its own, so that SIGKILL leaves it no last word.

    python carrier_process.py SETTINGS

SETTINGS is JSON. It prints its control URL, then a line of JSON for each message in the moment in which it takes it.
"""

import asyncio
import json
import sys
import time
from typing import Any

from callrouter.carriers.simulator import SimulatedCarrier, Text, TextScript
from callrouter.carriers.simulator.events import Told

TOOK = "the router sent"


def told(about: Told, text: str) -> None:
    if isinstance(about, Text) and text.startswith(TOOK):
        line = {"id": about.id, "to": about.to, "body": about.body, "delivered": about.delivered}
        print(json.dumps({**line, "at": time.time()}), flush=True)


async def run(settings: dict[str, Any]) -> None:
    script = TextScript(**settings.pop("texting"))
    async with SimulatedCarrier(**settings, texting=script, tell=told) as carrier:
        print(carrier.control_url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(run(json.loads(sys.argv[1])))
