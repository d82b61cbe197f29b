"""Counts each request of a Flask app for Prometheus."""

import time

from flask import Response, g, request

from foundation.metrics import HTTP_REQUESTS, HTTP_SECONDS

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
"""Any other word of a client's is counted as `other`."""


def begin_request() -> None:
    """Before each request of a Flask app."""
    g.began = time.perf_counter()


def count_request(response: Response) -> Response:
    """After each request of a Flask app."""
    route = request.url_rule.rule if request.url_rule else "none"
    method = request.method if request.method in METHODS else "other"
    HTTP_REQUESTS.labels(route, method, str(response.status_code)).inc()
    if "began" in g:
        HTTP_SECONDS.labels(method).observe(time.perf_counter() - g.began)
    return response
