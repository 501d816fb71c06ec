"""The telemetry database: TimescaleDB, or plain PostgreSQL with a partition per day."""
