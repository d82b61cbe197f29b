"""`python -m presence`: the presence server, a program of its own. `callrouter run presence` starts just this."""

import asyncio

from foundation import logs
from foundation.settings import Settings, load
from foundation.webserver.serve import stop_on_signals
from presence.server import run_presence


async def _run(settings: Settings) -> None:
    await run_presence(settings, stop_on_signals())


def main() -> None:
    settings = load()
    logs.configure(settings, "presence")
    asyncio.run(_run(settings))


if __name__ == "__main__":
    main()
