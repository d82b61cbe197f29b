"""The router's wiring: the only place where its parts meet."""

from flask import Flask

from callrouter import clients
from callrouter.api.blueprint import create_api
from callrouter.carriers.ingress import create_carriers
from callrouter.console.blueprint import create_console
from callrouter.console.softphone import create_old_address
from callrouter.directory.ice import IceServers
from callrouter.parts import Parts
from foundation.webserver.application import Application
from foundation.webserver.database import handle_database_errors
from foundation.webserver.errors import handle_errors
from foundation.webserver.health import health


def create_app(parts: Parts) -> Flask:
    """REST, carriers' webhooks, the presence server's events, health, the console; the softphone in development."""
    app = Application("callrouter")
    app.config["MAX_FORM_PARTS"] = 1000
    app.config["MAX_FORM_MEMORY_SIZE"] = 500_000
    handle_errors(app)
    handle_database_errors(app)
    settings = parts.settings
    ice = IceServers(stun=settings.stun_urls, turn=settings.turn_urls, secret=settings.turn_secret)
    database, keys, front, clock = parts.database, parts.keys, parts.front, parts.clock
    app.register_blueprint(
        health(parts.checks, warnings=parts.warnings, metrics_token=settings.metrics_token)
    )
    messages, media = parts.messaging.front, parts.media
    app.register_blueprint(create_api(database, keys, front, media, messages=messages, ice=ice, clock=clock))
    app.register_blueprint(create_carriers(database, keys, front, parts.messaging.ingress, clock))
    from_clients = parts.messaging.clients
    app.register_blueprint(clients.create_clients(database, keys, front, parts.voice, clock, from_clients))
    app.register_blueprint(create_console(parts))
    if settings.development:
        app.register_blueprint(create_old_address())
    return app
