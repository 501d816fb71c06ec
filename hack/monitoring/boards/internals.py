"""The operator from inside: watches, time to open an incident, the webhook, its own resources."""

from boards.grafana import GREEN, RED, Dashboard, Panel, Row
from boards.queries import Query

_TIMES = ((0.5, "half"), (0.99, "99 in 100"))
_OURS = 'and on (instance, job) prunella_ready{part="temporal"}'


def _quantiles(histogram: str) -> tuple[Query, ...]:
    buckets = f"sum by (le) (rate({histogram}_bucket[$__rate_interval]))"
    return tuple(Query(f"histogram_quantile({share}, {buckets})", name) for share, name in _TIMES)


def _rate(counter: str, *labels: str, name: str = "") -> Query:
    by = ", ".join(labels)
    legend = " ".join((name, *(f"{{{{{label}}}}}" for label in labels))).strip()
    return Query(f"sum by ({by}) (rate({counter}[$__rate_interval]))", legend)


_SENSOR = Row(
    "Watches",
    (
        Panel(
            "Ready",
            (Query("max by (part) (prunella_ready)", "{{part}}"),),
            kind="stat",
            now=True,
            width=24,
            height=5,
            base=RED,
            steps=((1, GREEN),),
            names=(("0", "no"), ("1", "yes")),
        ),
        Panel("Known objects", (Query("max by (resource) (prunella_watch_objects)", "{{resource}}"),), width=8),
        Panel(
            "Changes per second",
            # Since the start, so it counts like a counter, though it is exposed as a gauge.
            (Query("max by (resource) (rate(prunella_watch_events[$__rate_interval]))", "{{resource}}"),),
            width=8,
        ),
        Panel(
            "Lists after the first one, and unreadable objects",
            (
                Query("max by (resource) (prunella_watch_relists)", "lists: {{resource}}"),
                Query("max by (resource) (prunella_watch_undecodable)", "unreadable: {{resource}}"),
                Query("1 - min by (resource) (prunella_watch_synced)", "no first list: {{resource}}"),
            ),
            width=8,
        ),
    ),
)
_INTAKE = Row(
    "From a signal to an incident",
    (
        Panel("Signals by outcome, per second", (_rate("prunella_signals_total", "source", "outcome"),), width=8),
        Panel(
            "From the observation to the Incident",
            _quantiles("prunella_incident_opening_seconds"),
            unit="s",
            width=8,
            steps=((5, RED),),
            line=True,
        ),
        Panel(
            "Workflows started for incidents, per second",
            (_rate("prunella_incidents_started_total", "result"),),
            width=8,
        ),
        Panel(
            "Age of the oldest open incident",
            (Query("max by (phase) (prunella_incident_oldest_seconds)", "{{phase}}"),),
            unit="s",
            width=24,
        ),
    ),
)
_WEBHOOK = Row(
    "The webhook for alerts",
    (
        Panel("Requests by response, per second", (_rate("prunella_webhook_requests_total", "code"),), width=8),
        Panel("Response time", _quantiles("prunella_webhook_seconds"), unit="s", width=8),
        Panel(
            "Alerts received and handled, per second",
            (
                _rate("prunella_alerts_total", "outcome", name="came:"),
                _rate("prunella_alerts_handled_total", "outcome", name="handled:"),
            ),
            width=8,
        ),
    ),
)
_PROCESS = Row(
    "Resources of the operators",
    (
        Panel(
            "CPU, in cores",
            (Query(f"rate(process_cpu_seconds_total[$__rate_interval]) {_OURS}", "{{instance}}"),),
            width=8,
        ),
        Panel("Memory", (Query(f"process_resident_memory_bytes {_OURS}", "{{instance}}"),), unit="bytes", width=8),
        Panel("Open files", (Query(f"process_open_fds {_OURS}", "{{instance}}"),), width=8),
    ),
)

BOARD = Dashboard(
    "prunella-operator",
    "Prunella: operator",
    "Watches, time to open an incident, the webhook, and the operator's own resources.",
    (_SENSOR, _INTAKE, _WEBHOOK, _PROCESS),
    since="now-6h",
)
