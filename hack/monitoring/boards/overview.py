"""The first dashboard to open: open incidents, how well and how fast they are healed, what blocks repairs."""

from boards.grafana import GREEN, RED, YELLOW, Dashboard, Panel, Row
from boards.queries import Query, counted

DETECTION, REPAIR, AUTO_REPAIR = 120, 900, 0.75
"""The targets: seconds until a fault is detected, seconds until it is healed, share healed without a person."""


def _ended(phases: str, over: str) -> str:
    return f'sum(increase(prunella_incidents_closed_total{{phase=~"{phases}"}}[{over}]))'


def _rate(over: str) -> str:
    """Healed share of all incidents in which a repair was due, by the same definition as in the web console."""
    return f"{_ended('Healed', over)} / {_ended('Healed|Escalated|Failed', over)}"


def _mean(stage: str) -> str:
    taken, count = (
        f'sum(increase(prunella_stage_seconds_{name}{{stage="{stage}"}}[$__range]))' for name in ("sum", "count")
    )
    return f"{taken} / {count}"


def _quantiles(stage: str) -> tuple[Query, ...]:
    buckets = f'sum by (le) (rate(prunella_stage_seconds_bucket{{stage="{stage}"}}[1h]))'
    return tuple(
        Query(f"histogram_quantile({share}, {buckets})", name) for share, name in ((0.5, "half"), (0.9, "9 in 10"))
    )


_NOW = Row(
    "Now, and in the chosen time",
    (
        Panel(
            "Open incidents",
            (Query("sum(max by (phase) (prunella_incidents_open))"),),
            kind="stat",
            now=True,
            width=4,
            height=5,
            steps=((10, YELLOW), (50, RED)),
        ),
        Panel(
            "Waiting for a person",
            (Query('max(prunella_incidents_open{phase="AwaitingApproval"})'),),
            kind="stat",
            now=True,
            width=4,
            height=5,
            steps=((1, YELLOW),),
        ),
        Panel(
            "Escalated to people",
            (Query(_ended("Escalated|Failed", "$__range")),),
            kind="stat",
            decimals=0,
            width=4,
            height=5,
            steps=((1, YELLOW),),
        ),
        Panel(
            "Auto-repair rate",
            (Query(_rate("$__range")),),
            kind="stat",
            unit="percentunit",
            about="Healed / (Healed + Escalated + Failed). The target is 75 %.",
            width=4,
            height=5,
            base=RED,
            steps=((AUTO_REPAIR, GREEN),),
            most=1,
        ),
        Panel(
            "Mean time to detect",
            (Query(_mean("detection")),),
            kind="stat",
            unit="s",
            about="From the fault to its detection. The target is 2 minutes.",
            width=4,
            height=5,
            steps=((DETECTION, RED),),
        ),
        Panel(
            "Mean time to repair",
            (Query(_mean("heal")),),
            kind="stat",
            unit="s",
            about="From the detection to lasting health. The target is 15 minutes.",
            width=4,
            height=5,
            steps=((REPAIR, RED),),
        ),
    ),
)
_COURSE = Row(
    "How it went",
    (
        Panel(
            "Open incidents by phase",
            (Query("max by (phase) (prunella_incidents_open)", "{{phase}}"),),
            stacked=True,
        ),
        Panel(
            "Closed incidents by phase, per hour",
            (Query("sum by (phase) (increase(prunella_incidents_closed_total[1h]))", "{{phase}}"),),
            stacked=True,
        ),
        Panel(
            "Time to detect",
            _quantiles("detection"),
            unit="s",
            about="The dashed line is the target: 2 minutes.",
            width=8,
            steps=((DETECTION, RED),),
            line=True,
        ),
        Panel(
            "Time to repair",
            _quantiles("heal"),
            unit="s",
            about="The dashed line is the target: 15 minutes.",
            width=8,
            steps=((REPAIR, RED),),
            line=True,
        ),
        Panel(
            "Auto-repair rate per day",
            (Query(_rate("1d"), "healed by Prunella"),),
            unit="percentunit",
            about="The dashed line is the target: 75 %.",
            width=8,
            base=RED,
            steps=((AUTO_REPAIR, GREEN),),
            line=True,
            most=1,
        ),
    ),
)
_WHY = Row(
    "Why",
    (
        Panel(
            "Top causes",
            (Query("topk(10, sum by (cause) (increase(prunella_incidents_closed_total[$__range])) > 0)", "{{cause}}"),),
            kind="bargauge",
            decimals=0,
            width=8,
        ),
        Panel(
            "Guards that blocked",
            (
                Query(
                    f"topk(10, sum by (guard, reason) {counted('prunella_guard_holds_total', '$__range')} > 0)",
                    "{{guard}}: {{reason}}",
                ),
            ),
            kind="bargauge",
            decimals=0,
            width=8,
        ),
        Panel(
            "Repairs by action and verdict",
            (
                Query(
                    "sum by (action, verdict) (increase(prunella_repairs_total[$__range])) > 0",
                    "{{action}}: {{verdict}}",
                ),
            ),
            kind="bargauge",
            decimals=0,
            width=8,
        ),
        Panel(
            "Repairs undone, and undo failures",
            (
                Query("sum by (action) (increase(prunella_repairs_undone_total[1h]))", "{{action}}"),
                Query("sum(increase(prunella_undo_failures_total[1h]))", "could not be taken back"),
            ),
        ),
        Panel(
            "Notifications and ticket steps",
            (
                Query(
                    f"sum by (channel_kind, result) {counted('prunella_notifications_total', '1h')}",
                    "{{channel_kind}}: {{result}}",
                ),
                Query(
                    f"sum by (system, step, result) {counted('prunella_tickets_total', '1h')}",
                    "{{system}} {{step}}: {{result}}",
                ),
            ),
        ),
    ),
)

BOARD = Dashboard(
    "prunella-overview",
    "Prunella: overview",
    "Open incidents, how well and how fast they are healed, and what blocks repairs.",
    (_NOW, _COURSE, _WHY),
)
