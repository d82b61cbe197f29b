"""What every process counts for Prometheus: its HTTP requests and the work of its database's writers.

Labels have few values, all of them ours: no customer's word is ever one.
"""

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
