"""The development softphone: a page that is a client. Tokens are given to anybody, so it is off unless
CALLROUTER_DEVELOPMENT says that this is nobody's production."""

import time

from flask import Blueprint, Response, jsonify, render_template, request
from sqlalchemy import select

from callrouter.directory.tokens import access_token, newest_key
from callrouter.models import Account, Application
from foundation.db import Database
from foundation.keys import Keys
from foundation.settings import Settings
from foundation.webserver.errors import ApiError

TOKEN_SECONDS = 3600
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "media-src 'self' mediastream: blob:; connect-src 'self' wss://{signal}; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)


def create_softphone(database: Database, keys: Keys, settings: Settings) -> Blueprint:
    """`/softphone` and the token that it asks for."""
    blueprint = Blueprint(
        "softphone", __name__, url_prefix="/softphone", static_folder="static", template_folder="templates"
    )

    @blueprint.get("")
    def page() -> Response:
        signal = settings.signal_name()
        text = render_template(
            "softphone.html",
            signal=signal,
            token_url="/softphone/token",  # noqa: S106 - an address
            static_url="/softphone/static",
            identity=request.args.get("identity", "alice"),
        )
        response = Response(text)
        response.headers["Content-Security-Policy"] = POLICY.format(signal=signal)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    @blueprint.get("/token")
    def token() -> Response:
        """A token of the oldest account that has a key, for any identity."""
        identity = request.args.get("identity", "")
        if not identity.isascii() or not identity.replace("_", "a").isalnum() or len(identity) > 121:
            raise ApiError(400, 31105, "An identity has 1 to 121 letters, digits and underscores.")
        with database.read() as connection:
            oldest = (
                select(Account.account_sid).where(Account.status == "active").order_by(Account.date_created)
            )
            owner = connection.execute(oldest.limit(1)).scalar()
            key = newest_key(connection, owner) if owner else None
            app = connection.execute(
                select(Application.sid)
                .where(Application.account_sid == owner)
                .order_by(Application.date_created)
                .limit(1)
            ).scalar()
        if key is None:
            raise ApiError(404, 20404, "No account has an API key yet: run `callrouter key create`.")
        secret = keys.open(key.secret_sealed)
        minted = access_token(
            key,
            secret,
            identity=identity,
            incoming=True,
            application_sid=app,
            ttl=TOKEN_SECONDS,
            now=int(time.time()),
        )
        return jsonify(token=minted)

    return blueprint
