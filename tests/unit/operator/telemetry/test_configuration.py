"""The configuration of Kafka's clients."""

import pytest

from prunella_operator.config.settings import Settings
from prunella_operator.telemetry.kafka.configuration import configuration
from prunella_workflows.model.errors import InvalidInputError


def of(path):
    return configuration(Settings(telemetry_kafka="one:9092,two:9092", telemetry_kafka_properties=str(path)))


def test_properties_are_read_from_a_file(tmp_path):
    path = tmp_path / "kafka.properties"
    path.write_text("# of the Secret\nsecurity.protocol=SASL_SSL\n\nsasl.password = with=sign\n")
    found = of(path)
    assert found["bootstrap.servers"] == "one:9092,two:9092"
    assert (found["security.protocol"], found["sasl.password"]) == ("SASL_SSL", "with=sign")


@pytest.mark.parametrize("text", [None, "sasl.password"], ids=["missing", "no property"])
def test_a_file_that_cannot_be_used_is_named(tmp_path, text):
    path = tmp_path / "kafka.properties"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InvalidInputError, match=r"kafka\.properties"):
        of(path)
