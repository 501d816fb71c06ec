"""Decoding of records: their resources and items (spans, metrics, log records) as Arrow arrays."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from prunella_operator.telemetry.otlp.messages import HANDLERS
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


def decode(signal: TelemetrySignal, values: Sequence[bytes]) -> Decoded:
    """Decode the values of records. One that is no OTLP costs a bisection, and the others nothing else."""
    dead: dict[int, str] = {}
    good = _bisect(signal, values, range(len(values)), dead)
    batch = pa.concat_batches(good) if good else HANDLERS[signal].list_to_record_batch([])
    kept = pa.array([index for index in range(len(values)) if index not in dead], pa.uint32())
    resources, record = _flatten(batch.column(0))
    scopes, owner = _flatten(resources.field("scopes"))
    items, scope = _flatten(scopes.field("items"))
    index = owner.take(scope)
    names = resources.field("resource").dictionary_encode()
    return Decoded(items, kept.take(record.take(index)), names.indices.take(index), names.dictionary.to_pylist(), dead)


def _bisect(
    signal: TelemetrySignal, values: Sequence[bytes], indexes: range, dead: dict[int, str]
) -> list[pa.RecordBatch]:
    """Record batches of what can be decoded; the errors of the rest are put into `dead`."""
    if not indexes:
        return []
    try:
        return [HANDLERS[signal].list_to_record_batch([values[index] for index in indexes])]
    except ValueError as error:
        if len(indexes) == 1:
            dead[indexes[0]] = str(error)
            return []
        middle = len(indexes) // 2
        halves = indexes[:middle], indexes[middle:]
        return [batch for half in halves for batch in _bisect(signal, values, half, dead)]


def _flatten(lists: pa.ListArray) -> tuple[pa.StructArray, pa.Array]:
    """The elements of lists, and the index of each one's list."""
    return lists.flatten(), pc.list_parent_indices(lists).cast(pa.uint32())
