"""The router's migrations make exactly the tables that the models declare, up and down, in both engines."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect
from sqlalchemy.pool import NullPool

from callrouter.models import Base
from migrations import runner


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'router.sqlite3'}"
    return str(request.getfixturevalue("postgresql").database())


def test_migrations_equal_the_models(url: str) -> None:
    """When this fails, the models have changed: write the next migration."""
    runner.upgrade(url, "callrouter")
    assert runner.current(url, "callrouter") == runner.head("callrouter")
    with create_engine(url, poolclass=NullPool).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_the_way_down_leaves_nothing(url: str) -> None:
    runner.upgrade(url, "callrouter")
    runner.downgrade(url, "callrouter", "base")
    with create_engine(url, poolclass=NullPool).connect() as connection:
        assert set(inspect(connection).get_table_names()) <= {"alembic_version"}
    assert runner.current(url, "callrouter") is None
