"""Sums by minute of rows of 10 s."""

import polars as pl

from prunella_operator.telemetry.store.minutes import to_minutes
from prunella_operator.telemetry.store.rows import NS

MINUTE = 60 * NS
NONE = {"buckets": [], "counts": []}
ROW = {
    "at": 0, "namespace": "shop", "kind": "Deployment", "workload": "web", "service": "web", "op": "GET /",
    "template": "a", "n": 1, "errors": 0, "own_errors": 0, "sum_ms": 2.0, "buckets": [8], "counts": [1],
}  # fmt: skip
SCHEMA = {"buckets": pl.List(pl.Int16), "counts": pl.List(pl.Int32)}


def frame(*changes):
    """Rows of telemetry_red that differ in what is given."""
    return pl.DataFrame([{**ROW, **change} for change in changes], schema_overrides=SCHEMA)


def sums(rows):
    """The rows of operations."""
    return to_minutes(rows).filter(pl.col("op") != "").rows(named=True)


def test_windows_and_pods_of_a_minute_add_up():
    rows = frame({"at": 10 * NS}, {"at": 50 * NS, "errors": 1, "buckets": [16, 8], "counts": [3, 2]}, {"at": MINUTE})
    first, second = sums([rows])
    assert first == {**ROW, **NONE, "n": 2, "errors": 1, "sum_ms": 4.0}
    assert second == {**ROW, **NONE, "at": MINUTE}


def test_the_histogram_of_a_minute_is_of_all_operations():
    rows = frame({}, {"op": "POST /", "buckets": [16, 8], "counts": [3, 2]})
    (histogram,) = to_minutes([rows]).filter(op="").rows(named=True)
    assert (histogram["buckets"], histogram["counts"]) == ([8, 16], [3, 3])
    assert [histogram[name] for name in ("n", "errors", "own_errors", "sum_ms")] == [0, 0, 0, 0]


def test_late_rows_without_requests_add_to_the_errors_of_their_own():
    late = frame({"n": 0, "own_errors": -1, "sum_ms": 0.0, "buckets": [], "counts": []})
    assert sums([frame({"own_errors": 1}), late]) == [{**ROW, **NONE}]
    assert to_minutes([late])["buckets"].to_list() == [[]]


def test_operations_and_templates_stay_apart_in_an_order_of_their_own():
    rows = frame({"op": "b"}, {"op": "a", "template": "z"}, {"op": "a"})
    assert [(row["op"], row["template"]) for row in sums([rows])] == [("a", "a"), ("a", "z"), ("b", "a")]
