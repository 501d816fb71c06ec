"""The time of each query of the telemetry dashboards, for an hour and for a day, on a real PostgreSQL.

One service has a day of rows, in 3 pods with 4 operations; 50 others have an hour. The best of five repetitions is
shown, from the question to the last row, over a loopback connection.

    python tests/bench/telemetry_boards.py

Another folder of dashboards, such as that of an earlier version, is measured on the same rows with --boards FOLDER.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import asyncpg

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), *(str(ROOT / "hack" / name) for name in ("telemetry", "cluster", "monitoring"))]

from pictures import sql  # noqa: E402
from pictures.series import Window  # noqa: E402
from proc import load  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from telemetrystack.postgresql import PostgreSQL  # noqa: E402

from prunella_operator import clock  # noqa: E402
from prunella_operator.telemetry.store.schema import create_partitions, migrate  # noqa: E402

AIM_MS = 50
HOUR, DAY = 3600, 86400
CHOSEN = {"namespace": "shop", "service": "web"}
IDENTITY = "'shop', 'Deployment', service, service"
POD = "service || '-' || pod, 'uid-' || pod, 'node-1', 'hash'"
ROWS = {
    "red": f"""
        INSERT INTO telemetry_red SELECT ts, 'batch', {IDENTITY}, 'GET /' || op, {POD}, 50, 1, 1, 600,
            ARRAY(SELECT generate_series(10, 29))::smallint[], ARRAY(SELECT 2 + 0 * generate_series(10, 29))::integer[]
        FROM wanted, generate_series(1, 3) AS pod, generate_series(1, 4) AS op""",
    "edge": """
        INSERT INTO telemetry_edge SELECT ts, 'batch', 'shop', 'Deployment', caller, caller, 'shop', 'Deployment',
            callee, callee, caller || '-' || a, callee || '-' || b, 20, 1, 0, 40
        FROM wanted, LATERAL (VALUES (service, 'stock'), ('front', service)) AS call(caller, callee),
            generate_series(1, 3) AS a, generate_series(1, 3) AS b""",
    "log": f"""
        INSERT INTO telemetry_log SELECT ts, 'batch', {IDENTITY}, {POD}, 'ERROR', 'pattern ' || number, 3, 'sample',
            'trace' FROM wanted, generate_series(1, 3) AS pod, generate_series(1, 2) AS number""",
    "point": f"""
        INSERT INTO telemetry_point SELECT ts, 'batch', {IDENTITY}, {POD}, 'k8s.pod.' || name || '_limit_utilization',
            1, 0.5, 0.5, 0.5 FROM wanted, generate_series(1, 3) AS pod, (VALUES ('cpu'), ('memory')) AS names(name)""",
    "exemplar": f"""
        INSERT INTO telemetry_exemplar SELECT ts, 'batch', {IDENTITY}, 'GET /' || op, service || '-1', 'trace',
            op = 1, 30 FROM wanted, generate_series(1, 4) AS op""",
}
WANTED = """
WITH wanted AS (
    SELECT ts, 'web' AS service FROM generate_series($1::timestamptz - INTERVAL '1 day', $1, INTERVAL '10 s') AS ts
    UNION ALL
    SELECT ts, 'service-' || number FROM generate_series($1 - INTERVAL '1 hour', $1, INTERVAL '10 s') AS ts,
        generate_series(1, 50) AS number
)
"""
MINUTES = """
INSERT INTO telemetry_red_minute
SELECT date_bin('1 minute', ts, 'epoch'), 0, 'shop', 'Deployment', service, service, op, 'hash', sum(n), sum(errors),
    sum(own_errors), sum(sum_ms), '{}', '{}'
FROM telemetry_red GROUP BY 1, service, op
UNION ALL
SELECT minute, 0, 'shop', 'Deployment', service, service, '', 'hash', 0, 0, 0, 0, array_agg(bucket), array_agg(total)
FROM (
    SELECT date_bin('1 minute', ts, 'epoch') AS minute, service, bucket, sum(count)::integer AS total
    FROM telemetry_red, unnest(buckets, counts) AS histogram(bucket, count) GROUP BY 1, 2, 3
) AS cells GROUP BY minute, service
"""
NOW = """
INSERT INTO telemetry_now (namespace, kind, workload, service, read_to, requests, error_share, error_baseline, p95_ms)
SELECT DISTINCT namespace, kind, workload, service, max(ts), 100, 0.02, 0.01, 12 FROM telemetry_red GROUP BY 1, 2, 3, 4
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--boards", type=Path, default=ROOT / "manifests" / "monitoring" / "dashboards")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        PostgreSQL(Path(folder) / "log", arguments=("-c", "fsync=off")) as own,
    ):
        asyncio.run(measure(own.dsn, options.boards))


async def measure(dsn, folder):
    connection, end = await asyncpg.connect(dsn), clock.now()
    await fill(connection, end)
    table = Table("dashboard", "panel", "hour, ms", "day, ms", title=f"Aim: {AIM_MS} ms")
    for name, panel, query in queries(folder):
        windows = [Window(int(end.timestamp()) - span, int(end.timestamp())) for span in (HOUR, DAY)]
        found = [await best(connection, query, window) for window in windows]
        table.add_row(name, panel, *(f"{ms:.0f}" for ms in found))
    await connection.close()
    Console(width=110).print(table)
    print(f"load of the machine: {load():.1f}")


async def fill(connection, end):
    await migrate(connection, use_timescale=False)
    await create_partitions(connection, [(end - timedelta(days=days)).date() for days in (0, 1)], end.date())
    for rows in ROWS.values():
        await connection.execute(WANTED + rows, end, timeout=600)
    for rows in (MINUTES, NOW, "ANALYZE", "VACUUM"):
        await connection.execute(rows, timeout=600)


def queries(folder):
    """Each query of the telemetry dashboards, with the names of its dashboard and its panel."""
    for path in sorted(folder.glob("telemetry-*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", ()):
                if "rawSql" in target:
                    yield path.stem, panel["title"], target["rawSql"]


async def best(connection, query, window):
    times = []
    for _ in range(5):
        began = time.perf_counter()
        await connection.fetch(sql.filled(query, window, CHOSEN))
        times.append(time.perf_counter() - began)
    return min(times) * 1000


if __name__ == "__main__":
    main()
