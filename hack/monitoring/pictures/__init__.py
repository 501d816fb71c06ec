"""Draws a dashboard without Grafana: from its own JSON and from what a Prometheus answers to its queries."""
