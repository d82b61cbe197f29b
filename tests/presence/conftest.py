from collections.abc import Iterator

import pytest
from client_script import script  # noqa: F401 - a fixture
from presence_sight import any_sight, sight  # noqa: F401 - fixtures
from presence_world import Tenant, World

from tests.support.postgresql import Cluster


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
def database_url(request: pytest.FixtureRequest, tmp_path: object) -> str:
    """An empty database of each kind that we support."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/presence.sqlite3"
    cluster: Cluster = request.getfixturevalue("postgresql")
    return cluster.database()
