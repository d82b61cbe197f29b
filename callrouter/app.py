"""The router's wiring: the only place where its parts meet."""

from dataclasses import dataclass

from flask import Flask

from callrouter import clients
from callrouter.api.blueprint import create_api
from callrouter.calls.steering import SteeringFront
from callrouter.carriers.ingress import create_carriers
from callrouter.console.softphone import create_softphone
from callrouter.directory.ice import IceServers
from callrouter.media.client import MediaClient
from callrouter.messages.assembly import Messaging
from callrouter.voice.client import VoiceClient
from foundation.clock import Clock
from foundation.db import Database
from foundation.keys import Keys
from foundation.settings import Settings
from foundation.webserver.errors import handle_errors
from foundation.webserver.health import Check, health


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What the Flask app stands on."""

    settings: Settings
    database: Database
    keys: Keys
    clock: Clock
    front: SteeringFront
    messaging: Messaging
    voice: VoiceClient
    media: MediaClient
    checks: dict[str, Check]


def create_app(parts: Parts) -> Flask:
    """REST, carriers' webhooks, the presence server's events, health; the softphone in development."""
    app = Flask("callrouter", static_folder=None)
    app.config["MAX_FORM_PARTS"] = 1000
    app.config["MAX_FORM_MEMORY_SIZE"] = 500_000
    handle_errors(app)
    settings = parts.settings
    ice = IceServers(stun=settings.stun_urls, turn=settings.turn_urls, secret=settings.turn_secret)
    database, keys, front, clock = parts.database, parts.keys, parts.front, parts.clock
    app.register_blueprint(health(parts.checks))
    messages, media = parts.messaging.front, parts.media
    app.register_blueprint(create_api(database, keys, front, media, messages=messages, ice=ice, clock=clock))
    app.register_blueprint(create_carriers(database, keys, front, parts.messaging.ingress, clock))
    from_clients = parts.messaging.clients
    app.register_blueprint(clients.create_clients(database, keys, front, parts.voice, clock, from_clients))
    if settings.development:
        app.register_blueprint(create_softphone(database, keys, settings))
    return app
