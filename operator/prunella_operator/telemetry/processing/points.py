"""Points of metrics, summed by metric and pod."""

from dataclasses import replace

import polars as pl

from prunella_operator.telemetry.otlp.decode import Decoded
from prunella_operator.telemetry.processing.items import Counts, bound, place, to_items
from prunella_operator.telemetry.processing.texts import PATTERN_LENGTH, clean

MOST_SERIES = 20_000
_NUMBERS, _HISTOGRAMS = ("gauge", "sum"), ("histogram", "exponential")
_TEXTS = {"name": pl.String, "metric": pl.String}
_POINT = ("record", "who", "name", "time", "total", "low", "high")


def to_points(decoded: Decoded, stamps: pl.Series, watermark: int, counts: Counts) -> pl.DataFrame:
    """Rows of telemetry_point. A histogram's point counts as its mean; a summary is not read."""
    items = to_items(decoded, ("name", *_NUMBERS, *_HISTOGRAMS), counts)
    numbers = [_numbers(items.frame, name) for name in _NUMBERS]
    means = [_means(items.frame, name) for name in _HISTOGRAMS]
    points = pl.concat([*numbers, *means]).filter(pl.all_horizontal(pl.col("total", "low", "high").is_finite()))
    placed = place(points, pl.col("time"), stamps, counts, watermark)
    bounded = bound(replace(items, frame=_clean(placed)), "metric", MOST_SERIES, counts)
    rows = bounded.frame.group_by("at", "who", "metric").agg(
        n=pl.len().cast(pl.Int64), total=pl.col("total").sum(), low=pl.col("low").min(), high=pl.col("high").max()
    )
    return bounded.with_identity(rows)


def _numbers(metrics: pl.DataFrame, name: str) -> pl.DataFrame:
    value = pl.col("as_double") + pl.col("as_int")  # one of them is set, the other is 0
    return _explode(metrics, name).with_columns(total=value, low=value, high=value).select(_POINT)


def _means(metrics: pl.DataFrame, name: str) -> pl.DataFrame:
    points = _explode(metrics, name).filter(pl.col("count") > 0)
    return points.with_columns(total=pl.col("sum") / pl.col("count"), low="min", high="max").select(_POINT)


def _explode(metrics: pl.DataFrame, name: str) -> pl.DataFrame:
    points = metrics.select("record", "who", "name", point=pl.col(name).struct.field("points"))
    return points.explode("point", empty_as_null=False, keep_nulls=False).unnest("point")


def _clean(points: pl.DataFrame) -> pl.DataFrame:
    names = points["name"].unique()
    cleaned = pl.DataFrame(
        {"name": names, "metric": [clean(name, PATTERN_LENGTH) for name in names]}, schema_overrides=_TEXTS
    )
    return points.join(cleaned, on="name", how="left", maintain_order="left")
