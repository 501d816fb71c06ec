"""The carry: open halves and failed spans of earlier batches, joined with those of this one."""

from typing import NamedTuple

import polars as pl

from prunella_operator.telemetry.otlp.resources import FIELDS, SEPARATOR
from prunella_operator.telemetry.processing.edges import CARRY_NS, HALF, join, name_ends
from prunella_operator.telemetry.processing.items import latest
from prunella_operator.telemetry.processing.own_errors import FAILED, settle

NO_OPEN = pl.DataFrame(schema={**HALF, "identity": pl.String}).drop("who")
NO_FAILED = pl.DataFrame(schema={**FAILED, "identity": pl.String}).drop("who")


class Carried(NamedTuple):
    """Rows of telemetry_edge and telemetry_red, and the halves and failed spans for the next batch."""

    edges: pl.DataFrame
    red: pl.DataFrame
    open: pl.DataFrame
    failed: pl.DataFrame


def carry(open_: pl.DataFrame, failed: pl.DataFrame, newest: int) -> Carried:
    """Join open halves and failed spans of all batches so far. `newest`: the newest time of the shard, in ns."""
    halves, identities = _index(open_)
    joined = join(halves, newest)
    spans, owners = _index(failed)
    own_errors, kept = settle(spans, newest)
    return Carried(
        edges=name_ends(joined.edges, identities),
        red=_name(_without_requests(own_errors), owners.drop("identity")),
        open=_name(joined.open, identities.select("who", "identity")),
        failed=_name(kept, owners.select("who", "identity")),
    )


def lost_so_far(open_: pl.DataFrame) -> pl.DataFrame:
    """Rows of telemetry_edge of calls that are still open, as if they were lost: detection cannot wait a minute."""
    halves, identities = _index(open_.filter(pl.col("peer") != ""))
    return name_ends(join(halves, latest(halves["time"]) + 2 * CARRY_NS).edges, identities)


def _index(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Replace identities by an index `who`; return the identities and their parts by it."""
    identities = rows.select("identity").unique().with_columns(who=pl.int_range(pl.len(), dtype=pl.Int32))
    parts = pl.col("identity").str.split_exact(SEPARATOR, len(FIELDS) - 1).struct.rename_fields(FIELDS)
    indexed = rows.join(identities, on="identity", how="left").drop("identity")
    return indexed, identities.with_columns(parts.alias("parts")).unnest("parts")


def _name(rows: pl.DataFrame, identities: pl.DataFrame) -> pl.DataFrame:
    return rows.join(identities, on="who", how="left", maintain_order="left").drop("who")


def _without_requests(own_errors: pl.DataFrame) -> pl.DataFrame:
    none = {"n": pl.Int64, "errors": pl.Int64, "sum_ms": pl.Float64}
    empty = {"buckets": pl.Int16, "counts": pl.Int32}
    return own_errors.with_columns(
        *(pl.lit(0, kind).alias(name) for name, kind in none.items()),
        *(pl.lit([], pl.List(kind)).alias(name) for name, kind in empty.items()),
    )
