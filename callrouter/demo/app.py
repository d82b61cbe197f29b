"""The demo's customer app: what somebody who uses callrouter writes, and all of it."""

import threading

from flask import Flask, Response, request
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

VOICE = """<?xml version="1.0" encoding="UTF-8"?>
<Response>
  <Dial action="/done" timeout="20"><Client>{client}</Client></Dial>
</Response>"""


def create_app(client: str) -> Flask:
    """Rings the client for every call; a softphone's own calls ring whom it names."""
    app = Flask("demo-app", static_folder=None)

    @app.post("/voice")
    def voice() -> Response:
        return Response(VOICE.format(client=client), content_type="text/xml")

    @app.post("/outgoing")
    def outgoing() -> Response:
        wanted = "".join(c for c in request.form.get("To", client) if c.isalnum() or c == "_")
        return Response(VOICE.format(client=wanted or client), content_type="text/xml")

    @app.post("/done")
    def done() -> Response:
        return Response("<Response/>", content_type="text/xml")

    return app


class _Quiet(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """The ladder shows each request already."""


def serve(client: str) -> BaseWSGIServer:
    """Serves the app on a free port of this machine, in a thread; `shutdown` ends it."""
    server = make_server("127.0.0.1", 0, create_app(client), threaded=True, request_handler=_Quiet)
    threading.Thread(target=server.serve_forever, daemon=True, name="demo-app").start()
    return server
