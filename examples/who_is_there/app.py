"""The smallest page that shows who is there. Its settings are environment variables: ACCOUNT_SID, API_KEY, API_SECRET
(from `callrouter account create` and `callrouter key create`) and PRESENCE_HOST. `flask --app app run` starts it.
"""

import os
from pathlib import Path

from flask import Flask, Response, jsonify, send_file
from twilio.jwt.access_token import AccessToken, AccessTokenGrant

app = Flask(__name__, static_folder=None)


class PresenceGrant(AccessTokenGrant):
    key = "callrouter"

    def to_payload(self) -> dict[str, list[str]]:
        return {"permissions": ["presence:read:account", "events:subscribe"]}


@app.get("/token")
def token() -> Response:
    """Lets the page look, and nothing else. Whoever may open this address sees everybody."""
    account = os.environ["ACCOUNT_SID"]
    made = AccessToken(account, os.environ["API_KEY"], os.environ["API_SECRET"], identity="wallboard")
    made.add_grant(PresenceGrant())
    host = os.environ.get("PRESENCE_HOST", "localhost:8443")
    return jsonify(host=host, account=account, token=made.to_jwt())


@app.get("/")
def page() -> Response:
    return send_file(Path(__file__).with_name("index.html"))
