"""The configuration of Kafka clients: the brokers, and properties from a file, such as credentials."""

from collections.abc import Mapping
from pathlib import Path

from prunella_operator.config.settings import Settings
from prunella_workflows.model.errors import InvalidInputError

GROUP = "prunella-telemetry"
"""Group whose offsets are committed for tools that show the lag. Nothing is read by it."""

Configuration = Mapping[str, str | int | bool]


def configuration(settings: Settings) -> Configuration:
    """The configuration of any client.

    Raises:
        InvalidInputError: no brokers are set, the file cannot be read, or a line of it is no property.
    """
    if not settings.telemetry_kafka:
        raise InvalidInputError("telemetry_kafka is not set: it names Kafka's brokers, such as kafka:9092")
    properties = _read(settings.telemetry_kafka_properties) if settings.telemetry_kafka_properties else {}
    return {
        **properties,
        "bootstrap.servers": ",".join(settings.telemetry_kafka),
        "log_level": 2,
    }  # what fails is raised


def _read(path: str) -> dict[str, str]:
    try:
        lines = [line.strip() for line in Path(path).read_text().splitlines()]
    except OSError as error:
        raise InvalidInputError(f"telemetry_kafka_properties: {error}") from error
    pairs = [line.partition("=") for line in lines if line and not line.startswith("#")]
    if any(not equals for _, equals, _ in pairs):
        raise InvalidInputError(f"{path}: expected lines of NAME=VALUE, as librdkafka names its properties")
    return {name.strip(): value.strip() for name, _, value in pairs}
