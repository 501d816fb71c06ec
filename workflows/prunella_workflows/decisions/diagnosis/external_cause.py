"""What causes a fault outside of the workload that shows it: a dependency, an object that others lack too, a node.

Facts in, one culprit out. A fault of the workload's own (memory, image, configuration) is never laid at another's door.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import groupby

from prunella_workflows.decisions.diagnosis.symptoms import Kind, Symptom, failing
from prunella_workflows.model.base import Value
from prunella_workflows.model.evidence import Evidence, IncidentSummary
from prunella_workflows.model.incident_status import CausedBy, Phase
from prunella_workflows.model.neighbours import DependencyView
from prunella_workflows.model.outcome import Cause

WITH_AN_INCIDENT = timedelta(minutes=30)
"""How long to wait for what has an open incident of its own: three repairs of it, each with its proof, fit in."""

WITHOUT_ONE = timedelta(minutes=2)
"""How long to wait when nobody is at work on it. Its own incident, if it is to have one, opens within that time."""

EVICTION = timedelta(minutes=10)
"""How long to wait for a lost node. Its pods are evicted after 5 minutes, then others start elsewhere."""

_RESTART_WITHIN = timedelta(minutes=6)  # the kubelet's back-off ends at 5 minutes
_READY_WITHIN = timedelta(minutes=1)
_SETTLES = timedelta(seconds=5)  # until the addresses of a Service are known on every node
_OLD_NEWS = timedelta(minutes=10)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_OWN = frozenset({Kind.OOM, Kind.IMAGE, Kind.CONFIG, Kind.UNSCHEDULABLE, Kind.NOT_MADE})
_SHARED = frozenset({Cause.BAD_RELEASE, Cause.POD_CRASH_LOOP, Cause.UNKNOWN})
_WITH_PEOPLE = frozenset({Phase.ESCALATED, Phase.FAILED})
_KINDS = {"secret": "Secret", "configmap": "ConfigMap", "persistentvolumeclaim": "PersistentVolumeClaim"}
_NOT_FOUND = re.compile(r'\b(secret|configmap|persistentvolumeclaim) "([^"\s]+)" not found', re.IGNORECASE)
_NO_KEY = re.compile(r"\bcouldn't find key (\S+) in (Secret|ConfigMap) [^/\s]+/(\S+)")


class CauseKind(StrEnum):
    """How a fault hangs together with what causes it."""

    NODE = "Node"
    DEPENDENCY = "Dependency"
    SHARED = "Shared"


class ExternalCause(Value):
    """What causes the fault. It is waited for, `max_wait` seconds at most; then `next_step` is a person's."""

    kind: CauseKind
    target: str
    incident: str = ""
    message: str
    next_step: str
    max_wait: float

    @property
    def note(self) -> CausedBy:
        """What the status says of it."""
        return CausedBy(incident=self.incident, target=self.target, message=self.message)


def culprit(cause: Cause, evidence: Evidence) -> ExternalCause | None:
    """What causes a fault of this diagnosis elsewhere, if anything does."""
    if cause is Cause.NODE_LOST:
        return node(evidence)
    if cause is Cause.DEPENDENCY_DOWN:
        return dependency(evidence)
    return shared(evidence) if cause in _SHARED else None


def missing_objects(text: str) -> frozenset[str]:
    """The objects, or keys of them, that a kubelet or scheduler says do not exist (`Secret/token`)."""
    found = {f"{_KINDS[kind.lower()]}/{name}" for kind, name in _NOT_FOUND.findall(text)}
    return frozenset(found | {f"{kind}/{name} (key {key})" for key, kind, name in _NO_KEY.findall(text)})


def missing(evidence: Evidence) -> frozenset[str]:
    """What our own pods lack."""
    found = [one for one in failing(evidence, evidence.live_pods) if one.active]
    pods = {pod.name for pod in evidence.live_pods if not pod.ready}
    said = [one.message for one in found] + [event.message for event in evidence.events if event.about in pods]
    return frozenset().union(*map(missing_objects, said))


def shared(evidence: Evidence) -> ExternalCause | None:
    """The first incident of another workload that lacks the same object. The first of all has no culprit."""
    lacking = missing(evidence)
    fellows = [fellow for fellow in evidence.fellows if fellow.missing in lacking]
    told = ((fellow.missing, _incident_of(fellow.workload, evidence)) for fellow in fellows)
    leads = [(thing, lead) for thing, lead in told if lead is not None and _is_at_work(lead)]
    thing, first = min(leads, key=lambda pair: _age(pair[1]), default=("", None))
    if first is None or _age(first) >= _our_age(evidence):
        return None
    return ExternalCause(
        kind=CauseKind.SHARED,
        target=thing,
        incident=first.name,
        message=f"{first.workload} lacks {thing} too, which incident {first.name} is about.",
        next_step=f"See incident {first.name}; bring {thing} back.",
        max_wait=0 if first.phase.closed else WITH_AN_INCIDENT.total_seconds(),
    )


def node(evidence: Evidence) -> ExternalCause | None:
    """The node that is lost, when nothing fails but its pods."""
    lost = {one.name: one.message for one in evidence.nodes if not one.ready}
    away = [pod for pod in evidence.live_pods if pod.node_lost or (not pod.ready and pod.node in lost)]
    names = {pod.name for pod in away}
    elsewhere = [one for one in failing(evidence, evidence.live_pods) if one.pod not in names]
    if not away or elsewhere:
        return None
    target = f"Node/{away[0].node}"
    first = _first_about(target, evidence)
    words = lost.get(away[0].node, "")
    return ExternalCause(
        kind=CauseKind.NODE,
        target=target,
        incident=first.name if first is not None else "",
        message=f"{target} is lost" + (f" ({words})" if words else "") + f"; {len(away)} pod(s) were on it.",
        next_step=f"Bring {target} back, or delete it so that its pods are made anew elsewhere.",
        max_wait=EVICTION.total_seconds(),
    )


def _first_about(target: str, evidence: Evidence) -> IncidentSummary | None:
    """The oldest open incident that is caused by the same thing, if it is older than ours."""
    same = [other for other in _others(evidence) if other.caused_by is not None and other.caused_by.target == target]
    first = min((one for one in same if not one.phase.closed), key=_age, default=None)
    return first if first is not None and _age(first) < _our_age(evidence) else None


def dependency(evidence: Evidence) -> ExternalCause | None:
    """The dependency that is down, or came back so late that our pods have not tried again since."""
    found = failing(evidence, evidence.live_pods)
    if not found or any(one.kind in _OWN for one in found):
        return None
    for views in _services(evidence.dependencies):
        bad = _bad(views)
        if bad is None and not _is_just_back(views, found, evidence.read_at):
            continue
        incident = _incident_of(str((bad or views[0]).ref), evidence)
        if not _goes_first(incident, evidence):
            return _down(bad, incident, evidence) if bad is not None else _back(views[0], evidence)
    return None


def _services(dependencies: Iterable[DependencyView]) -> Iterator[tuple[DependencyView, ...]]:
    """The dependencies by the Service that they stand behind together."""
    ordered = sorted(dependencies, key=lambda one: (one.service, str(one.ref)))
    for _, group in groupby(ordered, key=lambda one: one.service or str(one.ref)):
        yield tuple(group)


def _bad(views: tuple[DependencyView, ...]) -> DependencyView | None:
    """The one of these that is to blame: nothing serves at all; or, when our pods speak of it, a part of it fails."""
    if not any(view.available for view in views):
        return next((view for view in views if view.wanted), views[0])
    return next((view for view in views if view.spoken_of and view.failing and view.available < view.wanted), None)


def _is_just_back(views: tuple[DependencyView, ...], found: list[Symptom], now: datetime) -> bool:
    """Whether all that fails failed before the dependency served again."""
    since = min((view.serving_since for view in views if view.serving_since is not None), default=None)
    return since is not None and all(_failed_before(one, since, now) for one in found)


def _failed_before(symptom: Symptom, since: datetime, now: datetime) -> bool:
    if symptom.kind is Kind.NOT_READY:
        return now - since < _READY_WITHIN
    return symptom.at is not None and symptom.at < since + _SETTLES and now - since < _RESTART_WITHIN


def _down(bad: DependencyView, incident: IncidentSummary | None, evidence: Evidence) -> ExternalCause:
    if bad.wanted:
        state = f"{bad.ref} has {bad.available} of {bad.wanted} replicas available"
        state += f" ({bad.failing})" if bad.failing else ""
    else:
        state = f"{bad.ref} is scaled to 0"
    about = f"; incident {incident.name} is about it" if incident is not None else ""
    return ExternalCause(
        kind=CauseKind.DEPENDENCY,
        target=str(bad.ref),
        incident=incident.name if incident is not None else "",
        message=f"{state}, which this workload needs ({bad.known_by}){about}.",
        next_step=f"See incident {incident.name} of {bad.ref}." if incident else f"Bring {bad.ref} back.",
        max_wait=_patience(bad, incident, evidence).total_seconds(),
    )


def _patience(bad: DependencyView, incident: IncidentSummary | None, evidence: Evidence) -> timedelta:
    """An incident that people have had for long says little about this fault: a new one may be about to open."""
    if incident is None or not bad.wanted:
        return WITHOUT_ONE
    if not incident.phase.closed:
        return WITH_AN_INCIDENT
    return timedelta() if _is_news(incident, evidence) else WITHOUT_ONE


def _is_news(incident: IncidentSummary, evidence: Evidence) -> bool:
    """Whether an incident is open, or ended when ours was about to begin or later."""
    return incident.closed_at is None or incident.closed_at > evidence.opened_at - _OLD_NEWS


def _back(view: DependencyView, evidence: Evidence) -> ExternalCause:
    about = [other for other in _others(evidence) if other.workload == str(view.ref) and _is_news(other, evidence)]
    incident = max(about, key=_age, default=None)
    return ExternalCause(
        kind=CauseKind.DEPENDENCY,
        target=str(view.ref),
        incident=incident.name if incident is not None else "",
        message=f"{view.ref}, which this workload needs ({view.known_by}), is available again; "
        "its pods are given the time to try again.",
        next_step=f"See why the pods fail although {view.ref} is available again.",
        max_wait=(WITH_AN_INCIDENT + _RESTART_WITHIN).total_seconds(),
    )


def _goes_first(incident: IncidentSummary | None, evidence: Evidence) -> bool:
    """Whether the other side waits for us in the end, and our incident is the oldest of that circle."""
    by_name = {other.name: other for other in _others(evidence)}
    circle: list[IncidentSummary] = []
    while incident is not None and incident not in circle:
        circle.append(incident)
        after = incident.caused_by.incident if incident.caused_by is not None else ""
        if after and after == evidence.incident_name:
            return all(_our_age(evidence) < _age(one) for one in circle)
        incident = by_name.get(after)
    return False


def _incident_of(workload: str, evidence: Evidence) -> IncidentSummary | None:
    """What there is about a workload: its open incident, or else its latest one if people have it."""
    about = [other for other in _others(evidence) if other.workload == workload]
    opened = [one for one in about if not one.phase.closed]
    latest = max(opened or about, key=_age, default=None)
    return latest if latest is not None and _is_at_work(latest) else None


def _is_at_work(incident: IncidentSummary) -> bool:
    return not incident.phase.closed or incident.phase in _WITH_PEOPLE


def _others(evidence: Evidence) -> list[IncidentSummary]:
    """The other incidents of our namespace."""
    here = evidence.workload.ref.namespace
    return [
        incident
        for incident in evidence.incidents
        if incident.namespace == here and incident.name != evidence.incident_name
    ]


def _age(incident: IncidentSummary) -> tuple[datetime, str]:
    """What incidents are ordered by: the same for everyone who asks, also when two were opened in one second."""
    return (incident.opened_at or _LONG_AGO, incident.name)


def _our_age(evidence: Evidence) -> tuple[datetime, str]:
    return (evidence.opened_at, evidence.incident_name)
