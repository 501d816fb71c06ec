"""The OpenTelemetry resource: this process, as traces and metrics name it."""

import os
import socket
from functools import cached_property

from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, OTELResourceDetector, Resource


def resource(service: str) -> Resource:
    """The service and this process of it; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES take precedence.

    Processes that send the same totals must differ in it, or one would overwrite the other.
    """
    ours = Resource({SERVICE_NAME: service, SERVICE_INSTANCE_ID: f"{socket.gethostname()}-{os.getpid()}"})
    merged = ours.merge(OTELResourceDetector().detect())
    return _HashedOnce(merged.attributes, merged.schema_url)


class _HashedOnce(Resource):
    """The exporter groups spans by their resource, and the SDK makes JSON of a resource to hash it, for each span."""

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return super().__hash__()
