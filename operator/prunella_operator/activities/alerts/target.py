"""Resolve the workload of an alert, from the candidates that its labels name."""

from prunella_operator.activities.evidence.collector import EvidenceCollector
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_workflows.model.alert import Candidate, Classified
from prunella_workflows.model.errors import Forbidden, InvalidIncident, NotFound, Refused
from prunella_workflows.model.workload import WorkloadRef

_AUTOSCALER = "HorizontalPodAutoscaler"


class TargetResolver:
    """Resolves the workload at the top of the owners of what an alert names."""

    def __init__(self, kube: SyncClient, collector: EvidenceCollector) -> None:
        self._kube = kube
        self._collector = collector

    def resolve(self, classified: Classified) -> tuple[WorkloadRef | None, str]:
        """Return the workload, or None and the reason: nothing has that name, or several kinds do."""
        if not classified.candidates:
            return None, ""
        found, problem = {}, ""
        for candidate in classified.candidates:
            try:
                owner = self._collector.top_owner(self._ref(classified.namespace, candidate))
                found[owner.uid] = owner
            except NotFound:
                continue
            except (Forbidden, Refused, InvalidIncident) as error:
                problem = str(error)
        names = " or ".join(f"{candidate.kind}/{candidate.name}" for candidate in classified.candidates)
        if len(found) == 1:
            return next(iter(found.values())), ""
        if found:
            return None, f"several workloads have the name: {', '.join(map(str, found.values()))}"
        return None, problem or f"there is no {names} in namespace {classified.namespace}"

    def _ref(self, namespace: str, candidate: Candidate) -> WorkloadRef:
        if candidate.kind == _AUTOSCALER:
            return self._scale_target(namespace, candidate.name)
        return WorkloadRef(
            api_version=paths.api_version(candidate.kind), kind=candidate.kind, namespace=namespace, name=candidate.name
        )

    def _scale_target(self, namespace: str, name: str) -> WorkloadRef:
        """The workload that an autoscaler scales."""
        raw: Object = self._kube.get(paths.autoscalers(namespace, name))
        target = (raw.get("spec") or {}).get("scaleTargetRef") or {}
        version, kind, name = (target.get(key, "") for key in ("apiVersion", "kind", "name"))
        return WorkloadRef(api_version=version, kind=kind, namespace=namespace, name=name)
