"""/Tokens: ICE servers for an app that does WebRTC itself, with credentials that expire (twilio-surface 5.9).

Nothing is stored: a token is its own proof.
"""

from flask import Blueprint, Response, request

from callrouter.api import params
from callrouter.api.access import demand_active
from callrouter.api.context import api
from callrouter.api.params import parameter
from callrouter.api.render import Kind, date, respond
from callrouter.api.routes import route

KIND = Kind(one="Token", many="Tokens", key="tokens")
DAY = 86_400
TTL = parameter("Ttl", "ttl", params.integer(1, DAY))

routes = Blueprint("tokens", __name__)
routes.before_request(demand_active)


@route(routes, "POST", "/Accounts/<account_sid>/Tokens")
def create_token(account_sid: str) -> Response:
    now, ice = api().now(), api().ice
    ttl = params.given((TTL,), request.form).get("ttl", DAY)
    servers = [{"url": url, "urls": url} for url in ice.stun]
    credentials = ice.credentials(account_sid, now + ttl)
    username, password = credentials or (None, None)
    if credentials:
        proof = dict(zip(("username", "credential"), credentials, strict=True))
        servers += [{"url": url, "urls": url, **proof} for url in ice.turn]
    shown = {
        "account_sid": account_sid,
        "username": username,
        "password": password,
        "ttl": str(ttl),
        "ice_servers": servers,
        "date_created": date(now),
        "date_updated": date(now),
    }
    return respond(KIND, shown, 201)
