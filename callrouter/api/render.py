"""Answers: JSON for `.json`, else XML in `<TwilioResponse>` (twilio-surface 5.1)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Response, jsonify, request
from lxml import etree

from callrouter.api.paging import Page
from foundation.clock import from_timestamp, rfc2822
from foundation.webserver.errors import ApiError

API_VERSION = "2010-04-01"
PREFIX = f"/{API_VERSION}"
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """How a resource is called: in XML one and many, in JSON the key of a list."""

    one: str
    many: str
    key: str


def respond(kind: Kind, item: Mapping[str, Any], status: int = 200) -> Response:
    response = jsonify(item) if wants_json() else _xml(_element(kind.one, item))
    response.status_code = status
    return response


def respond_list(kind: Kind, page: Page, items: list[dict[str, Any]]) -> Response:
    return _list(kind, items, page.links())


def respond_all(kind: Kind, items: list[dict[str, Any]], uri: str) -> Response:
    """A list that has no pages."""
    return _list(kind, items, {"uri": uri})


def _list(kind: Kind, items: list[dict[str, Any]], links: Mapping[str, Any]) -> Response:
    if wants_json():
        return jsonify({kind.key: items, **links})
    attributes = {name.replace("_", ""): _text(value) for name, value in links.items()}
    many = etree.Element(kind.many, attributes)
    many.extend([_element(kind.one, item) for item in items])
    return _xml(many)


def deleted() -> Response:
    return Response(status=204)


def not_found() -> ApiError:
    """The one answer for what is not there and for what is another account's."""
    return ApiError(404, 20404, f"The requested resource {request.path} was not found")


def error_as_xml(response: Response) -> Response:
    """Errors are made as JSON everywhere; a path without `.json` gets them in XML."""
    mine = request.path.startswith(f"{PREFIX}/") and not wants_json()
    if not mine or response.status_code < 400 or not response.is_json:
        return response
    exception = _element("RestException", response.get_json())
    response.data = _xml(exception).data
    response.mimetype = "application/xml"
    return response


def wants_json() -> bool:
    return request.path.endswith(".json")


def date(seconds: float | None) -> str | None:
    return None if seconds is None else rfc2822(from_timestamp(int(seconds)))


def path(*parts: str) -> str:
    """The `uri` of an account's resource: relative to the host."""
    return "/".join((PREFIX, "Accounts", *parts)) + ".json"


def _xml(element: etree._Element) -> Response:
    root = etree.Element("TwilioResponse")
    root.append(element)
    body = etree.tostring(root, encoding="UTF-8", xml_declaration=True)
    return Response(body, content_type="application/xml; charset=utf-8")


def _element(name: str, value: Any) -> etree._Element:
    element = etree.Element(name)
    if isinstance(value, Mapping):
        element.extend([_element(_pascal(key), inner) for key, inner in value.items()])
    elif isinstance(value, list):
        element.extend([_element(name.removesuffix("s"), inner) for inner in value])
    else:
        element.text = _text(value)
    return element


def _pascal(key: str) -> str:
    """`date_created` as `DateCreated`; a key that can't be an element's name becomes one that can."""
    name = "".join(part[:1].upper() + part[1:] for part in key.split("_"))
    return name if name.isascii() and name.isalnum() and name[0].isalpha() else "Value"


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return _NOT_XML.sub("", str(value))
