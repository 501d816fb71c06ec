"""Writing of rows: frames of the tables that hold windows of 10 s."""

from collections.abc import Iterable, Mapping

import asyncpg
import polars as pl

_TEXT, _BIGINT, _DOUBLE = "text", "bigint", "double precision"
_IDENTITY = dict.fromkeys(("namespace", "kind", "workload", "service"), _TEXT)
_POD = dict.fromkeys(("pod", "pod_uid", "node", "template"), _TEXT)
_ENDS = [f"{end}_{name}" for end in ("caller", "callee") for name in ("namespace", "kind", "workload", "pod")]
NS = 1_000_000_000

COLUMNS: Mapping[str, Mapping[str, str]] = {
    "red": {
        **_IDENTITY, "op": _TEXT, **_POD, "n": _BIGINT, "errors": _BIGINT, "own_errors": _BIGINT, "sum_ms": _DOUBLE,
        "buckets": "smallint[]", "counts": "integer[]",
    },
    "edge": {
        **dict.fromkeys(("caller", "callee", *_ENDS), _TEXT),
        "n": _BIGINT, "errors": _BIGINT, "lost": _BIGINT, "gap_ms": _DOUBLE,
    },
    "point": {
        **_IDENTITY, **_POD, "metric": _TEXT, "n": _BIGINT, "total": _DOUBLE, "low": _DOUBLE, "high": _DOUBLE,
    },
    "log": {**_IDENTITY, **_POD, "severity": _TEXT, "pattern": _TEXT, "n": _BIGINT, "sample": _TEXT, "trace_id": _TEXT},
    "exemplar": {**_IDENTITY, "op": _TEXT, "pod": _TEXT, "trace_id": _TEXT, "failed": "boolean", "ms": _DOUBLE},
}  # fmt: skip
"""The columns of each table, without its prefix, after ts and batch."""


async def write(connection: asyncpg.Connection, table: str, batch: str, rows: pl.DataFrame) -> int:
    """Insert rows with `at` (ns) and the table's columns; return their number."""
    columns = COLUMNS[table]
    arrays = to_arrays(rows, columns)
    await connection.execute(_insert(table, columns), batch, (rows["at"] // NS).to_list(), *arrays)
    return len(rows)


def to_arrays(rows: pl.DataFrame, columns: Iterable[str]) -> list[list[object]]:
    """The values of columns, as arguments of unnest."""
    return [_values(rows[name]) for name in columns]


def _values(column: pl.Series) -> list[object]:
    """Values for unnest, which would flatten arrays of arrays: those are passed as PostgreSQL writes them."""
    if column.dtype != pl.List:
        return column.to_list()
    joined = column.cast(pl.List(pl.String)).list.join(",")
    return ("{" + joined + "}").to_list()


def _insert(table: str, columns: Mapping[str, str]) -> str:
    """COPY would be quicker, but this also runs where TimescaleDB is compiled to WASM."""
    passed = {name: "text" if kind.endswith("[]") else kind for name, kind in columns.items()}
    arrays = ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(passed.values(), 3))
    names = ", ".join(columns)
    selected = ", ".join(f"u.{name}::{kind}" for name, kind in columns.items())
    return (
        f"INSERT INTO telemetry_{table} (ts, batch, {names}) SELECT to_timestamp(u.at), $1, {selected} "  # noqa: S608 - constants
        f"FROM unnest($2::bigint[], {arrays}) AS u(at, {names})"
    )
