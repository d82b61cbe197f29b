"""Who of the agents is free: what callrouter knows and Twilio does not. Without this file, all agents are rung.

Its settings: PRESENCE_URL and ACCOUNT_SID with AUTH_TOKEN for this app's own questions, PRESENCE_HOST for the agents'
pages, and API_KEY with API_SECRET, which sign their tokens.
"""

import os
from functools import cache
from pathlib import Path

from flask import Blueprint, Response, jsonify, request, send_file
from twilio.jwt.access_token import AccessToken, AccessTokenGrant

from presence.client import AccountPresence, PresenceRefused, PresenceUnavailable

PERMISSIONS = ("presence:read:account", "presence:publish", "events:subscribe")
"""An agent's page sees who is there, is told of changes, and sets the agent's own status."""

team = Blueprint("team", __name__)


class PresenceGrant(AccessTokenGrant):
    key = "callrouter"

    def to_payload(self) -> dict[str, list[str]]:
        return {"permissions": list(PERMISSIONS)}


@cache
def presence() -> AccountPresence:
    account = os.environ["ACCOUNT_SID"]
    return AccountPresence(os.environ["PRESENCE_URL"], account, (account, os.environ["AUTH_TOKEN"]))


def free(agents: list[str]) -> list[str]:
    """Those who take a call now: registered, not on a call, not away. Everybody, while nobody can say."""
    try:
        return [one.client for one in presence().query(agents, capability="voice").clients if one.available]
    except (PresenceUnavailable, PresenceRefused):
        return agents


@team.get("/team")
def page() -> Response:
    return send_file(Path(__file__).with_name("team.html"))


@team.get("/team/token")
def token() -> Response:
    """What an agent's page needs. A real app would know by its session who asks."""
    made = AccessToken(
        os.environ["ACCOUNT_SID"],
        os.environ["API_KEY"],
        os.environ["API_SECRET"],
        identity=request.args["identity"],
    )
    made.add_grant(PresenceGrant())
    return jsonify(token=made.to_jwt(), account=os.environ["ACCOUNT_SID"], host=os.environ["PRESENCE_HOST"])
