"""The partitions of topics and their offsets, asked of the brokers."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import structlog
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from prunella_operator.telemetry.kafka.configuration import Configuration
from prunella_workflows.model.errors import Unavailable

_log = structlog.get_logger("prunella.telemetry")
_TIMEOUT_SECONDS = 10.0


class Partition(NamedTuple):
    """A partition of a topic."""

    topic: str
    number: int


class Offsets:
    """Questions to the brokers. The methods block. They raise Unavailable when no broker answers."""

    def __init__(self, configuration: Configuration) -> None:
        self._refusal = ""
        own: dict[str, Any] = {"socket.timeout.ms": int(_TIMEOUT_SECONDS * 1000), "error_cb": self._note}
        self._admin = AdminClient({**configuration, **own})

    def partitions(self, topics: Iterable[str]) -> list[Partition]:
        """The partitions of the topics that exist."""
        try:
            known = self._admin.list_topics(timeout=_TIMEOUT_SECONDS).topics
        except KafkaException as error:
            self._admin.poll(0)
            raise Unavailable(f"Kafka does not answer: {error}{self._refusal}") from error
        found = [known[topic] for topic in topics if topic in known and known[topic].error is None]
        return [Partition(str(topic.topic), number) for topic in found for number in sorted(topic.partitions)]

    def earliest(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        """The first offset of each partition."""
        return self._list(partitions, OffsetSpec.earliest())  # type: ignore[no-untyped-call]

    def latest(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        """The offset behind the last record of each partition."""
        return self._list(partitions, OffsetSpec.latest())  # type: ignore[no-untyped-call]

    def since(self, partitions: Collection[Partition], time: datetime) -> Mapping[Partition, int]:
        """The offset of the first record of each partition from a time on; -1: there is none."""
        return self._list(partitions, OffsetSpec.for_timestamp(int(time.timestamp() * 1000)))

    def _note(self, error: KafkaError) -> None:
        """Keep the latest reason, such as a wrong password: what is asked only fails to be answered."""
        self._refusal = f"; {error.str()}"

    def _list(self, partitions: Collection[Partition], spec: OffsetSpec) -> dict[Partition, int]:
        """Ask for offsets. A partition whose leader is away is left out, so that the others go on."""
        if not partitions:
            return {}
        asked = {TopicPartition(topic, number): spec for topic, number in partitions}
        answers = self._admin.list_offsets(asked, request_timeout=_TIMEOUT_SECONDS)
        offsets, why = {}, ""
        for place, answer in answers.items():
            try:
                offsets[Partition(place.topic, place.partition)] = answer.result().offset
            except KafkaException as error:
                why = str(error)
                _log.warning("no offset of a partition", topic=place.topic, partition=place.partition, error=why)
        if not offsets:
            raise Unavailable(f"Kafka names no offsets: {why}")
        return offsets
