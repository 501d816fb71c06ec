"""The telemetry demo: a load through a real pipeline, a service that breaks, and the alert that follows."""
