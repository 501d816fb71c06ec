"""Anomalies and baselines in the database."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg

from prunella_workflows.decisions.telemetry.judgement import Baseline
from prunella_workflows.model.telemetry import Anomaly

ANOMALIES, BASELINES = "anomalies", "baselines"
"""Names in the stage."""
_ANOMALY = """
INSERT INTO telemetry_anomaly
    (fingerprint, since, until, kind, namespace, workload_kind, workload, service, origin, critical, body, updated)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, now())
ON CONFLICT (fingerprint, since) DO UPDATE
SET until = EXCLUDED.until,
    origin = EXCLUDED.origin, critical = EXCLUDED.critical, body = EXCLUDED.body, updated = now()
"""
_BASELINE = """
INSERT INTO telemetry_now (namespace, kind, workload, service, error_baseline, p95_baseline_ms, read_to)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (namespace, workload, service) DO UPDATE
SET error_baseline = EXCLUDED.error_baseline, p95_baseline_ms = EXCLUDED.p95_baseline_ms
"""


def dump_anomalies(anomalies: Sequence[Anomaly]) -> list[Any]:
    """Anomalies as JSON for the stage."""
    return [anomaly.model_dump(mode="json", by_alias=True) for anomaly in anomalies]


def dump_baselines(baselines: Sequence[Baseline], read_to: datetime) -> list[Any]:
    """Baselines as JSON for the stage."""
    refs = ((one.ref, one.error_share, one.p95_ms) for one in baselines)
    return [
        [ref.namespace, ref.kind, ref.workload, ref.service, share, p95, read_to.isoformat()]
        for ref, share, p95 in refs
    ]


async def write(connection: asyncpg.Connection, staged: Mapping[str, bytes]) -> None:
    """Write staged anomalies and baselines."""
    changed = [Anomaly.model_validate(one) for one in json.loads(staged.get(ANOMALIES, b"[]"))]
    await connection.executemany(_ANOMALY, [_row(anomaly) for anomaly in changed])
    learnt = json.loads(staged.get(BASELINES, b"[]"))
    await connection.executemany(_BASELINE, [(*one[:-1], datetime.fromisoformat(one[-1])) for one in learnt])


async def find(connection: asyncpg.Connection, fingerprint: str) -> Anomaly | None:
    """The latest anomaly whose fingerprint begins so."""
    body = await connection.fetchval(
        "SELECT body FROM telemetry_anomaly WHERE starts_with(fingerprint, $1) ORDER BY since DESC LIMIT 1", fingerprint
    )
    return Anomaly.model_validate_json(body) if body else None


def _row(anomaly: Anomaly) -> tuple[object, ...]:
    subject, origin = anomaly.subject, anomaly.origin
    return (
        anomaly.fingerprint, anomaly.since, anomaly.until, str(anomaly.kind), subject.namespace, subject.kind,
        subject.workload, subject.service, str(origin) if origin else "", anomaly.critical,
        anomaly.model_dump_json(by_alias=True),
    )  # fmt: skip
