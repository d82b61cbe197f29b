"""/Balance: a deployment of one's own takes no money, so there is none to run out of (twilio-surface 5.6)."""

from flask import Blueprint, Response

from callrouter.api.render import Kind, respond
from callrouter.api.routes import route

KIND = Kind(one="Balance", many="Balances", key="balances")

routes = Blueprint("balance", __name__)


@route(routes, "GET", "/Accounts/<account_sid>/Balance")
def fetch_balance(account_sid: str) -> Response:
    return respond(KIND, {"account_sid": account_sid, "balance": "0.00", "currency": "USD"})
