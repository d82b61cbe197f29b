"""What a web server says of its database: that it is too busy for a request, and whether it answers at all."""

import structlog
from flask import Flask, Response
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from foundation.db import Database, DatabaseOverloaded
from foundation.webserver.errors import answer
from foundation.webserver.health import Check

log = structlog.get_logger(__name__)


def handle_database_errors(app: Flask) -> None:
    """A database that takes no more is 503 with Retry-After, in an app of `handle_errors`."""

    @app.errorhandler(OperationalError)
    @app.errorhandler(PoolExhausted)
    @app.errorhandler(DatabaseOverloaded)
    def database(error: Exception) -> Response:
        log.warning("database unavailable", error=str(error))
        return answer(
            503, 20503, "The database is busy; nothing was stored. Try again.", {"Retry-After": "1"}
        )


def database_check(database: Database) -> Check:
    """Whether the database answers."""

    def check() -> str | None:
        try:
            with database.read() as connection:
                connection.execute(text("SELECT 1"))
        except Exception as error:
            return f"the database cannot be read: {type(error).__name__}"
        return None

    return check
