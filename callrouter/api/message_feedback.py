"""/Messages/{SM}/Feedback: the app's word that a message arrived, because somebody acted on it
(https://www.twilio.com/docs/messaging/api/message-feedback-resource). Routes are ranked by it (MR-3).
"""

from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy import Row

from callrouter.api import messages, params
from callrouter.api.access import demand_active
from callrouter.api.context import api
from callrouter.api.params import parameter
from callrouter.api.render import Kind, date, path, respond
from callrouter.api.routes import route
from callrouter.messages.routing import reports
from callrouter.messages.routing.fate import Feedback

KIND = Kind(one="MessageFeedback", many="MessageFeedbacks", key="message_feedback")
OUTCOMES = (Feedback.CONFIRMED.value, Feedback.UNCONFIRMED.value)
OUTCOME = parameter("Outcome", "outcome", params.choice(OUTCOMES))

routes = Blueprint("message_feedback", __name__)
routes.before_request(demand_active)


@route(routes, "POST", "/Accounts/<account_sid>/Messages/<message_sid>/Feedback")
def create_feedback(account_sid: str, message_sid: str) -> Response:
    """Without an Outcome it is confirmed, as at Twilio."""
    messages.fetch(account_sid, message_sid)
    now = api().now()
    outcome = params.given((OUTCOME,), request.form).get("outcome", Feedback.CONFIRMED.value)
    return respond(
        KIND, _shown(api().write(lambda c: reports.feedback(c, account_sid, message_sid, outcome, now)))
    )


def _shown(message: Row[Any]) -> dict[str, Any]:
    """What was not confirmed in time is unconfirmed to Twilio's libraries."""
    confirmed = message.feedback == Feedback.CONFIRMED
    return {
        "account_sid": message.account_sid,
        "message_sid": message.sid,
        "outcome": Feedback.CONFIRMED if confirmed else Feedback.UNCONFIRMED,
        "date_created": date(message.date_created),
        "date_updated": date(message.date_updated),
        "uri": path(message.account_sid, "Messages", message.sid, "Feedback"),
    }
