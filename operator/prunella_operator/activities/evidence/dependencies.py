"""Dependencies of a failing workload: those its owner declares, and Services of its namespace that its pods mention.

Logs and environment are compared raw; only the Service's name leaves the process.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from prunella_operator.activities.evidence.container_logs import RawLogTail
from prunella_operator.activities.evidence.service_mentions import Service, mentions, parse_service, read_environment
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.selectors import format_selector, selector_of
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_operator.kubernetes.views.pods import pod_view
from prunella_operator.kubernetes.views.templates import template_of
from prunella_operator.kubernetes.views.workloads import workload_view
from prunella_workflows.decisions.diagnosis.symptoms import Kind, find_symptoms
from prunella_workflows.model.errors import Forbidden, NotFound
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.labels import DEPENDS_ON
from prunella_workflows.model.neighbours import DependencyView
from prunella_workflows.model.workload import WorkloadRef

_KINDS = ("Deployment", "StatefulSet", "DaemonSet")
_MAX_DEPENDENCIES = 5
_RELEVANT_SYMPTOMS = frozenset({Kind.CRASH, Kind.NOT_READY})


class KnownDependency(NamedTuple):
    """A workload that ours needs, how that is known, and the Service that it was known by, if any."""

    raw: Object
    known_by: str
    service: str = ""


def dependencies(
    kube: SyncClient, raw: Object, evidence: Evidence, tails: Iterable[RawLogTail]
) -> tuple[DependencyView, ...]:
    """The workloads that this one needs, and their health."""
    if not any(symptom.kind in _RELEVANT_SYMPTOMS for symptom in find_symptoms(evidence.live_pods)):
        return ()
    known = [*_declared(kube, evidence), *_find_mentioned(kube, raw, evidence, tails)]
    return tuple(_view(kube, dependency) for dependency in known[:_MAX_DEPENDENCIES])


def _declared(kube: SyncClient, evidence: Evidence) -> Iterator[KnownDependency]:
    """The dependencies that the owner declares. A missing workload is ignored: it is more often a typo than a fault."""
    ref = evidence.workload.ref
    for part in evidence.workload.annotations.get(DEPENDS_ON, "").split(","):
        kind, _, name = part.strip().partition("/")
        if kind not in _KINDS or not name or (kind, name) == (ref.kind, ref.name):
            continue
        try:
            found = kube.get(paths.workload(WorkloadRef(kind=kind, namespace=ref.namespace, name=name)))
        except (NotFound, Forbidden):
            continue
        yield KnownDependency({"kind": kind, "apiVersion": "apps/v1", **found}, f"by its annotation {DEPENDS_ON}")


def _find_mentioned(
    kube: SyncClient, raw: Object, evidence: Evidence, tails: Iterable[RawLogTail]
) -> Iterator[KnownDependency]:
    """The workloads behind the Services that the failing pods mention."""
    texts, own = list(_texts(evidence, tails)), template_of(raw)
    spec = own.get("spec") or {}
    environment = read_environment((*(spec.get("initContainers") or ()), *(spec.get("containers") or ())))
    path = paths.core(evidence.workload.ref.namespace, "services")
    try:
        services = [parse_service(raw) for raw in kube.list(path)] if texts else []
    except Forbidden:
        return
    for service in services:
        if service is None or _selects(service, own):
            continue
        where = next((where for where, text in texts if mentions(service, text, environment)), "")
        if where:
            for workload in _behind(kube, service):
                yield KnownDependency(workload, f"{where} names Service {service.name}", service.name)


def _texts(evidence: Evidence, tails: Iterable[RawLogTail]) -> Iterator[tuple[str, str]]:
    """Each text with its origin: logs, termination messages, and the kubelet's events on the probes."""
    for tail in tails:
        yield f"the log of container {tail.container}", "\n".join(tail.lines)
    failing = {symptom.pod for symptom in find_symptoms(evidence.live_pods)}
    for pod in evidence.live_pods:
        for status in pod.containers if pod.name in failing else ():
            for end in status.terminations:
                yield f"the termination message of container {status.name}", end.message
    for event in evidence.events:
        if event.about in failing and event.reason == "Unhealthy":
            yield "an Event on its probe", event.message


def _selects(service: Service, template: Object) -> bool:
    labels = (template.get("metadata") or {}).get("labels") or {}
    return all(labels.get(key) == value for key, value in service.selector.items())


def _behind(kube: SyncClient, service: Service) -> Iterator[Object]:
    """The workloads whose pods the Service selects."""
    for kind in _KINDS:
        for raw in kube.list(paths.collection(kind, service.namespace)):
            if _selects(service, template_of(raw)):
                yield {"kind": kind, "apiVersion": "apps/v1", **raw}


def _view(kube: SyncClient, known: KnownDependency) -> DependencyView:
    workload = workload_view(known.raw)
    path = paths.core(workload.ref.namespace, "pods")
    pods = [pod_view(pod) for pod in kube.list(path, labelSelector=format_selector(selector_of(known.raw)))]
    serving = [pod.ready_since for pod in pods if pod.live and pod.ready and pod.ready_since is not None]
    failing = [symptom for symptom in find_symptoms(pods) if symptom.active]
    return DependencyView(
        ref=workload.ref,
        known_by=known.known_by,
        service=known.service,
        wanted=workload.replicas,
        available=workload.available_replicas,
        serving_since=min(serving, default=None),
        failing=str(failing[0]) if failing else "",
    )
