"""Incidents in brief: what another incident tells of itself.

In a storm hundreds of incidents of one namespace are diagnosed at once, and each looks at all others. They share one
reading, which is two seconds old at most: nothing that must be exact is decided on it (see `turns`).
"""

from dataclasses import dataclass, field
from threading import Lock

from prunella_operator import clock
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_operator.kubernetes.views.workloads import time_of
from prunella_workflows.model import labels
from prunella_workflows.model.evidence import IncidentSummary
from prunella_workflows.model.incident_status import CausedBy, Phase

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
                page.briefs = tuple(map(brief, self._kube.list(paths.incidents(namespace))))
                page.read_at = begun
            return page.briefs


def brief(raw: Object) -> IncidentSummary:
    """An incident as budgets, cooldowns and correlation see it."""
    meta, status = raw["metadata"], raw.get("status") or {}
    times, caused_by = status.get("times") or {}, status.get("causedBy")
    return IncidentSummary(
        name=meta["name"],
        namespace=meta["namespace"],
        workload=status.get("target") or _wanted(raw.get("spec") or {}),
        phase=Phase(status.get("phase") or "Pending"),
        opened_at=time_of(meta.get("creationTimestamp")),
        repaired_at=time_of(times.get("repairedAt")),
        closed_at=time_of(times.get("closedAt")),
        caused_by=CausedBy.model_validate(caused_by) if caused_by else None,
        source=(meta.get("labels") or {}).get(labels.SOURCE, ""),
    )


def _wanted(spec: Object) -> str:
    """The target of one whose status does not have it yet. A source always names the top owner."""
    target = spec.get("target") or {}
    return f"{target['kind']}/{target['name']}" if target else ""
