"""Helpers for workflow code: sandbox, failures, tracing, metrics, activity calls."""
