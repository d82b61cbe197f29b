"""The presence API described: OpenAPI 3.1 at `/v1/openapi.json`, and the page docs/reference/presence.md.

`shapes` says what goes in and out, `operations` who may ask what; both are made from the code's own constants. A test
compares them with the routes, and one asks the real server whether they are true.
"""

import re
from functools import cache
from typing import Any

from flask import Blueprint, Response, jsonify

from presence.access.callers import Kind
from presence.api.description import message_shapes, shapes
from presence.api.description.operations import OPERATIONS, PARAMETERS, Operation
from presence.api.description.shapes import Schema, of

SECURITY = {
    Kind.CLIENT: {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A client's access or capability token; `grants.callrouter.permissions` says what it may see.",
    },
    Kind.ACCOUNT: {
        "type": "http",
        "scheme": "basic",
        "description": "The account's server: its SID and auth token, or an API key and its secret.",
    },
    Kind.SERVICE: {
        "type": "http",
        "scheme": "bearer",
        "description": "One of the deployment's own servers, by a service token.",
    },
}
ANY = {400: "a field is not what it takes", 429: "too many requests; wait for Retry-After seconds"}
ASKED_WHO = {
    401: "nobody we know; the code says why",
    403: "not permitted to this caller",
    404: "there is no such resource, or not for this caller",
}
BUSY = {503: "nothing was done; try again"}
TOO_LARGE = {413: "the body is larger than a megabyte"}
SAID = {
    200: "done",
    201: "created",
    202: "handed on",
    204: "done",
    304: "nothing has changed since",
    409: "in conflict with what is there; the message says what",
    410: "since is too old, or not of this account: ask without it",
}


@cache
def document() -> dict[str, Any]:
    """The whole description."""
    paths: dict[str, dict[str, Any]] = {}
    for group, operations in OPERATIONS.items():
        for one in operations:
            paths.setdefault(one.path, {})[one.method.lower()] = _described(group, one)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "callrouter presence",
            "version": "1",
            "description": "Who can be reached, where, right now.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "tags": [{"name": group} for group in OPERATIONS],
        "paths": paths,
        "components": {
            "schemas": {**shapes.SCHEMAS, **message_shapes.SCHEMAS},
            "securitySchemes": {str(kind): one for kind, one in SECURITY.items()},
        },
    }


def statuses(operation: Operation) -> dict[int, str]:
    """Every status that it may be answered with, and the schema of its body."""
    common = {**ANY, **BUSY, **(ASKED_WHO if operation.who else {}), **(TOO_LARGE if operation.body else {})}
    return {**dict.fromkeys(common, "Error"), **operation.answers}


def _described(group: str, one: Operation) -> dict[str, Any]:
    in_path = re.findall(r"\{(\w+)\}", one.path)
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": PARAMETERS[name]} for name in in_path
    ]
    parameters += [{"name": name, "in": "query", "schema": schema} for name, schema in one.query.items()]
    described: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{one.method} {one.path}").strip("_").lower(),
        "summary": one.summary,
        "tags": [group],
        "security": [{str(kind): []} for kind in one.who],
        "responses": {
            str(status): _response(status, schema, one) for status, schema in sorted(statuses(one).items())
        },
    }
    told = [f"A client's token must permit: {one.needs}."] if one.needs else []
    told += [f"{one.note}."] if one.note else []
    if told:
        described["description"] = " ".join(told)
    if parameters:
        described["parameters"] = parameters
    if one.body:
        content = {"application/json": {"schema": of(one.body)}}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _response(status: int, schema: str, one: Operation) -> dict[str, Any]:
    said = {**SAID, **ANY, **ASKED_WHO, **BUSY, **TOO_LARGE}[status]
    if not schema:
        has_body = status == 200
        return {"description": said, **({"content": {one.media: {}}} if has_body else {})}
    shown: Schema = {"anyOf": [of(name) for name in schema.split(" | ")]} if "|" in schema else of(schema)
    return {"description": said, "content": {"application/json": {"schema": shown}}}


def description() -> Blueprint:
    routes = Blueprint("description", __name__, url_prefix="/v1")

    @routes.get("/openapi.json")
    def fetch() -> Response:
        return jsonify(document())

    return routes
