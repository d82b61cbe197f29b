"""A simulated carrier beside a small router of our own, for tests of what the two tell each other."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from callrouter.carriers.simulator import SimulatedCarrier
from tests.support.fake_router import FakeRouter

SECRET = "a-carrier-secret-of-this-test"


@pytest.fixture
def router() -> Iterator[FakeRouter]:
    router = FakeRouter(SECRET)
    yield router
    router.close()


@asynccontextmanager
async def carrier_of(router: FakeRouter, **options: Any) -> AsyncIterator[SimulatedCarrier]:
    async with asyncio.timeout(30), SimulatedCarrier("acme", SECRET, router.url, **options) as carrier:
        yield carrier
