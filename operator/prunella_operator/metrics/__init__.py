"""Metrics sources: Prometheus, and metrics-server where there is none."""
