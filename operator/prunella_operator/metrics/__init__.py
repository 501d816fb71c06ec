"""Where measurements come from: Prometheus, and metrics-server where there is none."""
