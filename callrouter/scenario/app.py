"""A customer's app while a scenario is played: the documents of the file, or any WSGI app, served on this machine."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, Self

from flask import Flask, Response, request
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from callrouter.scenario.language import Document
from foundation.webserver.application import Application

METHODS = ["GET", "POST"]


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """The ladder shows each request already."""


class ServedApp:
    """A WSGI app on a free port of this machine, in threads, until it is closed."""

    def __init__(self, app: Any) -> None:
        self._server: BaseWSGIServer = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True, name="scenario-app")
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Idempotent."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def documents_app(documents: Sequence[Document], closing: threading.Event) -> Flask:
    """Answers with the first document that fits; 204 to a status callback, 404 to what has none.

    A late document is late only until `closing` is set.
    """
    app = Application("scenario")

    @app.route("/", defaults={"path": ""}, methods=METHODS)
    @app.route("/<path:path>", methods=METHODS)
    def answer(path: str) -> Response:
        found = chosen(documents, f"/{path}", {**request.args, **request.form})
        if found is None:
            told = "CallbackSource" in request.form or "MessageStatus" in request.form
            return Response(status=204 if told else 404)
        if found.after and closing.wait(found.after):
            return Response(status=503)
        return Response(found.body, status=found.status, content_type="text/xml; charset=utf-8")

    return app


def chosen(documents: Sequence[Document], path: str, parameters: dict[str, str]) -> Document | None:
    for document in documents:
        fits = all(parameters.get(name) == value for name, value in document.when.items())
        if document.path == path and fits:
            return document
    return None
