"""One incident: resources and restarts of its workload's pods, beside the actions of Prunella in that time.

Prunella's own metrics name no incident, workload or pod, so that their number is bounded. Those of the workload come
from cAdvisor.
"""

from boards.grafana import Dashboard, Panel, Row, Text, Variable
from boards.queries import Query, counted

_OF = 'namespace="$namespace",pod=~"$workload-.*",container!=""'
_BY = "by (pod, container)"
_NAME = "{{pod}} {{container}}"

_WORDS = """
The incident itself has the cause, the guards, the exact change and the next step:

`kubectl -n $namespace describe incident $incident` or `prunella incidents show $incident -n $namespace`

Its `status.traceId` is the trace of everything that was done for it. Choose the workload to see its pods; a fall to
zero of the time since the start is a restart.
"""

_WORKLOAD = Row(
    "The workload",
    (
        Panel(
            "Memory in use, and its limit",
            (
                Query(f"max {_BY} (container_memory_working_set_bytes{{{_OF}}})", _NAME),
                Query(f"max by (container) (container_spec_memory_limit_bytes{{{_OF}}}) > 0", "limit of {{container}}"),
            ),
            unit="bytes",
        ),
        Panel(
            "CPU in use, in cores",
            (Query(f"sum {_BY} (rate(container_cpu_usage_seconds_total{{{_OF}}}[$__rate_interval]))", _NAME),),
        ),
        Panel(
            "Time since the start",
            (Query(f"time() - max {_BY} (container_start_time_seconds{{{_OF}}})", _NAME),),
            unit="s",
        ),
        Panel(
            "OOM kills inside containers that survived",
            (Query(f"sum {_BY} (increase(container_oom_events_total{{{_OF}}}[$__rate_interval]))", _NAME),),
            about="cAdvisor forgets a container that was killed as a whole; that is a start, on the left.",
        ),
    ),
)
_PRUNELLA = Row(
    "Prunella in that time, in the whole cluster",
    (
        Panel(
            "Open incidents by phase", (Query("max by (phase) (prunella_incidents_open)", "{{phase}}"),), stacked=True
        ),
        Panel(
            "Repairs by verdict",
            (
                Query(
                    "sum by (action, verdict) (increase(prunella_repairs_total[$__rate_interval])) > 0",
                    "{{action}}: {{verdict}}",
                ),
            ),
        ),
        Panel(
            "Guards that started to block",
            (
                Query(
                    f"sum by (guard, reason) {counted('prunella_guard_holds_total', '$__rate_interval')} > 0",
                    "{{guard}}: {{reason}}",
                ),
            ),
        ),
        Panel(
            "Activities per second",
            (
                Query(
                    'sum by (activity_type) (rate(temporal_activity_started_total{task_queue=~"prunella.*"}'
                    "[$__rate_interval])) > 0",
                    "{{activity_type}}",
                ),
            ),
        ),
    ),
)

BOARD = Dashboard(
    "prunella-incident",
    "Prunella: one incident",
    "The workload of an incident, and the actions of Prunella in that time.",
    (Row("The incident", (Text("Where to read about it", _WORDS.strip()),)), _WORKLOAD, _PRUNELLA),
    (
        Variable("namespace", "Namespace", "label_values(container_start_time_seconds, namespace)"),
        Variable("workload", "Workload"),
        Variable("incident", "Incident"),
    ),
    since="now-3h",
)
