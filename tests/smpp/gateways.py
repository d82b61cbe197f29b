"""A gateway in the test's own process, and what the router does with it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import requests

from callrouter.carriers.smpp.gateway import Gateway, Options
from foundation.outbound.signature import sign_body
from tests.smpp.parties import PATIENCE, SECRET


@asynccontextmanager
async def running(options: Options) -> AsyncIterator[Gateway]:
    async with asyncio.timeout(60), Gateway(options) as gateway:
        await gateway.link.bound.wait()
        yield gateway


async def there(ask: Callable[..., Any], *args: Any) -> Any:
    """What the parties' waiting methods answer, without holding up the gateway's loop."""
    return await asyncio.to_thread(ask, *args)


async def eventually(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not true():
            await asyncio.sleep(0.01)


async def hand(gateway: Gateway, *, secret: str = SECRET, **fields: Any) -> requests.Response:
    """What the router does with a message."""
    message = {
        "id": "SM1",
        "from": "+15550199",
        "to": "+15550142",
        "body": "hi",
        "encoding": "gsm-7",
        "segments": 1,
        "media": [],
        "valid_until": time.time() + 3600,
        "again": False,
    }
    body = json.dumps(message | fields).encode()
    stamp = int(time.time())
    headers = {
        "X-Callrouter-Timestamp": str(stamp),
        "X-Callrouter-Signature": sign_body(secret, stamp, body),
    }
    url = f"http://127.0.0.1:{gateway.control.port}/messages"
    return await there(lambda: requests.post(url, data=body, headers=headers, timeout=20))
