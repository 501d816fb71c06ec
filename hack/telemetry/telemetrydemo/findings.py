"""Findings of the pipeline: anomalies in its database, and the workflows of their alerts in Temporal."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg
from rich.table import Table

from prunella_operator.config.settings import Settings
from prunella_operator.presentation.terminal import percent, safe
from prunella_operator.telemetry.store.database import read_url
from prunella_operator.temporal.client import connect
from prunella_workflows.contracts.alerts import alert_workflow_id
from prunella_workflows.model.telemetry import Anomaly


@dataclass(frozen=True)
class Finding:
    """An anomaly that lasts, and the workflow of its alert, or ""."""

    anomaly: Anomaly
    alert: str


def read(settings: Settings) -> list[Finding]:
    """All anomalies that last, the earliest first."""
    return asyncio.run(_read(settings))


async def _read(settings: Settings) -> list[Finding]:
    connection = await asyncpg.connect(read_url(settings))
    try:
        rows = await connection.fetch("SELECT body FROM telemetry_anomaly WHERE until IS NULL ORDER BY since, service")
    finally:
        await connection.close()
    client = await connect(settings, lazy=False)
    started = {workflow.id async for workflow in client.list_workflows("WorkflowType = 'AlertHandling'")}
    return [_finding(Anomaly.model_validate_json(row["body"]), started) for row in rows]


def _finding(anomaly: Anomaly, started: set[str]) -> Finding:
    """A warning has a fingerprint of its own."""
    ids = (alert_workflow_id(anomaly.fingerprint), alert_workflow_id(f"{anomaly.fingerprint}w"))
    return Finding(anomaly, next((each for each in ids if each in started), ""))


def table(findings: Sequence[Finding]) -> Table:
    """One row for each."""
    found = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("SERVICE", "ANOMALY", "SINCE", "SHARE", "ORIGIN", "PART", "ALERT"):
        found.add_column(name, overflow="fold")
    for one in findings:
        anomaly = one.anomaly
        found.add_row(
            safe(anomaly.subject.service),
            f"{anomaly.kind}{' (critical)' if anomaly.critical else ''}",
            f"{anomaly.since:%H:%M:%S}",
            percent(anomaly.share),
            safe(anomaly.origin.service if anomaly.origin else "unknown"),
            safe(f"{anomaly.split.kind} {anomaly.split.name}".strip()),
            one.alert,
        )
    return found
