"""Detectors of anomalies in telemetry: pure functions of windows and of what was learnt before."""
