"""Which workload an alert is about: the candidates of its labels, looked for in the cluster."""

from prunella_operator.activities.evidence.collector import EvidenceCollector
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_workflows.model.alert import Candidate, Classified
from prunella_workflows.model.errors import Forbidden, InvalidIncident, NotFound, Refused
from prunella_workflows.model.workload import WorkloadRef

_AUTOSCALER = "HorizontalPodAutoscaler"
_GROUPS = {"Pod": "v1", "Job": "batch/v1", "CronJob": "batch/v1"}


class SubjectFinder:
    """Finds the workload at the top of the owners of what an alert names."""

    def __init__(self, kube: SyncClient, gatherer: EvidenceCollector) -> None:
        self._kube = kube
        self._gatherer = gatherer

    def find(self, classified: Classified) -> tuple[WorkloadRef | None, str]:
        """The workload, or None and why: nothing of that name exists, or several kinds do."""
        if not classified.candidates:
            return None, ""
        found, problem = {}, ""
        for candidate in classified.candidates:
            try:
                owner = self._gatherer.top_owner(self._ref(classified.namespace, candidate))
                found[owner.uid] = owner
            except NotFound:
                continue
            except (Forbidden, Refused, InvalidIncident) as error:
                problem = str(error)
        names = " or ".join(f"{one.kind}/{one.name}" for one in classified.candidates)
        if len(found) == 1:
            return next(iter(found.values())), ""
        if found:
            return None, f"several workloads bear the name: {', '.join(map(str, found.values()))}"
        return None, problem or f"there is no {names} in namespace {classified.namespace}"

    def _ref(self, namespace: str, candidate: Candidate) -> WorkloadRef:
        if candidate.kind == _AUTOSCALER:
            return self._scaled(namespace, candidate.name)
        group = _GROUPS.get(candidate.kind, "apps/v1")
        return WorkloadRef(api_version=group, kind=candidate.kind, namespace=namespace, name=candidate.name)

    def _scaled(self, namespace: str, name: str) -> WorkloadRef:
        """What an autoscaler scales."""
        raw: Object = self._kube.get(paths.autoscalers(namespace, name))
        target = (raw.get("spec") or {}).get("scaleTargetRef") or {}
        return WorkloadRef(
            api_version=target.get("apiVersion", ""),
            kind=target.get("kind", ""),
            namespace=namespace,
            name=target.get("name", ""),
        )
