"""The wiring of the API."""

from flask import Blueprint, g, jsonify
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import IntegrityError

from callrouter.api import (
    access,
    accounts,
    applications,
    available,
    balance,
    call_recordings,
    caller_ids,
    calls,
    conference_recordings,
    conferences,
    events,
    keys,
    members,
    message_decisions,
    message_feedback,
    message_media,
    message_sessions,
    messages,
    notifications,
    numbers,
    participants,
    presence_decisions,
    queues,
    recordings,
    short_codes,
    streams,
    tokens,
    transcriptions,
    usage,
    usage_triggers,
)
from callrouter.api.context import Api
from callrouter.api.live import LiveCalls
from callrouter.api.live_messages import LiveMessages
from callrouter.api.messaging import senders, services
from callrouter.api.messaging.rendering import PREFIX as MESSAGING_PREFIX
from callrouter.api.render import PREFIX, error_as_xml, not_found
from callrouter.directory.errors import Missing, Refused
from callrouter.directory.ice import IceServers
from callrouter.media.client import MediaClient
from foundation.clock import Clock, utc_now
from foundation.db import Database
from foundation.keys import Keys
from foundation.webserver.errors import ApiError, error_body

RESOURCES = (
    accounts,
    applications,
    available,
    balance,
    call_recordings,
    caller_ids,
    calls,
    conference_recordings,
    conferences,
    events,
    keys,
    members,
    message_decisions,
    message_feedback,
    message_media,
    messages,
    notifications,
    numbers,
    participants,
    presence_decisions,
    queues,
    recordings,
    short_codes,
    streams,
    tokens,
    transcriptions,
    usage,
    usage_triggers,
)

MESSAGING = (services, senders, message_sessions)
"""Those of Messaging v1, and our own beside them."""


def create_api(
    database: Database,
    keys: Keys,
    live: LiveCalls,
    media: MediaClient,
    *,
    messages: LiveMessages,
    ice: IceServers | None = None,
    clock: Clock = utc_now,
) -> Blueprint:
    """The blueprint for /2010-04-01 and Messaging's /v1. Its app must also call
    `foundation.webserver.errors.handle_errors`."""
    blueprint = Blueprint("api", __name__)
    context = Api(
        database=database,
        keys=keys,
        live=live,
        messages=messages,
        media=media,
        ice=ice or IceServers(),
        clock=clock,
    )

    @blueprint.before_request
    def open_context() -> None:
        g.api = context

    blueprint.before_request(access.check_form)
    private = Blueprint("private", __name__)
    private.before_request(access.check_access)
    for prefix, resources in ((PREFIX, RESOURCES), (MESSAGING_PREFIX, MESSAGING)):
        for resource in resources:
            private.register_blueprint(resource.routes, url_prefix=prefix)
    blueprint.register_blueprint(private)
    blueprint.register_blueprint(message_media.public, url_prefix=PREFIX)
    blueprint.register_error_handler(Refused, _refused)
    blueprint.register_error_handler(IntegrityError, _conflict)
    blueprint.after_app_request(error_as_xml)
    return blueprint


def _refused(error: Refused) -> ResponseReturnValue:
    if isinstance(error, Missing):
        refusal = not_found()
        return jsonify(error_body(404, 20404, refusal.message)), 404
    return jsonify(error_body(error.status, error.code, f"{error}.")), error.status


def _conflict(_error: IntegrityError) -> ResponseReturnValue:
    refusal = ApiError(409, 20409, "Something else changed the same thing at the same moment; try again.")
    return jsonify(error_body(refusal.status, refusal.code, refusal.message)), refusal.status
