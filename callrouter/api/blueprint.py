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
    notifications,
    numbers,
    participants,
    presence_decisions,
    queues,
    recordings,
    streams,
    tokens,
    transcriptions,
    usage,
    usage_triggers,
)
from callrouter.api.context import Api
from callrouter.api.live import LiveCalls
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
    notifications,
    numbers,
    participants,
    presence_decisions,
    queues,
    recordings,
    streams,
    tokens,
    transcriptions,
    usage,
    usage_triggers,
)


def create_api(
    database: Database,
    keys: Keys,
    live: LiveCalls,
    media: MediaClient,
    *,
    ice: IceServers | None = None,
    clock: Clock = utc_now,
) -> Blueprint:
    """The blueprint for /2010-04-01. Its app must also call `foundation.webserver.errors.handle_errors`."""
    blueprint = Blueprint("api_2010", __name__, url_prefix=PREFIX)
    context = Api(database=database, keys=keys, live=live, media=media, ice=ice or IceServers(), clock=clock)

    @blueprint.before_request
    def open_context() -> None:
        g.api = context

    blueprint.before_request(access.check_form)
    blueprint.before_request(access.check_access)
    for resource in RESOURCES:
        blueprint.register_blueprint(resource.routes)
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
