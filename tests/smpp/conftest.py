"""Tests of the SMPP gateway may be coroutines; the two parties that it stands between."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.smpp.parties import SECRET, Smsc
from tests.support.coroutines import pytest_pyfunc_call
from tests.support.fake_router import FakeRouter

if TYPE_CHECKING:
    from callrouter.carriers.smpp.gateway import Options

__all__ = ["pytest_pyfunc_call"]


@pytest.fixture
def smsc() -> Iterator[Smsc]:
    smsc = Smsc()
    yield smsc
    smsc.close()


@pytest.fixture
def router() -> Iterator[FakeRouter]:
    router = FakeRouter(SECRET)
    yield router
    router.close()


@pytest.fixture
def options(smsc: Smsc, router: FakeRouter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Options:
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
