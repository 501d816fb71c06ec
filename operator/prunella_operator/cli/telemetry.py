"""The commands `prunella telemetry ...`. The wing is imported only when one of them runs."""

import asyncio
from typing import Annotated

import typer
from rich.table import Table

from prunella_operator import clock
from prunella_operator.cli.options import ASSIGNMENTS, CONNECTION, Invocation, Options, add_options
from prunella_operator.cli.output import ListOutput, Output, document, for_programs, print_document, print_list
from prunella_operator.cli.run import PROCESS, refuse_embedded
from prunella_operator.config.extras import telemetry_wing
from prunella_operator.presentation.terminal import age, console, percent, safe

_SETTINGS: Options = ASSIGNMENTS
_STYLE = {"Critical": "bold red", "Anomalous": "yellow", "Healthy": "green", "Learning": "cyan", "Silent": "dim"}
_MILLISECONDS = 1000


@add_options(CONNECTION, PROCESS)
def worker(invocation: Invocation) -> None:
    """Handle telemetry: OTLP from Kafka to the telemetry database, to anomalies and their alerts.

    Starts the TelemetryPipeline workflows (one per shard) if they do not run. Run as many workers as you like.

    Example: `prunella telemetry worker --set telemetry_kafka=kafka:9092
    --set telemetry_database_url_file=/etc/prunella/telemetry-url`
    """
    telemetry_wing("memory").keep_freed()
    telemetry_wing("worker")
    raise typer.Exit(invocation.tools.run(refuse_embedded(invocation.settings), telemetry=True))


@add_options(_SETTINGS)
def status(invocation: Invocation, *, output: Output = None) -> None:
    """Print lag and rates of the pipeline in the last five minutes, and how the services are.

    Example: `prunella telemetry status`
    """
    found = asyncio.run(telemetry_wing("store.reports").read_status(invocation.settings))
    if output:
        return print_document(document("PipelineStatus", **found), output)
    out, now = console(), clock.now()
    services = ", ".join(f"{number} {state}" for state, number in found["services"].items()) or "none yet"
    out.print(safe(f"Services: {services}. Anomalies: {found['anomalies']}."))
    names = ("SHARD", "LAG", "LAST BATCH", "ITEMS/S", "MB/S", "LATE", "SKEWED", "DEAD", "OTHER", "JUDGED")
    table = _table(*names)
    for row in found["shards"]:
        rates = (f"{row['items_per_second']:.0f}", f"{row['bytes_per_second'] / 1e6:.1f}")
        counts = (str(row[name]) for name in ("late", "skewed", "dead", "other"))
        last = (f"{row['lag_seconds']:.0f}s", f"{age(row['last_at'], now)} ago")
        table.add_row(str(row["shard"]), *last, *rates, *counts, "yes" if row["judged"] else "no: a backlog")
    if not found["shards"]:
        return out.print("No batch in the last five minutes: nothing is sent, or no telemetry worker runs.")
    return out.print(table)


@add_options(_SETTINGS)
def top(
    invocation: Invocation,
    *,
    limit: Annotated[int, typer.Option(min=1, help="Number of services.")] = 20,
    output: ListOutput = None,
) -> None:
    """Print the services by their telemetry of the last minute, the worst first.

    Example: `prunella telemetry top --limit 10`
    """
    rows = asyncio.run(telemetry_wing("store.reports").read_top(invocation.settings, limit))
    if for_programs(output):
        return print_list(document("ServiceList", items=rows), (row["service"] for row in rows), output)
    table = _table("SERVICE", "STATE", "REQUESTS", "ERRORS", "USUALLY", "P95", "USUALLY", "ORIGIN", "SINCE")
    for row in rows:
        name = f"{row['namespace']}/{row['workload']}" if row["workload"] else row["service"]
        table.add_row(
            safe(name),
            safe(row["state"], _STYLE.get(row["state"], "")),
            str(row["requests"]),
            percent(row["error_share"]),
            percent(row["error_baseline"]),
            _duration(row["p95_ms"]),
            _duration(row["p95_baseline_ms"]),
            safe(row["origin"]),
            f"{row['since']:%H:%M:%S}" if row["since"] else "",
        )
    return console().print(table if rows else "No service has sent telemetry.")


@add_options(_SETTINGS)
def explain(
    invocation: Invocation,
    anomaly: Annotated[str, typer.Argument(help="Its fingerprint, or the beginning of it.")],
    *,
    output: Output = None,
) -> None:
    """Print one anomaly: origin, the part of the workload, calls, error logs around the onset, and traces to look at.

    Example: `prunella telemetry explain 4f2a`
    """
    found = asyncio.run(telemetry_wing("store.reports").read_anomaly(invocation.settings, anomaly))
    if output:
        return print_document(document("Anomaly", anomaly=found), output)
    split = found["split"]
    facts = {
        "ANOMALY": f"{found['kind']}{' (critical)' if found['critical'] else ''}",
        "SERVICE": _name(found["subject"]),
        "SINCE": f"{found['since']}" + (f" until {found['until']}" if found["until"] else ""),
        "OBSERVED": f"{found['share']:.4g}, usually {found['baseline']:.4g}, in {found['requests']} requests",
        "ORIGIN": _name(found["origin"]) if found["origin"] else "unknown",
        "PART": f"{split['kind']} {split['name']}".strip(),
        "PODS": ", ".join(found["pod_uids"]),
        "CALLS": "\n".join(found["edges"]),
        "LOGS": "\n".join(f"{row['records']} x {row['pattern']}" for row in found["logs"]),
        "TRACES": "\n".join(found["traces"]),
    }
    table = Table.grid(padding=(0, 2))
    for name, text in facts.items():
        table.add_row(name, safe(text or "-"))
    return console().print(table)


def _table(*names: str) -> Table:
    return Table(*names, box=None, pad_edge=False, header_style="bold")


def _name(ref: dict[str, str]) -> str:
    return f"{ref['namespace']}/{ref['workload']} ({ref['service']})" if ref["workload"] else ref["service"]


def _duration(ms: float | None) -> str:
    if ms is None:
        return "-"
    return f"{ms:.0f}ms" if ms < _MILLISECONDS else f"{ms / _MILLISECONDS:.1f}s"
