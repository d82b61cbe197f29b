"""Deployments of their own for each file of kills."""

from collections.abc import Iterator

import pytest

from tests.support.deployment import Deployment, deployments
from tests.support.postgresql import Cluster


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def deployment(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("kill")
    if request.param == "sqlite":
        yield from deployments(folder)
    else:
        cluster: Cluster = request.getfixturevalue("postgresql")
        databases = {"router_database": cluster.database(), "presence_database": cluster.database()}
        yield from deployments(folder, **databases)
