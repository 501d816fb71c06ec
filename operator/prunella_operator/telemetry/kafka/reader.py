"""Reading of ranges: exactly the records that a batch names, in chunks of bounded size."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from queue import Empty, SimpleQueue

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from prunella_operator import clock
from prunella_operator.telemetry.kafka.configuration import GROUP, Configuration
from prunella_operator.telemetry.processing.signals import Record
from prunella_workflows.contracts.telemetry import OffsetRange
from prunella_workflows.model.errors import Unavailable

CHUNK_BYTES = 8 << 20
_FIRST_AT_ONCE, _MOST_AT_ONCE = 50, 10_000
_POLL_SECONDS = 0.5
_SILENT_POLLS = 60
_AHEAD_MS, _BEHIND_MS = 5 * 60_000.0, 8 * 86_400_000.0


class Reader:
    """Consumers that read what they are assigned, and are kept for the next batch."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = {
            **configuration,
            "group.id": GROUP,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "queued.max.messages.kbytes": 2 * CHUNK_BYTES >> 10,
        }
        self._idle: SimpleQueue[Consumer] = SimpleQueue()

    def read(self, ranges: Sequence[OffsetRange]) -> Iterator[list[Record]]:
        """Read the records of the ranges, in chunks of about 8 MiB. It blocks.

        Raises:
            Unavailable: Kafka does not answer.
        """
        with self._consumer(ranges) as consumer:
            yield from _chunks(consumer, ranges)

    def commit(self, ranges: Sequence[OffsetRange]) -> None:
        """Commit the ends of ranges to the group, for tools that show its lag.

        Raises:
            Unavailable: Kafka does not answer.
        """
        places = [TopicPartition(taken.topic, taken.partition, taken.end) for taken in ranges]
        with self._consumer(()) as consumer:
            try:
                consumer.commit(offsets=places, asynchronous=False)
            except KafkaException as error:
                raise Unavailable(f"the offsets of the group were not committed: {error}") from error

    def close(self) -> None:
        """Close the idle consumers."""
        while not self._idle.empty():
            self._idle.get().close()

    @contextmanager
    def _consumer(self, ranges: Sequence[OffsetRange]) -> Iterator[Consumer]:
        try:
            consumer = self._idle.get_nowait()
        except Empty:
            consumer = Consumer(self._configuration)
        try:
            if ranges:
                consumer.assign([TopicPartition(taken.topic, taken.partition, taken.start) for taken in ranges])
            yield consumer
            consumer.unassign()
        except BaseException:
            consumer.close()
            raise
        self._idle.put(consumer)


def _chunks(consumer: Consumer, ranges: Sequence[OffsetRange]) -> Iterator[list[Record]]:
    open_ends = {(taken.topic, taken.partition): taken.end for taken in ranges}
    left, silent, size = sum(taken.end - taken.start for taken in ranges), 0, 0
    chunk: list[Record] = []
    at_once = _FIRST_AT_ONCE  # as many as make a chunk: records may have a megabyte each
    while open_ends:
        messages = consumer.consume(max(1, min(left, at_once)), _POLL_SECONDS)
        silent = 0 if messages else silent + 1
        if silent > _SILENT_POLLS:
            raise Unavailable(f"Kafka sends no records of {sorted(open_ends)}")
        taken = _take(messages, open_ends)
        chunk += taken
        left -= len(taken)
        read = sum([len(record.value) for record in taken])
        at_once = min(_MOST_AT_ONCE, CHUNK_BYTES * len(taken) // max(read, 1)) if taken else at_once
        size += read
        if size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _take(messages: Iterable[Message], open_ends: dict[tuple[str, int], int]) -> list[Record]:
    """The records that are in their ranges, whose ends are noted. With a record per trace this loop is the hot path."""
    taken, (low, now, high) = [], _times()
    for message in messages:
        place, offset = (str(message.topic()), message.partition() or 0), message.offset() or 0
        if (error := message.error()) is not None:
            if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - the library's own way
                raise Unavailable(f"Kafka: {error.str()}")
            offset -= 1  # that of the next record
        elif offset < open_ends.get(place, 0):
            stamp = message.timestamp()[1]
            stamp = (stamp if low < stamp < high else now) * 1_000_000
            taken.append(Record(message.value() or b"", stamp, *place, offset))
        if offset + 1 >= open_ends.get(place, 0):
            open_ends.pop(place, None)
    return taken


def _times() -> tuple[float, int, float]:
    """Times in ms: a record's is between the first and the last, or no broker can have kept it, and it is now's."""
    now = clock.now().timestamp() * 1000
    return now - _BEHIND_MS, int(now), now + _AHEAD_MS
