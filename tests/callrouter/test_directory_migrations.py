"""The router's migrations make exactly the tables that the models declare, up and down."""

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect

from callrouter.models import Base
from migrations import runner


def test_migrations_equal_the_models(tmp_path: Path) -> None:
    """When this fails, the models have changed: write the next migration."""
    url = f"sqlite:///{tmp_path / 'router.sqlite3'}"
    runner.upgrade(url, "callrouter")
    engine = create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_the_way_down_leaves_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'router.sqlite3'}"
    runner.upgrade(url, "callrouter")
    runner.downgrade(url, "callrouter", "base")
    engine = create_engine(url)
    assert set(inspect(engine).get_table_names()) <= {"alembic_version"}
    engine.dispose()
    assert runner.current(url, "callrouter") is None
