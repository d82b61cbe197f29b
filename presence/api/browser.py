"""`/presence.js`: the module with which web pages, of whatever origin, see who is there (docs/how-to/presence.md)."""

from pathlib import Path

from flask import Blueprint, Response, send_file

MODULE = Path(__file__).parents[1] / "static" / "presence.js"
FRESH_SECONDS = 300


def browser() -> Blueprint:
    routes = Blueprint("browser", __name__)

    @routes.get("/presence.js")
    def module() -> Response:
        response = send_file(MODULE, mimetype="text/javascript", max_age=FRESH_SECONDS)
        response.headers["Vary"] = (
            "Origin"  # what is kept of an answer to nobody's page is no answer to a page
        )
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    return routes
