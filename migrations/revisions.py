"""Which steps the databases' histories have, and where a database stands, without what makes the steps.

Each process compares the two when it starts, and Alembic takes longer to load than all else that this needs.
A step's file is called `<revision>_<subject>.py`, and revisions count upwards: so the sorted names are the history.
"""

from pathlib import Path
from typing import Literal

from sqlalchemy import create_engine, inspect, text
from sqlalchemy.pool import NullPool

Server = Literal["presence", "callrouter"]
HERE = Path(__file__).parent
_NAMES: dict[Server, str] = {"presence": "presence", "callrouter": "router"}


def current(database_url: str, server: Server) -> str | None:
    """The revision that the database is at; None when it is empty."""
    engine = create_engine(database_url, poolclass=NullPool)
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return revision


def head(server: Server) -> str:
    """The newest revision that this version of the code knows."""
    return _revision(_steps(server)[-1])


def history(server: Server) -> list[tuple[str, str]]:
    """Every revision with its description, oldest first."""
    return [(_revision(step), _description(step)) for step in _steps(server)]


def unfit(at: str | None, server: Server) -> str:
    """Why this release can't work with tables of that revision; empty when it can."""
    newest = head(server)
    if at == newest:
        return ""
    return ahead(at, server) or (
        f"the {_NAMES[server]} database is at {at or 'no revision'}, this release needs {newest}: "
        "run `callrouter db upgrade`"
    )


def ahead(at: str | None, server: Server) -> str:
    """Why tables of that revision are none of this release's; empty when they are, and when there are none yet."""
    if at is None or at in map(_revision, _steps(server)):
        return ""
    return (
        f"the {_NAMES[server]} database is at {at}, which a newer release made; this one knows {head(server)} at most: "
        "install that release, or restore a backup"
    )


def _steps(server: Server) -> list[Path]:
    return sorted((HERE / server / "versions").glob("[0-9]*_*.py"))


def _revision(step: Path) -> str:
    return step.name.partition("_")[0]


def _description(step: Path) -> str:
    """The first paragraph of its docstring."""
    return step.read_text(encoding="utf-8").split('"""')[1].strip().partition("\n\n")[0]
