from collections.abc import Iterator
from pathlib import Path

import pytest
from client_script import script  # noqa: F401 - a fixture
from presence_sight import any_sight, sight  # noqa: F401 - fixtures
from presence_world import Tenant, World

from tests.support import tables


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One presence server over TLS with a real SQLite file; tests keep apart by account."""
    running = World(tmp_path_factory.mktemp("presence")).start()
    yield running
    running.close()


@pytest.fixture
def tenant(world: World) -> Iterator[Tenant]:
    yield world.tenant()
    world.router.answers.clear()
    world.hang_up_all()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database with the presence server's tables, of each kind that we support."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/presence.sqlite3"
        tables.make(url, "presence")
        yield url
    else:
        with tables.lent(request.getfixturevalue("postgresql"), "presence") as url:
            yield url
