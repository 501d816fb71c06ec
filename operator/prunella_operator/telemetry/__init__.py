"""The telemetry pipeline's hands: OTLP from Kafka to stored rows and anomalies. Needs the extra `prunella[telemetry]`.

Nothing outside imports this package at module level: an installation without the extra pays nothing for it.
"""
