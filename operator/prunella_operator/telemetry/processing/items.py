"""The items of a batch as a frame: who sent them, and when they happened."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import polars as pl
import pyarrow as pa
from google.protobuf.message import DecodeError

from prunella_operator.telemetry.otlp.decode import Decoded
from prunella_operator.telemetry.otlp.resources import FIELDS, SEPARATOR, Identity, identify

WINDOW_NS = 10_000_000_000
_AHEAD_NS = 5 * 60 * 1_000_000_000
_BEHIND_NS = 3600 * 1_000_000_000
_MAX_INT64 = (1 << 63) - 1

OTHER = -1
"""`who` of series beyond the bound."""


@dataclass
class Counts:
    """Counts of the items of one signal. `newest` is a time in ns."""

    items: int = 0
    late: int = 0
    skewed: int = 0
    other: int = 0
    newest: int = 0
    dead: dict[int, str] = field(default_factory=dict)

    def add(self, other: "Counts") -> None:
        """Add the counts of other records; `dead` stays theirs."""
        for name in ("items", "late", "skewed", "other"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.newest = max(self.newest, other.newest)


@dataclass(frozen=True)
class Items:
    """Items, each with `record`, `who` (an index of `identities`), `row` (of `raw`), and some of its fields."""

    frame: pl.DataFrame
    identities: pl.DataFrame
    raw: pa.StructArray

    def with_identity(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Add the columns of the identity to rows with `who`."""
        return rows.join(self.identities, on="who", how="left", maintain_order="left").drop("who")

    def with_key(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Replace `who` by `identity`: the whole identity as one text, which is quicker to carry on."""
        keys = self.identities.select("who", identity=pl.concat_str(FIELDS, separator=SEPARATOR))
        return rows.join(keys, on="who", how="left", maintain_order="left").drop("who")

    def look_up(self, field: str, rows: pl.Series) -> pl.Series:
        """A field of few items, which is too large to be a column of all."""
        return pl.Series(field, self.raw.field(field).take(rows.to_arrow()))


def to_items(decoded: Decoded, fields: Sequence[str], counts: Counts) -> Items:
    """Convert these fields. Items of unreadable resources are dead letters; Prunella's own are dropped."""
    counts.dead |= decoded.dead
    identities, bad = _identify(decoded.resources)
    columns = {name: pl.Series(name, decoded.items.field(name)) for name in fields}
    record, who = pl.Series(decoded.record, dtype=pl.UInt32), pl.Series(decoded.resource, dtype=pl.Int32)
    frame = pl.DataFrame({**columns, "record": record, "who": who}).with_row_index("row")
    if bad:
        unreadable = frame.filter(pl.col("who").is_in(list(bad)))["record"].unique()
        counts.dead |= dict.fromkeys(unreadable, "unreadable resource")
    own = [index for index, identity in enumerate(identities) if identity.own]
    if counts.dead or own:
        frame = frame.filter(~pl.col("who").is_in([*own, *bad]))
    return Items(frame, identity_frame(identities), decoded.items)


def identity_frame(identities: Sequence[Identity]) -> pl.DataFrame:
    """Identities as a frame, with `who`: the index of each; OTHER is that of series beyond the bound."""
    frame = pl.DataFrame(
        [*identities, Identity(service="other")], schema=dict.fromkeys(FIELDS, pl.String), orient="row"
    )
    who = pl.Series([*range(len(identities)), OTHER], dtype=pl.Int32)
    return frame.with_columns(who=who)


def place(frame: pl.DataFrame, time: pl.Expr, stamps: pl.Series, counts: Counts, watermark: int) -> pl.DataFrame:
    """Add `time` (ns) and `at`, the start of its window; count what is late or has a time that cannot be.

    A time more than an hour before or five minutes after its record is replaced by the record's: it depends on the
    record alone, so that the same records give the same rows in any batch.
    """
    stamp = stamps.gather(frame["record"])
    frame = frame.with_columns(stamp.alias("stamp"), time.clip(0, _MAX_INT64).cast(pl.Int64).alias("time"))
    wrong = (pl.col("time") < pl.col("stamp") - _BEHIND_NS) | (pl.col("time") > pl.col("stamp") + _AHEAD_NS)
    frame = frame.with_columns(skewed=wrong).with_columns(time=pl.when("skewed").then("stamp").otherwise("time"))
    frame = frame.with_columns(at=pl.col("time") // WINDOW_NS * WINDOW_NS).drop("stamp")
    counts.items += len(frame)
    counts.skewed += int(frame["skewed"].sum())
    counts.late += int((frame["at"] + WINDOW_NS <= watermark).sum())
    counts.newest = max(counts.newest, latest(frame["time"]))
    return frame


def latest(times: pl.Series) -> int:
    """The latest of times in ns; 0 if there are none."""
    found = times.max()
    return found if isinstance(found, int) else 0


def bound(items: Items, column: str, most: int, counts: Counts) -> Items:
    """Count the smallest series (identity and `column`) beyond a bound as one series, `other`."""
    series = ("who", column)
    totals = items.frame.group_by(series).len()
    if len(totals) <= most:
        return items
    kept = totals.sort("len", *series, descending=True).head(most).select(*series, kept=pl.lit(value=True))
    marked = items.frame.join(kept, on=series, how="left", maintain_order="left")
    counts.other += marked["kept"].null_count()
    renamed = marked.with_columns(
        pl.when("kept").then("who").otherwise(OTHER), pl.when("kept").then(column).otherwise(pl.lit("other"))
    )
    return replace(items, frame=renamed.drop("kept"))


def _identify(resources: Sequence[bytes]) -> tuple[list[Identity], set[int]]:
    identities, bad = [], set()
    for index, resource in enumerate(resources):
        try:
            identities.append(identify(resource))
        except DecodeError:
            identities.append(Identity())
            bad.add(index)
    return identities, bad
