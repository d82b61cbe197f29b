"""/Conferences/{CF}/Participants: who is in a conference, brought in, changed and put out (twilio-surface 5.10)."""

from functools import partial
from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy import Row, Select, and_, or_, select

from callrouter import models
from callrouter.api import conferences, params
from callrouter.api.access import demand_active
from callrouter.api.context import api
from callrouter.api.paging import page
from callrouter.api.params import parameter
from callrouter.api.participant_create import invite
from callrouter.api.render import Kind, date, deleted, not_found, path, respond, respond_list
from callrouter.api.routes import route
from callrouter.conferences import control
from callrouter.conferences.rules import Refusal
from foundation.sids import CALL, CONFERENCE, is_sid
from foundation.webserver.errors import ApiError

KIND = Kind(one="Participant", many="Participants", key="participants")
COLLECTION = f"{conferences.COLLECTION}/<conference>/Participants"
INSTANCE = f"{COLLECTION}/<name>"
PARTICIPANTS, CALLS = models.Participant.__table__.c, models.Call.__table__.c
NO_COACHED = 16027
STATUSES = {"queued": "queued", "initiated": "queued", "ringing": "ringing", "in-progress": "connecting"}
"""Of one who is not in yet, by its call's."""
FILTERS = (
    parameter("Muted", "muted", params.flag),
    parameter("Hold", "hold", params.flag),
    parameter("Coaching", "coaching", params.flag),
)
SETTINGS = (
    parameter("Muted", "muted", params.flag),
    parameter("Hold", "hold", params.flag),
    parameter("HoldUrl", "hold_url", params.url(21205)),
    parameter("HoldMethod", "hold_method", params.method(21209)),
    parameter("AnnounceUrl", "announce_url", params.url(21205)),
    parameter("AnnounceMethod", "announce_method", params.method(21209)),
    parameter("BeepOnExit", "beep_on_exit", params.flag),
    parameter("EndConferenceOnExit", "end_on_exit", params.flag),
    parameter("Coaching", "coaching", params.flag),
    parameter("CallSidToCoach", "coach", params.text(34)),
)
CHANGES = ("muted", "hold", "beep_on_exit", "end_on_exit")

routes = Blueprint("participants", __name__)
routes.before_request(demand_active)


@route(routes, "GET", COLLECTION)
def list_participants(account_sid: str, conference: str) -> Response:
    if not is_sid(conference, CONFERENCE):
        raise not_found()
    conferences.fetch(account_sid, conference)
    filters, query = params.given(FILTERS, request.args), _listed(account_sid, conference)
    if "coaching" in filters:
        query = query.where((PARTICIPANTS.coach != "") == filters.pop("coaching"))
    query = query.where(*(PARTICIPANTS[name] == wanted for name, wanted in filters.items()))
    found = api().read(lambda c: page(c, query, PARTICIPANTS.date_created, PARTICIPANTS.call_sid))
    return respond_list(KIND, found, [_shown(row) for row in found.rows])


@route(routes, "POST", COLLECTION)
def create_participant(account_sid: str, conference: str) -> Response:
    """Places a call that comes into the conference once it is answered; a name without a conference makes one."""
    sid, call_sid = invite(account_sid, conference, request.form)
    return respond(KIND, _shown(_fetch(account_sid, sid, call_sid)), 201)


@route(routes, "GET", INSTANCE)
def fetch_participant(account_sid: str, conference: str, name: str) -> Response:
    return respond(KIND, _shown(_fetch(account_sid, conference, name)))


@route(routes, "POST", INSTANCE)
def change_participant(account_sid: str, conference: str, name: str) -> Response:
    row, wanted = _fetch(account_sid, conference, name), params.given(SETTINGS, request.form)
    changes = {field: wanted[field] for field in CHANGES if field in wanted}
    if coach := _coach(row, wanted):
        changes["coach"] = coach[0]
    if changes:
        changed = partial(
            control.change,
            sid=conference,
            call_sid=row.call_sid,
            changes=changes,
            hold_url=wanted.get("hold_url") or None,
            hold_method=wanted.get("hold_method", "POST"),
        )
        _done(api().live.settle(account_sid, changed))
    if url := wanted.get("announce_url"):
        method = wanted.get("announce_method", "POST")
        said = partial(control.announce, sid=conference, call_sid=row.call_sid, url=url, method=method)
        _done(api().live.settle(account_sid, said))
    return respond(KIND, _shown(_fetch(account_sid, conference, row.call_sid)))


@route(routes, "DELETE", INSTANCE)
def delete_participant(account_sid: str, conference: str, name: str) -> Response:
    """Puts it out of the conference; its call goes on with its document."""
    row = _fetch(account_sid, conference, name)
    out = partial(control.remove, sid=conference, call_sid=row.call_sid)
    _done(api().live.settle(account_sid, out))
    return deleted()


def _coach(row: Row[Any], wanted: dict[str, Any]) -> tuple[str] | None:
    """The call to be coached, "" for none; None when that stays as it is."""
    if wanted.get("coaching") is False:
        return ("",)
    call_sid = wanted.get("coach") or row.coach
    if wanted.get("coaching") and not is_sid(call_sid, CALL):
        raise ApiError(400, NO_COACHED, "Coaching needs CallSidToCoach: the call of a participant.")
    return (call_sid,) if wanted.get("coaching") or "coach" in wanted else None


def _done(answer: bool | Refusal) -> None:
    if isinstance(answer, Refusal):
        raise ApiError(400, answer.code, f"{answer.reason}.")
    if not answer:
        raise not_found()


def _listed(account_sid: str, conference: str) -> Select[Any]:
    call = and_(CALLS.account_sid == PARTICIPANTS.account_sid, CALLS.sid == PARTICIPANTS.call_sid)
    return (
        select(models.Participant.__table__, CALLS.status.label("call_status"), CALLS.queue_time)
        .outerjoin(models.Call.__table__, call)
        .where(PARTICIPANTS.account_sid == account_sid, PARTICIPANTS.conference_sid == conference)
    )


def _fetch(account_sid: str, conference: str, name: str) -> Row[Any]:
    """By its call or its label; ApiError 404/20404 when there is none in the conference."""
    if not is_sid(conference, CONFERENCE) or not name.isprintable():
        raise not_found()
    query = _listed(account_sid, conference).where(
        or_(PARTICIPANTS.call_sid == name, PARTICIPANTS.label == name)
    )
    row = api().read(lambda c: c.execute(query).first())
    if row is None:
        raise not_found()
    return row


def _shown(row: Row[Any]) -> dict[str, Any]:
    return {
        "account_sid": row.account_sid,
        "call_sid": row.call_sid,
        "label": row.label,
        "conference_sid": row.conference_sid,
        "muted": row.muted,
        "hold": row.hold,
        "coaching": bool(row.coach),
        "call_sid_to_coach": row.coach or None,
        "start_conference_on_enter": row.start_on_enter,
        "end_conference_on_exit": row.end_on_exit,
        "status": "connected" if row.joined else STATUSES.get(row.call_status, "queued"),
        "queue_time": str(row.queue_time or 0),
        "date_created": date(row.date_created),
        "date_updated": date(row.date_updated),
        "uri": path(row.account_sid, "Conferences", row.conference_sid, "Participants", row.call_sid),
    }
