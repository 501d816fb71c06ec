"""Decoding of records: their resources and items (spans, metrics, log records) as Arrow arrays."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from prunella_operator.telemetry.otlp.messages import HANDLERS
from prunella_operator.telemetry.otlp.poison import bisect
from prunella_workflows.contracts.telemetry import TelemetrySignal


@dataclass(frozen=True)
class Decoded:
    """The items of records.

    `record` and `resource` have the index of each item's record and of its resource in `resources`, which are
    serialized messages. `dead` has the error of each record that could not be decoded.
    """

    items: pa.StructArray
    record: pa.Array
    resource: pa.Array
    resources: Sequence[bytes]
    dead: dict[int, str] = field(default_factory=dict)


def decode(signal: TelemetrySignal, values: list[bytes]) -> Decoded:
    """Decode the values of records. One that is no OTLP costs a bisection, and the others nothing else."""
    read = HANDLERS[signal].list_to_record_batch
    good, dead = bisect(read, values, (ValueError,))
    batch = good[0] if len(good) == 1 else pa.concat_batches(good or [read([])])
    kept = pa.array([index for index in range(len(values)) if index not in dead], pa.uint32())
    resources, record = _flatten(batch.column(0))
    scopes, owner = _flatten(resources.field("scopes"))
    items, scope = _flatten(scopes.field("items"))
    index = owner.take(scope)
    names = resources.field("resource").dictionary_encode()
    return Decoded(items, kept.take(record.take(index)), names.indices.take(index), names.dictionary.to_pylist(), dead)


def _flatten(lists: pa.ListArray) -> tuple[pa.StructArray, pa.Array]:
    """The elements of lists, and the index of each one's list."""
    return lists.flatten(), pc.list_parent_indices(lists).cast(pa.uint32())
