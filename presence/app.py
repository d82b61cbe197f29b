"""The Flask app of the presence server."""

from flask import Flask
from sqlalchemy import text

from foundation.clock import Clock, utc_now
from foundation.db import Database
from foundation.keys import Keys
from foundation.settings import Settings
from foundation.webserver.errors import handle_errors
from foundation.webserver.health import health
from presence.api import client_api, service_api
from presence.directory import Directory
from presence.signalling.doorway import Door
from presence.store import Store


def create_app(
    settings: Settings, keys: Keys, store: Store, directory: Directory, door: Door, clock: Clock = utc_now
) -> Flask:
    """All of the HTTP API; sockets are the gateway's, behind `door`."""
    app = Flask("presence", static_folder=None)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.register_blueprint(service_api(keys, directory, store, door, clock))
    app.register_blueprint(client_api(settings, directory, store, door, clock))
    app.register_blueprint(health({"database": lambda: _database_fault(store.database)}))
    handle_errors(app)
    return app


def _database_fault(database: Database) -> str | None:
    try:
        with database.read() as connection:
            connection.execute(text("SELECT 1"))
    except Exception as error:
        return f"the database cannot be read: {type(error).__name__}"
    return None
