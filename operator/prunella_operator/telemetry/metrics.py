"""Prometheus metrics of the operator. Names start with `prunella_`; labels are of bounded number, never pod names."""

from prometheus_client import Counter, Gauge, Histogram

SIGNALS = Counter(
    "prunella_signals",
    "Observations of trouble, by source, type and what became of them.",
    ["source", "type", "outcome"],
)
INCIDENTS_STARTED = Counter("prunella_incidents_started", "Incidents handed to a workflow, by result.", ["result"])
OPENING = Histogram(
    "prunella_incident_opening_seconds",
    "From the observation of a fault to its Incident in the API.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
WATCH_OBJECTS = Gauge("prunella_watch_objects", "Objects a watch knows.", ["resource"])
WATCH_EVENTS = Gauge("prunella_watch_events", "Changes a watch has seen since the start.", ["resource"])
WATCH_RELISTS = Gauge("prunella_watch_relists", "Lists after the first one since the start.", ["resource"])
WATCH_UNDECODABLE = Gauge("prunella_watch_undecodable", "Objects that could not be read since the start.", ["resource"])
WATCH_SYNCED = Gauge("prunella_watch_synced", "Whether the first list was read (0 or 1).", ["resource"])
READY = Gauge("prunella_ready", "Whether a part of the operator is ready (0 or 1).", ["part"])
