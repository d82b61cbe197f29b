"""Tests of the SMPP gateway may be coroutines; the two parties that it stands between."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.smpp.parties import SECRET, Router, Smsc

if TYPE_CHECKING:
    from callrouter.carriers.smpp.gateway import Options

SECONDS = 90


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Runs `async def` tests, each in a loop of its own and within a bound."""
    test = pyfuncitem.obj
    if not inspect.iscoroutinefunction(test):
        return None
    names = inspect.signature(test).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    asyncio.run(asyncio.wait_for(test(**arguments), SECONDS))
    return True


@pytest.fixture
def smsc() -> Iterator[Smsc]:
    smsc = Smsc()
    yield smsc
    smsc.close()


@pytest.fixture
def router() -> Iterator[Router]:
    router = Router()
    yield router
    router.close()


@pytest.fixture
def options(smsc: Smsc, router: Router, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Options:
    """Of a gateway between the two, which binds again at once."""
    from callrouter.carriers.smpp import link
    from callrouter.carriers.smpp.gateway import Options
    from callrouter.carriers.smpp.session import Smsc as Access

    monkeypatch.setattr(link, "FIRST_PAUSE", 0.05)
    access = Access(host="127.0.0.1", port=smsc.port, system_id="esme", password="secret")
    return Options(
        carrier="acme",
        secret=SECRET,
        router_url=router.url,
        listen="127.0.0.1:0",
        store=tmp_path / "smpp.sqlite3",
        smsc=access,
        rate=1000.0,
    )
