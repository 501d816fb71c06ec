"""Reading of ranges: no record more, and no record less."""

import pytest
from confluent_kafka import KafkaError, Message, TopicPartition

from prunella_operator.telemetry.kafka import reader
from prunella_operator.telemetry.kafka.reader import Reader
from prunella_workflows.contracts.telemetry import OffsetRange, TelemetrySignal
from prunella_workflows.model.errors import Unavailable

NOW_MS = 1_795_900_000_000


class Consumer:
    """Gives the messages of a script, as many as are asked for."""

    def __init__(self, messages):
        self.messages, self.stopped = list(messages), []

    def assign(self, places):
        self.places = places

    def unassign(self):
        self.places = []

    def incremental_unassign(self, places):
        self.stopped += [place.partition for place in places]

    def consume(self, most, _timeout):
        taken, self.messages = self.messages[:most], self.messages[most:]
        return taken

    def close(self):
        self.closed = True


def record(partition, offset, value=b"v", time=NOW_MS):
    return Message(topic="spans", partition=partition, offset=offset, value=value, timestamp=(1, time))


def end(partition, offset, code=KafkaError._PARTITION_EOF):
    return Message(topic="spans", partition=partition, offset=offset, error=KafkaError(code))


def ranges(*ends):
    return [
        OffsetRange(signal=TelemetrySignal.TRACES, topic="spans", partition=partition, start=0, end=end)
        for partition, end in enumerate(ends)
    ]


def read(consumer, wanted, monkeypatch):
    monkeypatch.setattr(reader, "Consumer", lambda _: consumer)
    return [*Reader({}).read(wanted)]


def test_exactly_the_records_of_the_ranges_are_read(monkeypatch):
    consumer = Consumer([record(0, 0), record(1, 0), record(0, 1), record(0, 2), record(1, 1), record(1, 2)])
    (chunk,) = read(consumer, ranges(2, 2), monkeypatch)
    assert [*zip(chunk.partitions, chunk.offsets, strict=True)] == [(0, 0), (1, 0), (0, 1), (1, 1)]
    assert consumer.stopped == [0, 1]


def test_records_that_were_compacted_away_are_not_waited_for(monkeypatch):
    consumer = Consumer([record(0, 0, value=None), record(0, 5), record(1, 0), end(1, 3)])
    (chunk,) = read(consumer, ranges(3, 3), monkeypatch)
    assert chunk.values == [b"", b"v"]


def test_a_time_that_no_broker_can_have_kept_is_now(monkeypatch):
    monkeypatch.setattr(reader, "_times", lambda: (NOW_MS - 10, NOW_MS, NOW_MS + 10))
    times = (NOW_MS - 9, NOW_MS - 10, NOW_MS + 9, NOW_MS + 10, -1)
    (chunk,) = read(Consumer([record(0, at, time=time) for at, time in enumerate(times)]), ranges(5), monkeypatch)
    assert [stamp // 1_000_000 - NOW_MS for stamp in chunk.stamps] == [-9, 0, 9, 0, 0]


def test_chunks_are_of_bounded_size(monkeypatch):
    monkeypatch.setattr(reader, "CHUNK_BYTES", 10)
    monkeypatch.setattr(reader, "_FIRST_AT_ONCE", 2)
    chunks = read(Consumer([record(0, at, value=b"1234567") for at in range(5)]), ranges(5), monkeypatch)
    assert [len(chunk) for chunk in chunks] == [2, 2, 1]


def test_an_error_is_raised_and_its_consumer_closed(monkeypatch):
    consumer = Consumer([record(0, 0), end(0, 1, KafkaError._ALL_BROKERS_DOWN)])
    with pytest.raises(Unavailable):
        read(consumer, ranges(2), monkeypatch)
    assert consumer.closed


def test_the_place_of_a_dead_letter_is_that_of_its_record(monkeypatch):
    (chunk,) = read(Consumer([record(0, 0), record(0, 1, value=b"bad")]), ranges(2), monkeypatch)
    assert chunk.letter(1, "why") == ("spans/0/1", b"bad", "why")
    assert TopicPartition("spans", 0).partition == chunk[1:].partitions[0]
