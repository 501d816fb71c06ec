"""metrics-server: resource usage of a namespace's pods, through the API server's metrics.k8s.io."""

from collections.abc import Collection, Iterator

from prunella_operator import clock
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_operator.kubernetes.times import parse_time
from prunella_operator.metrics.prometheus import STALE_AFTER
from prunella_workflows.model.errors import NotFound, PrunellaError
from prunella_workflows.model.evidence import ContainerUsage, Usage
from prunella_workflows.model.measurement import NoData, Why
from prunella_workflows.model.quantity import parse_bytes, parse_quantity

SOURCE = "metrics-server"


def usage(kube: SyncClient, namespace: str, pods: Collection[str]) -> Usage | NoData:
    """The usage of these pods. Pods that were measured too long ago, or not yet, are left out."""
    try:
        found = [raw for raw in kube.list(paths.pod_metrics(namespace)) if raw["metadata"]["name"] in pods]
        fresh = [(at, raw) for raw in found if (at := parse_time(raw["timestamp"])) and clock.now() - at <= STALE_AFTER]
        containers = tuple(container for _, raw in fresh for container in _containers(raw))
    except NotFound:
        return NoData(why=Why.NOT_CONFIGURED, message="metrics-server is not installed")
    except PrunellaError as error:
        return NoData(why=Why.UNREACHABLE, message=f"metrics-server does not answer: {error}")
    except (LookupError, TypeError, ValueError, AttributeError):
        return NoData(why=Why.UNREADABLE, message="metrics-server's answer cannot be read")
    if not containers:
        why = Why.STALE if found else Why.EMPTY
        return NoData(why=why, message=f"metrics-server has no {'fresh ' if found else ''}measurement of these pods")
    return Usage(source=SOURCE, at=min(at for at, _ in fresh), containers=containers)


def _containers(raw: Object) -> Iterator[ContainerUsage]:
    for container in raw["containers"]:
        yield ContainerUsage(
            pod=raw["metadata"]["name"],
            container=container["name"],
            cpu_cores=float(parse_quantity(container["usage"]["cpu"])),
            memory_bytes=parse_bytes(container["usage"]["memory"]),
        )
