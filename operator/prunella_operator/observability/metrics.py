"""Prometheus metrics of the operator. Names start with `prunella_`; labels are of bounded number, never pod names."""

import platform

from prometheus_client import Counter, Gauge, Histogram

from prunella_operator.config.version import installed_version

SIGNALS = Counter(
    "prunella_signals",
    "Observations of trouble, by source, type and what became of them.",
    ["source", "type", "outcome"],
)
INCIDENTS_STARTED = Counter("prunella_incidents_started", "Incidents handed to a workflow, by result.", ["result"])
INCIDENTS_REMOVED = Counter(
    "prunella_incidents_removed", "Ended incidents that were deleted, by why: Age, PerWorkload, AtMost.", ["why"]
)
OPENING = Histogram(
    "prunella_incident_opening_seconds",
    "From the observation of a fault to its Incident in the API.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
NOTIFICATIONS = Counter(
    "prunella_notifications",
    "Messages to people, by the service and what became of them: Delivered, Summarised, or the kind of the error.",
    ["channel_kind", "result"],
)
TICKETS = Counter(
    "prunella_tickets",
    "Steps taken on tickets, by the system, the step, and what became of it: Done, or the kind of the error.",
    ["system", "step", "result"],
)
GUARD_HOLDS = Counter(
    "prunella_guard_holds",
    "Times a guard began to hold a repair back, by guard, reason and effect.",
    ["guard", "reason", "effect"],
)
ALERTS = Counter(
    "prunella_alerts",
    "Alerts that came to the webhook: firing and resolved ones that are stored, and unstored ones, which come again.",
    ["outcome"],
)
ALERTS_HANDLED = Counter("prunella_alerts_handled", "Firings that were handled, by what came of them.", ["outcome"])
WEBHOOK_REQUESTS = Counter("prunella_webhook_requests", "Requests to the webhook, by the code of the answer.", ["code"])
WEBHOOK_SECONDS = Histogram(
    "prunella_webhook_seconds",
    "From the head of a request to the webhook to its answer.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 5, 10),
)
API_REQUESTS = Counter(
    "prunella_api_requests",
    "Requests to the API server but for watches, by method and code of the answer; none where there was no answer.",
    ["method", "code"],
)
WATCH_OBJECTS = Gauge("prunella_watch_objects", "Objects a watch knows.", ["resource"])
WATCH_EVENTS = Gauge("prunella_watch_events", "Changes a watch has seen since the start.", ["resource"])
WATCH_RELISTS = Gauge("prunella_watch_relists", "Lists after the first one since the start.", ["resource"])
WATCH_UNDECODABLE = Gauge("prunella_watch_undecodable", "Objects that could not be read since the start.", ["resource"])
WATCH_SYNCED = Gauge("prunella_watch_synced", "Whether the first list was read (0 or 1).", ["resource"])
LEADER = Gauge("prunella_leader", "Whether this operator is the one that acts (0 or 1).")
READY = Gauge("prunella_ready", "Whether a part of the operator is ready (0 or 1).", ["part"])
BUILD = Gauge("prunella_build_info", "Which build runs here; the value is always 1.", ["version", "python"])
BUILD.labels(installed_version(), platform.python_version()).set(1)


def forget() -> None:
    """Take back what the gauges said of watches that have ended."""
    for gauge in (WATCH_OBJECTS, WATCH_EVENTS, WATCH_RELISTS, WATCH_UNDECODABLE, WATCH_SYNCED, READY):
        gauge.clear()
