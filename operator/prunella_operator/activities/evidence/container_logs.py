"""The last log lines of failing containers. `dependencies` compares them raw; only redacted lines leave the process."""

from collections.abc import Iterator
from typing import NamedTuple

from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_workflows.decisions.diagnosis.symptoms import Kind, find_symptoms
from prunella_workflows.model.errors import Forbidden, NotFound, Refused, Unavailable
from prunella_workflows.model.evidence import Evidence, LogTail
from prunella_workflows.model.redaction import redact
from prunella_workflows.model.workload import ContainerStatusView

_CRASHED = (Kind.CRASH, Kind.OOM)
_MAX_LINES = 20
_MAX_PODS = 2
_MAX_LINE_CHARS = 400
_MAX_RAW_LINE_CHARS = 2000
_NO_LOG = ("unable to retrieve container logs", "failed to try resolving symlinks in path")
"""The kubelet's text, with code 200, when it has no log."""


class RawLogTail(NamedTuple):
    """The last lines of a container, raw: secrets included."""

    pod: str
    container: str
    lines: tuple[str, ...]

    @property
    def redacted(self) -> LogTail:
        """The lines that may leave the process."""
        lines = tuple(redact(line)[:_MAX_LINE_CHARS] for line in self.lines)
        return LogTail(pod=self.pod, container=self.container, lines=lines)


def tail_logs(kube: SyncClient, evidence: Evidence) -> Iterator[RawLogTail]:
    """The logs of two failing containers, crashed ones before others. A log that cannot be read is skipped."""
    for pod, status, before in list(_containers_to_read(evidence))[:_MAX_PODS]:
        path = paths.core(evidence.workload.ref.namespace, "pods", f"{pod}/log")
        wanted = {"container": status.name, "tailLines": str(_MAX_LINES)}
        try:
            text = kube.text(path, **wanted, **({"previous": "true"} if before else {}))
            if before and text.startswith(_NO_LOG):  # the current log may hold the same lines
                text = kube.text(path, **wanted)
        except (NotFound, Refused, Forbidden):
            continue
        except Unavailable:  # a node does not answer; waiting for the next one too would delay the diagnosis too long
            return
        lines = (line for line in text.splitlines() if line.strip() and not line.startswith(_NO_LOG))
        yield RawLogTail(pod, status.name, tuple(line[:_MAX_RAW_LINE_CHARS] for line in lines))


def _containers_to_read(evidence: Evidence) -> Iterator[tuple[str, ContainerStatusView, bool]]:
    """Containers that crashed, with whether to read their previous run; then containers that are not ready."""
    pods = {pod.name: pod for pod in evidence.live_pods}
    for symptom in sorted(find_symptoms(evidence.live_pods), key=lambda symptom: symptom.kind not in _CRASHED):
        for status in pods[symptom.pod].containers:
            if symptom.kind in _CRASHED and status.name == symptom.container:
                yield symptom.pod, status, status.terminated is None  # a terminated one is still in its last run
            elif symptom.kind is Kind.NOT_READY and not status.ready:
                yield symptom.pod, status, False
