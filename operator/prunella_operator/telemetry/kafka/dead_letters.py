"""Dead letters: records that cannot be read, kept in a compacted topic with the reason."""

from collections.abc import Iterable

from confluent_kafka import KafkaError, Message, Producer

from prunella_operator.telemetry.kafka.configuration import Configuration
from prunella_operator.telemetry.processing.records import DeadLetter
from prunella_workflows.model.errors import Unavailable

_TIMEOUT_SECONDS = 30.0
_MOST_BYTES = 900_000
"""Brokers accept about a megabyte by default, headers included."""


class DeadLetters:
    """The producer of dead letters. The same record makes the same key, so that repeating it is harmless."""

    def __init__(self, configuration: Configuration, topic: str) -> None:
        self._topic = topic
        self._configuration = {**configuration, "enable.idempotence": True, "linger.ms": 5}
        self._producer: Producer | None = None

    def send(self, letters: Iterable[DeadLetter]) -> None:
        """Send letters, and wait until the brokers have them.

        Raises:
            Unavailable: the brokers do not have all of them.
        """
        self._producer = self._producer or Producer(self._configuration)
        failed: list[str] = []

        def note(error: KafkaError | None, _message: Message) -> None:
            if error is not None:
                failed.append(str(error))

        for letter in letters:
            self._producer.produce(
                self._topic,
                key=letter.place,
                value=letter.value[:_MOST_BYTES],
                headers=[("error", letter.error.encode())],
                on_delivery=note,
            )
            self._producer.poll(0)
        waiting = self._producer.flush(_TIMEOUT_SECONDS)
        if failed or waiting:
            raise Unavailable(f"dead letters were not taken by topic {self._topic}: {(failed or ['no answer'])[0]}")
