"""Incidents in brief: what another incident tells of itself."""

from prunella_operator.cluster import paths
from prunella_operator.cluster.kube import Kube
from prunella_operator.cluster.port import Object
from prunella_operator.cluster.views import time_of
from prunella_workflows.model.evidence import IncidentBrief
from prunella_workflows.model.incident import CausedBy, Phase


class Briefs:
    """Reads the incidents of a namespace, in brief."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube

    def of(self, namespace: str) -> tuple[IncidentBrief, ...]:
        """All of them, as they are now."""
        return tuple(map(brief, self._kube.list(paths.incidents(namespace))))


def brief(raw: Object) -> IncidentBrief:
    """An incident as budgets, cooldowns and correlation see it."""
    meta, status = raw["metadata"], raw.get("status") or {}
    times, caused_by = status.get("times") or {}, status.get("causedBy")
    return IncidentBrief(
        name=meta["name"],
        namespace=meta["namespace"],
        workload=status.get("target") or _wanted(raw.get("spec") or {}),
        phase=Phase(status.get("phase") or "Pending"),
        opened_at=time_of(meta.get("creationTimestamp")),
        repaired_at=time_of(times.get("repairedAt")),
        closed_at=time_of(times.get("closedAt")),
        caused_by=CausedBy.model_validate(caused_by) if caused_by else None,
    )


def _wanted(spec: Object) -> str:
    """The target of one whose status does not have it yet. A source always names the top owner."""
    target = spec.get("target") or {}
    return f"{target['kind']}/{target['name']}" if target else ""
