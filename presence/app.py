"""The Flask app of the presence server."""

from flask import Flask

from foundation.clock import Clock, utc_now
from foundation.keys import Keys
from foundation.settings import Settings
from foundation.webserver.errors import handle_errors
from foundation.webserver.health import database_check, health
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
    app.register_blueprint(health({"database": database_check(store.database)}))
    handle_errors(app)
    return app
