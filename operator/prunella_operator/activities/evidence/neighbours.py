"""Other explanations of a fault: the nodes of the pods, and workloads of the namespace that lack the same object."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_operator.kubernetes.views.templates import POD_TEMPLATE_HASH
from prunella_operator.kubernetes.views.workloads import controller_of
from prunella_workflows.decisions.diagnosis.external_cause import parse_missing_objects
from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.diagnosis.symptoms import is_oom
from prunella_workflows.model.errors import Forbidden, NotFound
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.neighbours import AffectedWorkload, NodeView
from prunella_workflows.model.workload import PodView

_MAX_NODES = 5
_PRESSURES = ("MemoryPressure", "DiskPressure", "PIDPressure")


def read_nodes(kube: SyncClient, pods: Iterable[PodView]) -> tuple[NodeView, ...]:
    """The nodes of the pods that are not ready, or that were OOM-killed."""
    names = sorted({pod.node for pod in pods if pod.node and (not pod.ready or _was_killed(pod))})
    found = (_node(kube, name) for name in names[:_MAX_NODES])
    return tuple(node for node in found if node is not None)


def _was_killed(pod: PodView) -> bool:
    return any(is_oom(end) for status in pod.containers for end in status.terminations)


def _node(kube: SyncClient, name: str) -> NodeView | None:
    try:
        raw = kube.get(f"/api/v1/nodes/{name}")
    except NotFound:
        return NodeView(name=name, ready=False, message="it was deleted")
    except Forbidden:
        return None
    ready = _condition(raw, "Ready")
    pressure = tuple(kind for kind in _PRESSURES if _condition(raw, kind).get("status") == "True")
    reason = f"{ready.get('reason', 'not ready')} since {ready.get('lastTransitionTime', 'an unknown time')}"
    good = ready.get("status") == "True"
    return NodeView(name=name, ready=good, message="" if good else reason, pressure=pressure)


def workloads_missing_same_object(
    kube: SyncClient, evidence: Evidence, events: Iterable[Object]
) -> tuple[AffectedWorkload, ...]:
    """The other workloads whose pods lack what ours lack. `events` are the warnings of the namespace."""
    lacking = Findings(evidence).missing_objects
    if not lacking:
        return ()
    messages: dict[str, str] = defaultdict(str)
    for event in events:
        messages[(event.get("involvedObject") or {}).get("name", "")] += f"{event.get('message', '')}\n"
    ours = {pod.uid for pod in evidence.pods}
    found = set()
    for pod in kube.list(paths.core(evidence.workload.ref.namespace, "pods")):
        meta = pod["metadata"]
        ready = _condition(pod, "Ready").get("status") == "True"
        if meta["uid"] not in ours and "deletionTimestamp" not in meta and not ready:
            text = "\n".join((messages[meta["name"]], *_waiting_messages(pod)))
            found |= {(_workload_of(pod), name) for name in parse_missing_objects(text) & lacking}
    return tuple(AffectedWorkload(workload=workload, missing=name) for workload, name in sorted(found))


def _condition(raw: Object, kind: str) -> Object:
    """A condition of an object; empty if it has none of this type."""
    conditions = (raw.get("status") or {}).get("conditions") or ()
    return next((condition for condition in conditions if condition.get("type") == kind), {})


def _waiting_messages(pod: Object) -> Iterator[str]:
    """The messages on why its containers are not started, or why it is not scheduled."""
    status = pod.get("status") or {}
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        yield ((container.get("state") or {}).get("waiting") or {}).get("message", "")
    yield _condition(pod, "PodScheduled").get("message", "")


def _workload_of(pod: Object) -> str:
    """Its workload as incidents name it. A Deployment's ReplicaSet is named after it and the template's hash."""
    owner = controller_of(pod)
    if owner is None:
        return f"Pod/{pod['metadata']['name']}"
    digest = (pod["metadata"].get("labels") or {}).get(POD_TEMPLATE_HASH, "")
    if owner.kind == "ReplicaSet" and digest and owner.name.endswith(f"-{digest}"):
        return f"Deployment/{owner.name.removesuffix(f'-{digest}')}"
    return f"{owner.kind}/{owner.name}"
