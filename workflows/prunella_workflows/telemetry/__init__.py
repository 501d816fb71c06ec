"""The TelemetryPipeline workflow."""
