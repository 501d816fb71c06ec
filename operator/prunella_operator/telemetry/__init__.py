"""The telemetry pipeline's hands: OTLP from Kafka to stored rows and anomalies. Needs the extra `prunella[telemetry]`.

Nothing outside imports this package at module level: an installation without the extra pays nothing for it.
"""

import os

# Read when polars is imported. The frames of a batch are small, and its threads would mostly wait for each other.
os.environ.setdefault("POLARS_MAX_THREADS", "1")
