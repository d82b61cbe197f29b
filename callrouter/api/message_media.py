"""/Messages/{SM}/Media: the pictures, sounds and other files of a message, and, without suffix, their bytes
(https://www.twilio.com/docs/messaging/api/media-resource).
"""

from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy import Row, Select, delete, select

from callrouter import models
from callrouter.api import files, messages
from callrouter.api.access import demand_active
from callrouter.api.context import api
from callrouter.api.paging import page
from callrouter.api.periods import given_periods
from callrouter.api.render import Kind, date, deleted, not_found, path, respond, respond_list
from callrouter.api.routes import route
from callrouter.messages.status import Status
from foundation.sids import is_sid
from foundation.webserver.errors import ApiError

KIND = Kind(one="Media", many="MediaList", key="media_list")
COLLECTION = "/Accounts/<account_sid>/Messages/<message_sid>/Media"
INSTANCE = f"{COLLECTION}/<sid>"
MEDIA = models.MessageMedia.__table__.c

HARMLESS = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox"}
"""What a stranger sent must not run in a browser."""

routes = Blueprint("message_media", __name__)
public = Blueprint("message_files", __name__)
routes.before_request(demand_active)


@route(routes, "GET", COLLECTION)
def list_media(account_sid: str, message_sid: str) -> Response:
    messages.fetch(account_sid, message_sid)
    query = _listed(account_sid, message_sid)
    query = query.where(*given_periods({"DateCreated": MEDIA.date_created}, request.args))
    found = api().read(lambda c: page(c, query, MEDIA.date_created, MEDIA.sid))
    return respond_list(KIND, found, [_shown(row) for row in found.rows])


@route(routes, "GET", INSTANCE, suffixes=(".json", ".xml"))
def fetch_media(account_sid: str, message_sid: str, sid: str) -> Response:
    return respond(KIND, _shown(_found(account_sid, message_sid, sid)))


@route(public, "GET", INSTANCE, suffixes=("",))
def fetch_file(account_sid: str, message_sid: str, sid: str) -> Response:
    """The bytes; 404 while they are not stored, or when they could not be had.

    Whoever knows the URL gets them, as at Twilio: carriers fetch it, and apps that put it into a page.
    """
    if not all(map(is_sid, (account_sid, message_sid, sid))):
        raise not_found()
    _found(account_sid, message_sid, sid)
    response = files.serve(api().media.attachment, account_sid, sid)
    response.headers.update(HARMLESS)
    return response


@route(routes, "DELETE", INSTANCE)
def delete_media(account_sid: str, message_sid: str, sid: str) -> Response:
    """The file first: what is not listed any more must not be anywhere. 20009 while its message is on its way."""
    row = _found(account_sid, message_sid, sid)
    if Status(messages.fetch(account_sid, message_sid).status) in messages.IN_PROGRESS:
        raise ApiError(400, messages.NOT_COMPLETE, f"Message {message_sid} is still on its way.")
    files.remove(api().media.attachment, account_sid, row.sid)
    media = models.MessageMedia
    gone = delete(media).where(media.account_sid == account_sid, media.sid == row.sid)
    api().write(lambda c: c.execute(gone))
    return deleted()


def _listed(account_sid: str, message_sid: str) -> Select[Any]:
    """Those that are stored."""
    mine = (MEDIA.account_sid == account_sid, MEDIA.message_sid == message_sid, MEDIA.size.is_not(None))
    return select(models.MessageMedia.__table__).where(*mine)


def _found(account_sid: str, message_sid: str, sid: str) -> Row[Any]:
    query = _listed(account_sid, message_sid).where(MEDIA.sid == sid)
    row = api().read(lambda c: c.execute(query).one_or_none())
    if row is None:
        raise not_found()
    return row


def _shown(media: Row[Any]) -> dict[str, Any]:
    return {
        "sid": media.sid,
        "account_sid": media.account_sid,
        "parent_sid": media.message_sid,
        "content_type": media.content_type,
        "date_created": date(media.date_created),
        "date_updated": date(media.date_updated),
        "uri": path(media.account_sid, "Messages", media.message_sid, "Media", media.sid),
    }
