"""Incidents in brief: what another incident tells of itself.

In a storm hundreds of incidents of one namespace are diagnosed at once, and each looks at all others. They share one
reading, which is two seconds old at most: nothing that must be exact is decided on it (see `turns`).
"""

from dataclasses import dataclass, field
from threading import Lock

from prunella_operator import clock
from prunella_operator.incidents.view import IncidentView
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_workflows.model.evidence import IncidentSummary
from prunella_workflows.model.incident_status import CausedBy

_FRESH = 2.0


@dataclass
class _Page:
    lock: Lock = field(default_factory=Lock)
    read_at: float = float("-inf")
    briefs: tuple[IncidentSummary, ...] = ()


class IncidentSummaryCache:
    """Reads the incidents of a namespace, in brief. Thread-safe; a reading counts for `fresh` seconds."""

    def __init__(self, kube: SyncClient, fresh: float = _FRESH) -> None:
        self._kube = kube
        self._fresh = fresh
        self._pages: dict[str, _Page] = {}

    def of(self, namespace: str) -> tuple[IncidentSummary, ...]:
        """All of them. Whoever asks while they are being read waits for that reading."""
        page = self._pages.setdefault(namespace, _Page())
        with page.lock:
            begun = clock.monotonic()
            if begun - page.read_at > self._fresh:
                page.briefs = tuple(map(summarize, self._kube.list(paths.incidents(namespace))))
                page.read_at = begun
            return page.briefs


def summarize(raw: Object) -> IncidentSummary:
    """An incident as budgets, cooldowns and correlation see it."""
    incident = IncidentView.from_object(raw)
    meta, status = incident.metadata, incident.status
    return IncidentSummary(
        name=meta.name,
        namespace=meta.namespace,
        # A source always names the top owner; a person may name a pod, which is not the target before it is resolved.
        workload=status.target or (incident.requested_target if incident.spec.get("target") else ""),
        phase=status.phase,
        opened_at=meta.creation_timestamp,
        repaired_at=status.times.repaired_at,
        closed_at=status.times.closed_at,
        caused_by=CausedBy.model_validate(status.caused_by) if status.caused_by else None,
        source=meta.labels.source,
    )
