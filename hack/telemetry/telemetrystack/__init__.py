"""The parts around the telemetry pipeline as processes of this machine: Kafka, the Collector, PostgreSQL."""
