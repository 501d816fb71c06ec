"""Who sends: the process, as traces and metrics name it."""

import os
import socket

from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, OTELResourceDetector, Resource


def resource(service: str) -> Resource:
    """The service and this process of it; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES come first.

    Processes that send the same totals must differ in it, else one overwrites the other.
    """
    ours = Resource({SERVICE_NAME: service, SERVICE_INSTANCE_ID: f"{socket.gethostname()}-{os.getpid()}"})
    return ours.merge(OTELResourceDetector().detect())
