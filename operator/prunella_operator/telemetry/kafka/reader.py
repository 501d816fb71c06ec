"""Reading of ranges: exactly the records that a batch names, in chunks of bounded size."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from queue import Empty, SimpleQueue

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from prunella_operator import clock
from prunella_operator.telemetry.kafka.configuration import GROUP, Configuration
from prunella_operator.telemetry.processing.records import Records
from prunella_workflows.contracts.telemetry import OffsetRange
from prunella_workflows.model.errors import Unavailable

CHUNK_BYTES = 16 << 20
_AHEAD_BYTES = 4 << 20
"""Bytes that may be fetched beyond the ends of the ranges, and are thrown away."""
_FIRST_AT_ONCE = 50
_MOST_AT_ONCE = 500
"""Messages that are alive at once: from 700 new objects on, Python's collector would walk through all of them."""
_POLL_SECONDS = 0.5
_SILENT_POLLS = 60
_AHEAD_MS, _BEHIND_MS = 5 * 60_000, 8 * 86_400_000


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
            "queued.max.messages.kbytes": _AHEAD_BYTES >> 10,
        }
        self._idle: SimpleQueue[Consumer] = SimpleQueue()

    def read(self, ranges: Sequence[OffsetRange]) -> Iterator[Records]:
        """Read the records of ranges of one topic, in chunks of about 16 MiB. It blocks.

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


def _chunks(consumer: Consumer, ranges: Sequence[OffsetRange]) -> Iterator[Records]:
    topic, ends = ranges[0].topic, {taken.partition: taken.end for taken in ranges}
    left, silent, size = sum(taken.end - taken.start for taken in ranges), 0, 0
    chunk, at_once = Records(topic), _FIRST_AT_ONCE  # as many as make a chunk: records may have a megabyte each
    while ends:
        messages = consumer.consume(max(1, min(left, at_once)), _POLL_SECONDS)
        silent = 0 if messages else silent + 1
        if silent > _SILENT_POLLS:
            raise Unavailable(f"Kafka sends no records of {topic}, partitions {sorted(ends)}")
        taken = _take(consumer, messages, topic, ends)
        left -= len(taken)
        read = sum(map(len, taken.values))
        at_once = min(_MOST_AT_ONCE, CHUNK_BYTES * len(taken) // max(read, 1)) if len(taken) else at_once
        chunk.extend(taken)
        size += read
        if size >= CHUNK_BYTES:
            yield chunk
            chunk, size = Records(topic), 0
    if len(chunk):
        yield chunk


def _take(consumer: Consumer, messages: Sequence[Message], topic: str, ends: dict[int, int]) -> Records:
    """The records inside their ranges; the ends that are reached are removed.

    With a record for each trace this is the hot path: it does as little as possible for each of them.
    """
    records = _to_records(topic, [message for message in messages if message.error() is None])
    last = dict(zip(records.partitions, records.offsets, strict=True))
    reached = {partition: offset + 1 for partition, offset in last.items()} | _ends_of_partitions(messages)
    over = {partition for partition, offset in reached.items() if offset >= ends.get(partition, 0)}
    if over:
        places = zip(records.partitions, records.offsets, strict=True)
        records = records.select([offset < ends.get(partition, 0) for partition, offset in places])
    for partition in over & ends.keys():
        del ends[partition]
        consumer.incremental_unassign([TopicPartition(topic, partition)])
    return records


def _to_records(topic: str, messages: Sequence[Message]) -> Records:
    low, now, high = _times()
    return Records(
        topic,
        values=[value or b"" for value in map(Message.value, messages)],
        stamps=[(time if low < time < high else now) * 1_000_000 for _, time in map(Message.timestamp, messages)],
        partitions=[partition or 0 for partition in map(Message.partition, messages)],
        offsets=[offset or 0 for offset in map(Message.offset, messages)],
    )


def _ends_of_partitions(messages: Sequence[Message]) -> dict[int, int]:
    """The next offset of each partition whose end is among the messages.

    Raises:
        Unavailable: an error is among them.
    """
    found = {}
    for message, error in ((message, error) for message in messages if (error := message.error()) is not None):
        if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - the library's own way
            raise Unavailable(f"Kafka: {error.str()}")
        found[message.partition() or 0] = message.offset() or 0
    return found


def _times() -> tuple[int, int, int]:
    """Times in ms: a record's is between the first and the last, or no broker can have kept it, and it is now's."""
    now = int(clock.now().timestamp() * 1000)
    return now - _BEHIND_MS, now, now + _AHEAD_MS
