"""The Flask app of the presence server."""

from flask import Flask

from foundation.clock import Clock, utc_now
from foundation.keys import Keys
from foundation.settings import Settings
from foundation.webserver.application import Application
from foundation.webserver.database import database_check, handle_database_errors
from foundation.webserver.errors import handle_errors
from foundation.webserver.health import health
from presence.access.callers import Access
from presence.access.directory import Directory
from presence.access.limits import RefusalLimit
from presence.api.browser import browser
from presence.api.client_messages import client_messages, to_clients
from presence.api.description import description
from presence.api.destinations import destinations
from presence.api.lists import lists
from presence.api.nodes import nodes
from presence.api.own_status import own_status
from presence.api.registrations import registrations
from presence.api.revocations import revocations
from presence.api.service import service
from presence.api.shared import Api, handle_refusals
from presence.api.statuses import statuses
from presence.api.subscriptions import subscriptions
from presence.api.views import views
from presence.signalling.doorway import Door
from presence.store import Store


def create_app(
    settings: Settings,
    keys: Keys,
    store: Store,
    directory: Directory,
    door: Door,
    clock: Clock = utc_now,
    limit: RefusalLimit | None = None,
) -> Flask:
    """All of the HTTP API; sockets are the gateway's, behind `door`."""

    def now() -> float:
        return clock().timestamp()

    limit = limit or RefusalLimit(settings.refusals_per_second)
    access = Access(keys, directory, now, limit, capability_tokens=settings.capability_tokens)
    api = Api(settings=settings, access=access, directory=directory, store=store, door=door, now=now)
    app = Application("presence")
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.register_blueprint(service(api, keys))
    app.register_blueprint(nodes(api, keys))
    app.register_blueprint(registrations(api))
    app.register_blueprint(own_status(api))
    app.register_blueprint(client_messages(api))
    app.register_blueprint(to_clients(api, keys))
    app.register_blueprint(statuses(api))
    app.register_blueprint(lists(api))
    app.register_blueprint(destinations(api))
    app.register_blueprint(views(api, keys))
    app.register_blueprint(revocations(api))
    app.register_blueprint(subscriptions(api))
    app.register_blueprint(browser())
    app.register_blueprint(description())
    app.register_blueprint(
        health({"database": database_check(store.database)}, metrics_token=settings.metrics_token)
    )
    handle_errors(app)
    handle_database_errors(app)
    handle_refusals(app)
    return app
