"""Log records, counted by severity and pattern."""

from dataclasses import replace

import polars as pl

from prunella_operator.telemetry.otlp.decode import Decoded
from prunella_operator.telemetry.processing.items import Counts, bound, place, to_items
from prunella_operator.telemetry.processing.texts import MASK, SAMPLE_LENGTH, WITH_DIGIT, mask_pattern, sample

MOST_SERIES = 20_000
_SEVERITIES = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
_NUMBERS_PER_SEVERITY = 4
_FIELDS = ("time", "observed", "severity", "severity_text", "body", "trace_id")
_READ = 300
"""Characters of a text that make its pattern."""
_TEXTS = {"masked": pl.String, "pattern": pl.String}


def to_logs(decoded: Decoded, stamps: pl.Series, watermark: int, counts: Counts) -> pl.DataFrame:
    """Rows of telemetry_log."""
    items = to_items(decoded, _FIELDS, counts)
    time = pl.when(pl.col("time") > 0).then("time").otherwise("observed")
    placed = place(items.frame, time, stamps, counts, watermark)
    text = pl.col("body").struct.field("text").fill_null("")
    masked = text.str.slice(0, _READ).str.replace_all(WITH_DIGIT, MASK)
    records = placed.select("at", "who", "trace_id", severity=_severity(), text=text, masked=masked)
    bounded = bound(replace(items, frame=records), "masked", MOST_SERIES, counts)
    rows = bounded.frame.group_by("at", "who", "severity", "masked").agg(
        n=pl.len().cast(pl.Int64),
        sample=pl.col("text").first().str.slice(0, SAMPLE_LENGTH),
        trace_id=pl.col("trace_id").filter(pl.col("trace_id").bin.size() == 16).first().bin.encode("hex").fill_null(""),  # noqa: PLR2004
    )
    return bounded.with_identity(_redact(rows))


def _severity() -> pl.Expr:
    number, text = pl.col("severity"), pl.col("severity_text").str.to_uppercase()
    by_number = (number.clip(1, 24) - 1) // _NUMBERS_PER_SEVERITY
    named = pl.when(text.is_in(_SEVERITIES)).then(text).otherwise(pl.lit("UNSET"))
    names = pl.lit(pl.Series(_SEVERITIES))
    return pl.when(number > 0).then(names.gather(by_number)).otherwise(named)


def _redact(rows: pl.DataFrame) -> pl.DataFrame:
    masked = rows["masked"].unique()
    patterns = pl.DataFrame(
        {"masked": masked, "pattern": [mask_pattern(text) for text in masked]}, schema_overrides=_TEXTS
    )
    samples = pl.Series("sample", [sample(text) for text in rows["sample"]], dtype=pl.String)
    return rows.with_columns(samples).join(patterns, on="masked", how="left").drop("masked")
