"""Causes outside of the workload that fails: a dependency, an object that other workloads lack too, a node.

A workload's own fault (memory, image, configuration) is never blamed on another.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import groupby

from prunella_workflows.decisions.diagnosis.other_incidents import (
    age,
    incident_about,
    is_recent,
    others,
    own_age,
    recent_about,
    waits_for_us,
)
from prunella_workflows.decisions.diagnosis.symptoms import Kind, Symptom
from prunella_workflows.model.base import Value
from prunella_workflows.model.evidence import Evidence, IncidentSummary
from prunella_workflows.model.incident_status import CausedBy
from prunella_workflows.model.neighbours import DependencyView

MAX_WAIT_FOR_INCIDENT = timedelta(minutes=30)
"""For a cause with an open incident of its own: enough for three repairs of it, each with its verification."""

MAX_WAIT_WITHOUT_INCIDENT = timedelta(minutes=2)
"""For a cause that nothing works on. If it gets an incident of its own, that opens within this time."""

MAX_WAIT_FOR_EVICTION = timedelta(minutes=10)
"""For a lost node. Its pods are evicted after 5 minutes, then others start elsewhere."""

RESTART_TIMEOUT = timedelta(minutes=6)
"""The time within which a crashed container is started again: the kubelet's back-off ends at 5 minutes."""

_READY_TIMEOUT = timedelta(minutes=1)
_PROPAGATION_DELAY = timedelta(seconds=5)  # until the addresses of a Service are known on every node
_OWN_FAULTS = frozenset({Kind.OOM, Kind.IMAGE, Kind.CONFIG, Kind.UNSCHEDULABLE, Kind.NOT_MADE, Kind.EVICTED})
_KINDS = {
    kind.lower(): kind
    for kind in ("Secret", "ConfigMap", "PersistentVolumeClaim", "ServiceAccount", "PriorityClass", "RuntimeClass")
}
_NOT_FOUND = re.compile(rf'\b({"|".join(_KINDS)}) "([^"\s]+)" not found', re.IGNORECASE)
_NO_CLASS = re.compile(r"\bno (PriorityClass) with name ([^\s,]+) was found")
_NO_KEY = re.compile(r"\bcouldn't find key (\S+) in (Secret|ConfigMap) [^/\s]+/(\S+)")


class CauseKind(StrEnum):
    """The relation between a fault and its external cause."""

    NODE = "Node"
    DEPENDENCY = "Dependency"
    SHARED = "Shared"


class ExternalCause(Value):
    """A cause outside of the workload. Wait for it, at most `max_wait` seconds; then `next_step` is for a person.

    `recovered`: it is over, and the pods have not tried again since.
    """

    kind: CauseKind
    target: str
    incident: str = ""
    message: str
    next_step: str
    max_wait: float
    recovered: bool = False

    @property
    def note(self) -> CausedBy:
        """The entry for the incident's status."""
        return CausedBy(incident=self.incident, target=self.target, message=self.message)


def parse_missing_objects(text: str) -> frozenset[str]:
    """The objects, or keys of them, that a kubelet or scheduler reports as not existing (`Secret/token`)."""
    pairs = (*_NOT_FOUND.findall(text), *_NO_CLASS.findall(text))
    found = {f"{_KINDS[kind.lower()]}/{name}" for kind, name in pairs}
    return frozenset(found | {f"{kind}/{name} (key {key})" for key, kind, name in _NO_KEY.findall(text)})


def missing_objects(evidence: Evidence, failures: Iterable[Symptom]) -> frozenset[str]:
    """The objects that our own pods lack."""
    pods = {pod.name for pod in evidence.live_pods if not pod.ready}
    messages = [failure.message for failure in failures if failure.active]
    messages += [event.message for event in evidence.events if event.about in pods]
    return frozenset().union(*map(parse_missing_objects, messages))


def find_shared_cause(evidence: Evidence, missing: frozenset[str]) -> ExternalCause | None:
    """The earliest incident of another workload that lacks the same object; None if ours is the earliest."""
    affected = (workload for workload in evidence.affected_workloads if workload.missing in missing)
    incidents = ((workload.missing, incident_about(workload.workload, evidence)) for workload in affected)
    known = [(target, incident) for target, incident in incidents if incident is not None]
    target, earliest = min(known, key=lambda pair: age(pair[1]), default=("", None))
    if earliest is None or age(earliest) >= own_age(evidence):
        return None
    return ExternalCause(
        kind=CauseKind.SHARED,
        target=target,
        incident=earliest.name,
        message=f"{earliest.workload} lacks {target} too; incident {earliest.name} is about it.",
        next_step=f"See incident {earliest.name}; restore {target}.",
        max_wait=0 if earliest.phase.closed else MAX_WAIT_FOR_INCIDENT.total_seconds(),
    )


def find_lost_node(evidence: Evidence, failures: Iterable[Symptom]) -> ExternalCause | None:
    """The node that is lost, when nothing fails but its pods."""
    lost = {node.name: node.message for node in evidence.nodes if not node.ready}
    stranded = [pod for pod in evidence.live_pods if pod.node_lost or (not pod.ready and pod.node in lost)]
    names = {pod.name for pod in stranded}
    if not stranded or any(failure.pod not in names for failure in failures):
        return None
    name = stranded[0].node
    target = f"Node/{name}"
    earliest = _earliest_about(target, evidence)
    details = f" ({lost[name]})" if lost.get(name) else ""
    return ExternalCause(
        kind=CauseKind.NODE,
        target=target,
        incident=earliest.name if earliest is not None else "",
        message=f"{target} is lost{details}; {len(stranded)} pod(s) were on it.",
        next_step=f"Bring {target} back, or delete it so that its pods are recreated elsewhere.",
        max_wait=MAX_WAIT_FOR_EVICTION.total_seconds(),
    )


def _earliest_about(target: str, evidence: Evidence) -> IncidentSummary | None:
    """The earliest open incident with the same external cause, if it is older than ours."""
    same = [other for other in others(evidence) if other.caused_by is not None and other.caused_by.target == target]
    earliest = min((incident for incident in same if not incident.phase.closed), key=age, default=None)
    return earliest if earliest is not None and age(earliest) < own_age(evidence) else None


def find_dependency(evidence: Evidence, failures: Sequence[Symptom]) -> ExternalCause | None:
    """The dependency that is down, or came back so recently that our pods have not tried again since."""
    if not failures or any(failure.kind in _OWN_FAULTS for failure in failures):
        return None
    for views in _group_by_service(evidence.dependencies):
        down = _find_down(views)
        if down is None and not _has_just_recovered(views, failures, evidence.read_at):
            continue
        incident = incident_about(str((down or views[0]).ref), evidence)
        if not waits_for_us(incident, evidence):
            return _down(down, incident, evidence) if down is not None else _recovered(views[0], evidence)
    return None


def _group_by_service(dependencies: Iterable[DependencyView]) -> Iterator[tuple[DependencyView, ...]]:
    """The dependencies grouped by the Service that they back together."""
    ordered = sorted(dependencies, key=lambda view: (view.service, str(view.ref)))
    for _, group in groupby(ordered, key=lambda view: view.service or str(view.ref)):
        yield tuple(group)


def _find_down(views: tuple[DependencyView, ...]) -> DependencyView | None:
    """The view to blame: none of them serves; or one fails in part, and our pods mention it."""
    if not any(view.available for view in views):
        return next((view for view in views if view.wanted), views[0])
    return next((view for view in views if view.mentioned and view.failing and view.available < view.wanted), None)


def _has_just_recovered(views: tuple[DependencyView, ...], failures: Iterable[Symptom], now: datetime) -> bool:
    """Report whether all failures are older than the moment from which the dependency has been serving again."""
    since = min((view.serving_since for view in views if view.serving_since is not None), default=None)
    return since is not None and all(_failed_before(failure, since, now) for failure in failures)


def _failed_before(symptom: Symptom, since: datetime, now: datetime) -> bool:
    if symptom.kind is Kind.NOT_READY:
        return now - since < _READY_TIMEOUT
    return symptom.at is not None and symptom.at < since + _PROPAGATION_DELAY and now - since < RESTART_TIMEOUT


def _down(view: DependencyView, incident: IncidentSummary | None, evidence: Evidence) -> ExternalCause:
    if view.wanted:
        state = f"{view.ref} has {view.available} of {view.wanted} replicas available"
        state += f" ({view.failing})" if view.failing else ""
    else:
        state = f"{view.ref} is scaled to 0"
    about = f"; incident {incident.name} is about it" if incident is not None else ""
    return ExternalCause(
        kind=CauseKind.DEPENDENCY,
        target=str(view.ref),
        incident=incident.name if incident is not None else "",
        message=f"{state}, and this workload depends on it ({view.known_by}){about}.",
        next_step=f"See incident {incident.name} of {view.ref}." if incident else f"Bring {view.ref} back.",
        max_wait=max_wait(view, incident, evidence).total_seconds(),
    )


def max_wait(view: DependencyView, incident: IncidentSummary | None, evidence: Evidence) -> timedelta:
    """The time to wait. An incident escalated long ago is hardly about this fault, and a new one may open."""
    if incident is None or not view.wanted:
        return MAX_WAIT_WITHOUT_INCIDENT
    if not incident.phase.closed:
        return MAX_WAIT_FOR_INCIDENT
    return timedelta() if is_recent(incident, evidence) else MAX_WAIT_WITHOUT_INCIDENT


def _recovered(view: DependencyView, evidence: Evidence) -> ExternalCause:
    latest = recent_about(str(view.ref), evidence)
    return ExternalCause(
        kind=CauseKind.DEPENDENCY,
        target=str(view.ref),
        incident=latest.name if latest is not None else "",
        message=f"{view.ref}, on which this workload depends ({view.known_by}), is available again; "
        "waiting for the pods to retry.",
        next_step=f"Find out why the pods fail although {view.ref} is available again.",
        max_wait=(MAX_WAIT_FOR_INCIDENT + RESTART_TIMEOUT).total_seconds(),
        recovered=True,
    )
