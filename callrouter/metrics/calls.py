"""Counters that the call engine and its executors keep as they work."""

from prometheus_client import Counter, Histogram

from foundation.outbound.errors import OutboundError
from foundation.outbound.message import OutboundResponse

CALLS = Counter("callrouter_calls_total", "Calls that were taken or placed.", ["direction"])
ENDED = Counter(
    "callrouter_calls_ended_total", "Calls that are over, with their first leg's status.", ["status"]
)
OVERTAKEN = Counter("callrouter_calls_overtaken_total", "Calls that another router took over from this one.")
TIMERS_LATE = Histogram(
    "callrouter_timer_late_seconds",
    "How much later than due a timer of a call went off.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60),
)
WEBHOOKS = Counter("callrouter_webhooks_total", "Requests to customers' apps.", ["kind", "outcome"])
WEBHOOK_SECONDS = Histogram(
    "callrouter_webhook_seconds",
    "How long customers' apps took, our queue included.",
    ["kind"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30),
)
DROPPED = Counter(
    "callrouter_outbox_dropped_total", "Outbox entries that could not be carried out.", ["kind"]
)


def asked(kind: str, answer: OutboundResponse | OutboundError, seconds: float) -> None:
    """Counts one request to an app. The outcome is the answer's class, such as 2xx, or Twilio's code of the failure."""
    outcome = str(answer.code) if isinstance(answer, OutboundError) else f"{answer.status // 100}xx"
    WEBHOOKS.labels(kind, outcome).inc()
    WEBHOOK_SECONDS.labels(kind).observe(seconds)
