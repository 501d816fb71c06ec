"""The last words of the containers that fail. Raw, they are compared in `dependencies`; what leaves is redacted."""

from collections.abc import Iterator
from typing import NamedTuple

from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_workflows.decisions.diagnosis.symptoms import Kind, find_symptoms
from prunella_workflows.model.errors import Forbidden, NotFound, Refused, Unavailable
from prunella_workflows.model.evidence import Evidence, LogTail
from prunella_workflows.model.redaction import redact
from prunella_workflows.model.workload import ContainerStatusView

_LINES = 20
_PODS = 2
_LINE = 400
_LONGEST = 2000
_NO_LOG = ("unable to retrieve container logs", "failed to try resolving symlinks in path")
"""What the kubelet answers, with code 200, when it has none."""


class RawLogTail(NamedTuple):
    """What a container said last, as it said it: secrets included."""

    pod: str
    container: str
    lines: tuple[str, ...]

    @property
    def tail(self) -> LogTail:
        """What may leave."""
        return LogTail(pod=self.pod, container=self.container, lines=tuple(redact(line)[:_LINE] for line in self.lines))


def tail_logs(kube: SyncClient, evidence: Evidence) -> Iterator[RawLogTail]:
    """Of the first pods that fail. A log that cannot be read is no reason to stop."""
    for pod, status, before in list(_containers_to_read(evidence))[:_PODS]:
        path = paths.core(evidence.workload.ref.namespace, "pods", f"{pod}/log")
        wanted = {"container": status.name, "tailLines": str(_LINES)}
        try:
            text = kube.text(path, **wanted, **({"previous": "true"} if before else {}))
            if before and text.startswith(_NO_LOG):  # what came after it may have said the same
                text = kube.text(path, **wanted)
        except (NotFound, Refused, Forbidden):
            continue
        except Unavailable:  # a node that does not answer: who waits for the next one as well never gets to a diagnosis
            return
        said = (line for line in text.splitlines() if line.strip() and not line.startswith(_NO_LOG))
        yield RawLogTail(pod, status.name, tuple(line[:_LONGEST] for line in said))


def _containers_to_read(evidence: Evidence) -> Iterator[tuple[str, ContainerStatusView, bool]]:
    """Which containers to hear: those that crashed, and whether their run before is meant; those that are not ready.

    A container that has just ended and was not started again is in its last run still.
    """
    pods = {pod.name: pod for pod in evidence.live_pods}
    for symptom in find_symptoms(evidence.live_pods):
        for status in pods[symptom.pod].containers:
            if symptom.kind in (Kind.CRASH, Kind.OOM) and status.name == symptom.container:
                yield symptom.pod, status, status.terminated is None
            elif symptom.kind is Kind.NOT_READY and not status.ready:
                yield symptom.pod, status, False
