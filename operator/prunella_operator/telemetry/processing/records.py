"""Records of Kafka in columns: with a record for each trace, an object for each would cost more than its spans."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import NamedTuple


class DeadLetter(NamedTuple):
    """A record by its place (topic/partition/offset), its value, and why it is dead."""

    place: str
    value: bytes
    error: str


@dataclass(frozen=True)
class Records:
    """Records of one topic. `stamps` are their times in ns."""

    topic: str
    values: list[bytes] = field(default_factory=list)
    stamps: list[int] = field(default_factory=list)
    partitions: list[int] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, part: slice) -> "Records":
        return Records(self.topic, self.values[part], self.stamps[part], self.partitions[part], self.offsets[part])

    def select(self, chosen: Sequence[bool]) -> "Records":
        """The records for which `chosen` is true."""
        return Records(
            self.topic,
            list(compress(self.values, chosen)),
            list(compress(self.stamps, chosen)),
            list(compress(self.partitions, chosen)),
            list(compress(self.offsets, chosen)),
        )

    def extend(self, others: "Records") -> None:
        """Append other records of the topic."""
        self.values.extend(others.values)
        self.stamps.extend(others.stamps)
        self.partitions.extend(others.partitions)
        self.offsets.extend(others.offsets)

    def letter(self, index: int, error: str) -> DeadLetter:
        """The dead letter of a record."""
        place = f"{self.topic}/{self.partitions[index]}/{self.offsets[index]}"
        return DeadLetter(place, self.values[index], error)
