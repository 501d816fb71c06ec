"""Kafka: offsets, records of ranges, and dead letters."""
