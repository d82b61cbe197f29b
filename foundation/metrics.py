"""What every process counts for Prometheus: its HTTP requests and the work of its database's writers.

Labels have few values, all of them ours: no customer's word is ever one.
"""

import time

from flask import Response, g, request
from prometheus_client import Counter, Gauge, Histogram

HTTP_REQUESTS = Counter(
    "callrouter_http_requests_total", "HTTP requests that were answered.", ["route", "method", "status"]
)
HTTP_SECONDS = Histogram(
    "callrouter_http_request_seconds", "From a request's turn to its answer.", ["method"]
)
DATABASE_UNITS = Histogram(
    "callrouter_database_batch_units",
    "Units of work that shared a commit.",
    buckets=(1, 2, 5, 10, 25, 50, 100, 250, 500),
)
DATABASE_SECONDS = Histogram("callrouter_database_batch_seconds", "From the begin of a batch to its commit.")
DATABASE_WAIT = Histogram(
    "callrouter_database_wait_seconds", "How long the oldest unit of a batch had waited for the writer."
)
DATABASE_QUEUE = Gauge("callrouter_database_waiting_units", "Units of work that wait for a writer.")
DATABASE_RETRIES = Counter("callrouter_database_retries_total", "Batches that failed and were tried again.")

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
