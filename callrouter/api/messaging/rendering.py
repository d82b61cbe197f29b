"""Answers in the way of Twilio's v1 products (twilio-surface 5.4)."""

from typing import Any

from flask import Response, jsonify, request

from callrouter.api.paging import Page
from foundation.clock import from_timestamp

PREFIX = "/v1"


def respond(item: dict[str, Any], status: int = 200) -> Response:
    response = jsonify(item)
    response.status_code = status
    return response


def respond_list(key: str, page: Page, items: list[dict[str, Any]]) -> Response:
    links = page.links()
    uris = {
        "url": links["uri"],
        "first_page_url": links["first_page_uri"],
        "previous_page_url": links["previous_page_uri"],
        "next_page_url": links["next_page_uri"],
    }
    urls = {name: uri and absolute(uri) for name, uri in uris.items()}
    return jsonify({key: items, "meta": {"key": key, "page": page.number, "page_size": page.size, **urls}})


def absolute(path: str) -> str:
    return request.host_url.rstrip("/") + path


def url(*parts: str) -> str:
    return absolute("/".join((PREFIX, *parts)))


def moment(seconds: float) -> str:
    return from_timestamp(int(seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
