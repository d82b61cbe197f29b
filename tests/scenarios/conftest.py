"""Whole calls through real processes: one deployment for all scenarios, an account for each."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from scene import Scene, scenes

from tests.support.coroutines import pytest_pyfunc_call
from tests.support.deployment import Deployment, deployments
from tests.support.postgresql import Cluster

__all__ = ["pytest_pyfunc_call"]


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    yield from deployments(tmp_path_factory.mktemp("scenarios"), answer_grace=1.5)


@pytest.fixture(scope="session")
def postgresql_deployment(
    tmp_path_factory: pytest.TempPathFactory,
    postgresql: Cluster,
) -> Iterator[Deployment]:
    yield from deployments(
        tmp_path_factory.mktemp("scenarios-pg"),
        answer_grace=1.5,
        router_database=postgresql.database(),
        presence_database=postgresql.database(),
    )


@pytest.fixture
def scene(deployment: Deployment) -> Iterator[Scene]:
    yield from scenes(deployment)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def any_scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    """The same on each database that we support."""
    name = "deployment" if request.param == "sqlite" else "postgresql_deployment"
    yield from scenes(request.getfixturevalue(name))


@pytest.fixture
def broken(deployment: Deployment) -> Iterator[Scene]:
    """For what kills processes: afterwards all run again, and every call is over all the same."""
    try:
        yield from scenes(deployment)
    finally:
        deployment.start(*{"presence", "media", "voice", "router"} - set(deployment.processes))


@pytest.fixture
def quiet(tmp_path: Path) -> Iterator[Scene]:
    """A deployment of one's own, in which nothing else happens."""
    for deployment in deployments(tmp_path):
        yield from scenes(deployment)
